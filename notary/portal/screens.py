"""What both screens of an interview show now, as plain data: pages and polls are drawn from the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import calendar, words
from notary.lifecycle import State
from notary.matters import Question
from notary.models import Case, ChatLine, Consent, ConsentKind, Interview, Moment, Paper, Person, Phase, Snapshot
from notary.office import asking, filing, hearing, identifying, showing, vouching, witnessing
from notary.office.hearing import APPLICANT, NOTARY, STILL_WRITING, Live
from notary.parts import Parts
from notary.portal import guiding, liveness
from notary.rules import Notice, rules

CHAT_SHOWN = 40
GOOD_LOSS, POOR_LOSS = 0.02, 0.08
"""Shares of lost packets up to which a connection is called good, and from which it is called poor."""
CONSENT_TEXTS = {
    "recording": "recording-consent", "face": "face-consent", "notice": "rights-and-risks", "liability": "liability"
}  # fmt: skip


def notice_of(key: str) -> Notice:
    return rules().notices[key]


def of_applicant(db: Session, case: Case, interview: Interview | None, status: dict[str, Any]) -> dict[str, Any]:
    """Everything that the applicant's page shows: `kind` says which of its screens, the rest fills it."""
    notary = db.get(Person, case.notary_id) if case.notary_id else None
    made: dict[str, Any] = {
        "kind": kind_of(case, interview),
        "turn": interview.turn if interview else 0,
        "open": case.state in (State.INTERVIEW, State.SUSPENDED),
        "recording": running(status, APPLICANT),
        "seconds": round(status.get("seconds") or 0),
        "locked": bool(interview and interview.locked),
        "notary": notary.name if notary else "",
        "chat": [],
    }
    if interview is None:
        return made
    made["chat"] = [chat_line(line, case, db) for line in asking.chat_of(db, interview)[-CHAT_SHOWN:]]
    fill = {
        "question": _question, "consent": _consent, "notice": _consent, "document": _paper, "minutes": _paper,
        "sign": _paper, "ended": _ended, "challenge": _challenge,
    }.get(made["kind"])  # fmt: skip
    return {**made, **(fill(db, case, interview) if fill else {})}


def kind_of(case: Case, interview: Interview | None) -> str:
    if interview is None:
        return "wait"
    if interview.closed_at:
        if not interview.ended:
            return "done"
        return "wait" if case.state == State.SCHEDULED else "ended"
    if case.state == State.SUSPENDED:
        return "suspended"
    return str(interview.screen.get("kind", "wait"))


def _question(db: Session, case: Case, interview: Interview) -> dict[str, Any]:
    every = asking.asked_of(case)
    key = interview.screen["question"]
    place = next((n for n, one in enumerate(every, 1) if one.key == key), 1)
    language = words.chosen_locale()
    ask = every[place - 1].ask
    return {
        "question": key, "number": place, "of": len(every),
        "text": ask.to(case.locale), "text_language": words.TAGS[case.locale],
        "also": ask.to(language) if language != case.locale else "",
    }  # fmt: skip


def _consent(db: Session, case: Case, interview: Interview) -> dict[str, Any]:
    which = interview.screen["consent"]
    notice, language = notice_of(CONSENT_TEXTS[which]), words.chosen_locale()
    return {
        "consent": which,
        "title": notice.title.to(language),
        "paragraphs": [one.to(language) for one in notice.paragraphs],
        "acknowledge": notice.acknowledge.to(language),
        "decline": notice.decline.to(language) if notice.decline else "",
    }


def _paper(db: Session, case: Case, interview: Interview) -> dict[str, Any]:
    paper = db.get_one(Paper, UUID(interview.screen["paper"]))
    return {
        "paper": str(paper.id), "sha256": paper.sha256, "pages": paper.pages, "page": interview.screen.get("page", 1),
        "paper_kind": paper.kind, "title": title_of(case, paper.kind),
        "seen": sorted(showing.shown_pages(db, interview, paper)),
        "phone": filing.party_of(db, case).phone, "name": filing.party_of(db, case).name,
    }  # fmt: skip


def _challenge(_db: Session, _case: Case, interview: Interview) -> dict[str, Any]:
    return {"challenge": interview.screen["challenge"], "prompts": liveness.prompts()}


def _ended(db: Session, case: Case, interview: Interview) -> dict[str, Any]:
    ground = rules().grounds.get(interview.ended)
    return {"why": ground.plain.to(words.chosen_locale()) if ground else _("视频已经结束。我们会再跟您联系。")}


def title_of(case: Case, kind: str) -> str:
    return _("询问笔录") if kind == "minutes" else filing.matter_of(case).deed.instrument.to(words.chosen_locale())


