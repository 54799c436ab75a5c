"""From interview to approval: the handling notary writes, an approver reads what is unusual first and decides."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary import ledger, words
from notary.errors import BadInput, NotFound, NotPossible
from notary.lifecycle import Role, State
from notary.models import Case, Draft, Person, Remark
from notary.office import drafting, ending, filing, hearing, identifying, issuing, safe, showing, wording
from notary.office.accepting import case_for_staff
from notary.portal import liveness, passkeys
from notary.portal.doors import actor, only, parts
from signing import render

deeds = Blueprint("deeds", __name__, url_prefix="/desk")
READERS = frozenset({Role.NOTARY, Role.APPROVER, Role.ASSISTANT, Role.ADMIN})
LISTED = (
    State.DRAFTING, State.APPROVAL, State.APPROVED, State.ISSUED, State.DELIVERED, State.UNDER_REVIEW, State.UPHELD, State.CORRECTED,
    State.REVOKED,
)  # fmt: skip
MOST = 200
Page = tuple[str, int] | AnyResponse | str


@deeds.get("/deeds")
@only(READERS)
def every() -> str:
    """Cases after their interview, those to be worked on first."""
    me = actor()
    query = sa.select(Case).where(Case.office_id == me.office_id, Case.state.in_(LISTED))
    with parts().db() as db:
        found = db.scalars(query.order_by(Case.created_at.desc()).limit(MOST)).all()
        rows = sorted(found, key=lambda case: LISTED.index(case.state))
        names = {one.id: one.name for one in db.scalars(sa.select(Person))}
        people = {case.id: filing.party_of(db, case).name for case in rows}
        ends = list(ending.waiting(db, me.office_id)) if me.role == Role.APPROVER else []
        people |= {case.id: filing.party_of(db, case).name for case in ends}
        matters = {case.id: filing.matter_of(case).title for case in [*rows, *ends]}
    return render_template("deed/every.html", rows=rows, names=names, people=people, matters=matters, me=me, ends=ends)


# the draft


@deeds.get("/cases/<uuid:case_id>/draft")
@only(Role.NOTARY)
def draft(case_id: UUID) -> Page:
    return _draft_page(case_id, {}, None)


def _draft_page(case_id: UUID, errors: dict[str, str], typed: dict[str, str] | None) -> str:
    me = actor()
    with parts().db() as db:
        case = case_for_staff(db, case_id, me)
        newest = drafting.newest(db, case)
        template = drafting.template_of(db, case)
        return render_template(
            "deed/draft.html", case=case, draft=newest, template=template, errors=errors, me=me,
            text=typed["text"] if typed else newest.text if newest else template,
            findings=typed or (newest.findings if newest else {}),
            points=[(key, drafting.finding_words(key), drafting.finding_hint(key)) for key in drafting.FINDINGS],
            abroad=_abroad(newest, typed), languages=[(one, drafting.language_words(one)) for one in drafting.LANGUAGES],
            runs=drafting.difference(newest) if newest else [],
            pages=_count(db, case) if newest else 0, party=filing.party_of(db, case), matter=filing.matter_of(case),
            remarks=_remarks(db, case), mine=case.notary_id == me.id,
            ready=newest is not None and all(len(newest.findings.get(p, "")) >= 2 for p in drafting.FINDINGS),
        )  # fmt: skip


def _abroad(newest: Draft | None, typed: dict[str, str] | None) -> dict[str, str]:
    """What the fields of the translation show: what was typed, else what was saved."""
    if typed:
        return {name: typed[f"translation-{name}"] for name in drafting.TRANSLATION}
    return {"language": "en", **(newest.translation if newest else {})}


def _remarks(db: Session, case: Case) -> list[Remark]:
    query = sa.select(Remark).where(Remark.case_id == case.id, Remark.kind == "sent-back")
    return list(db.scalars(query.order_by(Remark.at.desc())))


def _count(db: Session, case: Case) -> int:
    return len(render.page_texts(issuing.preview(db, parts(), case)))


@deeds.post("/cases/<uuid:case_id>/draft")
@only(Role.NOTARY)
def draft_save(case_id: UUID) -> Page:
    me, form = actor(), request.form
    names = ("text", *drafting.FINDINGS, *(f"translation-{name}" for name in drafting.TRANSLATION))
    typed = {name: form.get(name, "") for name in names}
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, me, lock=True)
            drafting.save(db, case, typed["text"], typed, me, parts().clock())
    except BadInput as bad:
        return _draft_page(case_id, bad.fields, typed), bad.status
    return redirect(url_for("deeds.draft", case_id=case_id, _anchor="preview"), 303)


@deeds.get("/cases/<uuid:case_id>/draft/<int:page>.png")
@only(Role.NOTARY, Role.APPROVER)
def draft_picture(case_id: UUID, page: int) -> AnyResponse:
    """A page of the deed as it would be: drawn from this draft, with no number yet."""
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        pdf = issuing.preview(db, parts(), case)
    return page_of(pdf, page)


def page_of(pdf: bytes, page: int) -> AnyResponse:
    pictures = render.pages(pdf, dpi=110)
    if not 1 <= page <= len(pictures):
        raise NotFound
    return Response(pictures[page - 1], mimetype="image/png")


@deeds.post("/cases/<uuid:case_id>/propose")
@only(Role.NOTARY)
def propose(case_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, actor(), lock=True)
        drafting.propose(db, case, actor(), parts().clock())
    return redirect(url_for("issuing.deed", case_id=case_id), 303)


# the approval


@deeds.get("/cases/<uuid:case_id>/approval")
@only(Role.APPROVER)
def approval(case_id: UUID) -> Page:
    me, now = actor(), parts().clock()
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, me)
        ledger.append(db, "approval.read", me, now, case_id=case.id, office_id=case.office_id)
    return _approval_page(case_id, {})


def _approval_page(case_id: UUID, errors: dict[str, str], remarks: str = "") -> str:
    me = actor()
    with parts().db() as db:
        case = case_for_staff(db, case_id, me)
        if case.state != State.APPROVAL:
            raise NotPossible(_("这个案子不在等审批。"))
        newest = _draft_of(db, case)
        party = filing.party_of(db, case)
        instrument, signature = showing.newest(db, case, "instrument"), showing.signature_of(db, case, "instrument")
        interview = hearing.last_complete(db, case)
        face = identifying.last_face_check(db, interview) if interview else None
        changed = [run for run in drafting.difference(newest) if run[0] != "same"]
        return render_template(
            "deed/approval.html", case=case, me=me, errors=errors, remarks=remarks, draft=newest,
            unusual=drafting.unusual(db, case), runs=drafting.difference(newest), changes=len(changed),
            points=drafting.points_of(db, case), party=party, matter=filing.matter_of(case),
            id_words=wording.ID_NUMBER_OF[party.id_type], born=words.deed_day(party.birth, "zh") if party.birth else "",
            findings=[(drafting.finding_words(key), newest.findings.get(key, "")) for key in drafting.FINDINGS],
            notary=db.get(Person, case.notary_id), author=db.get(Person, newest.by), paper=instrument,
            minutes=showing.newest(db, case, "minutes"), signature=signature, face=face,
            challenges=liveness.of_approver(db, interview) if interview else [], media_clock=liveness.media_clock,
            ink=render.strokes_svg(signature.strokes) if signature else "", course=drafting.course_of(db, case),
            exhibits=filing.exhibits_of(db, case), pages=_count(db, case),
            language=drafting.language_words(newest.translation["language"]) if newest.translation else "",
            titles={one.key: one.title for one in filing.matter_of(case).materials},
        )  # fmt: skip


def _draft_of(db: Session, case: Case) -> Draft:
    newest = drafting.newest(db, case)
    if newest is None:
        raise NotPossible
    return newest


def _bound(case: Case, draft: Draft) -> bytes:
    """What an approval is bound to: this case and this very text. Another draft, another challenge."""
    return passkeys.bound(
        "yuanzheng-approve/2", case.id, draft.id, draft.text, ledger.canonical(draft.translation).decode()
    )


@deeds.post("/cases/<uuid:case_id>/approval/options")
@only(Role.APPROVER)
def approval_options(case_id: UUID) -> Response:
    me = actor()
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, me)
        return passkeys.options_for(db, me, _bound(case, _draft_of(db, case)))


@deeds.post("/cases/<uuid:case_id>/approval")
@only(Role.APPROVER)
def approve(case_id: UUID) -> AnyResponse:
    """Approval with the approver's own passkey, over the draft that the page showed."""
    me, now, given = actor(), parts().clock(), passkeys.body()
    assertion = passkeys.assertion_of(given)
    if not given.get("seen"):
        raise BadInput({"seen": _("请先看过上面的理由和录像，再勾这一项。")})
    with parts().db.begin() as db:
        challenge = passkeys.take_challenge(db)  # once, also when what follows is refused
    with parts().db() as db:
        if case_for_staff(db, case_id, me).state != State.APPROVAL:
            raise NotPossible(_("这个案子不在等审批。可能同事刚刚办了，请刷新。"))
    evidence = issuing.evidence_of(parts(), case_id)
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, me, lock=True)
        key = passkeys.check_act(db, me, assertion, challenge, _bound(case, _draft_of(db, case)))
        number = issuing.approve(db, parts(), case, evidence, me, now)
        ledger.append(
            db, "approval.passkey", me, now, case_id=case.id, office_id=case.office_id, number=number.text, passkey=key
        )
    return jsonify({"next": url_for("issuing.deed", case_id=case_id)})


