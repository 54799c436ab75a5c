"""The desk: the queue, one case with everything in it, and the acts that its state and the reader's role allow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary import calendar, ledger
from notary.errors import BadInput, NotFound
from notary.lifecycle import MOVES, Act, Need, Role, State, acts_of
from notary.models import Case, Event, Exhibit, Gap, Party, Payment, Person
from notary.office import accepting, banks, booking, checking, ending, vouching
from notary.office import filing as office
from notary.office.needs import met
from notary.portal.booking import both, place_name, zone_of
from notary.portal.doors import actor, only, parts
from notary.portal.papers import handed_out
from notary.portal.staff import key_alarms
from notary.portal.tasks import by_material
from notary.rules import rules
from notary.terms import need_words

desk = Blueprint("desk", __name__, url_prefix="/desk")
DESK = frozenset({Role.OPERATOR, Role.ASSISTANT, Role.NOTARY})
READERS = frozenset({Role.ASSISTANT, Role.NOTARY})
"""Who reads papers and whole identity numbers; an operator helps with times and sees them masked (K04)."""
GIVEN_BY_FORM = frozenset({Need.REASON, Need.SLOT})
Answer = AnyResponse | str | tuple[str, int]


@desk.get("/")
@only(DESK)
def queue() -> str:
    me, now = actor(), parts().clock()
    with parts().db() as db:
        found = accepting.queue(db, me)
        ids = [one.id for one in found]
        parties = {p.case_id: p for p in db.scalars(sa.select(Party).where(Party.case_id.in_(ids)))}
        names = {p.id: p.name for p in db.scalars(sa.select(Person).where(Person.office_id == me.office_id))}
        waiting = booking.waiting(db, me.office_id)
        slots = {one.id: booking.slot_of(db, one) for one in found if one.state == State.SCHEDULED}
        told = key_alarms(db, me.role)
    return render_template(
        "desk/queue.html", cases=found, parties=parties, names=names, waiting=waiting, slots=slots, me=me, alarms=told,
        matters=rules().matters, today=calendar.today(now),
    )  # fmt: skip


@desk.get("/cases/<uuid:case_id>")
@only(DESK)
def case(case_id: UUID) -> str:
    """The whole case. Reading it is itself a line in the ledger (K05)."""
    me, now = actor(), parts().clock()
    with parts().db.begin() as db:
        found = accepting.case_for_staff(db, case_id, me)
        ledger.append(db, "case.read", me, now, case_id=found.id, office_id=found.office_id)
    return _case_page(case_id, {})


def _case_page(case_id: UUID, errors: dict[str, str]) -> str:
    me = actor()
    with parts().db() as db:
        found = accepting.case_for_staff(db, case_id, me)
        filed = {key: str(value) for key, value in found.filed.items()}
        matter = office.matter_of(found)
        person = db.get_one(Person, me.id)
        acts = acts_of(found.state, me.role)
        return render_template(
            "desk/case.html",
            case=found, matter=matter, me=me, errors=errors, filed=filed, acts=acts,
            full=me.role in READERS,
            party=office.party_of(db, found),
            fields=matter.fields_for(filed),
            problems=office.problems_of(db, found),
            materials=office.materials_of(db, found),
            given=by_material(office.exhibits_of(db, found)),
            promised=office.promised(found),
            declared=office.declared(found),
            agreed=office.agreed_recipients(db, found),
            bank_names={str(one.id): one for one in banks.all_banks(db, found.office_id)},
            gaps=db.scalars(sa.select(Gap).where(Gap.case_id == found.id).order_by(Gap.round, Gap.item)).all(),
            unmet={act: unmet(db, found, act) for act in acts},
            conflict=accepting.conflict(db, found, person) if me.role == Role.NOTARY else "",
            slot=booking.slot_of(db, found),
            place=booking.place_of(db, found),
            payment=accepting.payment_of(db, found),
            checked=checking.last(db, found),
            vouched=vouching.newest_words(db, found, parts().clock()),
            notary=db.get(Person, found.notary_id) if found.notary_id else None,
            declined=accepting.declined(db, found),
            ending={"open": ending.proposal(db, found) is not None, "may": ending.may_end(found)},
            events=timeline(db, found),
            names={str(one.id): one.name for one in db.scalars(sa.select(Person))},
            ways=[(one.key, one.title.to(office.language())) for one in rules().profile.alternatives],
            both=booking.both_zones,
            local=lambda at: at.astimezone(calendar.OFFICE_ZONE),
        )  # fmt: skip


def unmet(db: Session, found: Case, act: Act) -> list[str]:
    """What an act still lacks, in words; what its own form gives is not counted."""
    needs = MOVES[found.state, act].needs
    holds = met(db, found, actor(), act) | GIVEN_BY_FORM
    return [need_words(need) for need in needs if need not in holds]


def timeline(db: Session, found: Case, most: int = 200) -> list[Event]:
    query = sa.select(Event).where(Event.case_id == found.id).order_by(Event.seq.desc()).limit(most)
    return list(db.scalars(query))


@desk.get("/cases/<uuid:case_id>/papers/<uuid:exhibit_id>")
@only(READERS)
def paper(case_id: UUID, exhibit_id: UUID) -> AnyResponse:
    me, now = actor(), parts().clock()
    with parts().db.begin() as db:
        found = accepting.case_for_staff(db, case_id, me)
        exhibit = db.get(Exhibit, exhibit_id)
        if exhibit is None or exhibit.case_id != found.id:
            raise NotFound
        ledger.append(
            db, "exhibit.read", me, now, case_id=found.id, office_id=found.office_id, sha256=exhibit.sha256
        )  # fmt: skip
    return handed_out(found, exhibit)


def act_on(case_id: UUID, do: Callable[[Session, Case], object]) -> Answer:
    """One act on a locked case; refused input comes back on the case's page, beside its form."""
    try:
        with parts().db.begin() as db:
            do(db, accepting.case_for_staff(db, case_id, actor(), lock=True))
    except BadInput as bad:
        return _case_page(case_id, bad.fields), bad.status
    return redirect(url_for("desk.case", case_id=case_id), 303)


