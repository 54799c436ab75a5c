"""The applicant's door (phone and one-time code) and, in a trial, the visible outbox."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary import words
from notary.errors import BadInput, NotFound
from notary.models import Message, Ticket
from notary.office import doors, tickets
from notary.portal.doors import PUBLIC, address, clear_login, cookie_name, only, own_path, parts, set_login
from notary.rules import rules

applicant = Blueprint("applicant", __name__)


@applicant.get("/login")
@only(PUBLIC)
def login() -> str:
    return render_template("applicant/login.html", next=request.args.get("next", ""), errors={}, phone="")


@applicant.post("/login")
@only(PUBLIC)
def login_post() -> AnyResponse | tuple[str, int]:
    now = parts().clock()
    raw = request.form.get("phone", "")
    try:
        phone = doors.phone_of(raw)
    except BadInput as bad:
        page = render_template("applicant/login.html", next=request.form.get("next", ""), errors=bad.fields, phone=raw)
        return page, bad.status
    with parts().db.begin() as db:
        doors.send_code(db, phone, address(), now)
    session["phone"] = phone
    return redirect(url_for("applicant.code", next=request.form.get("next") or None), 303)


@applicant.get("/login/code")
@only(PUBLIC)
def code() -> AnyResponse | str:
    if "phone" not in session:
        return redirect(url_for("applicant.login"), 303)
    return render_template("applicant/code.html", next=request.args.get("next", ""), errors={}, phone=session["phone"])


@applicant.post("/login/code")
@only(PUBLIC)
def code_post() -> AnyResponse | tuple[str, int]:
    phone = session.get("phone")
    if not phone:
        return redirect(url_for("applicant.login"), 303)
    now = parts().clock()
    with parts().db() as db:
        try:
            doors.check_code(db, phone, request.form.get("code", ""), address(), now)
        except doors.Wrong as wrong:
            db.commit()
            page = render_template(
                "applicant/code.html", next=request.form.get("next", ""), errors=wrong.fields, phone=phone
            )
            return page, wrong.status
        who = doors.applicant_of(db, phone, now, locale=words.chosen_locale())
        token = doors.open_login(db, now, applicant=who)
        db.commit()
    session.pop("phone", None)
    return set_login(redirect(own_path(request.form.get("next"), "/my"), 303), token)


@applicant.post("/logout")
@only(PUBLIC)
def logout() -> AnyResponse:
    with parts().db.begin() as db:
        doors.end_login(db, request.cookies.get(cookie_name(), ""), parts().clock())
    return clear_login(redirect("/", 303))


@applicant.get("/outbox")
@only(PUBLIC)
def outbox() -> str:
    """The trial's text messages. Not there where messages are truly sent (ENV=production refuses the outbox)."""
    if not parts().messenger.insecure:
        raise NotFound
    with parts().db() as db:
        messages = db.scalars(sa.select(Message).order_by(Message.at.desc()).limit(50)).all()
    return render_template("applicant/outbox.html", messages=messages, title=_("短信（没有真的发出）"))


# the link that a caller gets by text message


@applicant.get("/l/<token>")
@only(PUBLIC)
def link(token: str) -> AnyResponse | str:
    """Opening the link sends nothing and uses nothing up: messengers look at links before people do."""
    with parts().db() as db:
        found = _ticket(db, token)
        return render_template(
            "applicant/link.html", ticket=found, matter=rules().matters[found.matter], errors={}, sent=False
        )


@applicant.post("/l/<token>")
@only(PUBLIC)
def link_post(token: str) -> AnyResponse | tuple[str, int] | str:
    """Without a code: sends one to the phone that called. With it: begins the application, once."""
    now, digits = parts().clock(), request.form.get("code")
    with parts().db() as db:
        ticket = _ticket(db, token)
        matter = rules().matters[ticket.matter]
        if digits is None:
            tickets.send_link_code(db, ticket, address(), now)
            db.commit()
            return render_template("applicant/link.html", ticket=ticket, matter=matter, errors={}, sent=True)
        try:
            row, ticket = tickets.of_link(db, token, address(), now, lock=True)
            case, who = tickets.open_case(
                db, parts(), row, ticket, digits, address(), now, words.chosen_locale()
            )  # fmt: skip
        except doors.Wrong as wrong:
            db.commit()
            page = render_template("applicant/link.html", ticket=ticket, matter=matter, errors=wrong.fields, sent=True)
            return page, wrong.status
        login_token = doors.open_login(db, now, applicant=who)
        db.commit()
    return set_login(redirect(url_for("filing.overview", case_id=case.id), 303), login_token)


def _ticket(db: Session, token: str) -> Ticket:
    """Raises NotFound, its guess counted; TooMany."""
    try:
        return tickets.of_link(db, token, address(), parts().clock())[1]
    except NotFound:
        db.commit()
        raise
