"""Who is it: the four steps of 五不准 (B02), the card in the picture (B03), faces compared as advice (B07)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from identity import child
from identity.errors import IdentityError
from notary import calendar, ledger
from notary.errors import BadInput, NotAllowed, NotFound, NotPossible, Unavailable
from notary.jobs import enqueue, job
from notary.ledger import Actor
from notary.lifecycle import Need
from notary.models import Case, ConsentKind, FaceCheck, IdentityStep, Interview, Moment, Phase, Snapshot, StepResult
from notary.office import assessing, documents, filing, hearing, safe
from notary.office.hearing import APPLICANT, Live
from notary.office.needs import check
from notary.parts import Parts
from notary.rules import rules
from webrtc.client import MediaError

STEPS = ("look", "talk", "cross", "device")
PROBES = 5
GATES = ("no-face", "many-faces", "too-small", "too-dark", "too-bright", "too-flat", "blurred", "turned-away")


def step_words(step: str) -> str:
    return {
        "look": _("证件视读"), "talk": _("单独谈话"), "cross": _("交叉印证"), "device": _("身份证识别仪核验"),
    }[step]  # fmt: skip


ITEMS = {"look": ("tilt", "hand", "profile"), "talk": ("unscripted",), "cross": ("answers",), "device": ()}
"""What the notary looks at in each step, by eye. Where a face is swapped by a program, it breaks behind a hand and from
the side; a copied card does not shimmer when it is tilted; nobody prepares for a question that was not announced."""
ITEM_RESULTS = ("fine", "odd", "skipped")


def check_item(
    db: Session, parts: Parts, at: Live, item: str, result: str, note: str, by: Actor, now: datetime
) -> None:
    """One thing looked at, with its media time. What was odd or left out, and which question was asked, is written down.
    Raises NotFound, BadInput, NotPossible."""
    if not any(item in items for items in ITEMS.values()):
        raise NotFound
    if result not in ITEM_RESULTS:
        raise BadInput({"result": _("请选结果。")})
    if (result != "fine" or item == "unscripted") and len(note.strip()) < 4:
        raise BadInput({"note": _("请写明看到了什么、为什么没做，或者问了什么。")})
    if hearing.PHASES.index(at.interview.phase) < hearing.PHASES.index(Phase.IDENTITY):
        raise NotPossible(_("先让对方同意录音录像，再开始核对身份。"))
    seconds = hearing.media_time(parts, at)
    text = f"{result} {' '.join(note.split())[:500]}".strip()
    hearing.moment(db, at.interview, f"item.{item}", by, now, seconds, text)
    ledger.append(
        db, "identity.item", by, now, case_id=at.case.id, office_id=at.case.office_id,
        item=item, result=result, note=note.strip()[:500], media_time=seconds,
    )  # fmt: skip
    hearing.turn(db, parts, at)


def items_of(db: Session, interview: Interview) -> dict[str, dict[str, Any]]:
    """The last word on each item that still counts: result, note, media_time."""
    query = sa.select(Moment).where(
        Moment.interview_id == interview.id, Moment.kind.like("item.%"), Moment.at >= interview.identity_since
    )
    found = {}
    for row in db.scalars(query.order_by(Moment.at)):
        result, _space, note = row.text.partition(" ")
        found[row.kind.removeprefix("item.")] = {"result": result, "note": note, "media_time": row.media_time}
    return found


def card_snapshots(db: Session, case: Case) -> tuple[str, ...]:
    """The sides of the document that must be captured live (B03)."""
    has_back = documents.has_back(filing.party_of(db, case).id_type)
    return ("card-front", "card-back") if has_back else ("card-front",)


def decide_step(
    db: Session, parts: Parts, at: Live, step: str, result: StepResult, reason: str, by: Actor, now: datetime
) -> IdentityStep:
    """The notary's result of one of the four steps. A waiver needs a reason; the first look needs every side
    of the document captured live in this interview (B03).

    Raises BadInput, NotYet, NotPossible.
    """
    if step not in STEPS:
        raise NotFound
    if result != StepResult.CONFIRMED and len(reason.strip()) < 4:
        raise BadInput({"reason": _("请写明理由。")})
    if hearing.PHASES.index(at.interview.phase) < hearing.PHASES.index(Phase.IDENTITY):
        raise NotPossible(_("先让对方同意录音录像，再开始核对身份。"))
    if not hearing.recorder_runs(parts, at):
        raise NotPossible(_("录像没有在写，身份核对不能开始。"))
    refuse_third_try(db, at.case, step, reason, now)
    if step == "look" and result == StepResult.CONFIRMED:
        taken = {one.kind for one in snapshots_of(db, at.interview) if one.at >= at.interview.identity_since}
        if not taken.issuperset(card_snapshots(db, at.case)):
            raise NotPossible(_("请先让对方把证件正反面对着镜头，各取一帧；护照只取有照片的一页。"))
    seconds = hearing.media_time(parts, at)
    looked_at = {key: one for key, one in items_of(db, at.interview).items() if key in ITEMS[step]}
    row = IdentityStep(
        interview_id=at.interview.id, step=step, result=result, reason=reason.strip(), media_time=seconds,
        detail={"items": looked_at},
        by=by.id, at=now,  # type: ignore[arg-type]
    )  # fmt: skip
    db.add(row)
    db.flush()
    hearing.moment(db, at.interview, f"identity.{step}", by, now, seconds, str(result))
    ledger.append(
        db, f"identity.{step}", by, now, case_id=at.case.id, office_id=at.case.office_id,
        result=str(result), reason=reason.strip(), media_time=seconds, items=looked_at,
    )  # fmt: skip
    if result == StepResult.CONFIRMED and at.interview.again in ("step", "all"):
        at.interview.again, at.interview.locked = "", ""  # after `all` the other steps are missing by themselves
    hearing.turn(db, parts, at)
    return row


def refuse_third_try(db: Session, case: Case, step: str, reason: str, now: datetime) -> None:
    """B16: after two failures on one day a third attempt needs the notary's written reason."""
    today = calendar.today(now)
    failures = [
        row
        for row in db.scalars(
            sa.select(IdentityStep)
            .join(Interview, Interview.id == IdentityStep.interview_id)
            .where(
                Interview.case_id == case.id, IdentityStep.step == step, IdentityStep.result == StepResult.FAILED
            )
        )
        if calendar.today(row.at) == today
    ]  # fmt: skip
    if len(failures) >= rules().profile.identity.attempts_per_day and len(reason.strip()) < 4:
        raise BadInput({"reason": _("今天已经两次没有通过。要再试，请写明理由。")})


