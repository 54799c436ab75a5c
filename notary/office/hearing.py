"""The interview: opening, joining, phases. Only the notary leads it (C15). How it breaks: `breaking.py`; how it ends: `closing.py`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.database import fresh
from notary.errors import BadInput, NotAllowed, NotFound, NotPossible, NotYet, Refusal, Unavailable
from notary.ledger import Actor
from notary.lifecycle import Act, Need, Role, State
from notary.models import Case, Consent, ConsentKind, DeviceCheck, Interview, Moment, Phase
from notary.office import safe
from notary.office.needs import check
from notary.office.step import advance
from notary.parts import Parts
from notary.rules import rules
from webrtc.client import MediaError, Seat
from webrtc.errors import BadOffer, NoCommonCodec, NoSuchRoom, NotConnected, NothingToRestart, OfferTooLarge, SeatTaken

APPLICANT, NOTARY = "applicant", "notary"
LEGS = (APPLICANT, NOTARY)
PHASES = tuple(Phase)
STILL_WRITING = 3.0
"""Seconds since the applicant's last packet within which the recording counts as running."""


@dataclass(frozen=True)
class Live:
    """An open interview with its case; every verb of the interview takes one."""

    case: Case
    interview: Interview

    @property
    def room(self) -> str:
        return str(self.interview.id)


def open_interview(
    db: Session, parts: Parts, case: Case, by: Actor, now: datetime, waive_device: str = ""
) -> Interview:
    """Opens the room and its recorder, then the interview (D01, D15). Raises NotYet, NotAllowed, Unavailable."""
    if case.notary_id is None or case.notary_id != by.id:
        raise NotAllowed(_("这个案子是另一位公证员的。先由他转给您。"))
    number = (db.scalar(sa.select(sa.func.max(Interview.number)).where(Interview.case_id == case.id)) or 0) + 1
    interview = Interview(
        id=uuid4(), case_id=case.id, notary_id=case.notary_id, number=number, opened_at=now, identity_since=now,
        screen={"kind": "wait"},
    )  # fmt: skip
    given = {Need.RECORDER} if open_room(parts, case, interview) else set()
    if waive_device.strip():
        given.add(Need.DEVICE)
    advance(
        db, case, Act.OPEN, by, now, frozenset(given), interview=str(interview.id), waived_device=waive_device.strip()
    )
    db.add(interview)
    db.flush()
    moment(db, interview, "opened", by, now, None)
    return interview


def open_room(parts: Parts, case: Case, interview: Interview) -> bool:
    """Opens the media room, or finds it open; True when the recorder has its key and its space."""
    try:
        parts.media.open_room(str(interview.id), safe.data_key(parts, case), [Seat(leg=leg, role=leg) for leg in LEGS])
    except MediaError as error:
        raise Unavailable(_("视频服务现在开不了房间：%(why)s", why=str(error))) from error
    return True


def live(db: Session, case: Case, *, lock: bool = False) -> Live:
    """The case's open interview. Raises NotPossible."""
    query = sa.select(Interview).where(Interview.case_id == case.id, Interview.closed_at.is_(None))
    interview = db.scalar(fresh(query) if lock else query)
    if interview is None or case.state not in (State.INTERVIEW, State.SUSPENDED):
        raise NotPossible(_("现在没有正在进行的视频。"))
    return Live(case, interview)


def lead(db: Session, case: Case, by: Actor, *, paused: bool = False) -> Live:
    """The open interview, for the notary who leads it, locked for a change. `paused`: what is allowed while it is
    suspended too. Raises NotAllowed, NotPossible.
    """
    refuse_other(case, by)
    at = live(db, case, lock=True)
    if not paused:
        refuse_paused(case)
    return at


def refuse_other(case: Case, by: Actor) -> None:
    """C15: only the notary who handles the case."""
    if by.role != Role.NOTARY or by.id != case.notary_id:
        raise NotAllowed(_("只有承办公证员能做这一步。"))


def refuse_paused(case: Case) -> None:
    if case.state != State.INTERVIEW:
        raise NotPossible(_("视频暂停了。先接着办，再做这一步。"))


