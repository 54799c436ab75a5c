"""Papers of a case: handed in one by one, seen by their owner, taken out again."""

from __future__ import annotations

import hashlib
from uuid import UUID

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary import intake
from notary.errors import BadInput, NotFound
from notary.lifecycle import Role
from notary.models import Case, Exhibit
from notary.office import filing as office
from notary.office import safe
from notary.portal.doors import actor, only, parts
from notary.portal.filing import Answer, _place, about, own
from notary.portal.tasks import after, by_material, tasks_of
from notary.redraw import LARGEST

papers = Blueprint("papers", __name__)
SHUT_IN = "default-src 'none'; img-src 'self'; style-src 'none'; sandbox; frame-ancestors 'none'"
"""For bytes that a person handed in: whatever they are, they run nothing and reach nothing."""


@papers.get("/my/<uuid:case_id>/card")
@only(Role.APPLICANT)
def card(case_id: UUID) -> str:
    with parts().db() as db:
        return _page(db, own(db, case_id), True, {})


@papers.get("/my/<uuid:case_id>/papers")
@only(Role.APPLICANT)
def others(case_id: UUID) -> str:
    with parts().db() as db:
        return _page(db, own(db, case_id), False, {})


def _page(db: Session, case: Case, is_card: bool, errors: dict[str, str]) -> str:
    key = "card" if is_card else "papers"
    tasks = tasks_of(db, case, parts().clock())
    return render_template(
        "filing/papers.html",
        **about(db, case),
        **_place(db, case, key),
        is_card=is_card,
        materials=[one for one in office.materials_of(db, case) if bool(one.role) == is_card],
        given=by_material(office.exhibits_of(db, case)),
        promised=office.promised(case),
        missing=office.missing_materials(db, case),
        onwards=after(tasks, key, case),
        largest=LARGEST,
        errors=errors,
    )


@papers.post("/my/<uuid:case_id>/papers/<material>")
@only(Role.APPLICANT)
def add(case_id: UUID, material: str) -> Answer:
    """Looks at the file by content, re-encodes it and keeps that; refusals stand next to the material.

    The parsing is done before the transaction begins, so that no lock waits for a picture.
    """
    with parts().db() as db:
        case = own(db, case_id)
        office.refuse_closed(case)
        known = next((one for one in office.matter_of(case).materials if one.key == material), None)
    if known is None:
        raise NotFound
    try:
        file = request.files.get("file")
        if file is None or not file.filename:
            raise BadInput({"file": _("还没有选文件。请拍一张照片，或者选一个文件。")})
        data = file.stream.read(LARGEST + 1)
        clean = intake.clean(data, known.accepts, whole=bool(known.role))
        with parts().db.begin() as db:
            case = own(db, case_id, lock=True)
            office.add_exhibit(
                db,
                parts(),
                case,
                material,
                file.filename,
                hashlib.sha256(data).hexdigest(),
                clean,
                actor(),
                parts().clock(),
            )
    except BadInput as bad:
        said = next(iter(bad.fields.values()))
        if by_script():
            return jsonify({"title": said}), bad.status  # type: ignore[return-value]
        with parts().db() as db:
            return _page(db, own(db, case_id), bool(known.role), {f"m-{material}": said}), bad.status
    where = url_for("papers.card" if known.role else "papers.others", case_id=case_id) + f"#m-{material}"
    if by_script():
        return jsonify({"next": where})
    return redirect(where, 303)


def by_script() -> bool:
    return request.headers.get("X-Requested-With") == "upload"


@papers.post("/my/<uuid:case_id>/papers/<uuid:exhibit_id>/remove")
@only(Role.APPLICANT)
def remove(case_id: UUID, exhibit_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        office.withdraw_exhibit(db, case, exhibit_id, actor(), parts().clock())
        material = db.get_one(Exhibit, exhibit_id).material
        role = next((one.role for one in office.matter_of(case).materials if one.key == material), "")
    return redirect(url_for("papers.card" if role else "papers.others", case_id=case_id) + f"#m-{material}", 303)


@papers.post("/my/<uuid:case_id>/papers/<material>/promise")
@only(Role.APPLICANT)
def promise(case_id: UUID, material: str) -> AnyResponse:
    """A promise in place of a paper, where the rule allows it (A15)."""
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        office.promise(db, case, material, request.form.get("promise") == "yes", actor(), parts().clock())
    return redirect(url_for("papers.others", case_id=case_id) + f"#m-{material}", 303)


@papers.get("/my/<uuid:case_id>/papers/<uuid:exhibit_id>")
@only(Role.APPLICANT)
def show(case_id: UUID, exhibit_id: UUID) -> AnyResponse:
    with parts().db() as db:
        case = own(db, case_id)
        exhibit = db.get(Exhibit, exhibit_id)
        if exhibit is None or exhibit.case_id != case.id or exhibit.withdrawn_at:
            raise NotFound
    return handed_out(case, exhibit, small=request.args.get("size") == "small")


def handed_out(case: Case, exhibit: Exhibit, *, small: bool = False) -> AnyResponse:
    """The kept bytes, never the original ones: a picture to look at, a PDF to save."""
    data = safe.fetch(parts(), case, exhibit.object_key, exhibit.sha256)
    picture = exhibit.media_type == "image/jpeg"
    if picture and small:
        data = intake.small(data)
    response = Response(data, mimetype=exhibit.media_type)
    ending = "jpg" if picture else "pdf"
    manner = "inline" if picture else "attachment"
    response.headers["Content-Disposition"] = f'{manner}; filename="{exhibit.material}-{exhibit.sha256[:8]}.{ending}"'
    response.headers["Content-Security-Policy"] = SHUT_IN
    return response
