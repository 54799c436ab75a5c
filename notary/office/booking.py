"""When they meet: slots by skill, the queue of those who want it as soon as possible, and what follows from each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import icalendar
import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from notary import calendar, ledger, words
from notary.errors import BadInput, NotPossible, NotYet
from notary.ledger import Actor
from notary.lifecycle import Act, Need, Role, State
from notary.models import Case, Interview, Office, Person, Slot
from notary.office import filing, messages
from notary.office.filing import matter_of, party_of
from notary.office.needs import met
from notary.office.step import advance
from notary.rules import rules
from notary.terms import need_words

DAYS_AHEAD = 14
LEAD = timedelta(minutes=15)
"""Nobody is booked for a time that begins sooner."""
HONEST_SAMPLE = 50


@dataclass(frozen=True)
class Free:
    """A time that can be taken: begin (UTC) and how many notaries are free then."""

    starts_at: datetime
    notaries: int


def notaries_for(db: Session, case: Case) -> list[Person]:
    """Notaries of the office with the matter's skill whom no identity number bars, in the order of their names."""
    from notary.office.accepting import conflict

    found = db.scalars(
        sa.select(Person)
        .where(Person.office_id == case.office_id, Person.role == Role.NOTARY, Person.disabled_at.is_(None))
        .order_by(Person.login)
    )
    group = matter_of(case).group
    return [one for one in found if {"*", group} & set(one.skills) and conflict(db, case, one) != "number"]


def free_slots(db: Session, case: Case, day: date, now: datetime) -> list[Free]:
    """The free times of one day in the office's zone."""
    hours = rules().profile.hours
    able = notaries_for(db, case)
    times = [one.start for one in calendar.slots(day, hours, rules().years) if one.start >= now + LEAD]
    if not times or not able:
        return []
    taken = _taken(db, [one.id for one in able], times[0], times[-1] + length())
    free = []
    for at in times:
        busy = {slot.notary_id for slot in taken if slot.starts_at < at + length() and at < slot.ends_at}
        if len(able) > len(busy):
            free.append(Free(at, len(able) - len(busy)))
    return free


def length() -> timedelta:
    return timedelta(minutes=rules().profile.hours.slot_minutes)


def _taken(db: Session, notaries: list[UUID], start: datetime, end: datetime) -> list[Slot]:
    """Taken times that touch start to end; a claim may begin at any minute, so overlaps count, not equal starts."""
    return list(
        db.scalars(
            sa.select(Slot).where(
                Slot.notary_id.in_(notaries), Slot.given_up_at.is_(None), Slot.starts_at < end, Slot.ends_at > start
            )
        )
    )


def days_ahead(now: datetime) -> list[date]:
    """The working days that can be booked."""
    first = calendar.today(now)
    days = (first + timedelta(days=n) for n in range(DAYS_AHEAD))
    return [day for day in days if calendar.is_working(day, rules().years)]


def slot_of(db: Session, case: Case) -> Slot | None:
    return db.scalar(sa.select(Slot).where(Slot.case_id == case.id, Slot.given_up_at.is_(None)))


def book(db: Session, case: Case, starts_at: datetime, zone: str, by: Actor, now: datetime) -> Slot:
    """Takes a slot: the handling notary's if free, else another's with the skill. A second booking moves the first.

    The unique index decides between two who want the same half hour; nobody is booked twice.
    Raises BadInput (taken, past, no such time), NotPossible, NotYet.
    """
    if zone not in available_timezones():
        raise BadInput({"zone": _("我们不认识这个时区。")})
    day = starts_at.astimezone(ZoneInfo(rules().profile.zone)).date()
    able = sorted(notaries_for(db, case), key=lambda one: one.id != case.notary_id)
    if day not in days_ahead(now):
        raise BadInput({"slot": _("这个时间不能约。请从列出的时间里选一个。")})
    _one_by_one(db, able)
    if starts_at not in {free.starts_at for free in free_slots(db, case, day, now)}:
        raise BadInput({"slot": _("这个时间刚刚被别人约走了，或者已经过了。请换一个。")})
    _give_up(db, case, now)
    busy = {slot.notary_id for slot in _taken(db, [one.id for one in able], starts_at, starts_at + length())}
    for notary in (one for one in able if one.id not in busy):
        made = db.execute(
            insert(Slot)
            .values(
                id=sa.func.gen_random_uuid(), notary_id=notary.id, case_id=case.id, starts_at=starts_at,
                ends_at=starts_at + length(), zone=zone, made_at=now, why="",
            )
            .on_conflict_do_nothing()
            .returning(Slot.id)
        ).scalar()  # fmt: skip
        if made:
            break
    else:
        raise BadInput({"slot": _("这个时间刚刚被别人约走了。请换一个。")})
    case.notary_id, case.asap_at = notary.id, None
    act = Act.RESCHEDULE if case.state == State.SCHEDULED else Act.SCHEDULE
    advance(db, case, act, by, now, frozenset({Need.SLOT}), starts_at=starts_at.isoformat())
    messages.tell(
        db, case, party_of(db, case).phone,
        lambda: _("约好了：%(when)s，公证员%(notary)s。开始前 10 分钟请登录试一试手机。", when=both_zones(starts_at, zone), notary=notary.name),
        now,
    )  # fmt: skip
    return db.get_one(Slot, made)


