"""When to meet: times by day in both zones, the queue of those who want it as soon as possible, the check of a phone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import available_timezones

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary import calendar, words
from notary.errors import BadInput, NotFound
from notary.lifecycle import Role, State
from notary.models import Case
from notary.office import booking as office
from notary.office import checking
from notary.office.filing import matter_of
from notary.portal.doors import actor, only, parts
from notary.portal.filing import Answer, about, own
from notary.rules import rules

booking = Blueprint("booking", __name__)
OFFICE_ZONE = "Asia/Shanghai"
OFTEN = (
    "Asia/Shanghai", "Asia/Urumqi", "Asia/Hong_Kong", "Asia/Tokyo", "Asia/Singapore", "Asia/Dubai", "Europe/London",
    "Europe/Paris", "Europe/Moscow", "America/New_York", "America/Toronto", "America/Chicago", "America/Vancouver",
    "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland", "UTC",
)  # fmt: skip
MAY_BOOK = (State.ACCEPTED, State.SCHEDULED)


def zone_of(given: str | None) -> str:
    return given if given in available_timezones() else OFFICE_ZONE


def place_name(zone: str) -> str:
    return words.place_name(zone, words.chosen_locale())


@booking.get("/my/<uuid:case_id>/book")
@only(Role.APPLICANT)
def times(case_id: UUID) -> str:
    with parts().db() as db:
        return _page(db, own(db, case_id), request.args, {})


def _page(db: Session, case: Case, given: Mapping[str, str], errors: dict[str, str]) -> str:
    if case.state not in MAY_BOOK:
        raise NotFound
    now, zone = parts().clock(), zone_of(given.get("zone"))
    days = office.days_ahead(now)
    day = _day(given.get("day", ""), days)
    free = office.free_slots(db, case, day, now) if day else []
    if day and not free and not given.get("day"):
        day = next((one for one in days if office.free_slots(db, case, one, now)), day)
        free = office.free_slots(db, case, day, now)
    zones = sorted({*OFTEN, zone})
    return render_template(
        "booking/times.html",
        **about(db, case),
        days=days, day=day, zone=zone, zone_name=place_name(zone), errors=errors,
        elsewhere=calendar.both_zones(now, zone)[1] is not None,
        zones=[(one, place_name(one)) for one in zones],
        times=[(one.starts_at, *both(one.starts_at, zone), both(one.starts_at + office.length(), zone)[0]) for one in free],
        slot=office.slot_of(db, case),
        both=office.both_zones,
        place=office.place_if(db, case),
        office_open=calendar.is_open(now, rules().profile.hours, rules().years),
        explicit=bool(given.get("zone")),
    )  # fmt: skip


def both(at: datetime, zone: str) -> tuple[datetime, datetime | None]:
    return calendar.both_zones(at, zone)


def _day(given: str, days: list[date]) -> date | None:
    found = next((one for one in days if one.isoformat() == given), None)
    return found or (days[0] if days else None)


@booking.post("/my/<uuid:case_id>/book")
@only(Role.APPLICANT)
def book(case_id: UUID) -> Answer:
    zone = zone_of(request.form.get("zone"))
    try:
        with parts().db.begin() as db:
            case = own(db, case_id, lock=True)
            office.book(db, case, _moment(request.form.get("slot", "")), zone, actor(), parts().clock())
    except BadInput as bad:
        with parts().db() as db:
            return _page(db, own(db, case_id), request.form, {"slot": bad.title()}), bad.status
    return redirect(url_for("filing.overview", case_id=case_id), 303)


def _moment(given: str) -> datetime:
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise BadInput({"slot": _("还没有选时间。请点一个时间。")}) from None
    if at.tzinfo is None:
        raise BadInput({"slot": _("还没有选时间。请点一个时间。")})
    return at.astimezone(UTC)


@booking.post("/my/<uuid:case_id>/book/cancel")
@only(Role.APPLICANT)
def cancel(case_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        office.cancel(db, own(db, case_id, lock=True), actor(), parts().clock())
    return redirect(url_for("filing.overview", case_id=case_id), 303)


@booking.get("/my/<uuid:case_id>/appointment.ics")
@only(Role.APPLICANT)
def invitation(case_id: UUID) -> AnyResponse:
    with parts().db() as db:
        case = own(db, case_id)
        slot = office.slot_of(db, case)
        if slot is None:
            raise NotFound
        data = office.invitation(db, case, slot, parts().settings.base_url, parts().clock())
    response = Response(data, mimetype="text/calendar")
    response.headers["Content-Disposition"] = f'attachment; filename="{slot.starts_at:%Y%m%d-%H%M}Z.ics"'
    return response


# as soon as possible


@booking.post("/my/<uuid:case_id>/queue")
@only(Role.APPLICANT)
def join(case_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        office.join_queue(db, own(db, case_id, lock=True), actor(), parts().clock())
    return redirect(url_for("booking.waiting", case_id=case_id), 303)


@booking.post("/my/<uuid:case_id>/queue/leave")
@only(Role.APPLICANT)
def leave(case_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        office.leave_queue(db, own(db, case_id, lock=True), actor(), parts().clock())
    return redirect(url_for("filing.overview", case_id=case_id), 303)


@booking.get("/my/<uuid:case_id>/waiting")
@only(Role.APPLICANT)
def waiting(case_id: UUID) -> AnyResponse | str:
    with parts().db() as db:
        case = own(db, case_id)
        place = office.place_of(db, case)
        if place is None:
            return redirect(url_for("filing.overview", case_id=case_id), 303)
        return render_template(
            "booking/waiting.html", **about(db, case), place=place, minutes=matter_of(case).session_minutes
        )


@booking.get("/my/<uuid:case_id>/waiting/place")
@only(Role.APPLICANT)
def place(case_id: UUID) -> AnyResponse:
    """What the waiting page asks every five seconds: its card anew, or where to go now. 304 while nothing moved."""
    with parts().db() as db:
        case = own(db, case_id)
        found = office.place_of(db, case)
    go = "" if found else url_for("filing.overview", case_id=case_id)
    card = render_template("booking/place.html", place=found) if found else ""
    response = jsonify({"go": go, "card": card})
    response.set_etag(hashlib.sha256(f"{case.state} {found} {words.chosen_locale()}".encode()).hexdigest()[:20])
    response.headers["Cache-Control"] = "private, no-cache"
    return response.make_conditional(request)


# the check of a phone


@booking.get("/my/<uuid:case_id>/device-check")
@only(Role.APPLICANT)
def check(case_id: UUID) -> str:
    """The public check, whose outcome is kept with this case."""
    with parts().db() as db:
        case = own(db, case_id)
    return render_template(
        "public/check.html",
        session=rules().profile.session,
        back=url_for("filing.overview", case_id=case.id),
        keep=url_for("booking.device_check", case_id=case.id),
    )


@booking.post("/my/<uuid:case_id>/device-check")
@only(Role.APPLICANT)
def device_check(case_id: UUID) -> AnyResponse:
    said = request.get_json(silent=True)
    results = said.get("results") if isinstance(said, dict) else None
    if not isinstance(results, dict):
        raise BadInput({"results": _("这个试机结果我们没看懂。请再试一次。")})
    with parts().db.begin() as db:
        kept = checking.keep(db, own(db, case_id), results, actor(), parts().clock())
    return jsonify({"passed": kept.passed, "next": url_for("filing.overview", case_id=case_id)})
