"""The recipients' copies: one by a link of a message, one by the applicant's own login."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary import ledger
from notary.errors import NotFound
from notary.ledger import Actor
from notary.lifecycle import Role
from notary.models import Bank, Case, Deed, Rating
from notary.office import delivering, filing, issuing, noticing, verifying
from notary.office.counting import AFTER_ISSUE
from notary.parts import Parts
from notary.portal.doors import PUBLIC, actor, only, parts
from notary.terms import state_words

copies = Blueprint("copies", __name__)
LINK_HOLDER = Actor(Role.SYSTEM, name="link")


def as_file(parts: Parts, case: Case, deed: Deed) -> AnyResponse:
    data = issuing.deed_bytes(parts, case, deed)
    head = {"Content-Disposition": f'attachment; filename="deed-{deed.code}.pdf"'}
    return AnyResponse(data, mimetype="application/pdf", headers=head)


@copies.get("/d/<token>")
@only(PUBLIC)
def linked(token: str) -> str:
    """One copy: looking marks nothing, since phones and mail filters open links by themselves."""
    with parts().db() as db:
        row, case, deed = delivering.by_token(db, token, parts().clock())
        return render_template(
            "deed/copy.html", token=token, row=row, case=case, deed=deed, matter=filing.matter_of(case),
            person=verifying.masked_name(filing.party_of(db, case).name), trial_deed=verifying.trial_of(db, deed),
            verdict=verifying.word_of(deed),
        )  # fmt: skip


@copies.post("/d/<token>")
@only(PUBLIC)
def by_link(token: str) -> AnyResponse:
    """The file, and with it the receipt (H10)."""
    now = parts().clock()
    with parts().db.begin() as db:
        row, case, deed = delivering.by_token(db, token, now)
        delivering.mark_received(db, row, LINK_HOLDER, now)
    return as_file(parts(), case, deed)


@copies.get("/my/<uuid:case_id>/deed")
@only(Role.APPLICANT)
def mine(case_id: UUID) -> str:
    """The applicant's deed: how far it is, the file, who has a copy, who verified it and when (G11, I07)."""
    with parts().db() as db:
        case = filing.own_case(db, case_id, actor().id)
        deed = issuing.deed_of(db, case)
        asked = verifying.of_deed(db, deed) if deed else []
        banks = {one.id: one.name for one in db.scalars(sa.select(Bank))}
        return render_template(
            "deed/mine.html", case=case, deed=deed, matter=filing.matter_of(case), state=state_words(case.state),
            deliveries=delivering.deliveries_of(db, case), asked=asked, banks=banks,
            verdict=verifying.word_of(deed) if deed else "", notices=noticing.sealed_of(db, deed) if deed else [], rated=_rated(db, case), rateable=case.state in AFTER_ISSUE,
            titles={one.key: one.title for one in filing.matter_of(case).recipients},
        )  # fmt: skip


@copies.post("/my/<uuid:case_id>/deed/deliveries/<uuid:delivery_id>/end")
@only(Role.APPLICANT)
def end_access(case_id: UUID, delivery_id: UUID) -> AnyResponse:
    """A bank fetches the deed no more (I05, PIPL art. 15)."""
    with parts().db.begin() as db:
        case = filing.own_case(db, case_id, actor().id)
        delivering.end_access(db, case, delivery_id, actor(), parts().clock())
    return redirect(url_for("copies.mine", case_id=case_id) + "#my-deliveries", 303)


def _rated(db: sa.orm.Session, case: Case) -> set[str]:
    return set(db.scalars(sa.select(Rating.moment).where(Rating.case_id == case.id)))


@copies.post("/my/<uuid:case_id>/deed/file")
@only(Role.APPLICANT)
def my_file(case_id: UUID) -> AnyResponse:
    me, now = actor(), parts().clock()
    with parts().db.begin() as db:
        case = filing.own_case(db, case_id, me.id)
        deed = issuing.deed_of(db, case)
        if deed is None:
            raise NotFound
        delivering.mark_collected(db, case, "party", me, now)
        ledger.append(db, "deed.read", me, now, case_id=case.id, office_id=case.office_id, sha256=deed.sha256)
    return as_file(parts(), case, deed)