def steps_of(db: Session, interview: Interview) -> dict[str, IdentityStep]:
    """The last result of each step that still counts (B17: not before an interruption, not after twelve hours)."""
    rows = db.scalars(
        sa.select(IdentityStep)
        .where(IdentityStep.interview_id == interview.id, IdentityStep.at >= interview.identity_since)
        .order_by(IdentityStep.at)
    )
    return {row.step: row for row in rows}


def missing_words(db: Session, interview: Interview) -> list[str]:
    done = steps_of(db, interview)
    missing = [
        _("身份核对：%(step)s还没有结果", step=step_words(step))
        for step in STEPS
        if step not in done or done[step].result == StepResult.FAILED
    ]
    if (asked := last_face_check(db, interview)) and not asked.decision:
        missing.append(_("人脸比对还等您决定"))
    elif asked and asked.decision == "other":
        missing.append(_("您认定不是本人"))
    return missing


@check(Need.IDENTITY)
def identity_is_complete(db: Session, case: Case, _by: Actor) -> bool:
    interview = db.scalar(
        sa.select(Interview).where(Interview.case_id == case.id).order_by(Interview.number.desc()).limit(1)
    )
    return interview is not None and not missing_words(db, interview)


# frames


def take_snapshot(db: Session, parts: Parts, at: Live, kind: str, by: Actor, now: datetime) -> Snapshot:
    """Keeps the applicant's newest frame with its time-code (D06). Raises Unavailable."""
    try:
        picture = parts.media.snapshot(at.room, APPLICANT)
    except MediaError as error:
        raise Unavailable(_("这一帧没有取到：%(why)s。请再试。", why=str(error))) from error
    key, sha256 = safe.keep(parts, at.case, "snapshots", picture.jpeg)
    row = Snapshot(
        interview_id=at.interview.id, kind=kind, leg=APPLICANT, sha256=sha256, object_key=key,
        media_time=picture.seconds, at=now,
    )  # fmt: skip
    db.add(row)
    db.flush()
    hearing.moment(db, at.interview, f"snapshot.{kind}", by, now, picture.seconds)
    ledger.append(
        db, "interview.snapshot", by, now, case_id=at.case.id, office_id=at.case.office_id,
        what=kind, sha256=sha256, media_time=picture.seconds,
    )  # fmt: skip
    hearing.turn(db, parts, at)
    return row