@deeds.post("/cases/<uuid:case_id>/send-back")
@only(Role.APPROVER)
def send_back(case_id: UUID) -> Page:
    me, remarks = actor(), request.form.get("remarks", "")
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, me, lock=True)
            drafting.send_back(db, case, remarks, me, parts().clock())
    except BadInput as bad:
        return _approval_page(case_id, bad.fields, remarks), bad.status
    return redirect(url_for("deeds.every"), 303)


# papers of the case, page by page


@deeds.get("/cases/<uuid:case_id>/signed/<uuid:paper_id>/<int:page>.png")
@only(Role.NOTARY, Role.APPROVER)
def paper(case_id: UUID, paper_id: UUID, page: int) -> AnyResponse:
    """A page of the instrument or of the minutes, from the very bytes that were shown and signed."""
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        found = showing.paper_of(db, case, paper_id)
        return Response(showing.picture(parts(), case, found, page), mimetype="image/png")


@deeds.get("/cases/<uuid:case_id>/exhibits/<uuid:exhibit_id>")
@only(Role.NOTARY, Role.APPROVER)
def exhibit(case_id: UUID, exhibit_id: UUID) -> AnyResponse:
    """One paper that was handed in, as the office keeps it."""
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        found = next((one for one in filing.exhibits_of(db, case) if one.id == exhibit_id), None)
        if found is None:
            raise NotFound
        data = safe.fetch(parts(), case, found.object_key, found.sha256)
    return Response(data, mimetype=found.media_type, headers={"Content-Security-Policy": "default-src 'none'; sandbox"})
