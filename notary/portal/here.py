"""The verifier's second edition: it runs in the visitor's browser, and no file comes to us."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from flask import Blueprint, current_app, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary.portal.doors import PUBLIC, only, parts
from notary.seal.refusals import SealError
from signing.verdict import WORDS

here = Blueprint("here", __name__)
STYLES = ("vendor/govuk-frontend-6.6.0/govuk-frontend.min.css", "house.css")
IMPORT = re.compile(r'^import (?:\* as (\w+)|\{([^}]*)\}) from "\./([\w./-]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:const|class|function) (\w+)", re.MULTILINE)
ALSO = re.compile(r"^export const .*", re.MULTILINE)


@here.after_request
def not_for_search_engines(response: AnyResponse) -> AnyResponse:
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@here.get("/verify/here")
@only(PUBLIC)
def page() -> str:
    return render_template("verify/here.html", register=url_for("verify.page"), **_told())


@here.get("/verify/here.html")
@only(PUBLIC)
def alone() -> AnyResponse:
    """The page as one file that needs neither network nor us."""
    static = Path(str(current_app.static_folder))
    style = "\n".join((static / name).read_text("utf-8") for name in STYLES)
    script = joined(static / "js")
    page = render_template(
        "verify/alone.html", register=f"{parts().settings.base_url}{url_for('verify.page')}", style=style, script=script,
        style_hash=_source(style), script_hash=_source(script), **_told(),
    )  # fmt: skip
    named = {"Content-Disposition": "attachment; filename=verifier.html"}
    return AnyResponse(page, mimetype="text/html", headers=named)


def _told() -> dict[str, Any]:
    """The words of a verdict, and the office's root with its fingerprint; none while seal does not answer."""
    try:
        root = parts().seal.public().trust_pem.decode("ascii")
        certificate = x509.load_pem_x509_certificate(root.encode())
    except (SealError, ValueError):
        return {"said_words": WORDS, "root": "", "print": ""}
    found = certificate.fingerprint(hashes.SHA256()).hex()
    return {"said_words": WORDS, "root": root, "print": " ".join(found[at : at + 4] for at in range(0, 64, 4))}


@cache
def joined(folder: Path) -> str:
    """`here.js` and every module below it as one script; a module of its own scope each, in order of need."""
    return "const modules = {};\n" + "".join(_modules(folder, "here.js", set()))


def _modules(folder: Path, name: str, known: set[str]) -> Iterator[str]:
    if name in known:
        return
    known.add(name)
    text = (folder / name).read_text("utf-8")
    home = Path(name).parent

    def place(found: str) -> str:
        return str(home / found)

    for found in IMPORT.finditer(text):
        yield from _modules(folder, place(found[3]), known)

    def taken(found: re.Match[str]) -> str:
        what = found[1] or "{" + found[2].replace(" as ", ": ") + "}"
        return f'const {what} = modules["{place(found[3])}"];\n'

    names = set(EXPORT.findall(text))
    for line in ALSO.findall(text):
        names |= set(re.findall(r"(?:const|,) (\w+) = ", line))
    body = re.sub(r"^export ", "", IMPORT.sub(taken, text), flags=re.MULTILINE)
    yield f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {", ".join(sorted(names))} }};\n}})();\n'


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
