"""Today in figures, for the staff."""

from __future__ import annotations

from flask import Blueprint, render_template

from notary.lifecycle import Role
from notary.office import counting, keeping
from notary.portal.doors import actor, only, parts

figures = Blueprint("figures", __name__, url_prefix="/desk")


@figures.get("/today")
@only(Role.NOTARY, Role.APPROVER, Role.ADMIN, Role.ASSISTANT)
def today() -> str:
    me = actor()
    assert me.office_id is not None
    with parts().db() as db:
        found = counting.today(db, me.office_id, parts().clock())
        return render_template("desk/today.html", today=found, alarms=len(keeping.alarms(db)))
