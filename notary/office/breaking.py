"""Broken calls: the table in rules/profiles, applied by both pages' polls and by the worker, whoever looks first (C06, C07)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.errors import NotPossible, Unavailable
from notary.ledger import SYSTEM, Actor
from notary.lifecycle import Act, Need, Role, State
from notary.models import Case, Interview, Phase
from notary.office import filing, messages, tickets
from notary.office.closing import finish
from notary.office.hearing import (
    LEGS,
    Live,
    live,
    media_time,
    moment,
    recorder_runs,
    turn,
)
from notary.office.step import advance
from notary.parts import Parts
from notary.rules import rules
from webrtc.client import MediaError


def watch(db: Session, parts: Parts, at: Live, now: datetime) -> dict[str, Any]:
    """Asks the media worker how the room does and applies the table for a broken call (C06, C07).

    Called by both pages' polls, so that neither browser alone decides; `at` must be locked for a change.
    """
    limits = rules().profile.call
    status = room_status(parts, at)
    seen, longest = dict(at.interview.seen_segments), 0.0
    for leg, known in at.interview.seen_segments.items():
        quiet = silence(status["legs"].get(leg, {}))
        since = known.get("gone")
        if quiet == float("inf"):
            since = since or now.isoformat()
            quiet = (now - datetime.fromisoformat(since)).total_seconds()
        else:
            since = None
        longest = max(longest, quiet)
        if since != known.get("gone"):
            seen[leg] = {**known, "gone": since}
    if seen != at.interview.seen_segments:
        at.interview.seen_segments = seen
    if at.case.state == State.INTERVIEW and len(seen) == len(LEGS) and longest * 1000 > limits.suspend_media_gone_ms:
        suspend(db, parts, at, "media", Actor(Role.SYSTEM), now, broken=True)
    return status


def watch_all(parts: Parts) -> None:
    """Looks at every open interview as a poll would, for those whose pages ask no more; ends what nobody came back to.

    One transaction an interview, the case locked first as in every act, so that it is safe beside polls and itself.
    """
    with parts.db() as db:
        cases = db.scalars(
            sa.select(Interview.case_id)
            .join(Case, Case.id == Interview.case_id)
            .where(Interview.closed_at.is_(None), Case.state.in_((State.INTERVIEW, State.SUSPENDED)))
        ).all()
    for case_id in cases:
        for end in (False, True):  # what was seen stays seen, also where it cannot be ended yet
            # ended meanwhile, or without a recording to close: at a later look
            with suppress(NotPossible, Unavailable), parts.db.begin() as db:
                at = live(db, db.get_one(Case, case_id, with_for_update=True), lock=True)
                now = parts.clock()
                status = watch(db, parts, at, now)
                if end and empty_for(at, status, now) > rules().profile.call.end_interrupted_s:
                    end_empty(db, parts, at, now)


def empty_for(at: Live, status: dict[str, Any], now: datetime) -> float:
    """Seconds for which nobody has been in the room."""

    def away(leg: str) -> float:
        quiet = silence(status["legs"].get(leg, {}))
        since = at.interview.seen_segments.get(leg, {}).get("gone") or at.interview.opened_at.isoformat()
        return quiet if quiet != float("inf") else (now - datetime.fromisoformat(since)).total_seconds()

    return min(away(leg) for leg in LEGS)


def end_empty(db: Session, parts: Parts, at: Live, now: datetime) -> None:
    """Both have been away longer than the table allows: the act ends (C07). The applicant is told how to book again, the
    desk has a call to make, and the notary reads the reason on the case's interview page. Raises Unavailable.
    """
    break_off(db, parts, at, "room-empty", SYSTEM, now)
    case, phone = at.case, filing.party_of(db, at.case).phone
    url = f"{parts.settings.base_url}/my/{case.id}/book"
    messages.tell(
        db, case, phone,
        lambda: _("视频断开太久，这次先结束了。材料都留着，不另收费。请再约一个时间：%(url)s，或请我们打给您。", url=url), now,
    )  # fmt: skip
    tickets.call_back(db, case, phone, rules().grounds["room-empty"].law.zh, now)


def room_status(parts: Parts, at: Live) -> dict[str, Any]:
    """What the media worker says of the room; a worker that does not answer has nobody in it."""
    try:
        return parts.media.status(at.room)
    except MediaError:
        return {"legs": {}, "recorder": {"ok": False}, "seconds": None, "unreachable": True}


def silence(leg: dict[str, Any]) -> float:
    """Seconds since a leg last gave sound or picture, whichever is longer ago; infinite while it is away."""
    ages = list((leg.get("ages") or {}).values())
    if not leg.get("connected") or not ages:
        return float("inf")
    return max(float("inf") if age is None else float(age) for age in ages)


def suspend(db: Session, parts: Parts, at: Live, why: str, by: Actor, now: datetime, *, broken: bool = False) -> None:
    advance(db, at.case, Act.SUSPEND, by, now, frozenset({Need.REASON}), why=why)
    at.interview.suspended_at = now
    if broken:
        at.interview.again = "broken"
        at.interview.interruptions += 1
        at.interview.locked = "broken"
    moment(db, at.interview, "suspended", by, now, None, why)
    turn(db, parts, at)


def resume(db: Session, parts: Parts, at: Live, by: Actor, now: datetime) -> None:
    """Goes on after a break: short ones repeat one identity step, long ones all of them; too many end the act.

    Raises NotYet, NotPossible.
    """
    limits = rules().profile.call
    began = at.interview.suspended_at or now
    length = (now - began).total_seconds()
    given = frozenset({Need.RECORDER}) if recorder_runs(parts, at) else frozenset()
    broken = at.interview.again == "broken"
    if broken:
        at.interview.interrupted_s += length
        if (
            at.interview.interruptions >= limits.end_interruptions
            or at.interview.interrupted_s > limits.end_interrupted_s
        ):
            raise NotPossible(_("已经断了 %(n)d 次，或者断得太久。请结束，另约时间。", n=at.interview.interruptions))
    advance(db, at.case, Act.RESUME, by, now, given, seconds=round(length, 1))
    if broken and length * 1000 > limits.identity_again_media_gone_ms:
        at.interview.identity_since = now
        at.interview.phase = Phase.IDENTITY
        at.interview.again, at.interview.locked = "all", "all"
    elif broken:
        at.interview.again, at.interview.locked = "step", "step"
    at.interview.suspended_at = None
    moment(db, at.interview, "resumed", by, now, media_time(parts, at), str(round(length)))
    turn(db, parts, at)


def break_off(db: Session, parts: Parts, at: Live, reason: str, by: Actor, now: datetime) -> None:
    """Ends an interview that is not complete; the case waits for another time. What was recorded stays."""
    advance(db, at.case, Act.BREAK_OFF, by, now, frozenset({Need.REASON}), reason=reason)
    finish(db, parts, at, reason, by, now)