def _give_up(db: Session, case: Case, now: datetime) -> None:
    """A case has one time: the one before is free again, also that of an interview that was broken off."""
    old = slot_of(db, case)
    if old is not None:
        old.given_up_at, old.why = now, "moved"
        db.flush()


def _one_by_one(db: Session, notaries: list[Person]) -> None:
    """Whoever books or claims holds the notaries' rows till the end of the transaction, in one order for all."""
    ids = [one.id for one in notaries]
    db.execute(sa.select(Person.id).where(Person.id.in_(ids)).order_by(Person.id).with_for_update())


def cancel(db: Session, case: Case, by: Actor, now: datetime, *, missed: bool = False) -> None:
    """Gives the slot back; the case waits for another time. `missed`: nobody came. Raises NotPossible."""
    slot = slot_of(db, case)
    if slot is None:
        raise NotPossible(_("这个案子没有约时间。"))
    if missed and now < slot.starts_at + timedelta(minutes=rules().profile.session.hold_place_minutes):
        raise NotPossible(
            _("还没到时间：约好的时间过了 %(n)d 分钟才算没到场。", n=rules().profile.session.hold_place_minutes)
        )
    slot.given_up_at, slot.why = now, "missed" if missed else "cancelled"
    advance(db, case, Act.MISS if missed else Act.CANCEL, by, now)
    messages.tell(
        db, case, party_of(db, case).phone,
        lambda: (
            _("您约的时间过了，我们没等到您。案子还在，请再约一个时间，或请我们打给您。")
            if missed
            else _("预约取消了。案子还在，随时可以再约。")
        ),
        now,
    )  # fmt: skip


# as soon as possible


def join_queue(db: Session, case: Case, by: Actor, now: datetime) -> None:
    """The applicant waits for the next free notary; the case stays accepted. Raises NotPossible."""
    if case.state != State.ACCEPTED:
        raise NotPossible(_("先受理了才能排队。"))
    if not calendar.is_open(now, rules().profile.hours, rules().years):
        raise NotPossible(_("现在休息，没有公证员在。请先约一个时间。"))
    if case.asap_at is None:
        case.asap_at = now
        ledger.append(db, "queue.joined", by, now, case_id=case.id, office_id=case.office_id)


def leave_queue(db: Session, case: Case, by: Actor, now: datetime) -> None:
    if case.asap_at is not None:
        case.asap_at = None
        ledger.append(db, "queue.left", by, now, case_id=case.id, office_id=case.office_id)


def waiting(db: Session, office_id: object) -> list[Case]:
    """The queue in its order: a bank's deadline, then declared care (the elderly first), then who came first."""
    found = db.scalars(
        sa.select(Case).where(Case.office_id == office_id, Case.state == State.ACCEPTED, Case.asap_at.is_not(None))
    ).all()
    return sorted(found, key=lambda one: (_turn(one), one.asap_at))


def _turn(case: Case) -> tuple[datetime, bool, bool]:
    """Earlier is sooner: a bank's deadline, then the elderly, then other care."""
    far = datetime.max.replace(tzinfo=UTC)
    return case.wanted_by or far, "elder" not in case.care, not case.care


@dataclass(frozen=True)
class Place:
    """`ahead` people before one; about `low` to `high` minutes to wait."""

    ahead: int
    low: int
    high: int


