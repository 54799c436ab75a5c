"""The applicant's own cases: one thing per page, everything kept as it is typed, handed in once it is whole."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary import terms, words
from notary.errors import NotFound, NotYet
from notary.lifecycle import Act, Role, State, acts_of
from notary.models import Applicant, Case
from notary.office import accepting, banks, booking, checking, ending
from notary.office import filing as office
from notary.office import public as standing
from notary.portal.doors import actor, only, parts
from notary.portal.tasks import Task, after, places_of, tasks_of
from notary.rules import rules

filing = Blueprint("filing", __name__)
Answer = AnyResponse | str | tuple[str, int]


@filing.get("/my")
@only(Role.APPLICANT)
def mine() -> str:
    now, language = parts().clock(), words.chosen_locale()
    with parts().db() as db:
        found = [(case, standing.of(db, case, now, language)) for case in office.cases_of(db, me())]
    return render_template("filing/mine.html", cases=found, matters=_open_matters())


@filing.get("/apply/<key>")
@only(Role.APPLICANT)
def begin(key: str) -> str:
    """Asks before anything is made: a link alone starts no case. Drafts of the same matter are offered first."""
    if not rules().open_remotely(key):
        raise NotFound
    with parts().db() as db:
        drafts = [one for one in office.cases_of(db, me()) if one.matter == key and one.state == State.DRAFT]
    return render_template("filing/begin.html", matter=rules().matter(key), drafts=drafts)


@filing.post("/my/new/<matter>")
@only(Role.APPLICANT)
def start(matter: str) -> AnyResponse:
    now = parts().clock()
    with parts().db.begin() as db:
        applicant = db.get_one(Applicant, me(), with_for_update=True)
        case = office.start(
            db, parts(), matter, actor(), now, applicant=applicant, phone=applicant.phone, locale=words.chosen_locale()
        )
    return redirect(url_for("filing.overview", case_id=case.id), 303)


@filing.get("/my/<uuid:case_id>")
@only(Role.APPLICANT)
def overview(case_id: UUID) -> str:
    now = parts().clock()
    with parts().db() as db:
        case = own(db, case_id)
        return render_template(
            "filing/case.html",
            **about(db, case),
            tasks=tasks_of(db, case, now) if case.state in office.OPEN_FOR_FILING else [],
            gaps=places_of(case, accepting.gaps_of(db, case)) if case.state == State.RETURNED else [],
            slot=booking.slot_of(db, case),
            place=booking.place_of(db, case),
            payment=accepting.payment_of(db, case),
            declined=(declined := accepting.declined(db, case)),
            alternatives=[one for one in rules().profile.alternatives if declined and one.key == declined.ground],
            ended=(ended := ending.reason(db, case)),
            ground=rules().grounds[ended.ground] if ended else None,
            may=acts_of(case.state, Role.APPLICANT),
            both=booking.both_zones,
            checked=checking.last(db, case),
        )


def about(db: Session, case: Case) -> dict[str, object]:
    """What every page of a case says about it."""
    return {
        "case": case,
        "matter": office.matter_of(case),
        "status": standing.of(db, case, parts().clock(), words.chosen_locale()),
        "open": case.state in office.OPEN_FOR_FILING,
    }


@filing.get("/my/<uuid:case_id>/who")
@only(Role.APPLICANT)
def who(case_id: UUID) -> str:
    with parts().db() as db:
        case = own(db, case_id)
        return _who_page(db, case, {})


@filing.post("/my/<uuid:case_id>/who")
@only(Role.APPLICANT)
def who_post(case_id: UUID) -> Answer:
    now = parts().clock()
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        wrong = office.save_party(db, case, request.form, now)
        if wrong and not later():
            return _who_page(db, case, wrong), 422
        return _onwards(db, case, "who")


def _who_page(db: Session, case: Case, errors: dict[str, str]) -> str:
    party = office.party_of(db, case)
    card = office.card_fields(db, case)
    typed = {
        "id_type": office.document_of(db, case), "name": party.name, "sex": party.sex, "birth": party.birth.isoformat() if party.birth else "",
        "id_number": party.id_number, "address": party.address, "name_en": party.name_en, **party.confirmed.get("typed", {}),
    }  # fmt: skip
    values = {key: typed[key] or card.get(key, "") for key in typed}
    return render_template(
        "filing/who.html",
        **about(db, case),
        **_place(db, case, "who"),
        values=values,
        card=card,
        party=party,
        kinds=[(key, str(said)) for key, said in terms.DOCUMENTS.items()],
        sexes=[(key, str(said)) for key, said in terms.SEXES.items()],
        errors=errors,
    )


@filing.get("/my/<uuid:case_id>/form/<section>")
@only(Role.APPLICANT)
def form(case_id: UUID, section: str) -> str:
    with parts().db() as db:
        return _form_page(db, own(db, case_id), section, {})


@filing.post("/my/<uuid:case_id>/form/<section>")
@only(Role.APPLICANT)
def form_post(case_id: UUID, section: str) -> Answer:
    """Keeps the section whatever is in it; goes on when it is whole, or when the applicant wants to go on later."""
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        before = _shown(case, section)
        wrong = office.save_fields(db, case, section, request.form)
        if later():
            return redirect(url_for("filing.overview", case_id=case.id), 303)
        if _shown(case, section) - before:  # an answer has opened more questions of this page
            new = {key: said for key, said in wrong.items() if key in before}
            return _form_page(db, case, section, new), 422 if new else 200
        if wrong:
            return _form_page(db, case, section, wrong), 422
        return _onwards(db, case, f"form-{section}")


def _shown(case: Case, section: str) -> set[str]:
    filed = {key: str(value) for key, value in case.filed.items()}
    return {one.key for one in office.matter_of(case).fields_for(filed) if one.section == section}


def _form_page(db: Session, case: Case, section: str, errors: dict[str, str]) -> str:
    matter = office.matter_of(case)
    found = next((one for one in matter.sections if one.key == section), None)
    shown = _shown(case, section)
    if found is None or not shown:
        raise NotFound
    return render_template(
        "filing/form.html",
        **about(db, case),
        **_place(db, case, f"form-{section}"),
        section=found,
        fields=[one for one in matter.fields if one.key in shown],
        values=case.filed,
        banks=banks.to_choose(db, case.office_id),
        errors=errors,
    )


@filing.get("/my/<uuid:case_id>/declare")
@only(Role.APPLICANT)
def declare(case_id: UUID) -> str:
    with parts().db() as db:
        case = own(db, case_id)
        return _declare_page(db, case, {})


@filing.post("/my/<uuid:case_id>/declare")
@only(Role.APPLICANT)
def declare_post(case_id: UUID) -> Answer:
    """A contrary answer is kept and said to be the end here; the way that is left stands beside it (A08)."""
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        wrong = office.save_declarations(case, request.form)
        office.save_care(case, request.form.getlist("care"))
        if wrong and not later():
            return _declare_page(db, case, wrong), 422
        return _onwards(db, case, "declare")


def _declare_page(db: Session, case: Case, errors: dict[str, str]) -> str:
    return render_template(
        "filing/declare.html",
        **about(db, case),
        **_place(db, case, "declare"),
        given=office.declared(case),
        cares=[(flag, terms.care_words(flag)) for flag in terms.CARE],
        errors=errors,
    )


@filing.get("/my/<uuid:case_id>/recipients")
@only(Role.APPLICANT)
def recipients(case_id: UUID) -> str:
    with parts().db() as db:
        case = own(db, case_id)
        return render_template(
            "filing/recipients.html", **about(db, case), **_place(db, case, "recipients"),
            agreed=office.agreed_recipients(db, case), facts=office.facts_of(db, case),
        )  # fmt: skip


@filing.post("/my/<uuid:case_id>/recipients/<key>")
@only(Role.APPLICANT)
def agree(case_id: UUID, key: str) -> AnyResponse:
    """One answer for one recipient; each consent stands by itself (I05)."""
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        office.agree_recipient(db, case, key, request.form.get("given") == "yes", actor(), parts().clock())
    return redirect(url_for("filing.recipients", case_id=case_id) + f"#r-{key}", 303)


@filing.get("/my/<uuid:case_id>/check")
@only(Role.APPLICANT)
def check(case_id: UUID) -> str:
    with parts().db() as db:
        return _check_page(db, own(db, case_id), [])


def _check_page(db: Session, case: Case, unmet: list[str]) -> str:
    filed = {key: str(value) for key, value in case.filed.items()}
    return render_template(
        "filing/check.html",
        **about(db, case),
        tasks=tasks_of(db, case, parts().clock()),
        party=office.party_of(db, case),
        fields=[one for one in office.matter_of(case).fields_for(filed) if filed.get(one.key)],
        filed=filed,
        bank_names={str(one.id): one for one in banks.all_banks(db, case.office_id)},
        exhibits=office.exhibits_of(db, case),
        promised=office.promised(case),
        agreed=office.agreed_recipients(db, case),
        given=office.declared(case),
        unmet=unmet,
    )


@filing.post("/my/<uuid:case_id>/submit")
@only(Role.APPLICANT)
def submit(case_id: UUID) -> Answer:
    """What is missing comes back all at once, above the answers, each a link to its page."""
    try:
        with parts().db.begin() as db:
            office.submit(db, own(db, case_id, lock=True), actor(), parts().clock())
    except NotYet as missing:
        with parts().db() as db:
            return _check_page(db, own(db, case_id), list(missing.unmet)), missing.status
    return redirect(url_for("filing.receipt", case_id=case_id), 303)


@filing.get("/my/<uuid:case_id>/receipt")
@only(Role.APPLICANT)
def receipt(case_id: UUID) -> str:
    with parts().db() as db:
        case = own(db, case_id)
        if case.submitted_at is None:
            raise NotFound
        party, papers = office.party_of(db, case), office.exhibits_of(db, case)
        return render_template("filing/receipt.html", **about(db, case), party=party, papers=papers)


@filing.get("/my/<uuid:case_id>/notice")
@only(Role.APPLICANT)
def notice(case_id: UUID) -> str:
    """Rights, duties and risks (A12), told at acceptance; signed in the interview."""
    with parts().db() as db:
        case = own(db, case_id)
        if case.accepted_at is None:
            raise NotFound
        notices = [rules().notices[key] for key in ("rights-and-risks", "liability")]
        return render_template("filing/notice.html", **about(db, case), notices=notices)


@filing.get("/my/<uuid:case_id>/withdraw")
@only(Role.APPLICANT)
def withdraw(case_id: UUID) -> str:
    with parts().db() as db:
        case = own(db, case_id)
        if Act.WITHDRAW not in acts_of(case.state, Role.APPLICANT):
            raise NotFound
        return render_template("filing/withdraw.html", **about(db, case))


@filing.post("/my/<uuid:case_id>/withdraw")
@only(Role.APPLICANT)
def withdraw_post(case_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        ending.withdraw(db, parts(), own(db, case_id, lock=True), actor(), parts().clock())
    return redirect(url_for("filing.overview", case_id=case_id), 303)


def me() -> UUID:
    found = actor().id
    assert found is not None
    return found


def own(db: Session, case_id: UUID, *, lock: bool = False) -> Case:
    return office.own_case(db, case_id, me(), lock=lock)


def later() -> bool:
    return "later" in request.form


def _onwards(db: Session, case: Case, key: str) -> AnyResponse:
    if later():
        return redirect(url_for("filing.overview", case_id=case.id), 303)
    return redirect(after(tasks_of(db, case, parts().clock()), key, case), 303)


def _place(db: Session, case: Case, key: str) -> dict[str, object]:
    """Where in the form this page stands: `step` of `steps`, and the tasks."""
    tasks: list[Task] = tasks_of(db, case, parts().clock())
    keys = [one.key for one in tasks]
    return {"tasks": tasks, "step": keys.index(key) + 1 if key in keys else 1, "steps": len(keys)}


def _open_matters() -> list[object]:
    return [rules().matter(key) for key in rules().profile.matters if rules().open_remotely(key)]
