"""The root and what is known of the office's keys, for whoever verifies: a page that explains, and the files themselves."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from flask import Blueprint, render_template
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import NotFound
from notary.office import keeping
from notary.portal.doors import PUBLIC, only, parts

pki = Blueprint("pki", __name__)
KINDS = {
    keeping.ROOT_LIST: "application/pkix-crl", keeping.ISSUING_LIST: "application/pkix-crl",
    keeping.BUNDLE: "application/json",
}  # fmt: skip


@pki.get("/pki/")
@only(PUBLIC)
def page() -> str:
    public = parts().seal.public()
    root = x509.load_pem_x509_certificate(public.trust_pem)
    print_ = root.fingerprint(hashes.SHA256()).hex().upper()
    return render_template(
        "public/pki.html", root=root, grouped=[print_[at : at + 4] for at in range(0, 64, 4)], test_keys=public.test_keys,
        name=str(root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value), bundle=_bundle(),
    )  # fmt: skip


def _bundle() -> dict[str, Any] | None:
    """Date and size of the bundle that stands here."""
    try:
        raw = (keeping.folder(parts()) / keeping.BUNDLE).read_bytes()
    except OSError:
        return None
    return {"made_at": datetime.fromisoformat(json.loads(json.loads(raw)["body"])["made_at"]), "size": len(raw)}


@pki.get("/pki/root.pem")
@only(PUBLIC)
def root() -> AnyResponse:
    response = AnyResponse(parts().seal.public().trust_pem, content_type="application/x-pem-file")
    response.headers["Content-Disposition"] = 'attachment; filename="root.pem"'
    return response


@pki.get("/pki/<name>")
@only(PUBLIC)
def file(name: str) -> AnyResponse:
    """root.crl, issuing.crl, trust.bundle."""
    if name not in KINDS:
        raise NotFound
    try:
        data = (keeping.folder(parts()) / name).read_bytes()
    except OSError:
        raise NotFound from None
    response = AnyResponse(data, content_type=KINDS[name])
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