def newest(db: Session, case: Case) -> Interview | None:
    """The case's last interview, open or not."""
    query = sa.select(Interview).where(Interview.case_id == case.id)
    return db.scalar(query.order_by(Interview.number.desc()).limit(1))


def media_time(parts: Parts, at: Live, phase: str | None = None) -> float:
    """Seconds since the first recorded packet. Raises Unavailable when no recording answers."""
    try:
        said = parts.media.mark(at.room, phase or str(at.interview.phase))
    except MediaError as error:
        raise Unavailable(_("录像没有回应，这一步没有记下。")) from error
    return float(said["seconds"])


def moment(
    db: Session, interview: Interview, kind: str, by: Actor, now: datetime, seconds: float | None, text: str = ""
) -> None:
    """One line of the timeline."""
    db.add(
        Moment(interview_id=interview.id, kind=kind, text=text, by=by.name or str(by.role), media_time=seconds, at=now)
    )


def turn(db: Session, parts: Parts, at: Live, screen: dict[str, Any] | None = None) -> None:
    """Counts a change, and once it is committed nudges both pages over the data channel; pages that miss it poll."""
    at.interview.turn += 1
    if screen is not None:
        at.interview.screen = screen
    db.flush()
    if db.info.get("nudge") == at.interview.id:
        return
    db.info["nudge"] = at.interview.id
    room, interview = at.room, at.interview

    @sa.event.listens_for(db, "after_commit", once=True)
    def nudge(_db: Session) -> None:
        _db.info.pop("nudge", None)
        try:
            parts.media.send(room, None, {"event": "turn", "kind": "turn", "turn": interview.turn})
        except MediaError:
            return  # the pages poll: nothing is lost but a second


# joining


def offer(db: Session, parts: Parts, at: Live, leg: str, sdp: str, by: Actor, now: datetime) -> dict[str, str]:
    """A browser joins or comes back: its whole offer in, the answer out; a new leg is a new segment.

    Raises Unavailable, BadInput (an offer that is none), NotPossible (consent was withdrawn).
    """
    open_room(parts, at.case, at.interview)  # after a worker's end the room is opened again with its key
    try:
        answer = parts.media.offer(at.room, leg, sdp, "offer")
    except MediaError as error:
        raise _refused(error) from error
    known = at.interview.seen_segments
    if leg == APPLICANT and leg in known and rules().profile.call.new_leg_locks:
        lock_signing(db, at, "new-leg", now)
    was = known.get(leg, {})
    gone = was.get("gone") or now.isoformat()  # until its packets arrive it counts as away since it was last there
    at.interview.seen_segments = {**known, leg: {"segment": answer.segment, "gone": gone}}
    ledger.append(
        db, "interview.joined", by, now, case_id=at.case.id, office_id=at.case.office_id,
        leg=leg, segment=answer.segment, fingerprint=answer.fingerprint,
    )  # fmt: skip
    turn(db, parts, at)
    return {"sdp": answer.sdp, "type": answer.type}


def restart(db: Session, parts: Parts, at: Live, leg: str, sdp: str, by: Actor, now: datetime) -> dict[str, str]:
    """A browser mends the connection that it has (ICE restart, C07): same keys, same segment, so nothing is locked.

    {"gone": "over"} when it must make a new one, {"gone": "replaced"} when another page has its seat.
    Raises BadInput, Unavailable.
    """
    try:
        answer = parts.media.restart(at.room, leg, sdp)
    except (NothingToRestart, NoSuchRoom):
        return {"gone": "over"}
    except SeatTaken:
        return {"gone": "replaced"}
    except MediaError as error:
        raise _refused(error) from error
    ledger.append(
        db, "interview.moved", by, now, case_id=at.case.id, office_id=at.case.office_id,
        leg=leg, segment=answer.segment, fingerprint=answer.fingerprint,
    )  # fmt: skip
    return {"sdp": answer.sdp, "type": answer.type}


def _refused(error: MediaError) -> Refusal:
    match error:
        case NoCommonCodec():
            return NotPossible(
                _("您和对方的浏览器没有共同的视频格式，接不通。请换 Chrome、Edge 或 Safari 的新版本，或请我们打给您。")
            )
        case OfferTooLarge():
            return BadInput({"sdp": _("这个连接请求太大，里面的地址太多。请换一个浏览器，或请我们打给您。")})
        case BadOffer():
            return BadInput({"sdp": _("这个连接请求我们读不懂。请换一个浏览器，或请我们打给您。")})
        case NotConnected():
            return NotPossible(_("没有同意录像，视频已经停了。"))
    return Unavailable(_("视频服务现在很忙，请过几秒再试。"))


