"""Limits on tries, kept in PostgreSQL, so that every process counts the same."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.errors import TooMany
from notary.models import Failure

WINDOW = timedelta(minutes=30)
ALLOWED = {"login": 5, "totp": 5, "code": 10, "send": 5, "link": 20, "status": 10, "verify": 20, "upload": 60}
"""Failures (or sends) that one subject may have in a window."""


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()


def refuse_if_spent(db: Session, door: str, subject: str, now: datetime) -> None:
    """Raises TooMany when `subject` has used up its tries at `door`."""
    recent = db.scalars(
        sa.select(Failure.at)
        .where(Failure.door == door, Failure.subject_hash == _hash(subject), Failure.at > now - WINDOW)
        .order_by(Failure.at)
    ).all()
    if len(recent) >= ALLOWED[door]:
        wait = int((recent[0] + WINDOW - now).total_seconds()) + 1
        raise TooMany(_("试的次数太多了，这里先停一停。"), after=wait)


def count(db: Session, door: str, subject: str, now: datetime) -> None:
    db.add(Failure(door=door, subject_hash=_hash(subject), at=now))
    db.flush()


def forget_old(db: Session, now: datetime) -> None:
    db.execute(sa.delete(Failure).where(Failure.at < now - WINDOW))
