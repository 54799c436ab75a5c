"""The evidence of a case as one zip: minutes, recordings, journal, strokes, identity record, listed and hashed.

The list (`manifest.json`) is fixed at approval and its SHA-256 stands in the deed; the zip is made when somebody
with a reason asks for it, and proves itself offline: `python -m signing verify deed.pdf --bundle bundle.zip`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotPossible, NotYet, Unavailable
from notary.ledger import Actor
from notary.models import Case, Interview, Number, NumberState
from notary.office import asking, hearing, identifying, proving, publishing, safe, showing, vouching
from notary.office.vouching import TOO_LATE
from notary.parts import Parts
from signing.facts import manifest


def recordings(parts: Parts, case: Case, interview: Interview) -> dict[str, bytes]:
    """The journal, and every segment of an interview as a playable file, by name; decrypted only while it is asked for.

    The media room's own tool checks the chain of the journal. Raises Unavailable when it finds a fault.
    """
    with tempfile.TemporaryDirectory(prefix="yz-export-") as name:
        folder = Path(name)
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(safe.data_key(parts, case))
        out = folder / "out"
        done = subprocess.run(
            [
                sys.executable, "-m", "webrtc", "export",
                str(parts.settings.under("recordings", str(interview.id))), str(out), "--key-file", str(key),
            ],
            capture_output=True, check=False, timeout=600,
        )  # fmt: skip
        if done.returncode != 0:
            raise Unavailable(_("录像导出时校验没有通过。"))
        found = {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}
    if json.loads(found.pop("manifest.json")) != interview.manifest:  # the bundle carries the one that was sealed
        raise Unavailable(_("录像导出时校验没有通过。"))
    return found


def evidence(db: Session, parts: Parts, case: Case) -> dict[str, bytes]:
    """Every file of the bundle but the deed itself, by its name inside."""
    interview = hearing.last_complete(db, case)
    minutes, signed = showing.newest(db, case, "minutes"), showing.signature_of(db, case, "minutes")
    instrument, signature = showing.newest(db, case, "instrument"), showing.signature_of(db, case, "instrument")
    if (
        interview is None
        or interview.closed_at is None
        or minutes is None
        or signed is None
        or instrument is None
        or signature is None
    ):
        raise NotPossible
    files = {
        "minutes.pdf": safe.fetch(parts, case, minutes.object_key, minutes.sha256),
        "instrument.pdf": safe.fetch(parts, case, instrument.object_key, instrument.sha256),
        "signatures.json": _json(
            [
                {
                    "paper": kind, "sha256": row.sha256, "signer": row.signer, "strokes": row.strokes,
                    "media_time": row.media_time, "at": row.at.isoformat(),
                }
                for kind, row in (("instrument", signature), ("minutes", signed))
            ]
        ),
        "identity.json": _json(
            {
                step: {"result": str(row.result), "reason": row.reason, "media_time": row.media_time}
                for step, row in identifying.steps_of(db, interview).items()
            }
        ),
        "identity-sources.json": _json(
            [
                {
                    "source": row.source, "level": row.level, "outcome": row.outcome, "checked": row.checked,
                    "unchecked": list(vouching.missing(row)), "why": row.why, "reference": row.reference,
                    "answer_sha256": row.answer_sha256, "at": row.done_at.isoformat(),
                }
                for row in reversed(vouching.of_case(db, case))
                if row.done_at is not None and TOO_LATE not in row.why
            ]
        ),
        "challenge.json": _json(proving.evidence(db, interview)),
        "faces.json": _json(identifying.evidence(db, interview)),
        "card.json": _json(vouching.card_evidence(db, case, interview.closed_at)),
        "answers.json": _json(
            [
                {"question": row.question, "version": row.version, "media_time": row.media_time}
                for row in asking.answers_of(db, interview).values()
            ]
        ),
        "recording/manifest.json": ledger.canonical(interview.manifest),
        "recording/manifest.seal.json": _json(interview.manifest_seal),
    }  # fmt: skip
    for name, data in recordings(parts, case, interview).items():
        files[f"recording/{name}"] = data
    return files


def listed(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """What `manifest.json` lists: name, size and SHA-256 of each file, in the order of names."""
    return [
        {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in sorted(files.items())
    ]


def record_asking(db: Session, case: Case, reason: str, by: Actor, now: datetime) -> None:
    """Who asks for the evidence and why, before any of it is opened (D11). Raises BadInput."""
    if len(reason.strip()) < 4:
        raise BadInput({"reason": _("请写明为什么要看。")})
    ledger.append(db, "evidence.exported", by, now, case_id=case.id, office_id=case.office_id, reason=reason.strip())


def bundle(db: Session, parts: Parts, case: Case, deed: bytes) -> bytes:
    """The zip. `record_asking` comes before it, committed. Raises NotPossible, Unavailable."""
    names = _names(db, case)
    files = {name: data for name, data in evidence(db, parts, case).items() if not names or name in names}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("manifest.json", manifest(listed(files)))
        packed.writestr("deed.pdf", deed)
        with contextlib.suppress(NotYet):  # while the seal is away the public log gets no new line
            packed.writestr("log.json", publishing.proof_of(db, parts, case))
        for name, data in sorted(files.items()):
            packed.writestr(name, data)
    return out.getvalue()


def _names(db: Session, case: Case) -> set[str]:
    """The files that the deed lists: one that was approved before a kind of file came in does not have it."""
    query = sa.select(Number).where(Number.case_id == case.id, Number.state != NumberState.VOID)
    number = db.scalar(query.order_by(Number.reserved_at.desc()).limit(1))
    attachments = number.facts.get("attachments", {}) if number is not None else {}  # until it is sealed there are none
    return {one["name"] for one in attachments.get("evidence", {}).get("files", [])}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode()
