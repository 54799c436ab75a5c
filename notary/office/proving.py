"""
Is somebody there: the challenge of liveness, started, judged by the notary, exchanged or waived by her with a reason
(B06, B08). The machine's part is advice; without consent to faces there is none, and the route without it is of equal rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from identity import weights
from identity.challenge import ACTIONS, FLASH, SAY, draw, drawn
from identity.injection import signs
from notary import calendar, ledger
from notary.errors import BadInput, NotAllowed, NotPossible
from notary.jobs import enqueue, job
from notary.ledger import Actor
from notary.models import Case, Challenge, ConsentKind, FaceCheck, Interview, Phase, Snapshot
from notary.office import assessing, hearing, identifying, prompting, safe
from notary.office.hearing import APPLICANT, Live
from notary.parts import Parts
from notary.rules import rules

FRAMES = 5
FRAME = "challenge"
"""Kind of the snapshots that are kept of a challenge."""
MAY_BE_LEFT_OUT = (*ACTIONS, SAY, FLASH)
MODELS = {
    model.path.rpartition("/")[2]: model.sha256
    for model in (weights.YUNET, weights.FACE_MESH, weights.IRIS, weights.SFACE)
}
"""File and SHA-256 of everything that looks at a challenge; each is verified before it runs."""
EXPIRES = timedelta(seconds=30)
"""A draw that no worker has begun by then is over."""
LONGEST = timedelta(minutes=3)
SHORT, LONG = 4, 8
"""Letters of a reason: for a part that is exchanged; for a decision against the machine, or without it."""


def start(
    db: Session, parts: Parts, at: Live, slow: bool, left_out: Mapping[str, str], reason: str, by: Actor, now: datetime
) -> Challenge:
    """Draws a challenge, now that the call is up, and has it played. `slow`: windows for the elderly. `left_out`: parts
    that this person cannot do, each with a reason.

    Raises NotAllowed (no consent), NotPossible, BadInput (a reason is missing, nothing is left).
    """
    if not hearing.consented(db, at.case, ConsentKind.FACE):
        raise NotAllowed(_("对方没有同意用机器看人脸。请您自己看，或者写明理由免做。"))
    assessing.refuse_faces(db, at.case, now)
    if hearing.PHASES.index(at.interview.phase) < hearing.PHASES.index(Phase.IDENTITY):
        raise NotPossible(_("先让对方同意录音录像，再开始核对身份。"))
    if not hearing.recorder_runs(parts, at):
        raise NotPossible(_("录像没有在写，身份核对不能开始。"))
    last = last_challenge(db, at.interview)
    if last is not None and last.state in ("waiting", "running") and now - last.asked_at < LONGEST:
        raise NotPossible(_("活体核对正在做，请等它做完。"))
    for what, why in left_out.items():
        if what not in MAY_BE_LEFT_OUT:
            raise BadInput({"left_out": _("没有这个动作。")})
        if len(why.strip()) < SHORT:
            raise BadInput({"left_out": _("换掉或不做的，请写明理由（至少 4 个字）。")})
    if failures_today(db, at.case, now) >= rules().profile.identity.attempts_per_day and len(reason.strip()) < SHORT:
        raise BadInput({"reason": _("今天已经两次没有通过。要再试，请写明理由。")})
    limits = rules().profile.challenge
    try:
        made = draw((limits.slow_window_ms if slow else limits.window_ms) / 1000, tuple(left_out))
    except ValueError as none:
        raise BadInput({"left_out": _("至少要留一个动作；一个都做不了的，请写明理由免做。")}) from none
    row = Challenge(
        interview_id=at.interview.id, drawn=made.as_json(), slow=slow, asked_by=by.id, asked_at=now,  # type: ignore[arg-type]
        left_out=[{"what": what, "reason": why.strip()[:500]} for what, why in left_out.items()],
    )  # fmt: skip
    db.add(row)
    db.flush()
    hearing.moment(db, at.interview, "challenge.drawn", by, now, None)
    ledger.append(
        db, "challenge.drawn", by, now, case_id=at.case.id, office_id=at.case.office_id,
        challenge=str(row.id), nonce=made.nonce, slow=slow, left_out=row.left_out, reason=reason.strip()[:500],
    )  # fmt: skip
    enqueue(db, "run-challenge", challenge_id=str(row.id))
    hearing.turn(db, parts, at, {"kind": "challenge", "challenge": str(row.id)})
    return row


def last_challenge(db: Session, interview: Interview) -> Challenge | None:
    """The newest that still counts (B17: none from before an interruption)."""
    query = sa.select(Challenge).where(
        Challenge.interview_id == interview.id, Challenge.asked_at >= interview.identity_since
    )
    return db.scalar(query.order_by(Challenge.asked_at.desc()).limit(1))


def failures_today(db: Session, case: Case, now: datetime) -> int:
    """How often it was done and not passed on this day (B16)."""
    query = sa.select(Challenge).join(Interview).where(Interview.case_id == case.id, Challenge.state == "done")
    today = calendar.today(now)
    return sum(
        row.verdict.get("outcome") == "failed" and calendar.today(row.asked_at) == today for row in db.scalars(query)
    )


@job("run-challenge", attempts=2)
def run_challenge(parts: Parts, challenge_id: str) -> None:
    """Plays a challenge once; one that a dead worker left half done is broken, not played again unseen."""
    name = UUID(challenge_id)
    with parts.db.begin() as db:
        row = db.get(Challenge, name, with_for_update=True)
        if row is None or row.state not in ("waiting", "running"):
            return
        at = hearing.of_room(db, row.interview_id)
        agreed = hearing.consented(db, at.case, ConsentKind.FACE) and at.interview.closed_at is None
        if row.state == "running" or not agreed or parts.clock() - row.asked_at > EXPIRES:
            _broken(db, parts, row, "expired" if row.state == "waiting" else "broken")
            return
        row.state = "running"
        made, without = drawn(row.drawn), [one["what"] for one in row.left_out]
    try:
        seen = prompting.perform(parts.media, at.room, challenge_id, made, without)
    except prompting.NotReached:
        with parts.db.begin() as db:
            _broken(db, parts, db.get_one(Challenge, name, with_for_update=True), "not-reached")
        return
    _judged(parts, name, made, seen)


def _broken(db: Session, parts: Parts, row: Challenge, why: str) -> None:
    at, now = hearing.of_room(db, row.interview_id, lock=True), parts.clock()
    row.state, row.done_at, row.verdict = "broken", now, {"outcome": "none", "reasons": [why], "findings": []}
    hearing.moment(db, at.interview, "challenge.broken", ledger.SYSTEM, now, None, why)
    ledger.append(
        db, "challenge.broken", ledger.SYSTEM, now, case_id=at.case.id, office_id=at.case.office_id,
        challenge=str(row.id), why=why,
    )  # fmt: skip
    if at.interview.closed_at is None:
        _give_back(db, parts, at)


def _give_back(db: Session, parts: Parts, at: Live) -> None:
    """The applicant's screen, unless the notary has put something else there meanwhile."""
    hearing.turn(db, parts, at, {"kind": "talk"} if at.interview.screen.get("kind") == "challenge" else None)


