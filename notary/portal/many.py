"""Up to fifty files at once, for everybody: fingerprints in, one verdict in words for each out, in the same order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput
from notary.office import filing, verifying
from notary.office.verifying import MOST_HASHES, Answer
from notary.portal.doors import PUBLIC, address, only, parts
from notary.portal.verify import not_for_search_engines

many = Blueprint("many", __name__, url_prefix="/verify/files")
many.after_request(not_for_search_engines)
HEX = frozenset("0123456789abcdef")
COLUMNS = {
    "name": "文件 File", "word": "结论 Verdict", "said": "说明 Meaning", "number": "编号 Number", "matter": "事项 Matter",
    "issued_on": "出证日期 Issued on", "standing_at": "状态时间 Standing since", "asked_at": "查询时间 Asked at",
    "asked": "核验单号 Verification", "verdict": "代码 Code", "sha256": "SHA-256",
}  # fmt: skip
"""The table's columns in both languages: it goes on to people who read the one or the other."""
MARKS = {"valid": "ok", "corrected": "ok", "revoked": "stop", "under_review": "warn"}


@many.get("/")
@only(PUBLIC)
def page() -> str:
    return _shown(())


@many.post("/")
@only(PUBLIC)
def ask() -> AnyResponse | str | tuple[str, int]:
    """The page's script sends fingerprints and keeps the files; without script the files come, and are hashed here."""
    if request.is_json:
        return jsonify({"rows": _asked(_fingerprints(request.get_json(silent=True)))})
    files = [one for one in request.files.getlist("files") if one.filename]
    if not 1 <= len(files) <= MOST_HASHES:
        errors = {"files": _("一次选 1 到 %(n)d 个文件。", n=MOST_HASHES)}
        return _shown((), errors), 422
    rows = _asked([_hash_of(one) for one in files])
    named = [{"name": one.filename, **row} for one, row in zip(files, rows, strict=True)]
    return _shown(named)


def _shown(rows: Sequence[dict[str, Any]], errors: Mapping[str, str] = MappingProxyType({})) -> str:
    return render_template("verify/many.html", rows=rows, errors=errors, most=MOST_HASHES, columns=[*COLUMNS.items()])


def _fingerprints(given: Any) -> list[str]:
    """Raises BadInput."""
    asked = given.get("sha256") if isinstance(given, dict) else None
    if not isinstance(asked, list) or not 1 <= len(asked) <= MOST_HASHES:
        raise BadInput({"sha256": _("一次选 1 到 %(n)d 个文件。", n=MOST_HASHES)})
    if not all(isinstance(one, str) and len(one) == 64 and HEX.issuperset(one) for one in asked):
        raise BadInput({"sha256": _("指纹要写成 64 位小写十六进制。")})
    return asked


def _hash_of(file: FileStorage) -> str:
    return hashlib.sha256(file.read()).hexdigest()


def _asked(hashes: list[str]) -> list[dict[str, Any]]:
    with parts().db() as db:
        found = verifying.by_hashes(db, hashes, address(), parts().clock())
        db.commit()
    return [_row(one, sha256) for one, sha256 in zip(found, hashes, strict=True)]


def _row(found: Answer | None, sha256: str) -> dict[str, Any]:
    verdict = found.verdict if found else "none"
    word, said = {
        "valid": (_("有效"), _("内容没有改过，现在有效。")),
        "corrected": (_("有效，有补正"), _("是真的，现在有效，有几个字更正了。和补正公证书一起看。")),
        "revoked": (_("已撤销"), _("是真的，但已经作废。不要采用。")),
        "under_review": (_("正在复查"), _("是真的，有人提出疑问。有结论以前先别按它办事。")),
    }.get(verdict, (_("登记里没有"), _("被改过，或者不是我们出的电子公证书。先不要采用。")))
    facts = found.facts if found else {}
    return {
        "verdict": verdict, "mark": MARKS.get(verdict, ""), "word": word, "said": said, "sha256": sha256,
        "number": facts.get("number", ""), "matter": facts["matter"][filing.language()] if facts else "",
        "issued_on": facts.get("issued_on", ""), "standing_at": facts.get("standing_at", ""),
        "asked": facts.get("asked", ""), "asked_at": facts.get("asked_at", parts().clock().isoformat()),
        "test": bool(facts.get("test")),
    }  # fmt: skip