def chat_line(line: ChatLine, case: Case, db: Session) -> dict[str, str]:
    return {"id": str(line.id), "speaker": line.speaker, "text": line.text, "time": clock(line.at)}


def clock(at: datetime, seconds: bool = False) -> str:
    """Office time, Beijing; the page says so once."""
    return at.astimezone(calendar.OFFICE_ZONE).strftime("%H:%M:%S" if seconds else "%H:%M")


def running(status: dict[str, Any], leg: str) -> bool:
    said = status["legs"].get(leg, {})
    age = said.get("age")
    return bool(status["recorder"].get("ok") and said.get("connected") and age is not None and age < 3)


# the notary's console


@dataclass(frozen=True)
class Line:
    """One line of a checklist: state is done, now, next or lock."""

    key: str
    words: str
    state: str
    time: str = ""


def phase_words(phase: Phase) -> str:
    return {
        Phase.CONSENT: _("录像同意"), Phase.IDENTITY: _("身份四项"), Phase.ENVIRONMENT: _("环境查看"),
        Phase.PRIVATE_TALK: _("单独谈话"), Phase.NOTICE: _("告知"), Phase.INQUIRY: _("询问"),
        Phase.DOCUMENT: _("文件逐页查看"), Phase.SIGNING: _("签字"), Phase.CLOSING: _("笔录核对与结束"),
    }[phase]  # fmt: skip


def band_words(band: str) -> tuple[str, str]:
    """A band in words, and the kind of its pill: never a number (B07)."""
    return {
        "strong": (_("很像同一个人"), "ok"), "support": (_("像同一个人"), "ok"),
        "doubtful": (_("说不准"), "warn"), "against": (_("不太像"), "stop"),
    }.get(band, (_("没有结果"), ""))  # fmt: skip


def advice_words(advice: str) -> str:
    return {
        "waiting": _("正在比，请等几秒。"), "supports": _("机器的意见：像同一个人。"),
        "doubtful": _("机器的意见：说不准。"), "against": _("机器的意见：不像同一个人。"),
        "none": _("没有比出结果（画面不清，或者引擎没有运行）。"), "not-asked": "",
    }.get(advice, "")  # fmt: skip


def of_notary(db: Session, parts: Parts, at: Live, status: dict[str, Any], chosen: str = "") -> dict[str, Any]:
    """Everything that the console draws. `chosen`: the question that the notary wants to write on."""
    case, interview = at.case, at.interview
    matter, party = filing.matter_of(case), filing.party_of(db, case)
    language = words.chosen_locale()
    moments = hearing.timeline(db, interview)
    answers = asking.answers_of(db, interview)
    questions = asking.asked_of(case)
    current = _current(db, at, questions, chosen)
    order = hearing.PHASES.index(interview.phase)
    following = hearing.PHASES[order + 1] if order + 1 < len(hearing.PHASES) else None
    consents = last_consents(db, case, interview)
    face = identifying.last_face_check(db, interview)
    return {
        "case": case, "interview": interview, "party": party, "matter": matter, "language": language,
        "age": age_of(party.birth, calendar.today(parts.clock())) if party.birth else None,
        "suspended": case.state == State.SUSPENDED,
        "recording": running(status, APPLICANT), "seconds": round(status.get("seconds") or 0), "status": status,
        "phases": _phases(interview, moments, order, len(answers), len(questions)),
        "following": following, "following_words": phase_words(following) if following else "",
        "held": hearing.what_holds_back(db, parts, at, following) if following else [],
        "questions": [_line(one, answers, current, language) for one in questions],
        "question": current, "answer": answers.get(current.key) if current else None,
        "question_place": questions.index(current) + 1 if current else 0, "question_count": len(questions), "picked": bool(chosen),
        "on_screen": bool(current) and interview.screen.get("question") == getattr(current, "key", None),
        "alerting": {q.key for q in questions if q.key in answers and answers[q.key].choice in (*q.alerts, *q.blocks)},
        "chat": [chat_line(line, case, db) for line in asking.chat_of(db, interview)[-CHAT_SHOWN:]],
        "consents": consents,
        "face": face, "face_words": [
            (name, *band_words(str(one.get("band", ""))))
            for name, one in zip((_("主引擎"), _("副引擎")), opinions(face.results), strict=False)
        ] if face else [],
        "face_advice": advice_words(face.advice) if face else "",
        "face_notes": [words for key, words in liveness.gate_words().items() if face and key in notes_of(face.results)],
        "face_frames": _compared(db, interview, face.frames) if face else [],
        "against": bool(face and face.advice in ("against", "doubtful") and face.done_at),
        "steps": identifying.steps_of(db, interview), "step_keys": identifying.STEPS,
        "step_words": identifying.step_words, "guide": guiding.steps(), "items": identifying.items_of(db, interview),
        "item_words": guiding.item_words, "media_clock": liveness.media_clock,
        "sides": identifying.card_snapshots(db, case), "taken": {one.kind for one in identifying.snapshots_of(db, interview) if one.at >= interview.identity_since}, "shot": _newest_shot(db, interview),
        "card_doubts": vouching.card_doubts(db, case), "portrait": identifying.portrait_of(db, interview), "card": identifying.card_front(db, case),
        "present": witnessing.who_is_there(db, interview), "presence_words": witnessing.presence_words,
        "in_the_room": witnessing.IN_THE_ROOM,
        "said": witnessing.said_so_far(db, interview), "statements": witnessing.STATEMENTS,
        "statement_words": witnessing.statement_words,
        "explained": witnessing.explained_in(db, interview), "distress": witnessing.distress_of(db, interview),
        "papers": [_paper_facts(db, at, kind) for kind in ("instrument", "minutes")],
        "exhibits": filing.exhibits_of(db, case),
        "material_words": {one.key: one.title.to(language) for one in matter.materials},
        "log": [(clock(one.at, True), moment_words(one)) for one in reversed(moments)],
        "grounds": rules().kinds("stop"), "health": health_of(status), "clock": clock,
        "challenge": liveness.of_notary(db, at, parts.clock()),
        "locked": hearing.lock_words(interview.locked), "screen": interview.screen, "Phase": Phase,
    }  # fmt: skip