@desk.post("/cases/<uuid:case_id>/return")
@only(READERS)
def give_back(case_id: UUID) -> Answer:
    """All gaps at once: every ticked item, with own words or the ordinary ones (A10)."""
    own = {item: request.form.get(f"words-{item}", "") for item in request.form.getlist("gap")}

    def do(db: Session, found: Case) -> None:
        titles = titles_of(found)
        items = {
            item: words.strip() or _("请补上：%(what)s", what=titles[item])
            for item, words in own.items()
            if item in titles
        }
        items["other"] = request.form.get("other", "")
        accepting.give_back(db, found, items, actor(), parts().clock())

    return act_on(case_id, do)


def titles_of(found: Case) -> dict[str, str]:
    """What can be named as a gap, by its item."""
    matter = office.matter_of(found)
    language = found.locale
    titles = {"field:party": _("您的身份信息")}
    titles |= {f"field:{one.key}": one.label.to(language) for one in matter.fields}
    return titles | {f"material:{one.key}": one.title.to(language) for one in matter.materials}


@desk.post("/cases/<uuid:case_id>/accept")
@only(Role.NOTARY)
def accept(case_id: UUID) -> Answer:
    return act_on(case_id, lambda db, found: accepting.accept(db, found, actor(), parts().clock()))


@desk.post("/cases/<uuid:case_id>/decline")
@only(Role.NOTARY)
def decline(case_id: UUID) -> Answer:
    form = request.form
    return act_on(
        case_id,
        lambda db, found: accepting.decline(
            db, found, form.get("reason", ""), form.get("alternative", ""), actor(), parts().clock()
        ),
    )


@desk.post("/cases/<uuid:case_id>/relation")
@only(Role.NOTARY)
def relation(case_id: UUID) -> Answer:
    """The notary's declaration where only the name is a party's (公证法 23)."""
    form = request.form

    def do(db: Session, found: Case) -> None:
        if form.get("related") not in ("yes", "no"):
            raise BadInput({"related": _("请选“有关系”或“没有关系”。")})
        accepting.declare_relation(db, found, form["related"] == "yes", form.get("text", ""), actor(), parts().clock())

    return act_on(case_id, do)


