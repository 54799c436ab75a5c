"""A bank's request that carries a key is answered once: asked again, it gets the same bytes, and nothing is done twice.

Whoever works under a key holds a lock of PostgreSQL that ends with its transaction, and the answer is stored in that
transaction, beside what the request wrote. So a process that dies leaves either nothing at all, or the whole answer.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.errors import Refusal
from notary.models import Bank, KeptAnswer

KEPT_FOR = timedelta(hours=24)


class AtWork(Refusal):
    """The first request under this key is not answered yet."""

    code, status = "key.at-work", 409

    def title(self) -> str:
        return _("同一把键的上一次请求还在办。")

    def meaning(self) -> str:
        return _("等几秒再用同一把键、同样的内容问一次，会得到上一次的回答。")


class OtherRequest(Refusal):
    """The key was used for another request of this bank."""

    code, status = "key.other-request", 422

    def title(self) -> str:
        return _("这把键已经用在另一个请求上了。")

    def meaning(self) -> str:
        return _("没有任何改动。换了内容，请换一把新的键。")


def take(db: Session, bank: Bank, key: str, request_sha256: str, now: datetime) -> KeptAnswer | None:
    """The answer of before; None where the caller is the first and holds the key until its transaction ends.

    Raises AtWork, OtherRequest.
    """
    lock = int.from_bytes(hashlib.sha256(f"{bank.id}\n{key}".encode()).digest()[:8], "big", signed=True)
    if not db.scalar(sa.text("SELECT pg_try_advisory_xact_lock(:k)"), {"k": lock}):
        raise AtWork
    kept = db.get(KeptAnswer, (bank.id, key))
    if kept is not None and kept.at <= now - KEPT_FOR:
        db.delete(kept)
        db.flush()
        return None
    if kept is not None and kept.request_sha256 != request_sha256:
        raise OtherRequest
    return kept


def keep(
    db: Session, bank: Bank, key: str, request_sha256: str, status: int, mimetype: str, body: bytes, now: datetime
) -> None:
    row = KeptAnswer(
        bank_id=bank.id, key=key, request_sha256=request_sha256, status=status, mimetype=mimetype, body=body, at=now
    )
    db.add(row)


def forget_old(db: Session, now: datetime) -> int:
    """Drops answers whose day is over; returns how many."""
    gone = db.execute(sa.delete(KeptAnswer).where(KeptAnswer.at <= now - KEPT_FOR).returning(KeptAnswer.key))
    return len(gone.all())