def _judged(parts: Parts, name: UUID, made: Any, seen: prompting.Performance) -> None:
    """Verdict, signs, the five best frames, and the card's portrait against just these: somebody else cannot take the
    place of who was alive."""
    from identity.liveness import judge  # numpy stays out of the pages' processes
    from identity.signals import best

    verdict = judge(made, seen.prompts, seen.signals)
    chosen = [seen.pictures[index] for index in best(seen.signals, FRAMES)]
    flash = next((one for one in verdict.findings if one.kind == FLASH), None)
    camera = _camera(parts, name)
    found = signs(camera, seen.stamps, seen.prints, None if flash is None else not flash.reasons)
    with parts.db() as db:
        row = db.get_one(Challenge, name)
        at = hearing.of_room(db, row.interview_id)
        card = identifying.card_front(db, at.case)
        reference = safe.fetch(parts, at.case, card.object_key, card.sha256) if card is not None else b""
    scored = identifying.score(reference, [jpeg for _at, jpeg in chosen]) if reference and chosen else None
    with parts.db.begin() as db:
        at = hearing.of_room(db, row.interview_id, lock=True)
        row = db.get_one(Challenge, name, with_for_update=True)
        now, seconds = parts.clock(), seen.prompts[0].at
        row.state, row.done_at, row.media_time = "done", now, seconds
        row.prompts = [{"kind": one.kind, "at": one.at, "until": one.until} for one in seen.prompts]
        row.verdict, row.signs, row.frames = {**verdict.as_json(), "models": MODELS}, list(found), []
        for media_time, jpeg in chosen:
            key, sha256 = safe.keep(parts, at.case, "snapshots", jpeg)
            db.add(
                Snapshot(
                    interview_id=at.interview.id, kind=FRAME, leg=APPLICANT, sha256=sha256, object_key=key,
                    media_time=media_time, at=now,
                )
            )  # fmt: skip
            row.frames = [*row.frames, {"sha256": sha256, "media_time": media_time}]
        for one in verdict.findings:
            text = f"{one.kind} {' '.join(one.reasons)}".strip()
            hearing.moment(db, at.interview, "challenge.step", ledger.SYSTEM, now, one.at, text)
        hearing.moment(db, at.interview, "challenge.done", ledger.SYSTEM, now, seconds, verdict.outcome)
        ledger.append(
            db, "challenge.done", ledger.SYSTEM, now, case_id=at.case.id, office_id=at.case.office_id,
            challenge=str(row.id), nonce=made.nonce, drawn=row.drawn, prompts=row.prompts, verdict=row.verdict,
            signs=row.signs, frames=row.frames,
        )  # fmt: skip
        if scored is not None:
            check = FaceCheck(interview_id=at.interview.id, advice="waiting", asked_at=now)
            db.add(check)
            db.flush()
            identifying.record(db, parts, at, check, scored, row.frames, now)
        _give_back(db, parts, at)


