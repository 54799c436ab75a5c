"""Is it still the person who was accepted? Every open interview, a key frame every second or two, while it lasts
(decision 14's table: a face that is gone locks signing until it is seen again; another face, until one identity step).

Only with the consent to faces, and only where the notary accepted a face: who goes the way without is not watched.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from identity import child
from identity.continuity import Event, Look, Trail, step
from identity.errors import IdentityError
from notary import ledger
from notary.errors import NotPossible
from notary.lifecycle import State
from notary.models import Case, ConsentKind, Interview, Snapshot
from notary.office import hearing, identifying, safe
from notary.office.hearing import APPLICANT, Live
from notary.parts import Parts
from notary.rules import rules
from webrtc.client import MediaError, Picture

log = structlog.get_logger()

EVERY_S = 1.0
SELDOM_S = 10.0
NARROW_BPS = 400_000
"""A picture below this is looked at only every SELDOM_S, since a key frame costs what a second of it does; whatever is to be
signed then waits for a look of its own."""
AT_ONCE = 4
"""Interviews looked at side by side; most of a look is waiting for a key frame."""
WORTH_A_LINE_S = 30.0
"""A second face is told to the notary, not more often than this (C09: it decides nothing)."""
OPENS_BY_ITSELF = ("face-lost", "face-unseen", "face-fresh")


class Watchman:
    """The trails of all open interviews, in memory alone; after a restart a trail begins anew, locks stay."""

    def __init__(self, parts: Parts, now: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._now = parts, now
        self._trails: dict[UUID, Trail] = {}
        self._told: dict[UUID, float] = {}
        self._looked: dict[UUID, float] = {}
        self._over = threading.Event()

    def run(self) -> None:
        """Rounds until `stop`; one that fails is one that failed."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="faces") as pool:
            while not self._over.is_set():
                began = self._now()
                try:
                    open_ones = self._open()
                    self._trails = {name: trail for name, trail in self._trails.items() if name in open_ones}
                    self._looked = {name: at for name, at in self._looked.items() if name in open_ones}
                    list(pool.map(self.turn, open_ones.items()))
                except Exception as failed:  # noqa: BLE001  the next round looks again
                    log.error("faces", error=type(failed).__name__)
                self._over.wait(max(0.1, EVERY_S - (self._now() - began)))

    def stop(self) -> None:
        self._over.set()

    def look(self, interview_id: UUID) -> Event:
        """One look, and a second at once where the first speaks against. What it means is written down."""
        event: Event = ""
        self._looked[interview_id] = self._now()
        for _again in range(2):
            seen = self._seen(interview_id)
            if seen is None:
                return ""
            told, picture = seen
            at = self._now()
            before = self._trails.get(interview_id, Trail(at, at))
            trail, event = step(before, at, told, rules().profile.call.lock_face_gone_ms / 1000)
            self._trails[interview_id] = trail
            if event or not trail.against:
                break
        if event:
            with self._parts.db.begin() as db, suppress(NotPossible):
                self._tell(db, interview_id, event, picture)
        return event

    def turn(self, one: tuple[UUID, bool]) -> None:
        """An interview's turn in a round: (its name, whether something waits for the look)."""
        interview_id, waits = one
        rested = self._now() - self._looked.get(interview_id, -SELDOM_S) >= SELDOM_S
        try:
            if waits or rested or not narrow(self._parts, str(interview_id)):
                self.look(interview_id)
        except Exception as failed:  # noqa: BLE001  one interview's trouble is not another's
            log.error("face", error=type(failed).__name__)

    def _open(self) -> dict[UUID, bool]:
        """Interviews that go on, and whether something in them waits for a look."""
        with self._parts.db() as db:
            query = sa.select(Interview.id, Interview.locked).join(Case, Case.id == Interview.case_id)
            rows = db.execute(query.where(Interview.closed_at.is_(None), Case.state == State.INTERVIEW))
            return {name: locked in OPENS_BY_ITSELF for name, locked in rows}

    def _seen(self, interview_id: UUID) -> tuple[Look, Picture] | None:
        """A key frame beside the accepted face; None where nobody is to be watched, or no picture came."""
        with self._parts.db() as db:
            at = hearing.of_room(db, interview_id)
            frames = accepted(db, at)
            if not frames:
                self._trails.pop(interview_id, None)
                return None
            db.expunge_all()
        try:
            picture = self._parts.media.snapshot(at.room, APPLICANT)
            key = "-".join([str(interview_id), *sorted(one.sha256 for one in frames)])
            told = child.same_person(
                key,
                picture.jpeg,
                lambda: [safe.fetch(self._parts, at.case, one.object_key, one.sha256) for one in frames],
            )
        except (MediaError, IdentityError):  # a call that is broken has its own table
            return None
        return Look(told["faces"], told["same"], tuple(told["reasons"])), picture

    def _tell(self, db: Session, interview_id: UUID, event: Event, picture: Picture) -> None:
        interview = db.get_one(Interview, interview_id)
        case = db.get_one(Case, interview.case_id, with_for_update=True)
        at, now = hearing.live(db, case, lock=True), self._parts.clock()
        locked = at.interview.locked
        if event == "same" and locked in OPENS_BY_ITSELF:
            at.interview.locked = ""
            self._note(db, at, "face.back", picture, now)
        elif event == "other" and at.interview.again == "":
            at.interview.again = "step"
            hearing.lock_signing(db, at, "swapped", now)
            self._keep(db, at, picture, now)
            self._note(db, at, "face.swapped", picture, now)
        elif event in ("lost", "unseen") and not locked:
            hearing.lock_signing(db, at, f"face-{event}", now)
            self._note(db, at, f"face.{event}", picture, now)
        elif event == "many" and self._now() - self._told.get(interview_id, -WORTH_A_LINE_S) >= WORTH_A_LINE_S:
            self._told[interview_id] = self._now()
            self._note(db, at, "face.many", picture, now)

    def _note(self, db: Session, at: Live, kind: str, picture: Picture, now: datetime) -> None:
        hearing.moment(db, at.interview, kind, ledger.SYSTEM, now, picture.seconds)
        detail: dict[str, Any] = {"media_time": picture.seconds, "sha256": picture.sha256}
        ledger.append(db, kind, ledger.SYSTEM, now, case_id=at.case.id, office_id=at.case.office_id, **detail)
        hearing.turn(db, self._parts, at)

    def _keep(self, db: Session, at: Live, picture: Picture, now: datetime) -> None:
        """The frame that spoke against stays with the case, encrypted, for the notary to see."""
        key, sha256 = safe.keep(self._parts, at.case, "snapshots", picture.jpeg)
        db.add(
            Snapshot(
                interview_id=at.interview.id, kind="face", leg=APPLICANT, sha256=sha256, object_key=key,
                media_time=picture.seconds, at=now,
            )
        )  # fmt: skip


def narrow(parts: Parts, room: str) -> bool:
    """Whether the applicant's picture is one that key frames would use up."""
    try:
        leg = parts.media.status(room)["legs"].get(APPLICANT, {})
    except MediaError:
        return False
    return 0 < int(leg.get("bitrate") or 0) < NARROW_BPS


def await_look(db: Session, parts: Parts, at: Live, now: datetime) -> None:
    """On a narrow way what is to be signed waits until the accepted face has been seen anew."""
    if not at.interview.locked and accepted(db, at) and narrow(parts, at.room):
        hearing.lock_signing(db, at, "face-fresh", now)


def accepted(db: Session, at: Live) -> list[Snapshot]:
    """The frames behind the face that the notary accepted; none without consent, or on the way without faces."""
    face = identifying.last_face_check(db, at.interview)
    if face is None or face.decision != "same" or not face.frames:
        return []
    if not hearing.consented(db, at.case, ConsentKind.FACE):
        return []
    names = {one["sha256"] for one in face.frames}
    return [one for one in identifying.snapshots_of(db, at.interview) if one.sha256 in names]