def place_of(db: Session, case: Case) -> Place | None:
    """Where the case stands, and an estimate from the last interviews of this matter; None when not waiting."""
    order = [one.id for one in waiting(db, case.office_id)]
    return _place(db, case, order.index(case.id)) if case.id in order else None


def place_if(db: Session, case: Case) -> Place:
    """Where the case stands, or would stand if it joined the queue now."""
    found = place_of(db, case)
    if found:
        return found
    mine = _turn(case)
    return _place(db, case, sum(_turn(one) <= mine for one in waiting(db, case.office_id)))


def _place(db: Session, case: Case, ahead: int) -> Place:
    lengths = [
        (closed - opened).total_seconds() / 60
        for opened, closed in db.execute(
            sa.select(Interview.opened_at, Interview.closed_at)
            .join(Case, Case.id == Interview.case_id)
            .where(Case.matter == case.matter, Interview.closed_at.is_not(None), Interview.ended == "")
            .order_by(Interview.closed_at.desc())
            .limit(HONEST_SAMPLE)
        )
        if closed is not None
    ]
    each = median(lengths) if lengths else float(matter_of(case).session_minutes[-1])
    seats = max(1, len(notaries_for(db, case)))
    expected = (ahead + 1) * each / seats
    return Place(ahead, max(1, round(expected * 0.6)), max(2, round(expected * 1.4)))


def claim(db: Session, case: Case, by: Actor, now: datetime) -> Slot:
    """A notary takes a waiting case now: the claim makes its slot. Two who claim at once: one gets it.

    Raises NotPossible, NotYet.
    """
    if case.asap_at is None or by.id is None:
        raise NotPossible(_("这个案子没有在排队，或者别的公证员已经接了。"))
    able = [one for one in notaries_for(db, case) if one.id == by.id]
    if not able or Need.NO_CONFLICT not in met(db, case, by, Act.OPEN, State.SCHEDULED):
        raise NotYet((need_words(Need.NO_CONFLICT),))
    _one_by_one(db, able)
    if _taken(db, [by.id], now, now + LEAD):
        raise NotPossible(_("您这会儿已经约了别人。请先办完，或者把那个时间改给别的公证员。"))
    _give_up(db, case, now)
    slot = Slot(notary_id=by.id, case_id=case.id, starts_at=now, ends_at=now + length(), made_at=now, why="")
    db.add(slot)
    case.notary_id, case.asap_at = by.id, None
    advance(db, case, Act.SCHEDULE, by, now, frozenset({Need.SLOT}), starts_at=now.isoformat(), claimed=True)
    messages.tell(
        db, case, party_of(db, case).phone,
        lambda: _("轮到您了，公证员%(notary)s在等您。请登录进入视频。", notary=by.name), now,
    )  # fmt: skip
    return slot


# telling the time


def both_zones(at: datetime, zone: str) -> str:
    """Beijing's time first, the applicant's own beside it; a time is never bare."""
    language = filing.language()
    text = words.moment(at, language)
    there = calendar.both_zones(at, zone)[1]
    if there is None:
        return text
    local = f"{words.place_name(zone, language)} {words.day(there.date(), language)} {there:%H:%M}"
    return _("%(beijing)s，%(local)s", beijing=text, local=local)


def invitation(db: Session, case: Case, slot: Slot, base_url: str, now: datetime) -> bytes:
    """The appointment as .ics with a VTIMEZONE (RFC 5545)."""
    office = db.get_one(Office, case.office_id)
    event = icalendar.Event()
    event.add("uid", f"{slot.id}@yuanzheng")
    event.add("summary", f"{matter_of(case).title.zh} – {office.name}")
    event.add("dtstart", slot.starts_at.astimezone(ZoneInfo(slot.zone)))
    event.add("dtend", slot.ends_at.astimezone(ZoneInfo(slot.zone)))
    event.add("dtstamp", now)
    event.add("url", f"{base_url}/my/{case.id}")
    event.add("description", both_zones(slot.starts_at, slot.zone))
    made = icalendar.Calendar()
    made.add("prodid", "-//Yuanzheng//booking//ZH")
    made.add("version", "2.0")
    made.add_component(event)
    made.add_missing_timezones()
    return made.to_ical()
