"""Before a machine compares faces: the office's assessment on file, and whose faces it may not touch.

Personal Information Protection Law (PIPL) art. 28 to 31, 55, 56; 人脸识别技术应用安全管理办法 (2025) art. 15: whoever keeps the
faces of 100,000 people files that with the province's cyberspace office within 30 working days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import calendar, ledger
from notary.errors import BadInput, NotPossible
from notary.ledger import Actor
from notary.models import Assessment, Case, Event, Interview, Party, Snapshot
from notary.office import filing

FILING_DUTY = 100_000
LEAST_WORDS = 20
FULL_AGE_FOR_OWN_CONSENT = 14
"""PIPL art. 31."""
FACES = ("face", "card-portrait", "challenge")


def file(db: Session, office_id: UUID, said: Mapping[str, str], by: Actor, now: datetime) -> Assessment:
    """Adds an assessment; the newest counts, the earlier ones stay. Raises BadInput."""
    texts = {key: said.get(key, "").strip()[:4000] for key in ("purpose", "risks", "measures")}
    wrong = {
        key: _("请写清楚，至少 %(n)d 个字。", n=LEAST_WORDS) for key, text in texts.items() if len(text) < LEAST_WORDS
    }
    owner = said.get("owner", "").strip()[:60]
    if len(owner) < 2:
        wrong["owner"] = _("请写负责人的姓名。")
    held_on = _day(said.get("held_on", ""))
    if held_on is None or held_on > calendar.today(now):
        wrong["held_on"] = _("请写评估的日期，不晚于今天。")
    if wrong or held_on is None:
        raise BadInput(wrong)
    assert by.id is not None
    row = Assessment(
        office_id=office_id, owner=owner, held_on=held_on, purpose=texts["purpose"], risks=texts["risks"],
        measures=texts["measures"], filed_by=by.id, filed_at=now,
    )  # fmt: skip
    db.add(row)
    db.flush()
    ledger.append(
        db, "assessment.filed", by, now, office_id=office_id, assessment=str(row.id), owner=owner,
        held_on=held_on.isoformat(), purpose=row.purpose, risks=row.risks, measures=row.measures,
    )  # fmt: skip
    return row


def every(db: Session, office_id: UUID | None) -> list[Assessment]:
    """Newest first."""
    query = sa.select(Assessment).where(Assessment.office_id == office_id)
    return list(db.scalars(query.order_by(Assessment.filed_at.desc())))


def refuse_faces(db: Session, case: Case, now: datetime) -> None:
    """B14, B11: no face reaches an engine without an assessment, nor one of a child under 14, for whom a guardian would have
    to agree and whose guardian's word this office cannot take here yet. Raises NotPossible, in the notary's words."""
    if not every(db, case.office_id):
        raise NotPossible(_("本处还没有做人脸处理的影响评估，不能用机器比对。请您自己看，或请管理员先把评估记上。"))
    born = filing.party_of(db, case).birth
    if born is not None and _age(born, calendar.today(now)) < FULL_AGE_FOR_OWN_CONSENT:
        raise NotPossible(_("对方未满 14 周岁，不能用机器比对人脸。请您自己看。"))


@dataclass(frozen=True)
class Month:
    """`asked`, `compared`: comparisons; `without`: people who took the route without one."""

    month: str
    asked: int
    compared: int
    without: int


def log_of(db: Session, office_id: UUID | None) -> list[Month]:
    """The processing log by month of the office's zone, newest first."""
    month = sa.func.to_char(sa.func.timezone(str(calendar.OFFICE_ZONE), Event.at), "YYYY-MM")
    rows = db.execute(
        sa.select(month, Event.kind, sa.func.count())
        .where(Event.office_id == office_id, Event.kind.in_(("face.asked", "face.compared", "face.without")))
        .group_by(month, Event.kind)
    )
    counted: dict[str, dict[str, int]] = {}
    for name, kind, n in rows:
        counted.setdefault(name, {})[kind.removeprefix("face.")] = n
    return [
        Month(name, said.get("asked", 0), said.get("compared", 0), said.get("without", 0))
        for name, said in sorted(counted.items(), reverse=True)
    ]


def people_kept(db: Session, office_id: UUID | None) -> int:
    """How many people's faces lie in the office's cases: it is what the filing duty counts."""
    query = (
        sa.select(sa.func.count(sa.distinct(sa.tuple_(Party.id_type, Party.id_number))))
        .join(Case, Case.id == Party.case_id)
        .where(
            Case.office_id == office_id,
            Party.role == "applicant",
            sa.exists().where(
                Interview.case_id == Case.id, Snapshot.interview_id == Interview.id, Snapshot.kind.in_(FACES)
            ),
        )
    )
    return db.scalar(query) or 0


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None