def snapshots_of(db: Session, interview: Interview, kind: str = "") -> list[Snapshot]:
    query = sa.select(Snapshot).where(Snapshot.interview_id == interview.id)
    if kind:
        query = query.where(Snapshot.kind == kind)
    return list(db.scalars(query.order_by(Snapshot.at)))


def snapshot_of(db: Session, interview: Interview, snapshot_id: UUID) -> Snapshot:
    """Raises NotFound."""
    row = db.get(Snapshot, snapshot_id)
    if row is None or row.interview_id != interview.id:
        raise NotFound
    return row


def portrait_of(db: Session, interview: Interview) -> Snapshot | None:
    """The card's portrait as the comparison cut it out; None before one ran, or without consent."""
    found = snapshots_of(db, interview, "card-portrait")
    return found[-1] if found else None


# faces


def ask_comparison(db: Session, parts: Parts, at: Live, by: Actor, now: datetime) -> FaceCheck:
    """Has the card's portrait compared with live frames, only after the separate consent (B10, B12).

    Raises NotAllowed, NotPossible.
    """
    if not hearing.consented(db, at.case, ConsentKind.FACE):
        raise NotAllowed(_("对方没有同意用机器比对人脸。请您自己看。"))
    assessing.refuse_faces(db, at.case, now)
    if card_front(db, at.case) is None:
        raise NotPossible(_("没有上传证件有照片的一面，没有照片可比。"))
    row = FaceCheck(interview_id=at.interview.id, advice="waiting", asked_at=now)
    db.add(row)
    db.flush()
    ledger.append(db, "face.asked", by, now, case_id=at.case.id, office_id=at.case.office_id, check=str(row.id))
    enqueue(db, "compare-faces", check_id=str(row.id))
    hearing.turn(db, parts, at)
    return row


def without_face(db: Session, parts: Parts, at: Live, reason: str, by: Actor, now: datetime) -> None:
    """The face-free route of equal rank (B09): the notary goes on by eye alone. Where a machine has already spoken
    against it, that needs a reason, else the route would be a way around B07. Raises BadInput.
    """
    row = last_face_check(db, at.interview)
    if row is not None and row.advice in ("against", "doubtful") and row.decision != "same" and len(reason.strip()) < 8:
        raise BadInput({"reason": _("机器说不像。改为不用人脸，请写明理由（至少 8 个字）。")})
    seconds = hearing.media_time(parts, at)
    if row is None or row.decision:
        row = FaceCheck(interview_id=at.interview.id, advice="not-asked", asked_at=now)
        db.add(row)
    row.decision, row.reason, row.decided_by, row.decided_at = "without", reason.strip()[:500], by.id, now
    row.done_at, row.media_time = row.done_at or now, seconds
    hearing.moment(db, at.interview, "face.without", by, now, seconds)
    ledger.append(
        db, "face.without", by, now, case_id=at.case.id, office_id=at.case.office_id,
        advice=row.advice, reason=row.reason, media_time=seconds,
    )  # fmt: skip
    hearing.turn(db, parts, at)


