"""Today, in figures that a person can check by hand: accepted, issued, refused, how long, who waits, how content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.errors import BadInput
from notary.lifecycle import State
from notary.models import Case, Deed, Event, Interview, Office, Rating
from notary.office import booking, hearing

AFTER_ISSUE = (State.ISSUED, State.DELIVERED, State.UNDER_REVIEW, State.UPHELD, State.CORRECTED, State.REVOKED)


@dataclass(frozen=True)
class Today:
    """Counts of one day in the office's zone; minutes are medians, None where there is nothing to measure."""

    day: date
    accepted: int
    issued: int
    refused: int
    to_accept: float | None
    in_interview: float | None
    to_issue: float | None
    waiting: int
    satisfied: int
    rated: int


def today(db: Session, office_id: UUID, now: datetime) -> Today:
    zone = ZoneInfo(db.get_one(Office, office_id).zone)
    day = now.astimezone(zone).date()
    begin = datetime.combine(day, time(), zone)
    end = begin + timedelta(days=1)

    def acts(*kinds: str) -> int:
        query = sa.select(sa.func.count()).where(
            Event.office_id == office_id, Event.kind.in_(kinds), Event.at >= begin, Event.at < end
        )
        return db.scalar(query) or 0

    accepted = db.execute(
        sa.select(Case.submitted_at, Case.accepted_at).where(
            Case.office_id == office_id, Case.accepted_at >= begin, Case.accepted_at < end
        )
    ).all()
    held = db.execute(
        sa.select(Interview.opened_at, Interview.closed_at)
        .join(Case, Case.id == Interview.case_id)
        .where(
            Case.office_id == office_id, Interview.closed_at >= begin, Interview.closed_at < end, Interview.ended == ""
        )
    ).all()
    issued = db.execute(
        sa.select(Case.accepted_at, Deed.issued_at)
        .join(Case, Case.id == Deed.case_id)
        .where(Case.office_id == office_id, Deed.issued_at >= begin, Deed.issued_at < end)
    ).all()
    stars = db.scalars(
        sa.select(Rating.stars)
        .join(Case, Case.id == Rating.case_id)
        .where(Case.office_id == office_id, Rating.at >= begin, Rating.at < end)
    ).all()
    return Today(
        day=day,
        accepted=len(accepted),
        issued=len(issued),
        refused=acts("case.decline", "case.refuse"),
        to_accept=_median((a, b) for a, b in accepted if a),
        in_interview=_median(held),
        to_issue=_median((a, b) for a, b in issued if a),
        waiting=len(booking.waiting(db, office_id)),
        satisfied=sum(one >= 4 for one in stars),
        rated=len(stars),
    )


def _median(spans: Iterable[Any]) -> float | None:
    minutes = [(b - a).total_seconds() / 60 for a, b in spans]
    return round(median(minutes), 1) if minutes else None


def rate(db: Session, case: Case, moment: str, stars: int, text: str, now: datetime) -> None:
    """One rating a moment; the notary cannot see who gave it. Raises BadInput."""
    if moment == "interview" and not hearing.interviews_of(db, case):
        raise BadInput({"stars": _("视频结束以后再评。")})
    if moment not in ("interview", "delivery") or not 1 <= stars <= 5:
        raise BadInput({"stars": _("请选 1 到 5 颗星。")})
    if moment == "delivery" and case.state not in AFTER_ISSUE:
        raise BadInput({"stars": _("收到公证书以后再评。")})
    if db.scalar(sa.select(Rating.id).where(Rating.case_id == case.id, Rating.moment == moment)):
        raise BadInput({"stars": _("您已经评过了，谢谢。")})
    db.add(Rating(case_id=case.id, moment=moment, stars=stars, text=text.strip()[:1000], at=now))
