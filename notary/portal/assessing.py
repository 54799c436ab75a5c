"""The assessment before faces are compared by machine: on file, in everybody's sight, with the processing log (B14)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for

from notary.errors import BadInput
from notary.lifecycle import Role
from notary.office import assessing as office
from notary.portal.desk import Answer
from notary.portal.doors import actor, only, parts

assessments = Blueprint("assessments", __name__, url_prefix="/desk/face-assessment")


@assessments.get("")
@only(Role.ADMIN, Role.NOTARY, Role.APPROVER, Role.ASSISTANT)
def page() -> str:
    return _page({})


def _page(errors: dict[str, str]) -> str:
    me = actor()
    with parts().db() as db:
        return render_template(
            "desk/face-assessment.html", me=me, errors=errors, given=request.form, every=office.every(db, me.office_id),
            log=office.log_of(db, me.office_id), kept=office.people_kept(db, me.office_id), duty=office.FILING_DUTY,
        )  # fmt: skip


@assessments.post("")
@only(Role.ADMIN)
def file() -> Answer:
    me = actor()
    assert me.office_id is not None
    try:
        with parts().db.begin() as db:
            office.file(db, me.office_id, request.form, me, parts().clock())
    except BadInput as bad:
        return _page(bad.fields), bad.status
    return redirect(url_for("assessments.page"), 303)