def _current(db: Session, at: Live, questions: tuple[Question, ...], chosen: str) -> Question | None:
    key = chosen or at.interview.screen.get("question")
    found = next((one for one in questions if one.key == key), None)
    return found or asking.following(db, at)


def _phases(interview: Interview, moments: list[Moment], order: int, answered: int, asked: int) -> list[Line]:
    entered = {one.kind.removeprefix("phase."): clock(one.at) for one in moments if one.kind.startswith("phase.")}
    entered.setdefault(str(Phase.CONSENT), clock(interview.opened_at))
    lines = []
    for n, phase in enumerate(hearing.PHASES):
        text = f"{n + 1} {phase_words(phase)}"
        if phase == Phase.INQUIRY and n == order:
            text += f" {answered}/{asked}"
        state = "done" if n < order else "now" if n == order else "lock"
        lines.append(Line(str(phase), text, state, entered.get(str(phase), "") if n <= order else ""))
    return lines


def _line(one: Question, answers: dict[str, Any], current: Question | None, language: str) -> Line:
    row = answers.get(one.key)
    state = "now" if current and current.key == one.key else "done" if row else "next"
    return Line(one.key, one.short.to(language), state, clock(row.at) if row else "")


def last_consents(db: Session, case: Case, interview: Interview) -> dict[str, Consent]:
    """The last word on each kind given in this interview."""
    rows = db.scalars(
        sa.select(Consent)
        .where(Consent.case_id == case.id, Consent.kind != ConsentKind.RECIPIENT, Consent.at >= interview.opened_at)
        .order_by(Consent.at)
    )
    return {str(row.kind): row for row in rows}


def notes_of(results: list[Any]) -> list[str]:
    """Keys of what was noted beside a comparison, gates among them."""
    return [note for one in results if isinstance(one, dict) for note in one.get("notes", [])]


def _compared(db: Session, interview: Interview, frames: list[Any]) -> list[Snapshot]:
    """The frames that a comparison rests on."""
    names = {one["sha256"] for one in frames}
    return [
        one for one in identifying.snapshots_of(db, interview) if one.sha256 in names and one.kind != "card-portrait"
    ]


def opinions(results: list[Any]) -> list[dict[str, Any]]:
    return [one for one in results if isinstance(one, dict) and "band" in one]


def _newest_shot(db: Session, interview: Interview) -> Any:
    taken = [one for one in identifying.snapshots_of(db, interview) if one.kind in ("face", "other")]
    return taken[-1] if taken else None


def _paper_facts(db: Session, at: Live, kind: str) -> dict[str, Any]:
    paper = showing.newest(db, at.case, kind)
    if paper is not None and paper.interview_id != at.interview.id:
        paper = None
    if paper is None:
        return {
            "kind": kind,
            "title": title_of(at.case, kind),
            "paper": None,
            "seen": set(),
            "signed": False,
            "page": 0,
        }
    here = at.interview.screen.get("paper") == str(paper.id)
    return {
        "kind": kind, "title": title_of(at.case, kind), "paper": paper,
        "seen": showing.shown_pages(db, at.interview, paper), "signed": showing.is_signed(db, at.case, kind),
        "page": at.interview.screen.get("page", 0) if here else 0,
        "asked": here and at.interview.screen.get("kind") == "sign",
    }  # fmt: skip


def age_of(birth: Any, today: Any) -> int:
    return int(today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day)))


