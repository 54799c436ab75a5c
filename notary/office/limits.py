"""Limits on tries and on pace, kept in PostgreSQL, so that every process counts the same."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from notary.errors import TooMany
from notary.models import Failure, Pace

WINDOW = timedelta(minutes=30)
ALLOWED = {
    "login": 5, "totp": 5, "code": 10, "send": 5, "link": 20, "status": 10, "verify": 20, "upload": 60,
    "many": 30, "key": 20, "bank-verify": 1000, "bank-upload": 600,
}  # fmt: skip
"""Failures (or sends) that one subject may have in a window."""


class Rate(NamedTuple):
    """One request every `every`, and as many at once as fit into `burst`."""

    every: timedelta
    burst: timedelta


PACES = {
    "bank": Rate(timedelta(milliseconds=50), timedelta(minutes=5)),
    "bank-address": Rate(timedelta(milliseconds=10), timedelta(minutes=5)),
}
"""A bank: 20 answers a second, 6,000 at once, a line of a batch counted as one; five banks' worth an address. ours"""


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()


def refuse_if_spent(db: Session, door: str, subject: str, now: datetime) -> None:
    """Raises TooMany when `subject` has used up its tries at `door`."""
    last = db.scalar(
        sa.select(Failure.at)
        .where(Failure.door == door, Failure.subject_hash == _hash(subject), Failure.at > now - WINDOW)
        .order_by(Failure.at.desc())
        .offset(ALLOWED[door] - 1)
        .limit(1)
    )
    if last is not None:
        raise _too_many(last + WINDOW - now)


def _too_many(wait: timedelta) -> TooMany:
    return TooMany(_("试的次数太多了，这里先停一停。"), after=int(wait.total_seconds()) + 1)


def count(db: Session, door: str, subject: str, now: datetime) -> None:
    db.add(Failure(door=door, subject_hash=_hash(subject), at=now))
    db.flush()


def keep_pace(db: Session, door: str, subject: str, now: datetime, weight: int = 1) -> None:
    """Takes `weight` requests from what `subject` may ask (GCRA); what is refused is not counted. Raises TooMany."""
    rate, who = PACES[door], _hash(subject)
    cost = rate.every * weight
    paid = insert(Pace).values(door=door, subject_hash=who, free_at=now + cost)
    moved = sa.func.greatest(Pace.free_at, now) + cost
    taken = db.scalar(
        paid.on_conflict_do_update(
            index_elements=[Pace.door, Pace.subject_hash], set_={"free_at": moved}, where=moved <= now + rate.burst
        ).returning(Pace.free_at)
    )
    if taken is None:
        free_at = db.scalars(sa.select(Pace.free_at).where(Pace.door == door, Pace.subject_hash == who)).one()
        raise _too_many(max(free_at, now) + cost - now - rate.burst)


def forget_old(db: Session, now: datetime) -> None:
    db.execute(sa.delete(Failure).where(Failure.at < now - WINDOW))
    db.execute(sa.delete(Pace).where(Pace.free_at < now))
