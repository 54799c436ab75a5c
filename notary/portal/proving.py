"""The challenge of liveness on the notary's console: started, ticked, decided, waived."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from flask import Blueprint
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput
from notary.lifecycle import Role
from notary.office import proving
from notary.office.hearing import Live
from notary.portal.console import act
from notary.portal.doors import actor, only, parts
from notary.portal.room import given

challenges = Blueprint("challenges", __name__, url_prefix="/desk/cases/<uuid:case_id>/interview/challenge")


@challenges.post("/start")
@only(Role.NOTARY)
def start(case_id: UUID) -> AnyResponse:
    """Draws and plays one. `out`: a part that is exchanged or left out now, `why`; those of the last draw stay out."""
    slow, out, why, reason = given("slow") == "yes", given("out"), given("why"), given("reason")

    def go(db: Session, at: Live, now: datetime) -> None:
        last = proving.last_challenge(db, at.interview)
        left_out = (
            {one["what"]: one["reason"] for one in last.left_out} if last is not None and not last.decision else {}
        )
        if out:
            left_out[out] = why
        proving.start(db, parts(), at, slow, left_out, reason, actor(), now)

    return act(case_id, go)


@challenges.post("/heard")
@only(Role.NOTARY)
def heard(case_id: UUID) -> AnyResponse:
    """The notary ticks whether the digits were read aloud."""
    said = given("heard")
    if said not in ("right", "wrong"):
        raise BadInput({"heard": _("请选念对了，或没念对。")})
    return act(case_id, lambda db, at, now: proving.hear(db, parts(), at, said == "right", actor(), now))


@challenges.post("/decide")
@only(Role.NOTARY)
def decide(case_id: UUID) -> AnyResponse:
    decision, reason = given("decision"), given("reason")
    if decision not in ("accepted", "refused"):
        raise BadInput({"decision": _("请选认可，或不认可。")})
    return act(
        case_id, lambda db, at, now: proving.decide(db, parts(), at, decision == "accepted", reason, actor(), now)
    )


@challenges.post("/waive")
@only(Role.NOTARY)
def waive(case_id: UUID) -> AnyResponse:
    reason = given("reason")
    return act(case_id, lambda db, at, now: proving.waive(db, parts(), at, reason, actor(), now))
