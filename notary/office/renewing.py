"""Every deed's archive stamp is renewed once a year, long before its last one ends: a new file, the same deed.

The register then names the new file; the files from before are kept, and whoever holds one still has a genuine deed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary import ledger
from notary.jobs import enqueue, job, pending
from notary.ledger import SYSTEM
from notary.models import Case, Deed, FormerFile
from notary.office import safe
from notary.parts import Parts
from signing.verify import Trust, verify

YEARLY = timedelta(days=360)
"""A little less than a year, so that a run that fails has days to be repeated; a stamp lasts for years. ours"""
A_NIGHT = 500
"""Deeds a run, oldest first. ours"""


class NotRenewed(Exception):
    """What came back is not the same deed with one more valid stamp; nothing is changed."""


def due(db: Session, now: datetime) -> list[Deed]:
    """Deeds whose last stamp is a year old, oldest first; revoked ones too, since a court may ask for them."""
    last = sa.func.coalesce(Deed.renewed_at, Deed.issued_at)
    return list(db.scalars(sa.select(Deed).where(last <= now - YEARLY).order_by(last).limit(A_NIGHT)))


def enqueue_due(parts: Parts) -> None:
    """Every night: one job a deed, so that one that fails holds back no other."""
    with parts.db.begin() as db:
        for deed in due(db, parts.clock()):
            if not pending(db, "renew-deed", deed_id=str(deed.id)):
                enqueue(db, "renew-deed", deed_id=str(deed.id))


@job("renew-deed", attempts=8)
def renew(parts: Parts, deed_id: str) -> None:
    """Run twice, or after a crash anywhere: at most one renewal a year, and no hash is ever forgotten."""
    with parts.db() as db:
        deed = db.get_one(Deed, UUID(deed_id))
        case = db.get_one(Case, deed.case_id)
        if deed not in due(db, parts.clock()):
            return
    old = safe.fetch(parts, case, deed.object_key, deed.sha256)
    new = parts.seal.renew(old)
    verdict = verify(new, Trust.from_pem(parts.seal.public().trust_pem))
    if verdict.verdict != "valid" or not new.startswith(old) or len(new) <= len(old):
        raise NotRenewed("; ".join(reason.code for reason in verdict.reasons) or "another file came back")
    key, sha256 = safe.keep(parts, case, "deeds", new)
    with parts.db.begin() as db:
        commit(db, deed.id, deed.sha256, key, sha256, parts.clock())


def commit(db: Session, deed_id: UUID, before: str, object_key: str, sha256: str, now: datetime) -> None:
    """The register names the new file and keeps the old one's hash, in one transaction. Nothing where another was first."""
    deed = db.get_one(Deed, deed_id, with_for_update=True, populate_existing=True)
    if deed.sha256 != before:
        return
    db.add(FormerFile(deed_id=deed.id, sha256=deed.sha256, object_key=deed.object_key, replaced_at=now))
    deed.sha256, deed.object_key, deed.renewed_at = sha256, object_key, now
    case = db.get_one(Case, deed.case_id)
    ledger.append(
        db, "deed.renewed", SYSTEM, now, case_id=case.id, office_id=case.office_id, number=deed.number,
        before=before, sha256=sha256,
    )  # fmt: skip


def with_hash(db: Session, sha256: str) -> Deed | None:
    """The deed that has or had a file of this SHA-256."""
    former = sa.select(FormerFile.deed_id).where(FormerFile.sha256 == sha256)
    return db.scalar(sa.select(Deed).where(sa.or_(Deed.sha256 == sha256, Deed.id.in_(former))))