def _camera(parts: Parts, name: UUID) -> str:
    """What the applicant's browser calls its camera: its own word, and only a sign."""
    from notary.office.breaking import room_status

    with parts.db() as db:
        at = hearing.of_room(db, db.get_one(Challenge, name).interview_id)
    told = room_status(parts, at)["legs"].get(APPLICANT, {}).get("health", {}).get("camera", "")
    return told[:120] if isinstance(told, str) else ""


# the notary's part


def hear(db: Session, parts: Parts, at: Live, right: bool, by: Actor, now: datetime) -> None:
    """The notary ticks whether the digits were read; no machine listens. Raises NotPossible."""
    row = _undecided(db, at)
    if row.state != "done" or any(one["what"] == SAY for one in row.left_out):
        raise NotPossible(_("还没有念数字。"))
    seconds = hearing.media_time(parts, at)
    row.heard = "right" if right else "wrong"
    hearing.moment(db, at.interview, "challenge.heard", by, now, seconds, row.heard)
    ledger.append(
        db, "challenge.heard", by, now, case_id=at.case.id, office_id=at.case.office_id,
        challenge=str(row.id), heard=row.heard, media_time=seconds,
    )  # fmt: skip
    hearing.turn(db, parts, at)


def decide(db: Session, parts: Parts, at: Live, accepted: bool, reason: str, by: Actor, now: datetime) -> None:
    """The notary decides; against the machine, or where something stayed open, only with a reason. Raises BadInput,
    NotPossible."""
    row = _undecided(db, at)
    if row.state not in ("done", "broken"):
        raise NotPossible(_("活体核对正在做，请等它做完。"))
    if accepted and row.state == "broken":
        raise NotPossible(_("活体核对没有做成。请再做一次，或者写明理由免做。"))
    spoke = any(one["what"] == SAY for one in row.left_out) or row.heard == "right"
    clear = row.verdict.get("outcome") == "passed" and spoke
    if accepted and not row.heard and not spoke:
        raise BadInput({"heard": _("请先点对方念的数字对不对。")})
    if (accepted and not clear and len(reason.strip()) < LONG) or (not accepted and len(reason.strip()) < SHORT):
        raise BadInput({"reason": _("您的决定和机器的意见不一样，或者有一项没有做。请写明理由（至少 8 个字）。")})
    _settle(db, parts, at, row, "accepted" if accepted else "refused", reason, by, now)
    if not accepted:
        hearing.lock_signing(db, at, "challenge", now)
    elif at.interview.locked == "challenge":
        at.interview.locked = ""
    hearing.turn(db, parts, at)


def waive(db: Session, parts: Parts, at: Live, reason: str, by: Actor, now: datetime) -> None:
    """No challenge, or none that counts: the notary goes on by her own look, with a reason that stands in the minutes.
    Raises BadInput."""
    if len(reason.strip()) < LONG:
        raise BadInput({"reason": _("请写明为什么免做活体核对（至少 8 个字）。")})
    row = last_challenge(db, at.interview)
    if row is not None and row.state in ("waiting", "running") and now - row.asked_at < LONGEST:
        raise NotPossible(_("活体核对正在做，请等它做完。"))
    if row is None or row.decision:
        row = Challenge(
            interview_id=at.interview.id, drawn={}, slow=False, asked_by=by.id, asked_at=now, left_out=[], state="waived"  # type: ignore[arg-type]
        )  # fmt: skip
        db.add(row)
        db.flush()
    _settle(db, parts, at, row, "waived", reason, by, now)
    if at.interview.locked == "challenge":
        at.interview.locked = ""
    hearing.turn(db, parts, at)


def _undecided(db: Session, at: Live) -> Challenge:
    row = last_challenge(db, at.interview)
    if row is None or row.decision:
        raise NotPossible(_("没有等您决定的活体核对。"))
    return row


