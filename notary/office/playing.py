"""A recording for the eye: its segments, its phases, and any stretch of bytes; opened for a reason, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotFound, Unavailable
from notary.ledger import Actor
from notary.models import Case, Interview
from notary.office import hearing, safe
from notary.parts import Parts
from storage.errors import BadBox
from webrtc import journal


@dataclass(frozen=True)
class Stretch:
    """Seconds of the whole interview at which a phase began."""

    phase: str
    seconds: float


def phase_words(phase: str) -> str:
    return {
        "consent": _("同意录音录像"), "identity": _("身份核对"), "environment": _("周围环境"),
        "private_talk": _("单独谈话"), "notice": _("告知"), "inquiry": _("询问"), "document_review": _("看文件"),
        "signing": _("签字"), "closing": _("结束"),
    }.get(phase, phase)  # fmt: skip


def open_for(db: Session, case: Case, reason: str, by: Actor, now: datetime) -> None:
    """Looking is for a reason, and the reason stands in the ledger (D11). Raises BadInput."""
    if len(reason.strip()) < 4:
        raise BadInput({"reason": _("请写明为什么要看。")})
    ledger.append(db, "recording.opened", by, now, case_id=case.id, office_id=case.office_id, reason=reason.strip())


def interview_of(db: Session, case: Case, interview_id: UUID) -> Interview:
    found = db.get(Interview, interview_id)
    if found is None or found.case_id != case.id:
        raise NotFound
    return found


def segments(interview: Interview) -> list[dict[str, Any]]:
    """As the sealed manifest lists them: segment, leg, offset and length in seconds, bytes, sha256."""
    return list(interview.manifest.get("segments", []))


def phases(db: Session, interview: Interview) -> list[Stretch]:
    """The index (D08): where each phase began, in seconds since the first recorded packet."""
    found = [
        Stretch(row.kind.removeprefix("phase."), row.media_time)
        for row in hearing.timeline(db, interview)
        if row.kind.startswith("phase.") and row.media_time is not None
    ]
    return [Stretch("consent", 0.0), *found]


def segment_of(interview: Interview, name: str) -> dict[str, Any]:
    """The segment of the sealed manifest whose file is called `name`. Raises NotFound."""
    for one in segments(interview):
        if journal.file_name(one) == name:
            return one
    raise NotFound


def read(parts: Parts, case: Case, interview: Interview, name: str, first: int, last: int) -> Iterator[bytes]:
    """Bytes `first` to `last`, both included, decrypted fragment by fragment; nothing is written to disk."""
    segment = segment_of(interview, name)["segment"]  # only names of the manifest reach the file system
    path = parts.settings.under("recordings", str(interview.id), f"{segment}.rec")
    return stretch(path, safe.data_key(parts, case), str(interview.id), first, last)


def stretch(path: Path, key: bytes, room: str, first: int, last: int) -> Iterator[bytes]:
    """Bytes `first` to `last` of a file of fragments. Raises Unavailable at the first that does not open."""
    at = 0
    try:
        for plain in journal.fragments(path, key, room):
            begin, end = max(first - at, 0), min(last + 1 - at, len(plain))
            if begin < end:
                yield plain[begin:end]
            at += len(plain)
            if at > last:
                return
    except (BadBox, FileNotFoundError) as bad:
        raise Unavailable(_("这段录像打不开，已经记下。")) from bad
