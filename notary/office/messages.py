"""Text messages to people: written with the business row, sent by a job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from flask_babel import force_locale
from sqlalchemy.orm import Session

from notary.jobs import enqueue, job
from notary.models import Case, Message, MessageState
from notary.parts import Parts


def send(
    db: Session,
    *,
    to: str,
    text: str,
    now: datetime,
    case_id: UUID | None = None,
    office_id: UUID | None = None,
) -> Message:
    """Puts a message into the outbox in `db`'s transaction."""
    message = Message(to=to, text=text, at=now, case_id=case_id, office_id=office_id)
    db.add(message)
    db.flush()
    enqueue(db, "send-message", message_id=str(message.id))
    return message


def tell(db: Session, case: Case, phone: str, say: Callable[[], str], now: datetime) -> Message:
    """A message about a case, in the case's language, whoever causes it: `say` is called in that language."""
    with force_locale(case.locale):
        text = say()
    return send(db, to=phone, text=text, now=now, case_id=case.id, office_id=case.office_id)


@job("send-message", attempts=8)
def send_message(parts: Parts, message_id: str) -> None:
    with parts.db.begin() as db:
        message = db.get(Message, UUID(message_id), with_for_update=True)
        if message is None or message.state in (MessageState.SENT, MessageState.SHOWN):
            return
        message.state = parts.messenger.send(message)
        message.done_at = parts.clock()
