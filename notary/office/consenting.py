"""What the applicant is asked to agree to, and the own answer on the own screen (C05, B10)."""

from __future__ import annotations

from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import NotPossible
from notary.ledger import Actor
from notary.lifecycle import Role
from notary.models import Consent, ConsentKind
from notary.office import assessing
from notary.office.breaking import break_off
from notary.office.hearing import (
    LEGS,
    Live,
    consented,
    media_time,
    moment,
    turn,
)
from notary.parts import Parts
from webrtc.client import MediaError


def ask_consent(db: Session, parts: Parts, at: Live, kind: ConsentKind, by: Actor, now: datetime) -> None:
    """Puts a consent onto the applicant's screen. Notices wait for identity (A17: liability comes before it).

    Raises NotPossible, of faces also where the office may not compare them (B11, B14).
    """
    if kind not in (ConsentKind.RECORDING, ConsentKind.LIABILITY) and not consented(db, at.case, ConsentKind.RECORDING):
        raise NotPossible(_("先让对方同意录音录像。"))
    if kind == ConsentKind.FACE:
        assessing.refuse_faces(db, at.case, now)
    what = "notice" if kind in (ConsentKind.NOTICE, ConsentKind.LIABILITY) else "consent"
    moment(db, at.interview, f"asked.{kind}", by, now, media_time(parts, at))
    turn(db, parts, at, {"kind": what, "consent": str(kind)})


def consent(
    db: Session, parts: Parts, at: Live, kind: ConsentKind, given: bool, words: str, by: Actor, now: datetime
) -> None:
    """The applicant's own answer on the own screen, with the exact words shown and its media time (C05, B10)."""
    seconds = media_time(parts, at)
    db.add(
        Consent(case_id=at.case.id, kind=kind, given=given, words=words, manner="screen", media_time=seconds, at=now)
    )
    moment(db, at.interview, f"consent.{kind}", by, now, seconds, "yes" if given else "no")
    ledger.append(
        db, f"consent.{kind}", by, now, case_id=at.case.id, office_id=at.case.office_id, given=given, media_time=seconds
    )
    if kind == ConsentKind.RECORDING and not given:
        for leg in LEGS:
            try:
                parts.media.stop_recording(at.room, leg)
            except MediaError:
                continue
        break_off(db, parts, at, "recording-refused", Actor(Role.SYSTEM), now)
        return
    turn(db, parts, at, {"kind": "talk"})
