"""An end without a deed: the handling notary proposes it with its ground, an approver decides."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput
from notary.lifecycle import Act, Role
from notary.models import Person
from notary.office import ending, filing
from notary.office.accepting import case_for_staff
from notary.portal import passkeys
from notary.portal.doors import actor, only, parts

endings = Blueprint("endings", __name__, url_prefix="/desk")
Page = tuple[str, int] | AnyResponse | str


@endings.get("/cases/<uuid:case_id>/ending")
@only(Role.NOTARY, Role.APPROVER)
def page(case_id: UUID) -> str:
    return _page(case_id, {}, {})


def _page(case_id: UUID, errors: dict[str, str], typed: dict[str, str]) -> str:
    me = actor()
    with parts().db() as db:
        case = case_for_staff(db, case_id, me)
        asked = ending.proposal(db, case) or ending.reason(db, case)
        return render_template(
            "deed/ending.html", case=case, me=me, errors=errors, typed=typed, asked=asked,
            open=ending.proposal(db, case) is not None, may=ending.may_end(case),
            ground=next((one for act in ending.GROUNDS for one in ending.grounds(act) if asked and one.key == asked.ground), None),
            lists={act: ending.grounds(act) for act in ending.GROUNDS},
            party=filing.party_of(db, case), matter=filing.matter_of(case),
            names={str(one.id): one.name for one in db.scalars(sa.select(Person))},
        )  # fmt: skip


@endings.post("/cases/<uuid:case_id>/ending")
@only(Role.NOTARY)
def propose(case_id: UUID) -> Page:
    """The form's `ground` is ACT:KEY, since each act has a closed list of its own."""
    act, _colon, ground = request.form.get("ground", "").partition(":")
    text = request.form.get("text", "")
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, actor(), lock=True)
            known = act in set(ending.GROUNDS)
            chosen, key = (Act(act), ground) if known else (Act.REFUSE, "")  # no act: the closed list refuses it
            ending.propose(db, case, chosen, key, text, actor(), parts().clock())
    except BadInput as bad:
        return _page(case_id, bad.fields, {"text": text, "ground": f"{act}:{ground}"}), bad.status
    return redirect(url_for("endings.page", case_id=case_id), 303)


def _bound(case_id: UUID, given: dict[str, object]) -> bytes:
    return passkeys.bound("yuanzheng-ending/1", case_id, given.get("agree", ""), given.get("text", ""))


@endings.post("/cases/<uuid:case_id>/ending/decision/options")
@only(Role.APPROVER)
def decision_options(case_id: UUID) -> Response:
    """What is typed is looked at before anybody touches a key."""
    me, given = actor(), passkeys.body()
    with parts().db.begin() as db:
        ending.refuse_bad(db, case_for_staff(db, case_id, me), str(given.get("agree", "")), str(given.get("text", "")))
        return passkeys.options_for(db, me, _bound(case_id, given))


@endings.post("/cases/<uuid:case_id>/ending/decision")
@only(Role.APPROVER)
def decide(case_id: UUID) -> AnyResponse:
    """The decision with the approver's own passkey, over these very words."""
    me, now, given = actor(), parts().clock(), passkeys.body()
    with passkeys.decision(case_id, me, given, _bound(case_id, given)) as (db, case):
        ending.decide(db, parts(), case, str(given.get("agree", "")), str(given.get("text", "")), me, now)
    return jsonify({"next": url_for("endings.page", case_id=case_id)})
