"""The desk asks who the applicant is: the page of answers, what each of them looked at, and what nobody did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from identity.provider import Check, Outcome
from notary import intake, ledger
from notary.calendar import OFFICE_ZONE
from notary.errors import BadInput
from notary.models import Case, IdentityCheck, Party
from notary.office import accepting, filing, safe, vouching
from notary.portal.desk import READERS, Answer
from notary.portal.doors import actor, only, parts
from notary.portal.papers import SHUT_IN
from notary.rules import rules

vouched = Blueprint("vouched", __name__, url_prefix="/desk/cases/<uuid:case_id>/identity-checks")
OUTSIDE = (Check.HOLDER, Check.CARD, Check.PORTRAIT)


@vouched.get("")
@only(READERS)
def page(case_id: UUID) -> str:
    return _page(case_id, {})


def _page(case_id: UUID, errors: dict[str, str]) -> str:
    now = parts().clock()
    with parts().db() as db:
        case = accepting.case_for_staff(db, case_id, actor())
        party = filing.party_of(db, case)
        return render_template(
            "desk/identity-checks.html", case=case, party=party, errors=errors, given=request.form,
            checks=[_shown(row, party, now) for row in vouching.of_case(db, case)],
            service=parts().authority is not None, again=vouching.failed_twice(db, case, now), open=case.state in vouching.OPEN,
            looks=[_look(one) for one in vouching.card_looks(db, case)], temporary=vouching.is_temporary(db, case), hours=rules().profile.identity.valid_hours,
            by_hand=vouching.by_hand(party), outside=[(str(one), vouching.check_words(one)) for one in OUTSIDE],
            said=[(str(Outcome.AGREES), _("一致")), (str(Outcome.DIFFERS), _("对不上")), (str(Outcome.NOT_FOUND), _("查无此人"))],
        )  # fmt: skip


def _shown(row: IdentityCheck, party: Party, now: datetime) -> dict[str, object]:
    words, kind = vouching.outcome_words(row)
    return {
        "row": row, "words": words, "kind": kind, "source": vouching.source_words(row),
        "looked": [vouching.check_words(one) for one in row.checked],
        "not_looked": [vouching.check_words(one) for one in vouching.missing(row)],
        "why": [vouching.why_words(one) for one in row.why],
        "stands": vouching.stands(row, party, now),
        "at": (row.done_at or row.asked_at).astimezone(OFFICE_ZONE),
    }  # fmt: skip


def _look(one: vouching.CardLook) -> dict[str, object]:
    """One side of the card as the page shows it: each check with its mark (B04), then the signs."""
    marks = {True: (_("对"), "ok"), False: (_("对不上"), "stop"), None: (_("没看到"), "")}
    return {
        "side": one.side, "type": one.type, "checks": [(vouching.result_words(key), *marks[held]) for key, held in one.checks.items()],
        "signs": [vouching.sign_words(sign) for sign in one.signs], "looked": bool(one.looked),
    }  # fmt: skip


@vouched.post("/ask")
@only(READERS)
def ask(case_id: UUID) -> Answer:
    reason = request.form.get("reason", "")
    return _act(case_id, lambda db, case: vouching.ask(db, parts(), case, actor(), parts().clock(), reason))


@vouched.post("/enter")
@only(READERS)
def enter(case_id: UUID) -> Answer:
    form, file = request.form, request.files.get("receipt")
    try:
        receipt = intake.clean(file.read(), ("photo", "pdf")) if file and file.filename else None
    except BadInput as bad:
        return _page(case_id, {"receipt": bad.fields["file"]}), bad.status
    return _act(
        case_id,
        lambda db, case: vouching.enter(
            db, parts(), case, source=form.get("source", ""), outcome=form.get("outcome", ""),
            checked=form.getlist("checked"), reference=form.get("reference", ""), receipt=receipt,
            by=actor(), now=parts().clock(), reason=form.get("again", ""),
        ),
    )  # fmt: skip


def _act(case_id: UUID, do: Callable[[Session, Case], object]) -> Answer:
    try:
        with parts().db.begin() as db:
            do(db, accepting.case_for_staff(db, case_id, actor(), lock=True))
    except BadInput as bad:
        return _page(case_id, bad.fields), bad.status
    return redirect(url_for("vouched.page", case_id=case_id), 303)


@vouched.get("/<uuid:check_id>/answer")
@only(READERS)
def answer(case_id: UUID, check_id: UUID) -> AnyResponse:
    """The receipt, or the signed answer as it came; reading it is a line in the ledger."""
    with parts().db.begin() as db:
        case = accepting.case_for_staff(db, case_id, actor())
        row = vouching.receipt_of(db, case, check_id)
        data = safe.fetch(parts(), case, row.answer_key, row.answer_sha256)
        ledger.append(
            db, "identity.answer-read", actor(), parts().clock(), case_id=case.id, office_id=case.office_id,
            check=str(check_id), sha256=row.answer_sha256,
        )  # fmt: skip
    return Response(
        data, mimetype=row.answer_type, headers={"Content-Security-Policy": SHUT_IN, "Cache-Control": "no-store"}
    )
