"""Messages that nobody's act causes: before an appointment, and to ask how content people are (M01, S-B11).

Each has a name of which there is only one message, so that looking twice, or from two workers, says nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.lifecycle import State
from notary.models import Case, Event, Interview, Message, Rating, Slot
from notary.office import booking, filing, messages
from notary.parts import Parts
from notary.rules import rules

ASKED_WITHIN = timedelta(hours=24)
"""A worker that was away longer asks nobody any more how it was."""
ASK_AGAIN = timedelta(hours=23)
"""M01: a follow-up within 24 hours; about the same time of the next day, so never at night."""


@dataclass(frozen=True)
class Due:
    """`once`: the message's name. `holds`: whether it is still to be said, asked with the case locked."""

    case_id: UUID
    once: str
    holds: Callable[[Session, Case], bool]
    say: Callable[[], str]


def remind(parts: Parts) -> None:
    """Every minute: says what is due and not said yet, one transaction a message."""
    now = parts.clock()
    with parts.db() as db:
        due = [*appointments(db, parts, now), *ratings(db, parts, now)]
    for one in due:
        with parts.db.begin() as db:
            case = db.get_one(Case, one.case_id, with_for_update=True)
            if not messages.told(db, one.once) and one.holds(db, case):
                messages.tell(db, case, filing.party_of(db, case).phone, one.say, now, once=one.once)


def appointments(db: Session, parts: Parts, now: datetime) -> Iterator[Due]:
    """A day and a quarter of an hour before, with the device check; not what was due before the time was booked."""
    session = rules().profile.session
    day, soon = timedelta(hours=session.reminder_hours), timedelta(minutes=session.reminder_minutes)
    query = sa.select(Slot).where(
        Slot.given_up_at.is_(None), Slot.starts_at > now, Slot.starts_at <= now + max(day, soon)
    )
    for slot in db.scalars(query):
        span = soon if now >= slot.starts_at - soon else day
        at = slot.starts_at - span
        if now >= at and (slot.made_at is None or slot.made_at <= at):
            yield Due(slot.case_id, f"reminder:{slot.id}:{span}", _still_booked(slot.id), _come(parts, slot))


def _still_booked(slot_id: UUID) -> Callable[[Session, Case], bool]:
    def holds(db: Session, case: Case) -> bool:
        slot = booking.slot_of(db, case)
        return case.state == State.SCHEDULED and slot is not None and slot.id == slot_id

    return holds


def _come(parts: Parts, slot: Slot) -> Callable[[], str]:
    url = f"{parts.settings.base_url}/my/{slot.case_id}/device-check"
    return lambda: _(
        "提醒：%(when)s，视频办公证。请先试一试手机：%(url)s 来不了请登录改时间。",
        when=booking.both_zones(slot.starts_at, slot.zone), url=url,
    )  # fmt: skip


def ratings(db: Session, parts: Parts, now: datetime) -> Iterator[Due]:
    """After the interview, and after the last copy was received; once more a day later where nobody answered."""
    held = sa.select(Interview.case_id).where(Interview.ended == "", Interview.closed_at > now - ASKED_WITHIN)
    had = sa.select(Event.case_id).where(Event.kind == "case.deliver", Event.at > now - ASKED_WITHIN)
    for moment, cases in (("interview", held), ("delivery", had)):
        for found in filter(None, db.scalars(cases)):
            yield Due(found, f"rate:{moment}:{found}", _unrated(moment), _rate(parts, found, moment))
    asked = sa.select(Message.once, Message.case_id).where(
        Message.once.startswith("rate:"), Message.at <= now - ASK_AGAIN, Message.at > now - ASK_AGAIN - ASKED_WITHIN
    )
    for once, case_id in db.execute(asked).tuples():
        moment = str(once).split(":")[1]
        if case_id is not None:
            yield Due(case_id, f"again:{once}", _unrated(moment), _rate(parts, case_id, moment))


def _unrated(moment: str) -> Callable[[Session, Case], bool]:
    """Nobody rated it; and who has the deed is asked about the whole, not about the interview too."""

    def holds(db: Session, case: Case) -> bool:
        if moment == "interview" and messages.told(db, f"rate:delivery:{case.id}"):
            return False
        return db.scalar(sa.select(Rating.id).where(Rating.case_id == case.id, Rating.moment == moment)) is None

    return holds


def _rate(parts: Parts, case_id: UUID, moment: str) -> Callable[[], str]:
    url = f"{parts.settings.base_url}/my/{case_id}/rate/{moment}"
    if moment == "interview":
        return lambda: _("这次视频办得怎么样？一分钟告诉我们：%(url)s 公证员看不到是谁写的。", url=url)
    return lambda: _("公证书收到了吗？整件事办得怎么样，一分钟告诉我们：%(url)s 公证员看不到是谁写的。", url=url)
