"""Sign and seal: the notary looks at the rendered bodies, touches the passkey once, and watches the deeds come out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes
from werkzeug.wrappers import Response as AnyResponse

from notary import ledger
from notary.errors import BadInput, NotFound, NotPossible
from notary.lifecycle import Role, State
from notary.models import Bank, Case, Number, NumberState, Person
from notary.office import activating, bundling, delivering, filing, reviewing, verifying
from notary.office import issuing as office
from notary.office.accepting import case_for_staff
from notary.portal import passkeys
from notary.portal.copies import as_file
from notary.portal.doors import actor, only, parts
from notary.portal.drafting import READERS, page_of
from notary.seal.activation import challenge
from signing import render

issuing = Blueprint("issuing", __name__, url_prefix="/desk")
Page = tuple[str, int] | AnyResponse | str


@issuing.get("/seal")
@only(Role.NOTARY)
def waiting() -> str:
    """Every body that waits for this notary, or one with ?case=."""
    me = actor()
    with parts().db() as db:
        rows = activating.waiting(db, me)
        if only_one := request.args.get("case"):
            rows = [row for row in rows if str(row[0].id) == only_one]
        bodies = [
            {
                "case": case, "number": number, "party": filing.party_of(db, case).name, "matter": filing.matter_of(case),
                "pages": len(render.page_texts(office.body_of(parts(), case, number))),
                "late": number.approved_on != office.local_date(db, case, parts().clock()),
            }
            for case, number in rows
        ]  # fmt: skip
    return render_template("deed/seal.html", bodies=bodies, me=me)


@issuing.post("/seal/options")
@only(Role.NOTARY)
def seal_options() -> Response:
    """The challenge is reckoned from the list of numbers and body hashes; the seal reckons the same and no other."""
    me, ids = actor(), _ids(passkeys.body())
    with parts().db.begin() as db:
        pairs = activating.chosen(db, ids, me, parts().clock())
        known = [base64url_to_bytes(one) for one in parts().seal.passkeys(str(me.id))]
        return passkeys.options(db, me, challenge(activating.entries_of(pairs)), known)


@issuing.post("/seal")
@only(Role.NOTARY)
def seal() -> AnyResponse:
    me, given = actor(), passkeys.body()
    ids, assertion = _ids(given), passkeys.assertion_of(given)
    with parts().db.begin() as db:
        activating.activate(db, parts(), ids, assertion, me, parts().clock())
    one = len(ids) == 1
    return jsonify({"next": url_for("issuing.deed", case_id=ids[0]) if one else url_for("deeds.every")})


def _ids(given: dict[str, Any]) -> list[UUID]:
    raw = given.get("cases")
    raw = [raw] if isinstance(raw, str) else raw
    try:
        return [UUID(str(one)) for one in raw] if isinstance(raw, list) else []
    except ValueError as bad:
        raise BadInput({"cases": _("请至少勾一份，最多 %(n)d 份。", n=activating.MOST)}) from bad


@issuing.get("/cases/<uuid:case_id>/body/<int:page>.png")
@only(Role.NOTARY, Role.APPROVER)
def body_picture(case_id: UUID, page: int) -> AnyResponse:
    """A page of the body that waits, from the very bytes that will be signed."""
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        number = office.reserved(db, case)
        if number is None or not number.body_sha256:
            raise NotFound
        pdf = office.body_of(parts(), case, number)
    return page_of(pdf, page)


# the deed


@issuing.get("/cases/<uuid:case_id>/deed")
@only(READERS)
def deed(case_id: UUID) -> str:
    return _deed_page(case_id, {})


def _deed_page(case_id: UUID, errors: dict[str, str], typed: str = "") -> str:
    me = actor()
    with parts().db() as db:
        case = case_for_staff(db, case_id, me)
        found = office.deed_of(db, case)
        return render_template(
            "deed/deed.html", case=case, deed=found, me=me, errors=errors, typed=typed, matter=filing.matter_of(case),
            party=filing.party_of(db, case), progress=progress_of(db, case), number=office.reserved(db, case),
            numbers=db.scalars(sa.select(Number).where(Number.case_id == case.id).order_by(Number.reserved_at)).all(),
            deliveries=(rows := delivering.deliveries_of(db, case)), why=delivering.why_words,
            again={row.id for row in rows if delivering.goes_on(db, row)}, asked=verifying.of_deed(db, found) if found else [],
            banks={one.id: one.name for one in db.scalars(sa.select(Bank))},
            names={one.id: one.name for one in db.scalars(sa.select(Person))},
            titles={one.key: one.title for one in filing.matter_of(case).recipients},
            verdict=verifying.word_of(found) if found else "", review=reviewing.open_one(db, case),
        )  # fmt: skip


def progress_of(db: Session, case: Case) -> dict[str, Any]:
    """Where issuing is: steps by name, each done, now or next; `settled` when nothing more will come by itself."""
    number = db.scalar(sa.select(Number).where(Number.case_id == case.id).order_by(Number.reserved_at.desc()).limit(1))
    found = office.deed_of(db, case)
    body = number is not None and number.state != NumberState.VOID and bool(number.body_sha256)
    activated = body and bool(number.activation) if number is not None else False
    names = [_("生成"), _("公证员签发"), _("签名、盖章、时间戳"), _("存档")]
    reached = 4 if found else 2 if activated else 1 if body else 0
    if found:
        words = _("出证了。")
    elif case.state != State.APPROVED:
        words = ""
    else:
        words = (_("正在生成正文。"), _("正文好了，等承办公证员签发。"), _("正在签名、盖章、盖时间戳，然后存档。"))[
            reached
        ]
    return {
        "steps": [
            {"name": name, "at": "done" if at < reached else "now" if at == reached else "next"}
            for at, name in enumerate(names)
        ],
        "words": words,
        "settled": bool(found) or case.state != State.APPROVED or reached == 1,
        "state": str(case.state),
    }  # fmt: skip


@issuing.get("/cases/<uuid:case_id>/progress")
@only(READERS)
def progress(case_id: UUID) -> AnyResponse:
    with parts().db() as db:
        return jsonify(progress_of(db, case_for_staff(db, case_id, actor())))


@issuing.get("/cases/<uuid:case_id>/deed.pdf")
@only(READERS)
def file(case_id: UUID) -> AnyResponse:
    me, now = actor(), parts().clock()
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, me)
        found = office.deed_of(db, case)
        if found is None:
            raise NotFound
        ledger.append(db, "deed.read", me, now, case_id=case.id, office_id=case.office_id, sha256=found.sha256)
    return as_file(parts(), case, found)


@issuing.get("/cases/<uuid:case_id>/deed/print")
@only(READERS)
def printed(case_id: UUID) -> str:
    """The deed on A4, page by page."""
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        found = office.deed_of(db, case)
        if found is None:
            raise NotFound
        return render_template("deed/print.html", case=case, deed=found)


@issuing.get("/cases/<uuid:case_id>/deed/<int:page>.png")
@only(READERS)
def picture(case_id: UUID, page: int) -> AnyResponse:
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        found = office.deed_of(db, case)
        if found is None:
            raise NotFound
    return page_of(office.deed_bytes(parts(), case, found), page)


@issuing.post("/cases/<uuid:case_id>/void")
@only(Role.NOTARY, Role.APPROVER)
def void(case_id: UUID) -> Page:
    me, reason = actor(), request.form.get("reason", "")
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, me, lock=True)
            if me.role == Role.NOTARY and me.id != case.notary_id:
                raise NotPossible(_("这个案子是另一位公证员的。"))
            office.void(db, case, reason, me, parts().clock())
    except BadInput as bad:
        return _deed_page(case_id, bad.fields, reason), bad.status
    return redirect(url_for("issuing.deed", case_id=case_id), 303)


@issuing.post("/cases/<uuid:case_id>/deliveries/<uuid:delivery_id>/again")
@only(Role.NOTARY, Role.ASSISTANT, Role.ADMIN)
def deliver_again(case_id: UUID, delivery_id: UUID) -> AnyResponse:
    me = actor()
    with parts().db.begin() as db:
        delivering.again(db, case_for_staff(db, case_id, me), delivery_id, me, parts().clock())
    return redirect(url_for("issuing.deed", case_id=case_id, _anchor="deliveries"), 303)


@issuing.post("/cases/<uuid:case_id>/bundle")
@only(Role.NOTARY, Role.APPROVER)
def bundle(case_id: UUID) -> Page:
    """All evidence as one zip, for a reason that stands in the ledger (D11)."""
    me, reason = actor(), request.form.get("bundle-reason", "")
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, me)
            found = office.deed_of(db, case)
            if found is None:
                raise NotPossible(_("还没有出证，没有证据包。"))
            bundling.record_asking(db, case, reason, me, parts().clock())
    except BadInput as bad:
        return _deed_page(case_id, {"bundle-reason": next(iter(bad.fields.values()))}), bad.status
    with parts().db() as db:
        packed = bundling.bundle(db, parts(), case, office.deed_bytes(parts(), case, found))
    head = {"Content-Disposition": f'attachment; filename="bundle-{found.code}.zip"'}
    return Response(packed, mimetype="application/zip", headers=head)
