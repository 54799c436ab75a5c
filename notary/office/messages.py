"""Text messages to people: written with the business row, sent by a job."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary.jobs import enqueue, job
from notary.models import Case, Code, Message, MessageState
from notary.parts import Parts
from notary.words import speaking

CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
BLANK = "••••••"


def send(
    db: Session,
    *,
    to: str,
    text: str,
    now: datetime,
    case_id: UUID | None = None,
    office_id: UUID | None = None,
    code_id: UUID | None = None,
    once: str | None = None,
) -> Message:
    """Puts a message into the outbox in `db`'s transaction. `code_id`: the one-time code that stands in it."""
    message = Message(to=to, text=text, at=now, case_id=case_id, office_id=office_id, code_id=code_id, once=once)
    db.add(message)
    db.flush()
    enqueue(db, "send-message", message_id=str(message.id))
    return message


def tell(
    db: Session, case: Case, phone: str, say: Callable[[], str], now: datetime, once: str | None = None
) -> Message:
    """A message about a case, in the case's language, whoever causes it: `say` is called in that language."""
    with speaking(case.locale):
        text = say()
    return send(db, to=phone, text=text, now=now, case_id=case.id, office_id=case.office_id, once=once)


def told(db: Session, once: str) -> bool:
    """Whether the only message of that name is already written."""
    return db.scalar(sa.select(Message.id).where(Message.once == once)) is not None


@job("send-message", attempts=8)
def send_message(parts: Parts, message_id: str) -> None:
    with parts.db.begin() as db:
        message = db.get(Message, UUID(message_id), with_for_update=True)
        if message is None or message.state != MessageState.WAITING:
            return
        message.state = parts.messenger.send(message)
        message.done_at = parts.clock()


def blank(db: Session, code_ids: sa.Select[Any]) -> int:
    """Takes codes that serve no more out of the texts that carried them; the rest of a text stays. One that was not
    sent by then never will be: it would bring nothing. Returns how many.
    """
    rows = db.scalars(
        sa.select(Message).where(Message.code_id.in_(code_ids)).order_by(Message.id).with_for_update()
    ).all()
    for message in rows:
        message.text, message.code_id = CODE.sub(BLANK, message.text, count=1), None
        if message.state == MessageState.WAITING:
            message.state, message.why = MessageState.FAILED, "code-expired"
    return len(rows)


def blank_expired(parts: Parts) -> None:
    """Every minute: codes whose time is over, used or not."""
    with parts.db.begin() as db:
        blank(db, sa.select(Code.id).where(Code.expires_at <= parts.clock()))