def card_front(db: Session, case: Case) -> Any:
    fronts = [one for one in filing.exhibits_of(db, case) if one.material == "id-front"]
    return fronts[-1] if fronts else None


@dataclass(frozen=True)
class Scored:
    """One comparison: the portrait that was cut out of the card, opinions of the engines, advice and notes."""

    portrait: bytes
    results: list[Any]
    advice: str
    notes: list[str]


def score(card: bytes, frames: list[bytes]) -> Scored:
    """The card's portrait against frames, in a child process; nothing but scores comes back (B13)."""
    portrait = b""
    try:
        portrait = child.card_portrait(card)
        said = child.compare_faces(portrait, frames)
        gates = sorted({reason for one in said["frames"] for reason in one["reasons"]})
        return Scored(portrait, list(said["opinions"]), said["advice"], [*said["notes"], *gates])
    except (IdentityError, ValueError) as failed:
        return Scored(portrait, [], "none", [getattr(failed, "key", "no-frames")])


def record(
    db: Session, parts: Parts, at: Live, row: FaceCheck, scored: Scored, frames: list[dict[str, Any]], now: datetime
) -> None:
    """Writes down what came out; `frames`: SHA-256 and media time of the snapshots that were compared."""
    if scored.portrait:
        key, sha256 = safe.keep(parts, at.case, "snapshots", scored.portrait)
        db.add(
            Snapshot(
                interview_id=at.interview.id, kind="card-portrait", leg="card", sha256=sha256, object_key=key,
                media_time=0.0, at=now,
            )
        )  # fmt: skip
    row.results, row.advice, row.done_at = [*scored.results, {"notes": scored.notes}], scored.advice, now
    row.frames = frames
    row.media_time = frames[-1]["media_time"] if frames else None
    if scored.advice == "against":
        hearing.lock_signing(db, at, "against", now)
    hearing.moment(db, at.interview, "face.compared", ledger.SYSTEM, now, row.media_time, scored.advice)
    ledger.append(
        db, "face.compared", ledger.SYSTEM, now, case_id=at.case.id, office_id=at.case.office_id,
        check=str(row.id), advice=scored.advice, engines=scored.results, notes=scored.notes, frames=frames,
    )  # fmt: skip


@job("compare-faces", attempts=3)
def compare_faces(parts: Parts, check_id: str) -> None:
    """Takes frames and lets both engines score them; where none was good enough the applicant's page says why."""
    with parts.db() as db:
        row = db.get(FaceCheck, UUID(check_id))
        if row is None or row.done_at:
            return
        at = hearing.of_room(db, row.interview_id)
        if not hearing.consented(db, at.case, ConsentKind.FACE):
            return
        card = card_front(db, at.case)
        reference = safe.fetch(parts, at.case, card.object_key, card.sha256)
    pictures = []
    for _n in range(PROBES):
        try:
            pictures.append(parts.media.snapshot(at.room, APPLICANT))
        except MediaError:
            continue
    scored = score(reference, [one.jpeg for one in pictures])
    now = parts.clock()
    with parts.db.begin() as db:
        row = db.get(FaceCheck, UUID(check_id))
        if row is None:
            return
        at = hearing.of_room(db, row.interview_id, lock=True)
        db.refresh(row, with_for_update=True)
        if row.done_at:
            return
        frames = []
        for picture in pictures:
            key, sha256 = safe.keep(parts, at.case, "snapshots", picture.jpeg)
            db.add(
                Snapshot(
                    interview_id=at.interview.id, kind="face", leg=APPLICANT, sha256=sha256, object_key=key,
                    media_time=picture.seconds, at=now,
                )
            )  # fmt: skip
            frames.append({"sha256": sha256, "media_time": picture.seconds})
        record(db, parts, at, row, scored, frames, now)
        hearing.turn(db, parts, at)
    if scored.advice == "none" and (hint := next((one for one in scored.notes if one in GATES), "")):
        with suppress(MediaError):
            parts.media.prompt(at.room, APPLICANT, {"event": "hint", "key": hint})


