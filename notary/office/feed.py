"""What happened to deeds after they were issued, as every bank may follow it: hashes and numbers, nobody's name.

Whoever keeps deeds asks on from the last place of the log that it has seen. The same lines stand in the public log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary.models import Deed, Event, FormerFile

KINDS = ("deed.under_review", "deed.valid", "deed.revoked", "deed.corrected")
MOST = 500
"""Entries of one page. ours"""


@dataclass(frozen=True)
class Entry:
    """`log_index` from 0, as in a log proof; `files`: SHA-256 of every file that the deed ever had, the newest first."""

    seq: int
    log_index: int
    type: str
    at: str
    number: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    entries: tuple[Entry, ...]
    next: int
    more: bool


def page(db: Session, office_id: UUID, after: int) -> Page:
    """The entries behind line `after` of the ledger, oldest first."""
    rows = db.execute(
        sa.select(Event, Deed)
        .join(Deed, Deed.case_id == Event.case_id)
        .where(Event.office_id == office_id, Event.kind.in_(KINDS), Event.seq > after)
        .order_by(Event.seq)
        .limit(MOST + 1)
    ).all()
    former = _former(db, [deed.id for _event, deed in rows])
    entries = tuple(
        Entry(
            event.seq, event.seq - 1, event.kind, event.at.isoformat(), deed.number,
            (deed.sha256, *former.get(deed.id, ())),
        )
        for event, deed in rows[:MOST]
    )  # fmt: skip
    return Page(entries, entries[-1].seq if entries else after, len(rows) > MOST)


def _former(db: Session, deeds: Sequence[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    query = sa.select(FormerFile).where(FormerFile.deed_id.in_(deeds)).order_by(FormerFile.replaced_at.desc())
    for one in db.scalars(query):
        found.setdefault(one.deed_id, []).append(one.sha256)
    return found
