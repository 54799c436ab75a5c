"""复查: a notary who did not handle the case asks, an approver who did neither decides. Seen everywhere at once."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput
from notary.lifecycle import Role
from notary.models import Person, Review
from notary.office import filing, issuing, reviewing
from notary.office.accepting import case_for_staff
from notary.portal import passkeys
from notary.portal.doors import actor, only, parts

reviews = Blueprint("reviews", __name__, url_prefix="/desk")
Page = tuple[str, int] | AnyResponse | str


@reviews.get("/cases/<uuid:case_id>/review")
@only(Role.NOTARY, Role.APPROVER)
def review(case_id: UUID) -> str:
    return _page(case_id, {}, {})


def _page(case_id: UUID, errors: dict[str, str], typed: dict[str, str]) -> str:
    me = actor()
    with parts().db() as db:
        case = case_for_staff(db, case_id, me)
        return render_template(
            "deed/review.html", case=case, me=me, errors=errors, typed=typed, deed=issuing.deed_of(db, case),
            party=filing.party_of(db, case), matter=filing.matter_of(case), current=reviewing.open_one(db, case),
            past=db.scalars(sa.select(Review).where(Review.case_id == case.id).order_by(Review.opened_at)).all(),
            names={one.id: one.name for one in db.scalars(sa.select(Person))},
        )  # fmt: skip


@reviews.post("/cases/<uuid:case_id>/review")
@only(Role.NOTARY)
def open_review(case_id: UUID) -> Page:
    me, reason = actor(), request.form.get("reason", "")
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, me, lock=True)
            reviewing.open_review(db, case, reason, me, parts().clock())
    except BadInput as bad:
        return _page(case_id, bad.fields, {"reason": reason}), bad.status
    return redirect(url_for("reviews.review", case_id=case_id), 303)


def _bound(case_id: UUID, given: dict[str, object]) -> bytes:
    return passkeys.bound("yuanzheng-review/1", case_id, given.get("outcome", ""), given.get("decision", ""))


@reviews.post("/cases/<uuid:case_id>/review/decision/options")
@only(Role.APPROVER)
def decision_options(case_id: UUID) -> Response:
    """What is typed is looked at before anybody touches a key."""
    me, given = actor(), passkeys.body()
    with parts().db.begin() as db:
        reviewing.refuse_bad(
            case_for_staff(db, case_id, me), str(given.get("outcome", "")), str(given.get("decision", ""))
        )
        return passkeys.options_for(db, me, _bound(case_id, given))


@reviews.post("/cases/<uuid:case_id>/review/decision")
@only(Role.APPROVER)
def decide(case_id: UUID) -> AnyResponse:
    """The decision with the approver's own passkey, over these very words."""
    me, now, given = actor(), parts().clock(), passkeys.body()
    assertion = passkeys.assertion_of(given)
    with parts().db.begin() as db:
        challenge = passkeys.take_challenge(db)  # once, also when what follows is refused
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, me, lock=True)
        passkeys.check_act(db, me, assertion, challenge, _bound(case_id, given))
        reviewing.decide(db, case, str(given.get("outcome", "")), str(given.get("decision", "")), me, now)
    return jsonify({"next": url_for("reviews.review", case_id=case_id)})