def last_face_check(db: Session, interview: Interview) -> FaceCheck | None:
    query = sa.select(FaceCheck).where(FaceCheck.interview_id == interview.id)
    return db.scalar(query.order_by(FaceCheck.asked_at.desc()).limit(1))


def evidence(db: Session, interview: Interview) -> list[dict[str, Any]]:
    """Every comparison as the bundle carries it: each engine with its model's SHA-256, threshold, score and band, the frames by
    hash, the advice and the notary's decision. No picture and nothing computed from a face but scores."""
    query = sa.select(FaceCheck).where(FaceCheck.interview_id == interview.id).order_by(FaceCheck.asked_at)
    return [
        {
            "asked_at": row.asked_at.isoformat(), "engines": row.results, "frames": row.frames, "advice": row.advice,
            "decision": row.decision, "reason": row.reason, "media_time": row.media_time,
            "decided_at": row.decided_at.isoformat() if row.decided_at else "",
        }
        for row in db.scalars(query)
    ]  # fmt: skip


def decide_face(db: Session, parts: Parts, at: Live, decision: str, reason: str, by: Actor, now: datetime) -> None:
    """The notary decides; against the machine's advice only with a reason (B07). Raises BadInput, NotPossible."""
    row = last_face_check(db, at.interview)
    if row is None or row.done_at is None or row.decision:
        raise NotPossible(_("还没有比对结果可以决定。"))
    if decision not in ("same", "other"):
        raise BadInput({"decision": _("请选是本人，或不是本人。")})
    against = (decision == "same" and row.advice in ("against", "doubtful")) or (
        decision == "other" and row.advice == "supports"
    )
    if against and len(reason.strip()) < 8:
        raise BadInput({"reason": _("您的决定和机器的意见不一样。请写明理由（至少 8 个字）。")})
    row.decision, row.reason, row.decided_by, row.decided_at = decision, reason.strip(), by.id, now
    seconds = hearing.media_time(parts, at)
    if decision == "same":
        if not at.interview.again:
            at.interview.locked = ""
    else:
        hearing.lock_signing(db, at, "other", now)
    hearing.moment(db, at.interview, "face.decided", by, now, seconds, decision)
    ledger.append(
        db, "face.decided", by, now, case_id=at.case.id, office_id=at.case.office_id,
        decision=decision, advice=row.advice, reason=reason.strip(), media_time=seconds,
    )  # fmt: skip
    hearing.turn(db, parts, at)


def expired(step: IdentityStep, now: datetime) -> bool:
    """B17: a result is worth nothing after twelve hours."""
    return now - step.at > timedelta(hours=rules().profile.identity.valid_hours)


# cards


@job("read-card", attempts=3)
def read_card(parts: Parts, exhibit_id: str) -> None:
    """Reads an uploaded card in a child process; what it read waits for the applicant to confirm every field."""
    from notary.models import Exhibit

    with parts.db() as db:
        exhibit = db.get(Exhibit, UUID(exhibit_id))
        if exhibit is None or exhibit.read_at or exhibit.media_type != "image/jpeg":
            return
        case = db.get_one(Case, exhibit.case_id)
        picture = safe.fetch(parts, case, exhibit.object_key, exhibit.sha256)
    try:
        read = child.read_document(picture, calendar.today(parts.clock()))
    except IdentityError as failed:
        read = {"error": failed.key}
    with parts.db.begin() as db:
        exhibit = db.get_one(Exhibit, UUID(exhibit_id), with_for_update=True)
        exhibit.read, exhibit.read_at = {**exhibit.read, **read}, parts.clock()
