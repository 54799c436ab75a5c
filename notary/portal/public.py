"""What everybody may see before logging in: what can be done, what it costs, how, and how the page looks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, current_app, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.routing import BuildError
from werkzeug.wrappers import Response as AnyResponse

from notary import calendar, words
from notary.errors import BadInput, NotFound
from notary.models import Office
from notary.office import filing, tickets
from notary.office import public as standing
from notary.portal.doors import PUBLIC, address, only, own_path, parts, visitor
from notary.rules import GuideOption, GuideQuestion, rules
from notary.shape import Words

public = Blueprint("public", __name__)
A_YEAR = 365 * 24 * 3600
LETTERHEAD_LIFE = 60.0
CHOICES = {"lang": words.LANGUAGES, "size": ("standard", "elder"), "theme": ("light", "dark", "system")}


@dataclass(frozen=True)
class Letterhead:
    """The office as every page names it."""

    name: Words
    address: str
    phone: str


@public.get("/")
@only(PUBLIC)
def home() -> str:
    now = parts().clock()
    found = [rules().matter(key) for key in rules().profile.matters]
    return render_template("public/home.html", matters=found, open_now=_open(now))


@public.get("/matters/<key>")
@only(PUBLIC)
def matter(key: str) -> str:
    if not rules().open_remotely(key):
        raise NotFound
    return render_template("public/matter.html", matter=rules().matter(key), privacy=_privacy())


@public.get("/guide")
@only(PUBLIC)
def guide() -> str:
    """One question a page; the answers so far travel in the address, so Back works and nothing is kept."""
    told = rules().guide
    given: dict[str, str] = {}
    answered: list[tuple[GuideQuestion, GuideOption]] = []
    step = told.next(given)
    while isinstance(step, GuideQuestion):
        value = request.args.get(step.key, "")
        option = next((o for o in step.options if o.value == value), None)
        if option is None:
            return render_template("public/guide.html", question=step, given=given, answered=answered)
        given[step.key] = value
        answered.append((step, option))
        step = told.next(given)
    other = [a for a in rules().profile.alternatives if a.key == step.channel]
    return render_template(
        "public/guide-end.html",
        end=step,
        answered=answered,
        matter=rules().matters.get(step.matter),
        alternatives=other,
    )


@public.get("/check")
@only(PUBLIC)
def check() -> str:
    return render_template("public/check.html", session=rules().profile.session)


@public.get("/call")
@only(PUBLIC)
def call() -> str:
    here = request.args.get("page", "")[:200]
    return render_template("public/call.html", open_now=_open(parts().clock()), errors={}, phone="", page=here)


@public.post("/call")
@only(PUBLIC)
def ask_call() -> tuple[str, int] | str:
    """Please call me: a ticket with a deadline. The page that it was asked from goes with it."""
    now, phone = parts().clock(), request.form.get("phone", "")
    asked = request.form.get("page", ""), request.form.get("about", "")
    try:
        with parts().db.begin() as db:
            ticket = tickets.ask_for_call(db, phone, *asked, address(), now, case_id=_own_case(db, asked[0]))
            due = ticket.due
    except BadInput as bad:
        page = render_template(
            "public/call.html", open_now=_open(now), errors=bad.fields, phone=phone, page=asked[0][:200]
        )
        return page, bad.status
    return render_template("public/called.html", due=due, open_now=_open(now))


def _own_case(db: Session, page: str) -> UUID | None:
    """The case whose page the call was asked from, if it is the visitor's own."""
    who = visitor().applicant
    found = re.match(r"/my/([0-9a-f-]{36})(?:/|$)", page)
    if who is None or found is None:
        return None
    try:
        return filing.own_case(db, UUID(found.group(1)), who.id).id
    except (NotFound, ValueError):
        return None


@public.get("/status")
@only(PUBLIC)
def status() -> str:
    return render_template("public/status.html", errors={}, code="", found=None)


@public.post("/status")
@only(PUBLIC)
def status_post() -> tuple[str, int] | str:
    """How far a case is, by its code alone (G11). POST, so that no code stands in an address or a log."""
    now, code = parts().clock(), request.form.get("code", "")
    with parts().db() as db:
        try:
            found = standing.status(db, code, address(), now, words.chosen_locale())
        except NotFound as unknown:
            db.commit()
            page = render_template("public/status.html", errors={"code": unknown.title()}, code=code, found=None)
            return page, unknown.status
        return render_template("public/status.html", errors={}, code=code, found=found)


