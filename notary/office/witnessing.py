"""What the notary hears and sees beside the questions: who is in the room (C03), the five statements (C05), that the
effects were explained and understood (C17), and a silent sign of distress (C10)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotFound
from notary.ledger import Actor
from notary.models import Interview, Moment
from notary.office import asking, hearing
from notary.office.hearing import Live
from notary.parts import Parts
from webrtc.client import MediaError

STATEMENTS = ("name", "place", "date", "free-will", "consent")
IN_THE_ROOM = ("alone", "clerk", "interpreter", "other")


def statement_words(key: str) -> str:
    return {
        "name": _("姓名"), "place": _("地点"), "date": _("日期"), "free-will": _("自愿"), "consent": _("同意录像"),
    }[key]  # fmt: skip


def presence_words(who: str) -> str:
    return {
        "alone": _("独自一人"), "clerk": _("有办事员"), "interpreter": _("有翻译"), "other": _("有别人"),
    }[who]  # fmt: skip


def present(db: Session, parts: Parts, at: Live, who: str, names: str, by: Actor, now: datetime) -> None:
    """Who is in the applicant's room, with names unless it is nobody else (C03). Raises BadInput."""
    names = " ".join(names.split())[:200]
    if who not in IN_THE_ROOM:
        raise BadInput({"who": _("请选谁在房间里。")})
    if who != "alone" and len(names) < 2:
        raise BadInput({"names": _("请写下在场的人叫什么。")})
    asking.refuse_before_consent(db, at)
    _note(db, parts, at, f"present.{who}", "" if who == "alone" else names, by, now)


def who_is_there(db: Session, interview: Interview) -> Moment | None:
    """The last word on who is in the room."""
    found = _moments(db, interview, "present.%")
    return found[-1] if found else None


def others(db: Session, interview: Interview) -> list[tuple[str, str]]:
    """(role, name) of everybody whom the notary ever noted beside the applicant, for the minutes (E04)."""
    roles = {"clerk": "办事员", "interpreter": "翻译", "other": "在场人"}
    found = [(roles[m.kind.removeprefix("present.")], m.text) for m in _moments(db, interview, "present.%") if m.text]
    return list(dict.fromkeys(found))


def said(db: Session, parts: Parts, at: Live, key: str, by: Actor, now: datetime) -> None:
    """The applicant has said one of the five things on camera: its media time (C05). Raises NotFound."""
    if key not in STATEMENTS:
        raise NotFound
    asking.refuse_before_consent(db, at)
    _note(db, parts, at, f"said.{key}", "", by, now)


def said_so_far(db: Session, interview: Interview) -> dict[str, Moment]:
    return {row.kind.removeprefix("said."): row for row in _moments(db, interview, "said.%")}


def unsaid(db: Session, interview: Interview) -> list[str]:
    """What of the five is missing, in words."""
    done = said_so_far(db, interview)
    return [statement_words(key) for key in STATEMENTS if key not in done]


def explained(db: Session, parts: Parts, at: Live, own_words: str, by: Actor, now: datetime) -> None:
    """Effects, risks and options were explained; the applicant's own words of it (C17). Raises BadInput."""
    own_words = own_words.strip()[:1000]
    if len(own_words) < 4:
        raise BadInput({"own_words": _("请写下对方用自己的话是怎么说的。")})
    asking.refuse_before_consent(db, at)
    _note(db, parts, at, "explained", own_words, by, now)


def explained_in(db: Session, interview: Interview) -> Moment | None:
    found = _moments(db, interview, "explained")
    return found[-1] if found else None


def distress(db: Session, parts: Parts, at: Live, by: Actor, now: datetime) -> None:
    """The applicant's hidden sign. It tells the notary and changes nothing on the applicant's screen (C10)."""
    try:
        seconds: float | None = float(parts.media.mark(at.room, "distress")["seconds"])
    except MediaError:
        seconds = None
    hearing.moment(db, at.interview, "distress", by, now, seconds)
    ledger.append(
        db, "interview.distress", by, now, case_id=at.case.id, office_id=at.case.office_id, media_time=seconds
    )
    hearing.turn(db, parts, at)


def distress_of(db: Session, interview: Interview) -> Moment | None:
    found = _moments(db, interview, "distress")
    return found[-1] if found else None


def _note(db: Session, parts: Parts, at: Live, kind: str, text: str, by: Actor, now: datetime) -> None:
    seconds = hearing.media_time(parts, at)
    hearing.moment(db, at.interview, kind, by, now, seconds, text)
    ledger.append(
        db, f"interview.{kind}", by, now, case_id=at.case.id, office_id=at.case.office_id, text=text, media_time=seconds
    )
    hearing.turn(db, parts, at)


def _moments(db: Session, interview: Interview, pattern: str) -> list[Moment]:
    query = sa.select(Moment).where(Moment.interview_id == interview.id, Moment.kind.like(pattern))
    return list(db.scalars(query.order_by(Moment.at)))
