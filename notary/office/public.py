"""What anybody with one code may see of a case (G11): state, next step, owner, days left; nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import calendar
from notary.errors import NotFound
from notary.models import Case, Person
from notary.office import limits
from notary.rules import rules
from notary.terms import state_words


@dataclass(frozen=True)
class Status:
    reference: str
    matter: str
    state: str
    owner: str
    due: datetime | None
    days_left: int | None


def status(db: Session, code: str, address: str, now: datetime, language: str) -> Status:
    """Raises NotFound (counted), TooMany."""
    limits.refuse_if_spent(db, "status", address, now)
    case = db.scalar(sa.select(Case).where(Case.code == "".join(code.split()).replace("-", "").upper()))
    if case is None:
        limits.count(db, "status", address, now)
        raise NotFound(_("没有这个查询码。请看短信里的 10 位查询码，再输一次。"))
    return of(db, case, now, language)


def of(db: Session, case: Case, now: datetime, language: str) -> Status:
    notary = db.get(Person, case.notary_id) if case.notary_id else None
    left = None
    if case.due:
        left = calendar.working_days_between(calendar.today(now), calendar.today(case.due), rules().years)
    return Status(
        reference=case.reference,
        matter=rules().matters[case.matter].title.to(language),
        state=state_words(case.state),
        owner=notary.name if notary else _("受理窗口"),
        due=case.due,
        days_left=left,
    )