@public.get("/visit")
@only(PUBLIC)
def visit() -> str:
    return render_template("public/visit.html", alternatives=rules().profile.alternatives)


@public.get("/privacy")
@only(PUBLIC)
def privacy() -> str:
    return render_template("public/privacy.html", items=rules().privacy)


@public.get("/accessibility")
@only(PUBLIC)
def accessibility() -> str:
    return render_template("public/accessibility.html")


@public.get("/fees")
@only(PUBLIC)
def fees() -> str:
    found = [rules().matter(key) for key in rules().profile.matters]
    return render_template("public/fees.html", matters=found)


@public.get("/complaints")
@only(PUBLIC)
def complaints() -> str:
    return render_template("public/complaints.html")


@public.get("/preferences")
@only(PUBLIC)
def preferences() -> AnyResponse | str:
    """Shows the choices, or keeps those that the address names and goes back. Only looks change: no token needed."""
    named = {key: value for key, value in request.args.items() if value in CHOICES.get(key, ())}
    back = _back(request.args.get("next"))
    if not named:
        return render_template("public/preferences.html", back=back)
    response = redirect(back, 303)
    secure = parts().settings.base_url.startswith("https://")
    for key, value in named.items():
        response.set_cookie(key, value, max_age=A_YEAR, samesite="Lax", path="/", secure=secure, httponly=True)
    return response


def _back(target: str | None) -> str:
    """A path of this origin. Browsers drop tabs and line ends from addresses, so none may be in it."""
    if target and not target.isprintable():
        return "/"
    return own_path(target, "/")


def _privacy() -> dict[str, Any]:
    return {item.key: item for item in rules().privacy}


def _open(now: datetime) -> bool:
    try:
        return calendar.is_open(now, rules().profile.hours, rules().years)
    except calendar.NoCalendar:
        return False


def _letterhead() -> Letterhead | None:
    """The office on every page, read once a minute. A database that is away must not take its own refusal page with it."""
    kept = current_app.extensions.get("letterhead")
    if kept is not None and time.monotonic() - kept[0] < LETTERHEAD_LIFE:
        return kept[1]
    try:
        with parts().db() as db:
            office = db.scalar(sa.select(Office).order_by(Office.id).limit(1))
    except SQLAlchemyError:
        return kept[1] if kept else None
    if office is None:
        return None
    found = Letterhead(Words(office.name, office.name_en), office.address, office.phone)
    current_app.extensions["letterhead"] = (time.monotonic(), found)
    return found


def _door(endpoint: str, **values: Any) -> str | None:
    """The address of a page, or None where this deployment has no such page: no link leads nowhere."""
    try:
        return url_for(endpoint, **values)
    except BuildError:
        return None


def _switch(**chosen: str) -> str:
    """The address that changes a preference and comes back to this very page."""
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return url_for("public.preferences", **chosen, next=here)  # type: ignore[arg-type]


@public.app_context_processor
def for_every_page() -> dict[str, Any]:
    language = words.chosen_locale()
    theme = request.cookies.get("theme", "")
    return {
        "language": language,
        "tag": words.TAGS[language],
        "elder": request.cookies.get("size") == "elder",
        "theme": theme if theme in ("light", "dark") else "",
        "letterhead": _letterhead(),
        "hours": rules().profile.hours,
        "door": _door,
        "switch": _switch,
        "price": lambda fen: words.price(fen, language),
    }


def _phrases(text: str) -> Markup:
    """A headline that is torn at its commas, if at all."""
    parts = text.replace("，", "，\0").split("\0")
    return Markup("").join(Markup('<span class="yz-phrase">{}</span>').format(part) for part in parts)


def _in_language(say: Callable[[Any, str], str]) -> Callable[[Any], str]:
    return lambda value: say(value, words.chosen_locale())


public.add_app_template_filter(_in_language(lambda text, language: text.to(language)), "said")
public.add_app_template_filter(_phrases, "phrases")
public.add_app_template_filter(_in_language(words.day), "day")
public.add_app_template_filter(_in_language(words.moment), "moment")
public.add_app_template_filter(_in_language(words.written_day), "written_day")
public.add_app_template_filter(words.minute, "minute")
public.add_app_template_filter(_in_language(words.short_day), "short_day")
public.add_app_template_filter(_in_language(words.weekday), "weekday")
