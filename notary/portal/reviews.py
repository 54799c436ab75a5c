"""复查: a notary who did not handle the case asks, an approver who did neither decides. Seen everywhere at once."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput
from notary.lifecycle import Role
from notary.models import Person, Review
from notary.office import filing, issuing, reviewing
from notary.office.accepting import case_for_staff
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


@reviews.post("/cases/<uuid:case_id>/review/decision")
@only(Role.APPROVER)
def decide(case_id: UUID) -> Page:
    me, outcome, decision = actor(), request.form.get("outcome", ""), request.form.get("decision", "")
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, me, lock=True)
            reviewing.decide(db, case, outcome, decision, me, parts().clock())
    except BadInput as bad:
        fields = {("decision" if key == "reason" else key): words for key, words in bad.fields.items()}
        return _page(case_id, fields, {"outcome": outcome, "decision": decision}), bad.status
    return redirect(url_for("reviews.review", case_id=case_id), 303)
