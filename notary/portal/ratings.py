"""How content people are: once after the interview, once after delivery (M01). The notary never sees whose it was."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput, NotFound
from notary.lifecycle import Role
from notary.models import Rating
from notary.office import counting, filing
from notary.portal.doors import actor, only, parts

ratings = Blueprint("ratings", __name__)
MOMENTS = ("interview", "delivery")


@ratings.get("/my/<uuid:case_id>/rate/<moment>")
@only(Role.APPLICANT)
def rate(case_id: UUID, moment: str) -> str:
    if moment not in MOMENTS:
        raise NotFound
    with parts().db() as db:
        case = filing.own_case(db, case_id, actor().id)
        done = db.scalar(sa.select(Rating.id).where(Rating.case_id == case.id, Rating.moment == moment)) is not None
    return _page(case_id, moment, {}, done=done)


@ratings.post("/my/<uuid:case_id>/rate/<moment>")
@only(Role.APPLICANT)
def rate_post(case_id: UUID, moment: str) -> tuple[str, int] | AnyResponse | str:
    form = request.form
    stars = int(form["stars"]) if form.get("stars", "") in {"1", "2", "3", "4", "5"} else 0
    try:
        with parts().db.begin() as db:
            case = filing.own_case(db, case_id, actor().id, lock=True)
            counting.rate(db, case, moment, stars, form.get("text", ""), parts().clock())
    except BadInput as bad:
        return _page(case_id, moment, bad.fields, text=form.get("text", "")), bad.status
    return _page(case_id, moment, {}, done=True)


def _page(case_id: UUID, moment: str, errors: dict[str, str], *, done: bool = False, text: str = "") -> str:
    asked = _("这次视频办得怎么样？") if moment == "interview" else _("整件事办得怎么样？")
    return render_template(
        "deed/rate.html", case_id=case_id, moment=moment, errors=errors, done=done, text=text, asked=asked
    )
