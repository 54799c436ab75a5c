"""The minutes 询问笔录 (E01–E05): made from what was asked and answered, read, corrected, signed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary.models import Answer, Consent, Interview, Moment, Office, Paper, Person
from notary.office import asking, filing, hearing, proving, showing, witnessing, wording
from notary.office.hearing import Live
from notary.parts import Parts
from notary.rules import rules

PAUSES = {"media": "声音或画面中断", "asked": "公证员请申请人等候"}
"""As the minutes say it; they are in Chinese whoever reads the page."""


def make(db: Session, parts: Parts, at: Live, now: datetime) -> Paper:
    """The minutes as they stand, as a paper to be shown; an answer changed afterwards makes a new version."""
    return showing.keep_paper(db, parts, at, "minutes", data(db, at, now, parts.settings.trial), now)


def outdated(db: Session, parts: Parts, at: Live, paper: Paper, now: datetime) -> bool:
    """True when something was answered, corrected or interrupted after the paper was made."""
    return paper.facts != data(db, at, now, parts.settings.trial)


def data(db: Session, at: Live, now: datetime, trial: bool) -> dict[str, Any]:
    """What `signing.render.minutes` takes. Its end is that of the last answer, pause or signature under the
    instrument, so that the same state gives the same bytes while they are read."""
    interview, case = at.interview, at.case
    office = db.get_one(Office, case.office_id)
    notary = db.get_one(Person, interview.notary_id)
    party = filing.party_of(db, case)
    answers = asking.answers_of(db, interview)
    place = answers["where-with-whom"].text if "where-with-whom" in answers else party.address
    ended = max(
        (
            *(row.at for row in answers.values()),
            *(row.at for row in hearing.timeline(db, interview) if row.kind in ("resumed", "signed.instrument")),
        ),
        default=interview.opened_at,
    )
    return {
        "format": "yuanzheng-minutes/1",
        "test": trial,
        "office": {"name": office.name},
        "case": case.reference,
        "matter": {"key": case.matter, "title": filing.matter_of(case).title.zh},
        "time_zone": rules().profile.zone,
        "started_at": stamp(interview.opened_at),
        "ended_at": stamp(ended),
        "manner": "远程视频，全程录音录像",
        "persons": [
            {"role": "公证员", "name": notary.name, "place": office.name},
            {
                "role": "申请人",
                "name": party.name,
                "place": place[:200] or "未说明",
                "identity": f"{wording.ID_NUMBER_OF[party.id_type]}{party.id_number}",
            },
            *({"role": role, "name": name, "place": "申请人处"} for role, name in witnessing.others(db, interview)),
        ],
        "notices": [
            {"text": row.words[:4000].replace("\n", " "), "media_ms": int((row.media_time or 0) * 1000)}
            for row in db.scalars(
                sa.select(Consent)
                .where(Consent.case_id == case.id, Consent.at >= interview.opened_at)
                .order_by(Consent.at)
            )
        ]
        + [
            {"text": text[:4000], "media_ms": int((seconds or 0) * 1000)}
            for text, seconds in proving.minutes_lines(db, interview)
        ],
        "answers": [_answer(answers[q.key]) for q in asking.asked_of(case) if q.key in answers],
        "interruptions": _interruptions(db, interview),
        "signatures": [{"party": party.name, "label": "申请人（签名）："}],
    }


def _answer(row: Answer) -> dict[str, Any]:
    made: dict[str, Any] = {"key": row.question, "question": row.asked}
    if row.omitted:
        return {**made, "omitted": row.omitted}
    said = {"yes": "是。", "no": "不是。"}.get(row.choice, "") + row.text
    return {
        **made, "answer": said.replace("\n", " "), "media_ms": int(row.media_time * 1000), "version": row.version,
        "corrected": row.version > 1,
    }  # fmt: skip


def _interruptions(db: Session, interview: Interview) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    began: Moment | None = None
    rows = db.scalars(sa.select(Moment).where(Moment.interview_id == interview.id).order_by(Moment.at))
    for row in rows:
        if row.kind == "suspended":
            began = row
        elif row.kind == "resumed" and began is not None:
            found.append(
                {"from": stamp(began.at), "to": stamp(row.at), "reason": PAUSES.get(began.text, began.text) or "未说明"}
            )
            began = None
    return found


def stamp(at: datetime) -> str:
    return at.astimezone(ZoneInfo(rules().profile.zone)).replace(microsecond=0).isoformat()