def _settle(
    db: Session, parts: Parts, at: Live, row: Challenge, decision: str, reason: str, by: Actor, now: datetime
) -> None:
    seconds = hearing.media_time(parts, at)
    row.decision, row.reason, row.decided_by, row.decided_at = decision, reason.strip()[:500], by.id, now
    row.done_at, row.media_time = row.done_at or now, seconds if row.media_time is None else row.media_time
    hearing.moment(db, at.interview, f"challenge.{decision}", by, now, seconds)
    ledger.append(
        db, f"challenge.{decision}", by, now, case_id=at.case.id, office_id=at.case.office_id, challenge=str(row.id),
        outcome=row.verdict.get("outcome", "none"), heard=row.heard, reason=row.reason, media_time=seconds,
    )  # fmt: skip


def missing_words(db: Session, interview: Interview) -> list[str]:
    """Where faces were compared by machine, somebody must have been shown to be there, or the notary must have said why
    not: a likeness alone is met by a photograph."""
    face = identifying.last_face_check(db, interview)
    if face is None or face.decision != "same":
        return []
    row = last_challenge(db, interview)
    if row is None or not row.decision:
        return [_("活体核对还没有您的决定")]
    return [_("您没有认可活体核对")] if row.decision == "refused" else []


def every(db: Session, interview: Interview) -> list[Challenge]:
    """All of an interview, oldest first, those that count no more too."""
    query = sa.select(Challenge).where(Challenge.interview_id == interview.id)
    return list(db.scalars(query.order_by(Challenge.asked_at)))


def evidence(db: Session, interview: Interview) -> list[dict[str, Any]]:
    """Every challenge as the bundle carries it: what was drawn, when each prompt stood there, what the machine saw and by
    which models, what was left out or waived and why, what the notary heard and decided. Numbers and reasons only."""
    return [
        {
            "challenge": str(row.id), "asked_at": row.asked_at.isoformat(), "state": row.state, "drawn": row.drawn, "slow": row.slow,
            "left_out": row.left_out, "prompts": row.prompts, "verdict": row.verdict, "signs": row.signs, "frames": row.frames,
            "heard": row.heard, "decision": row.decision, "reason": row.reason, "media_time": row.media_time,
            "decided_at": row.decided_at.isoformat() if row.decided_at else "",
        }
        for row in every(db, interview)
    ]  # fmt: skip


def unusual(db: Session, interview: Interview) -> list[str]:
    """What an approver should look at first: a waiver, a decision against the machine, parts left out, signs, failures."""
    row = last_challenge(db, interview)
    if row is None:
        return [_("没有做活体核对")]
    found = []
    if row.decision == "waived":
        found.append(_("活体核对免做：%(why)s", why=row.reason))
    elif row.reason:
        found.append(_("活体核对，公证员的决定和机器不同，或者有项没有做：%(why)s", why=row.reason))
    if row.signs:
        found.append(_("活体核对时有迹象，画面可能不是真的摄像头"))
    failed = sum(one.verdict.get("outcome") == "failed" for one in every(db, interview) if one.id != row.id)
    if failed:
        found.append(_("活体核对先有 %(n)d 次没有通过", n=failed))
    return found


def minutes_lines(db: Session, interview: Interview) -> list[tuple[str, float | None]]:
    """What the minutes say of it: (sentence in Chinese, media time)."""
    row = last_challenge(db, interview)
    if row is None or not row.decision:
        return []
    if row.decision == "waived":
        return [(f"活体核对：公证员决定免做机器活体核对，由公证员自己观察。理由：{row.reason}", row.media_time)]
    outcome = {"passed": "各项都做到", "failed": "有的项没有做到", "open": "有的项没有做或看不出"}
    machine = outcome.get(row.verdict.get("outcome", ""), "没有结果")
    left = "".join(f"；{part_words(one['what'])}没有做（{one['reason']}）" for one in row.left_out)
    end = {"accepted": "公证员认可", "refused": "公证员不认可"}[row.decision]
    why = f"，理由：{row.reason}" if row.reason else ""
    return [(f"活体核对：机器看到{machine}{left}；{end}{why}。机器的结果只供参考。", row.media_time)]


def part_words(what: str) -> str:
    """A part of the challenge as the minutes call it; they are in Chinese whoever reads the page."""
    return {
        "left": "向左转头", "right": "向右转头", "nod": "点头", "mouth": "张嘴", "blink": "眨眼", SAY: "念数字",
        FLASH: "屏幕颜色",
    }.get(what, what)  # fmt: skip
