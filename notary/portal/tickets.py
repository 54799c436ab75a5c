"""Tickets of the telephone: who wants to be called, who called, and how each ended."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput, NotPossible
from notary.lifecycle import Role
from notary.models import Case, Person
from notary.office import tickets as office
from notary.portal.doors import actor, only, parts
from notary.rules import rules

tickets = Blueprint("tickets", __name__, url_prefix="/desk/tickets")
DESK = frozenset({Role.OPERATOR, Role.ASSISTANT})
Answer = AnyResponse | str | tuple[str, int]


@tickets.get("/")
@only(DESK)
def every() -> str:
    return _page({}, {})


def _page(errors: dict[str, str], typed: dict[str, str], on: UUID | None = None) -> str:
    with parts().db() as db:
        found = office.open_tickets(db, actor())
        ids = [one.case_id for one in found if one.case_id]
        return render_template(
            "desk/tickets.html",
            tickets=found, errors=errors, typed=typed, on=on, me=actor(),
            names={one.id: one.name for one in db.scalars(sa.select(Person))},
            cases={one.id: one for one in db.scalars(sa.select(Case).where(Case.id.in_(ids)))},
            matters=[(key, rules().matter(key).title) for key in rules().profile.matters if rules().open_remotely(key)],
        )  # fmt: skip


@tickets.post("/")
@only(DESK)
def add() -> Answer:
    form = request.form
    try:
        with parts().db.begin() as db:
            office.open_by_operator(
                db, form.get("phone", ""), form.get("name", ""), form.get("matter", ""), form.get("about", ""), actor(),
                parts().clock(),
            )  # fmt: skip
    except BadInput as bad:
        return _page(bad.fields, form.to_dict()), bad.status
    return redirect(url_for("tickets.every"), 303)


@tickets.post("/<uuid:ticket_id>/take")
@only(DESK)
def take(ticket_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        office.take(db, ticket_id, actor(), parts().clock())
    return redirect(url_for("tickets.every"), 303)


@tickets.post("/<uuid:ticket_id>/link")
@only(DESK)
def link(ticket_id: UUID) -> Answer:
    """Sends the one-time link that opens the application, with the matter that the caller named."""
    now = parts().clock()
    try:
        with parts().db.begin() as db:
            if matter := request.form.get(f"matter-{ticket_id}"):
                office.set_matter(db, ticket_id, matter, actor(), now)
            office.send_link(db, ticket_id, parts().settings.base_url, actor(), now)
    except (BadInput, NotPossible) as bad:
        return _page({f"matter-{ticket_id}": bad.title()}, {}, ticket_id), bad.status
    return redirect(url_for("tickets.every", sent=ticket_id), 303)


@tickets.post("/<uuid:ticket_id>/close")
@only(DESK)
def close(ticket_id: UUID) -> Answer:
    try:
        with parts().db.begin() as db:
            office.close(db, ticket_id, request.form.get(f"outcome-{ticket_id}", ""), actor(), parts().clock())
    except BadInput as bad:
        return _page({f"outcome-{ticket_id}": bad.title()}, {}, ticket_id), bad.status
    return redirect(url_for("tickets.every"), 303)