@desk.post("/cases/<uuid:case_id>/wanted-by")
@only(DESK)
def wanted_by(case_id: UUID) -> Answer:
    def do(db: Session, found: Case) -> None:
        accepting.want_by(db, found, _office_time(request.form.get("wanted_by", "")), actor(), parts().clock())

    return act_on(case_id, do)


def _office_time(given: str) -> datetime | None:
    """A moment typed without zone is the office's. Raises BadInput."""
    if not given.strip():
        return None
    try:
        at = datetime.fromisoformat(given.strip())
    except ValueError:
        raise BadInput({"wanted_by": _("时间请写成 2026-11-24T17:30 这样。")}) from None
    return (at if at.tzinfo else at.replace(tzinfo=calendar.OFFICE_ZONE)).astimezone(UTC)


@desk.post("/cases/<uuid:case_id>/fee")
@only(READERS)
def fee(case_id: UUID) -> Answer:
    return act_on(
        case_id,
        lambda db, found: accepting.take_payment(db, found, request.form.get("manner", ""), actor(), parts().clock()),
    )


@desk.get("/cases/<uuid:case_id>/fee/receipt")
@only(READERS)
def fee_receipt(case_id: UUID) -> str:
    with parts().db() as db:
        found = accepting.case_for_staff(db, case_id, actor())
        payment = accepting.payment_of(db, found)
        if payment is None:
            raise NotFound
        return render_template(
            "desk/receipt.html", case=found, payment=payment, party=office.party_of(db, found), matter=office.matter_of(found),
            taken_by=db.get_one(Person, payment.taken_by),
        )  # fmt: skip


@desk.post("/cases/<uuid:case_id>/claim")
@only(Role.NOTARY)
def claim(case_id: UUID) -> Answer:
    return act_on(case_id, lambda db, found: booking.claim(db, found, actor(), parts().clock()))


@desk.get("/cases/<uuid:case_id>/book")
@only(DESK)
def times(case_id: UUID) -> str:
    """Times for the applicant, with whom somebody is on the phone."""
    return _times_page(case_id, {})


def _times_page(case_id: UUID, errors: dict[str, str]) -> str:
    now = parts().clock()
    with parts().db() as db:
        found = accepting.case_for_staff(db, case_id, actor())
        if found.state not in (State.ACCEPTED, State.SCHEDULED):
            raise NotFound
        slot = booking.slot_of(db, found)
        zone = zone_of(request.values.get("zone") or (slot.zone if slot else None))
        days = [(day, booking.free_slots(db, found, day, now)) for day in booking.days_ahead(now)]
        return render_template(
            "desk/times.html", case=found, days=days, both=both, zone=zone, zone_name=place_name(zone), slot=slot,
            say=booking.both_zones, errors=errors,
        )  # fmt: skip


@desk.post("/cases/<uuid:case_id>/book")
@only(DESK)
def book(case_id: UUID) -> Answer:
    try:
        at = datetime.fromisoformat(request.form.get("slot", ""))
        if at.tzinfo is None:
            raise ValueError
    except ValueError:
        return _times_page(case_id, {"slot": _("还没有选时间。请点一个时间。")}), 422
    try:
        with parts().db.begin() as db:
            found = accepting.case_for_staff(db, case_id, actor(), lock=True)
            booking.book(db, found, at.astimezone(UTC), zone_of(request.form.get("zone")), actor(), parts().clock())
    except BadInput as bad:
        return _times_page(case_id, bad.fields), bad.status
    return redirect(url_for("desk.case", case_id=case_id), 303)


@desk.post("/cases/<uuid:case_id>/cancel")
@only(DESK)
def cancel(case_id: UUID) -> Answer:
    return act_on(case_id, lambda db, found: booking.cancel(db, found, actor(), parts().clock()))


@desk.post("/cases/<uuid:case_id>/miss")
@only(READERS)
def miss(case_id: UUID) -> Answer:
    return act_on(case_id, lambda db, found: booking.cancel(db, found, actor(), parts().clock(), missed=True))


def manner_words(payment: Payment) -> str:
    said = {"cash": _("现金"), "transfer": _("转账"), "waived": _("免收")}
    return said[payment.manner]


desk.add_app_template_filter(manner_words, "manner")