def health_of(status: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The strip at the console's foot: (key, label, words)."""
    both = sum(running(status, leg) for leg in (APPLICANT, NOTARY))
    writing = {2: _("两路都在写"), 1: _("只有一路在写"), 0: _("没有在写")}[both]
    return [
        ("far", _("对方网络"), _network(status["legs"].get(APPLICANT, {}))),
        ("near", _("我方网络"), _network(status["legs"].get(NOTARY, {}))),
        ("recording", _("录像"), writing),
    ]


def _network(leg: dict[str, Any]) -> str:
    if not leg.get("connected"):
        return _("没有连上")
    own = (leg.get("health") or {}).get("loss")  # the browser's own word: anything may stand there
    own = own if isinstance(own, int | float) and 0 <= own <= 1 else 0.0
    loss = max(float(leg.get("loss_down") or 0), own)
    ages = leg.get("ages") or {}
    stands = {"video": _("画面停了"), "audio": _("没有声音")}
    stopped = [words for kind, words in stands.items() if (ages.get(kind) or 0) > STILL_WRITING]
    if stopped:
        return "，".join(stopped)
    grade = _("良好") if loss <= GOOD_LOSS else _("一般") if loss < POOR_LOSS else _("差")
    return _(
        "%(grade)s，来回 %(ms)d 毫秒，丢 %(loss)s%%",
        grade=grade,
        ms=round(float(leg.get("rtt") or 0) * 1000),
        loss=f"{loss * 100:.1f}",
    )


def moment_words(one: Moment) -> str:
    """A line of the timeline in words."""
    kind, _dot, rest = one.kind.partition(".")
    if kind == "phase":
        return _("进入：%(what)s", what=phase_words(Phase(rest)))
    if kind in ("consent", "asked") and rest:
        what = {
            "recording": _("录音录像"), "face": _("机器比对人脸"), "notice": _("告知书"), "liability": _("责任告知"),
        }[rest]  # fmt: skip
        if kind == "asked":
            return _("请对方看：%(what)s", what=what)
        return _("对方同意：%(what)s", what=what) if one.text == "yes" else _("对方不同意：%(what)s", what=what)
    if kind == "identity":
        result = {"confirmed": _("确认"), "waived": _("免做"), "failed": _("没通过")}[one.text]
        return f"{identifying.step_words(rest)}：{result}"
    if kind == "present":
        return _("在场：%(who)s", who=" ".join(filter(None, (witnessing.presence_words(rest), one.text))))
    if kind == "said":
        return _("对方说了：%(what)s", what=witnessing.statement_words(rest))
    if kind == "item":
        return guiding.moment_words(rest, one.text)
    if kind == "challenge":
        return liveness.moment_words(rest, one.text)
    if kind == "snapshot":
        return _("取了一帧：%(what)s", what=shot_words(rest))
    if kind in ("shown", "sign-asked", "signed", "sign-declined"):
        paper = _("笔录") if "minutes" in (rest, one.text) else _("文件")
        return {
            "shown": _("给对方看%(paper)s第 %(page)s 页", paper=paper, page=one.text),
            "sign-asked": _("请对方签%(paper)s", paper=paper),
            "signed": _("对方签了%(paper)s", paper=paper),
            "sign-declined": _("对方写不了字") if rest == "cannot" else _("对方不签"),
        }[kind]
    said = {
        "opened": _("视频开始"), "closed": _("视频结束"), "looked": _("您看过：是同一个人"), "left": _("对方离开了"),
        "help": _("对方请人打电话"), "distress": _("对方发出暗号"), "explained": _("讲清楚了后果"),
        "asked": _("问：%(what)s", what=one.text), "answered": _("答：%(what)s", what=one.text),
        "locked": _("签字锁上：%(why)s", why=hearing.lock_words(one.text)), "suspended": _("暂停：%(why)s", why=hearing.pause_words(one.text)),
        "resumed": _("接着办：停了 %(s)s 秒", s=one.text),
        "ended": _("提前结束"), "face.compared": _("机器比对完了"), "face.without": _("改为不用人脸"),
        "face.back": _("又看见同一张脸"), "face.swapped": _("镜头前换了一张脸"), "face.lost": _("镜头前没有人脸"),
        "face.unseen": _("有一阵看不清脸"), "face.many": _("画面里不止一个人"),
        "face.decided": _("您认定：是本人") if one.text == "same" else _("您认定：不是本人"),
    }  # fmt: skip
    return said.get(one.kind, one.kind)


def shot_words(kind: str) -> str:
    return {
        "card-front": _("证件正面"), "card-back": _("证件背面"), "face": _("人脸"), "other": _("其他"),
        "challenge": _("活体核对"), "signature-instrument": _("签文件"), "signature-minutes": _("签笔录"),
    }.get(kind, kind)  # fmt: skip
