"""Is this deed real, unchanged and in force? For everybody, without login, without script, without a cookie."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

import segno
from flask import Blueprint, Response, jsonify, render_template, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import NotFound
from notary.office import noticing, verifying
from notary.office.verifying import Answer, NoMatch
from notary.portal.doors import PUBLIC, address, only, parts

verify = Blueprint("verify", __name__)
Page = tuple[str, int] | AnyResponse | str


@verify.after_request
def not_for_search_engines(response: AnyResponse) -> AnyResponse:
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Cache-Control"] = "no-store"
    return response


@verify.get("/verify")
@only(PUBLIC)
def page() -> str:
    return render_template("verify/page.html", errors={}, number="", code="", missed=False)


@verify.post("/verify")
@only(PUBLIC)
def ask() -> Page:
    """Number and code, or a fingerprint, or the file itself; whichever is there, the file last."""
    form, now = request.form, parts().clock()
    number, code, sha256 = form.get("number", ""), form.get("code", ""), form.get("sha256", "")
    upload = request.files.get("file")
    data = upload.read() if upload is not None else b""
    with parts().db() as db:
        try:
            if data:
                found = verifying.by_file(db, parts(), data, address(), now)
            elif sha256:
                found = verifying.by_hash(db, sha256, address(), now)
            elif number.strip() and code.strip():
                found = verifying.by_code(db, number, code, address(), now)
            else:
                words = _("编号和核验码都要填；或者选一个文件。")
                return render_template("verify/page.html", errors={"number": words}, number=number, code=code), 422
        except NoMatch as miss:
            db.commit()
            return _missed(miss, number, code)
        db.commit()
    return _result(found)


@verify.get("/v/<code>")
@only(PUBLIC)
def by_qr(code: str) -> Page:
    """What the QR on the paper opens: the code carries 44 random bits, so it is enough alone (H05)."""
    return _by_code(code, "verify/result.html", "qr")


@verify.get("/v/<code>/proof")
@only(PUBLIC)
def proof(code: str) -> Page:
    """The proof for the file: says when it was asked and how, and that it holds for that moment only."""
    return _by_code(code, "verify/proof.html", "proof")


@verify.get("/v/<code>/notices/<uuid:notice_id>.pdf")
@only(PUBLIC)
def notice(code: str, notice_id: UUID) -> AnyResponse:
    """The paper of a decision about the deed, for whoever holds the deed's code."""
    with parts().db() as db:
        case, found = verifying.notice_of(db, code, notice_id, address(), parts().clock())
        db.commit()
    head = {"Content-Disposition": f'attachment; filename="notice-{found.facts["code"]}.pdf"'}
    return Response(noticing.file_of(parts(), case, found), mimetype="application/pdf", headers=head)


def _by_code(code: str, template: str, way: str) -> Page:
    now = parts().clock()
    with parts().db() as db:
        try:
            found = verifying.by_code(db, "", code, address(), now, way=way)
        except NoMatch as miss:
            db.commit()
            return _missed(miss, "", "")
        db.commit()
    matched = request.args.get("sha256", "").lower() == found.facts["sha256"]
    return _result(found, template, matched=matched)


def _missed(miss: NoMatch, number: str, code: str) -> Page:
    """One answer for every miss, whichever part was wrong (I01)."""
    if request.accept_mimetypes.best == "application/json":
        return jsonify({"verdict": "no-match", "title": miss.title(), "detail": miss.meaning()}), miss.status  # type: ignore[return-value]
    errors = {"number": miss.title()}
    return render_template("verify/page.html", errors=errors, number=number, code=code, missed=True), miss.status


def _result(found: Answer, template: str = "verify/result.html", *, matched: bool = False) -> Page:
    if request.accept_mimetypes.best == "application/json":
        return jsonify(found.json())
    facts = found.facts
    link = f"{parts().settings.base_url}/v/{facts['code']}" if facts.get("code") else ""
    return render_template(
        template,
        answer=found, facts=facts, times=times_of(facts), signed=signed_of(found.machine),
        whole=matched or found.way in ("file", "hash"), link=link,
        qr=segno.make(link, error="m", micro=False).svg_data_uri(scale=4, border=4) if link else "",
        report=json.dumps(found.json(), ensure_ascii=False, indent=1),
        grouped=" ".join(facts["sha256"][at : at + 4] for at in range(0, 64, 4)) if facts.get("sha256") else "",
    )  # fmt: skip


def times_of(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts' ISO times as times, for a page."""
    if "asked_at" not in facts:
        return {}
    return {
        "issued_on": date.fromisoformat(facts["issued_on"]),
        "standing_at": datetime.fromisoformat(facts["standing_at"]),
        "asked_at": datetime.fromisoformat(facts["asked_at"]),
        "history": [(one["what"], datetime.fromisoformat(one["at"])) for one in facts["history"]],
    }


def signed_of(machine: dict[str, Any]) -> dict[str, Any]:
    """Notary's and office's signature and the time stamp, as the machine read them in the file."""
    if machine.get("verdict") != "valid":
        return {}
    signers = {one["role"]: one for one in machine["signers"]}
    return {**signers, "stamped_at": datetime.fromisoformat(machine["stamped_at"])}


@verify.get("/.well-known/yuanzheng/keys.json")
@only(PUBLIC)
def keys() -> AnyResponse:
    """Public keys of everything that the office signs beside deeds, and where its root certificate is.

    `whpk` is the webhooks' key once more, as Standard Webhooks writes it.
    """
    public = parts().seal.public()
    return jsonify(
        {
            "root": f"{parts().settings.base_url}/.well-known/yuanzheng/root.pem",
            "test_keys": public.test_keys,
            "keys": [
                {"use": use, "kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(key).rstrip(b"=").decode()}
                | ({"whpk": "whpk_" + base64.b64encode(key).decode()} if use == "webhook" else {})
                for use, key in sorted(public.attest.items())
            ],
        }
    )


@verify.get("/.well-known/yuanzheng/root.pem")
@only(PUBLIC)
def root() -> AnyResponse:
    pem = parts().seal.public().trust_pem
    if not pem:
        raise NotFound
    return AnyResponse(pem, mimetype="application/x-pem-file")
