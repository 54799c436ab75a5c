"""What the seal process reads of a case, by itself, on a database role that can only read these tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from notary.lifecycle import State
from notary.models import Case, Notice, NoticeKind, Number, NumberState, Office, Person, Review
from notary.seal.cases import Approved

READABLE = ("cases", "notices", "numbers", "offices", "people", "reviews", "series")
SHOWN = {
    "people": ("id", "office_id", "role", "name", "disabled_at"),
    "reviews": ("id", "case_id", "opened_by", "outcome", "decided_by", "decided_at"),
}
"""Of some tables the role sees only these columns."""


class DatabaseReader:
    """`CaseReader` over PostgreSQL; every call is a transaction of its own that only reads."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def approved(self, paper_id: str) -> Approved | None:
        return self._deed(UUID(paper_id)) or self._notice(UUID(paper_id))

    def _notice(self, notice_id: UUID) -> Approved | None:
        """A decided review whose paper is not sealed: opened, decided and once approved by three persons or two, never one."""
        notary = sa.orm.aliased(Person)
        kinds = {NoticeKind.REVOCATION: "revoked", NoticeKind.CORRECTION: "corrected"}
        query = (
            sa.select(
                Notice.text, Notice.body_sha256, Review.opened_by, notary.name, Office.id, Office.name, Review.decided_by,
                Notice.decided_on, Office.zone, Notice.kind, Review.outcome,
            )
            .join(Review, Review.id == Notice.review_id)
            .join(Case, sa.and_(Case.id == Notice.case_id, Case.id == Review.case_id))
            .join(Office, Office.id == Case.office_id)
            .join(notary, notary.id == Review.opened_by)
            .where(
                Notice.id == notice_id, Notice.sha256.is_(None), Review.decided_at.is_not(None), Review.decided_by.is_not(None),
                Review.opened_by != Case.notary_id, Review.decided_by != Case.approver_id, notary.disabled_at.is_(None),
            )
        )  # fmt: skip
        with self.engine.connect() as db:
            row = db.execute(query).one_or_none()
        if row is None or not row[1] or kinds[row[9]] != row[10]:
            return None
        return _approved(row[:9], notice=True)

    def _deed(self, case_id: UUID) -> Approved | None:
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
                Case.id == case_id, Case.state == State.APPROVED, Number.state == NumberState.RESERVED,
                Number.approved_on == Case.approved_on, notary.disabled_at.is_(None),
            )
        )  # fmt: skip
        with self.engine.connect() as db:
            row = db.execute(query).one_or_none()
        if row is None or not row[1] or row[7] is None:
            return None
        return _approved(row)


def _approved(row: Sequence[Any], *, notice: bool = False) -> Approved:
    return Approved(
        number=row[0], body_sha256=row[1], notary_id=str(row[2]), notary_name=row[3], office_id=str(row[4]),
        office_name=row[5], approver_id=str(row[6]), approved_on=row[7], zone=row[8], notice=notice,
    )  # fmt: skip


def grant_reading(db: sa.Connection, role: str) -> None:
    """Lets `role` read what a deed's issue needs, and nothing else; it can write nowhere."""
    for table in READABLE:
        columns = f" ({', '.join(SHOWN[table])})" if table in SHOWN else ""
        db.execute(sa.text(f"GRANT SELECT{columns} ON {table} TO {role}"))