def lock_words(code: str) -> str:
    """Why signing is locked. Codes are kept, not words: a record must not depend on a reader's language."""
    return {
        "new-leg": _("对方换了一次连接。请看一眼是不是同一个人。"),
        "broken": _("视频断过，要先重新核对身份。"),
        "step": _("视频断过，请重做一项身份核对。"),
        "all": _("视频断得久，身份四项都要重做。"),
        "against": _("机器说不像同一个人。请您核对并决定。"),
        "other": _("您认定不是本人。"),
        "challenge": _("您没有认可活体核对。请再做一次，或者写明理由免做。"),
        "swapped": _("镜头前的脸和刚才认可的不像同一个人。请重做一项身份核对。"),
        "face-lost": _("镜头前没有人脸了。看见同一张脸就自己解开，您看过也可以。"),
        "face-fresh": _("网络慢，签字前再看一眼是不是同一张脸，几秒钟就好；您看过也可以。"),
        "face-unseen": _("有一阵看不清脸了。看清同一张脸就自己解开，您看过也可以。"),
    }.get(code, code)


def pause_words(why: str) -> str:
    """Why the video stopped: a code of ours, or the notary's own words."""
    return {"media": _("声音或画面断了"), "asked": _("公证员请对方等一等")}.get(why, why)


def lock_signing(db: Session, at: Live, why: str, now: datetime) -> None:
    """`why`: a code of `lock_words`."""
    if at.interview.locked != why:
        at.interview.locked = why
        moment(db, at.interview, "locked", Actor(Role.SYSTEM), now, None, why)


def look_again(db: Session, parts: Parts, at: Live, by: Actor, now: datetime) -> None:
    """The notary has looked: the same person is there; signing is unlocked. A look is not enough after an
    interruption, which asks for an identity step (C06). Raises NotPossible.
    """
    if at.interview.again:
        raise NotPossible(_("视频断过，看一眼还不够：请重做一项身份核对。"))
    seconds = media_time(parts, at)
    at.interview.locked = ""
    moment(db, at.interview, "looked", by, now, seconds, "same")
    ledger.append(db, "interview.looked", by, now, case_id=at.case.id, office_id=at.case.office_id, media_time=seconds)
    turn(db, parts, at)


def leave(db: Session, parts: Parts, at: Live, by: Actor, now: datetime) -> None:
    """The applicant goes away by a tap; what was recorded stays, the notary decides what follows."""
    with suppress(MediaError):  # nobody there to close is the same
        parts.media.close_leg(at.room, APPLICANT)
    moment(db, at.interview, "left", by, now, None)
    ledger.append(db, "interview.left", by, now, case_id=at.case.id, office_id=at.case.office_id)
    turn(db, parts, at)


# phases


def enter(db: Session, parts: Parts, at: Live, phase: Phase, by: Actor, now: datetime) -> None:
    """Goes to a phase; the next one opens when the one before is complete (the checklist locks it).

    Raises NotYet naming what is missing.
    """
    if missing := what_holds_back(db, parts, at, phase):
        raise NotYet(tuple(missing))
    seconds = media_time(parts, at, str(phase))
    at.interview.phase = phase
    moment(db, at.interview, f"phase.{phase}", by, now, seconds)
    ledger.append(
        db,
        "interview.phase",
        by,
        now,
        case_id=at.case.id,
        office_id=at.case.office_id,
        phase=str(phase),
        media_time=seconds,
    )
    turn(db, parts, at)


