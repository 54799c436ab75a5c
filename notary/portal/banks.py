"""The banks of the office: names that a case may hold, API keys shown once, where deeds are announced."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput
from notary.lifecycle import Role
from notary.office import banks as office
from notary.portal.doors import actor, only, parts

banks = Blueprint("banks", __name__, url_prefix="/desk/banks")
Answer = AnyResponse | str | tuple[str, int]


@banks.get("/")
@only(Role.ADMIN)
def every() -> str:
    return _page({})


def _page(errors: dict[str, str]) -> str:
    with parts().db() as db:
        banks = office.all_banks(db, actor().office_id)
        return render_template(
            "desk/banks.html", banks=banks, errors=errors, typed=request.form,
            certificates={one.id: office.certificates_of(db, one.id) for one in banks},
        )  # fmt: skip


@banks.post("/")
@only(Role.ADMIN)
def add() -> Answer:
    try:
        with parts().db.begin() as db:
            office.add(db, request.form.get("name", ""), request.form.get("name_en", ""), actor(), parts().clock())
    except BadInput as bad:
        return _page(bad.fields), bad.status
    return redirect(url_for("banks.every"), 303)


@banks.post("/<uuid:bank_id>/key")
@only(Role.ADMIN)
def key(bank_id: UUID) -> Answer:
    """A new key, shown on this answer alone; a reload asks again and makes another."""
    keep = request.form.get(f"keep-{bank_id}", "0")
    try:
        with parts().db.begin() as db:
            days = int(keep) if keep.isdecimal() else -1
            bank, made = office.new_key(db, bank_id, actor(), parts().clock(), days)
    except BadInput as bad:
        return _page({f"keep-{bank_id}": bad.title()}), bad.status
    return Response(render_template("desk/bank-key.html", bank=bank, key=made), mimetype="text/html")


@banks.post("/<uuid:bank_id>/certificates")
@only(Role.ADMIN)
def add_certificate(bank_id: UUID) -> Answer:
    try:
        with parts().db.begin() as db:
            office.add_certificate(db, bank_id, request.form.get(f"pem-{bank_id}", ""), actor(), parts().clock())
    except BadInput as bad:
        return _page({f"pem-{bank_id}": bad.title()}), bad.status
    return redirect(url_for("banks.every"), 303)


@banks.post("/certificates/<uuid:certificate_id>/remove")
@only(Role.ADMIN)
def remove_certificate(certificate_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        office.remove_certificate(db, certificate_id, actor(), parts().clock())
    return redirect(url_for("banks.every"), 303)


@banks.post("/<uuid:bank_id>/webhook")
@only(Role.ADMIN)
def webhook(bank_id: UUID) -> Answer:
    try:
        with parts().db.begin() as db:
            office.set_webhook(
                db,
                bank_id,
                request.form.get(f"url-{bank_id}", ""),
                actor(),
                parts().clock(),
                trial=parts().settings.trial,
            )
    except BadInput as bad:
        return _page({f"url-{bank_id}": bad.title()}), bad.status
    return redirect(url_for("banks.every"), 303)


@banks.post("/<uuid:bank_id>/disable")
@only(Role.ADMIN)
def disable(bank_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        office.disable(db, bank_id, actor(), parts().clock())
    return redirect(url_for("banks.every"), 303)
