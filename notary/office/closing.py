"""How an interview ends: the room is closed, the manifest made and sealed, the recording judged whole or not (D05, D14)."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import Unavailable
from notary.ledger import Actor
from notary.lifecycle import Act, Need, Role
from notary.models import Case
from notary.office.hearing import (
    LEGS,
    Live,
    last_complete,
    moment,
    newest,
    open_room,
    turn,
)
from notary.office.needs import check
from notary.office.step import advance, refuse_unmet
from notary.parts import Parts
from webrtc.client import MediaError
from webrtc.errors import NoSuchRoom, Unreachable


def shut(db: Session, parts: Parts, case: Case, reason: str, by: Actor, now: datetime) -> None:
    """Closes the room of a case that has ended otherwise, and seals what was recorded; nothing where none is open."""
    interview = newest(db, case)
    if interview is not None and interview.closed_at is None:
        finish(db, parts, Live(case, interview), reason, by, now)


def close(db: Session, parts: Parts, at: Live, by: Actor, now: datetime) -> None:
    """Ends a complete interview: the room is closed, the manifest made and sealed, then the case goes to drafting.

    Raises NotYet naming everything that is missing (D14, C16, C14, E03).
    """
    refuse_unmet(
        db, at.case, Act.CLOSE, by, frozenset({Need.RECORDING})
    )  # the room is closed only when all else is done
    manifest = close_room(parts, at)
    at.interview.manifest = manifest
    whole = frozenset({Need.RECORDING}) if is_whole(manifest) else frozenset()
    advance(db, at.case, Act.CLOSE, by, now, whole, interview=str(at.interview.id))
    _seal_manifest(db, parts, at, manifest, now)
    at.interview.closed_at = now
    moment(db, at.interview, "closed", by, now, None)
    turn(db, parts, at, {"kind": "done"})


def finish(db: Session, parts: Parts, at: Live, reason: str, by: Actor, now: datetime) -> None:
    manifest = close_room(parts, at)
    at.interview.manifest, at.interview.ended, at.interview.closed_at = manifest, reason, now
    _seal_manifest(db, parts, at, manifest, now)
    moment(db, at.interview, "ended", by, now, None, reason)
    turn(db, parts, at, {"kind": "ended", "reason": reason})


def close_room(parts: Parts, at: Live) -> dict[str, Any]:
    try:
        with suppress(NoSuchRoom, Unreachable):
            return parts.media.close_room(at.room)
        open_room(parts, at.case, at.interview)  # its worker has ended since, and nobody came back
        return parts.media.close_room(at.room)
    except MediaError as error:
        raise Unavailable(_("录像还没有收好，请过几秒再结束。")) from error


def _seal_manifest(db: Session, parts: Parts, at: Live, manifest: dict[str, Any], now: datetime) -> None:

    body = ledger.canonical(manifest)
    at.interview.manifest_sha256 = hashlib.sha256(body).hexdigest()
    sealed = parts.seal.attest("manifest", body)
    at.interview.manifest_seal = {
        "key_id": sealed.key_id, "signature": base64.b64encode(sealed.signature).decode(), "at": now.isoformat()
    }  # fmt: skip
    ledger.append(
        db, "recording.sealed", Actor(Role.SYSTEM), now, case_id=at.case.id, office_id=at.case.office_id,
        manifest=at.interview.manifest_sha256, key=sealed.key_id,
    )  # fmt: skip


def is_whole(manifest: dict[str, Any]) -> bool:
    """Closed in order, every fragment unchanged, none dropped, both parties in it."""
    segments = manifest.get("segments", [])
    return bool(manifest.get("intact") and manifest.get("complete") and not manifest.get("drops")) and {
        segment["leg"] for segment in segments
    } >= set(LEGS)


@check(Need.RECORDING)
def recording_is_whole(db: Session, case: Case, _by: Actor) -> bool:
    """D14: the last complete interview has a sealed manifest without a problem."""
    interview = last_complete(db, case)
    return interview is not None and bool(interview.manifest_seal) and is_whole(interview.manifest)
