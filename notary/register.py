"""What the seal process reads of a case, by itself, on a database role that can only read these tables."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from notary.lifecycle import State
from notary.models import Case, Number, NumberState, Office, Person
from notary.seal.cases import Approved

READABLE = ("cases", "numbers", "offices", "people", "series")
HIDDEN = {"people": ("id", "office_id", "role", "name", "disabled_at")}
"""Of some tables the role sees only these columns."""


class DatabaseReader:
    """`CaseReader` over PostgreSQL; every call is a transaction of its own that only reads."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def approved(self, case_id: str) -> Approved | None:
        notary = sa.orm.aliased(Person)
        query = (
            sa.select(
                Number.text, Number.body_sha256, Case.notary_id, notary.name, Office.id, Office.name, Case.approver_id,
                Case.approved_on, Office.zone,
            )
            .join(Case, Case.id == Number.case_id)
            .join(Office, Office.id == Case.office_id)
            .join(notary, notary.id == Case.notary_id)
            .where(
                Case.id == UUID(case_id), Case.state == State.APPROVED, Number.state == NumberState.RESERVED,
                Number.approved_on == Case.approved_on, notary.disabled_at.is_(None),
            )
        )  # fmt: skip
        with self.engine.connect() as db:
            row = db.execute(query).one_or_none()
        if row is None or not row[1] or row[7] is None:
            return None
        return Approved(
            number=row[0], body_sha256=row[1], notary_id=str(row[2]), notary_name=row[3], office_id=str(row[4]),
            office_name=row[5], approver_id=str(row[6]), approved_on=row[7], zone=row[8],
        )  # fmt: skip


def grant_reading(db: sa.Connection, role: str) -> None:
    """Lets `role` read what a deed's issue needs, and nothing else; it can write nowhere."""
    for table in READABLE:
        columns = f" ({', '.join(HIDDEN[table])})" if table in HIDDEN else ""
        db.execute(sa.text(f"GRANT SELECT{columns} ON {table} TO {role}"))