def what_holds_back(db: Session, parts: Parts, at: Live, phase: Phase) -> list[str]:
    """What every phase before `phase` still lacks, in words."""
    from notary.office import asking, identifying, proving, showing, witnessing

    missing: list[str] = []
    order = PHASES.index(phase)
    if order > PHASES.index(Phase.CONSENT):
        if not consented(db, at.case, ConsentKind.RECORDING):
            missing.append(_("对方还没有同意录音录像"))
        if not recorder_runs(parts, at):
            missing.append(_("录像还没有在写"))
    if order > PHASES.index(Phase.ENVIRONMENT) and not witnessing.who_is_there(db, at.interview):
        missing.append(_("还没有记下谁在房间里"))
    if order > PHASES.index(Phase.PRIVATE_TALK):
        missing += identifying.missing_words(db, at.interview) + proving.missing_words(db, at.interview)
    if order > PHASES.index(Phase.NOTICE):
        for kind, words in ((ConsentKind.NOTICE, _("告知书还没签")), (ConsentKind.LIABILITY, _("责任告知还没签"))):
            if not consented(db, at.case, kind, since=at.interview.opened_at):
                missing.append(words)
        if not witnessing.explained_in(db, at.interview):
            missing.append(_("还没有讲清楚后果，也没有记下对方自己的话"))
    if order > PHASES.index(Phase.DOCUMENT) and (unsaid := witnessing.unsaid(db, at.interview)):
        missing.append(_("对方还没有说：%(what)s", what="、".join(unsaid)))
    if order > PHASES.index(Phase.INQUIRY) and (open_ones := asking.open_questions(db, at)):
        missing.append(_("还有 %(n)d 个必问问题没有回答", n=len(open_ones)))
    if order > PHASES.index(Phase.DOCUMENT) and not showing.all_shown(db, at.interview):
        missing.append(_("文件还没有逐页给对方看完"))
    if order > PHASES.index(Phase.SIGNING) and not showing.is_signed(db, at.case, "instrument"):
        missing.append(_("还没有签字"))
    return missing


def recorder_runs(parts: Parts, at: Live) -> bool:
    """True while the applicant's sound and picture reach the disk."""
    try:
        status = parts.media.status(at.room)
    except MediaError:
        return False
    leg = status["legs"].get(APPLICANT, {})
    age = leg.get("age")
    return bool(status["recorder"]["ok"] and leg.get("connected") and age is not None and age < STILL_WRITING)


def consented(db: Session, case: Case, kind: ConsentKind, since: datetime | None = None) -> bool:
    """The last word on one kind of consent."""
    query = sa.select(Consent).where(Consent.case_id == case.id, Consent.kind == kind)
    if since is not None:
        query = query.where(Consent.at >= since)
    last = db.scalar(query.order_by(Consent.at.desc()).limit(1))
    return last is not None and last.given


def interviews_of(db: Session, case: Case) -> list[Interview]:
    return list(db.scalars(sa.select(Interview).where(Interview.case_id == case.id).order_by(Interview.number)))


def last_complete(db: Session, case: Case) -> Interview | None:
    return db.scalar(
        sa.select(Interview)
        .where(Interview.case_id == case.id, Interview.closed_at.is_not(None), Interview.ended == "")
        .order_by(Interview.number.desc())
        .limit(1)
    )


def timeline(db: Session, interview: Interview) -> list[Moment]:
    return list(db.scalars(sa.select(Moment).where(Moment.interview_id == interview.id).order_by(Moment.at)))


def of_room(db: Session, interview_id: UUID, *, lock: bool = False) -> Live:
    interview = db.get(Interview, interview_id, with_for_update=lock or None)
    if interview is None:
        raise NotFound
    return Live(db.get_one(Case, interview.case_id), interview)


@check(Need.DEVICE)
def device_is_ready(db: Session, case: Case, _by: Actor) -> bool:
    last = last_device_check(db, case)
    return last is not None and last.passed


def last_device_check(db: Session, case: Case) -> DeviceCheck | None:
    query = sa.select(DeviceCheck).where(DeviceCheck.case_id == case.id)
    return db.scalar(query.order_by(DeviceCheck.at.desc()).limit(1))


@check(Need.CONSENT)
def recording_is_agreed(db: Session, case: Case, _by: Actor) -> bool:
    return consented(db, case, ConsentKind.RECORDING)


@check(Need.NOTICE_SIGNED)
def notice_is_signed(db: Session, case: Case, _by: Actor) -> bool:
    return consented(db, case, ConsentKind.NOTICE) and consented(db, case, ConsentKind.LIABILITY)
