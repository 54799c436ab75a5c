"""Questions, answers and chat: each with its media time, each edit a version of its own (C16, E02, E05)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger, questions
from notary.errors import BadInput, NotFound, NotPossible, Unavailable
from notary.ledger import Actor
from notary.lifecycle import Need
from notary.matters import Question
from notary.models import Answer, Case, ChatLine, ConsentKind, Interview
from notary.office import hearing
from notary.office.filing import matter_of
from notary.office.hearing import Live
from notary.office.needs import check
from notary.parts import Parts

LONGEST_LINE = 500


def filed_of(case: Case) -> dict[str, str]:
    return {key: str(value) for key, value in case.filed.items()}


def asked_of(case: Case) -> tuple[Question, ...]:
    """The questions that this application calls for, in their order."""
    return questions.asked(matter_of(case).questions, filed_of(case))


def answers_of(db: Session, interview: Interview) -> dict[str, Answer]:
    """The newest version of each answer."""
    rows = db.scalars(
        sa.select(Answer).where(Answer.interview_id == interview.id).order_by(Answer.question, Answer.version)
    )
    return {row.question: row for row in rows}


def _as_given(rows: dict[str, Answer]) -> dict[str, questions.Answer]:
    return {key: questions.Answer(row.choice or row.text, row.omitted) for key, row in rows.items()}


def open_questions(db: Session, at: Live) -> tuple[Question, ...]:
    """Those without an answer, and those whose answer forbids to go on."""
    given = _as_given(answers_of(db, at.interview))
    every = matter_of(at.case).questions
    filed = filed_of(at.case)
    return (*questions.still_open(every, filed, given), *questions.blocking(every, filed, given))


def ask(db: Session, parts: Parts, at: Live, key: str, by: Actor, now: datetime) -> None:
    """Puts a question onto the applicant's screen. Raises NotFound."""
    question = question_of(at.case, key)
    refuse_before_consent(db, at)
    hearing.moment(db, at.interview, "asked", by, now, hearing.media_time(parts, at), question.short.zh)
    hearing.turn(db, parts, at, {"kind": "question", "question": key})


def refuse_before_consent(db: Session, at: Live) -> None:
    """Nothing is asked for the record before the recording is agreed to. Raises NotPossible."""
    if not hearing.consented(db, at.case, ConsentKind.RECORDING):
        raise NotPossible(_("先让对方同意录音录像，再提问。"))


def question_of(case: Case, key: str) -> Question:
    found = next((one for one in asked_of(case) if one.key == key), None)
    if found is None:
        raise NotFound
    return found


def answer(
    db: Session, parts: Parts, at: Live, key: str, text: str, choice: str, omitted: str, by: Actor, now: datetime
) -> Answer:
    """Writes down an answer, or why the question was left out. Raises BadInput, NotFound, Unavailable."""
    question = question_of(at.case, key)
    refuse_before_consent(db, at)
    text, omitted = text.strip()[:4000], omitted.strip()[:500]
    if omitted and len(omitted) < 4:
        raise BadInput({"omitted": _("请写明为什么不问。")})
    if not omitted:
        given = choice if question.kind == "yesno" else text
        if not questions.fits(question, given):
            raise BadInput({"text": _("请写下对方的回答。") if question.kind == "text" else _("请选是或不是。")})
    before = answers_of(db, at.interview).get(key)
    seconds = hearing.media_time(parts, at)
    row = Answer(
        interview_id=at.interview.id, question=key, asked=question.ask.to(at.case.locale),
        version=before.version + 1 if before else 1, text=text, choice=choice if question.kind == "yesno" else "",
        omitted=omitted, media_time=seconds, by=by.name, at=now,
    )  # fmt: skip
    db.add(row)
    hearing.moment(db, at.interview, "answered", by, now, seconds, question.short.zh)
    ledger.append(
        db, "interview.answer", by, now, case_id=at.case.id, office_id=at.case.office_id,
        question=key, version=row.version, media_time=seconds, omitted=omitted,
    )  # fmt: skip
    hearing.turn(db, parts, at, {"kind": "talk"})
    return row


def following(db: Session, at: Live) -> Question | None:
    return questions.following(matter_of(at.case).questions, filed_of(at.case), _as_given(answers_of(db, at.interview)))


def chat(db: Session, parts: Parts, at: Live, text: str, by: Actor, speaker: str, now: datetime) -> ChatLine:
    """A typed line inside the record (C12). Raises BadInput."""
    text = text.strip()[:LONGEST_LINE]
    if not text:
        raise BadInput({"text": _("请先打字。")})
    try:
        seconds: float | None = hearing.media_time(parts, at)
    except Unavailable:  # typing must work while the picture is broken; the line then has no media time
        seconds = None
    line = ChatLine(interview_id=at.interview.id, speaker=speaker, text=text, media_time=seconds, at=now)
    db.add(line)
    hearing.turn(db, parts, at)
    return line


def chat_of(db: Session, interview: Interview) -> list[ChatLine]:
    return list(db.scalars(sa.select(ChatLine).where(ChatLine.interview_id == interview.id).order_by(ChatLine.at)))


@check(Need.ANSWERED)
def every_question_is_answered(db: Session, case: Case, _by: Actor) -> bool:
    interview = db.scalar(
        sa.select(Interview).where(Interview.case_id == case.id).order_by(Interview.number.desc()).limit(1)
    )
    return interview is not None and not open_questions(db, Live(case, interview))
