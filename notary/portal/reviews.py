"""复查: a notary who did not handle the case asks, an approver who did neither decides. Seen everywhere at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from webauthn.helpers import base64url_to_bytes
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput, NotFound, NotPossible
from notary.lifecycle import Role
from notary.models import Case, Notice, Person, Review
from notary.office import filing, issuing, noticing, reviewing
from notary.office.accepting import case_for_staff
from notary.parts import Parts
from notary.portal import passkeys
from notary.portal.doors import actor, only, parts
from notary.portal.drafting import READERS, page_of
from notary.seal.activation import challenge
from signing import render

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
        mine = noticing.waiting_for(db, case, me)
        return render_template(
            "deed/review.html", case=case, me=me, errors=errors, typed=typed, deed=issuing.deed_of(db, case),
            party=filing.party_of(db, case), matter=filing.matter_of(case), current=reviewing.open_one(db, case),
            past=db.scalars(sa.select(Review).where(Review.case_id == case.id).order_by(Review.opened_at)).all(),
            names={one.id: one.name for one in db.scalars(sa.select(Person))},
            notices={one.review_id: one for one in noticing.of_case(db, case)}, mine=mine,
            pages=len(render.page_texts(noticing.body_of(parts(), case, mine))) if mine else 0,
            lines=range(1, reviewing.MOST_CORRECTIONS + 1),
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
    said = [f"{pair['stands']}\t{pair['reads']}" for pair in reviewing.corrections_of(given)]
    return passkeys.bound("yuanzheng-review/2", case_id, given.get("outcome", ""), given.get("decision", ""), *said)


@reviews.post("/cases/<uuid:case_id>/review/decision/options")
@only(Role.APPROVER)
def decision_options(case_id: UUID) -> Response:
    """What is typed is looked at before anybody touches a key."""
    me, given = actor(), passkeys.body()
    with parts().db.begin() as db:
        reviewing.refuse_bad(
            db, case_for_staff(db, case_id, me), str(given.get("outcome", "")), str(given.get("decision", "")),
            reviewing.corrections_of(given),
        )  # fmt: skip
        return passkeys.options_for(db, me, _bound(case_id, given))


@reviews.post("/cases/<uuid:case_id>/review/decision")
@only(Role.APPROVER)
def decide(case_id: UUID) -> AnyResponse:
    """The decision with the approver's own passkey, over these very words."""
    me, now, given = actor(), parts().clock(), passkeys.body()
    with passkeys.decision(case_id, me, given, _bound(case_id, given)) as (db, case):
        said = str(given.get("outcome", "")), str(given.get("decision", "")), reviewing.corrections_of(given)
        reviewing.decide(db, case, *said, me, now)
    return jsonify({"next": url_for("reviews.review", case_id=case_id)})


# the paper of a decision


@reviews.post("/cases/<uuid:case_id>/review/notice/options")
@only(Role.NOTARY)
def notice_options(case_id: UUID) -> Response:
    """As for a deed: the challenge is reckoned from number and body, and the seal reckons the same."""
    me, shown = actor(), _shown(passkeys.body())
    with parts().db.begin() as db:
        notice = noticing.waiting_for(db, case_for_staff(db, case_id, me), me, shown)
        if notice is None:
            raise NotPossible
        known = [base64url_to_bytes(one) for one in parts().seal.passkeys(str(me.id))]
        return passkeys.options(db, me, challenge([noticing.entry_of(notice)]), known)


@reviews.post("/cases/<uuid:case_id>/review/notice")
@only(Role.NOTARY)
def sign_notice(case_id: UUID) -> AnyResponse:
    me, given = actor(), passkeys.body()
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, me, lock=True)
        noticing.activate(db, parts(), case, _shown(given), passkeys.assertion_of(given), me, parts().clock())
    return jsonify({"next": url_for("reviews.review", case_id=case_id)})


def _shown(given: dict[str, Any]) -> UUID:
    """The paper whose pages stood beside the button; two may wait. Raises NotPossible."""
    try:
        return UUID(str(given.get("notice")))
    except ValueError:
        raise NotPossible from None


@reviews.get("/cases/<uuid:case_id>/notices/<uuid:notice_id>/<int:page>.png")
@only(READERS)
def notice_picture(case_id: UUID, notice_id: UUID, page: int) -> AnyResponse:
    """A page of the paper, from the very bytes that wait to be signed."""
    return page_of(_notice(case_id, notice_id, noticing.body_of), page)


@reviews.get("/cases/<uuid:case_id>/notices/<uuid:notice_id>.pdf")
@only(READERS)
def notice_file(case_id: UUID, notice_id: UUID) -> AnyResponse:
    data = _notice(case_id, notice_id, noticing.file_of)
    return AnyResponse(
        data, mimetype="application/pdf", headers={"Content-Disposition": 'attachment; filename="notice.pdf"'}
    )


def _notice(case_id: UUID, notice_id: UUID, read: Callable[[Parts, Case, Notice], bytes]) -> bytes:
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        notice = db.get(Notice, notice_id)
        if notice is None or notice.case_id != case.id or not notice.body_sha256:
            raise NotFound
    return read(parts(), case, notice)
