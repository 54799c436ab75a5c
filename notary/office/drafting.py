"""After the interview: findings of the review (规则 art. 23), the certification as a draft, the way to approval."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotAllowed
from notary.ledger import Actor
from notary.lifecycle import Act, Need, State
from notary.models import Case, Draft, Event, Person, Remark
from notary.office import filing, hearing, showing, wording
from notary.office.needs import check
from notary.office.step import advance
from notary.terms import act_words
from signing import render

FINDINGS = ("identity", "intention", "document", "materials", "legality")
"""Points of 规则 art. 23: number, identity and capacity; true intention; the document; materials; truth and law."""


def finding_words(point: str) -> str:
    return {
        "identity": _("人数、身份、资格和行为能力"), "intention": _("意思表示真实"), "document": _("文书内容完备、文字准确"),
        "materials": _("证明材料真实、合法、充分"), "legality": _("公证事项真实、合法"),
    }[point]  # fmt: skip


def finding_hint(point: str) -> str:
    return {
        "identity": _("几个人、是谁、怎么核对的、能不能自己做主。"),
        "intention": _("本人怎么说的、有没有人逼、懂不懂后果。"),
        "document": _("文书写全了没有、字对不对、签字的是不是同一份。"),
        "materials": _("看了哪些材料、和原件或登记对过没有。"),
        "legality": _("这件事真不真、合不合法、有没有争议。"),
    }[point]


def template_of(db: Session, case: Case) -> str:
    """The certification as the wording gives it for these facts, dated by the signature."""
    signature = showing.signature_of(db, case, "instrument")
    signed = wording.signed_day(signature.at) if signature else case.created_at.date()
    return wording.certification(db, case, signed)


def newest(db: Session, case: Case) -> Draft | None:
    return db.scalar(sa.select(Draft).where(Draft.case_id == case.id).order_by(Draft.version.desc()).limit(1))


LANGUAGES = ("en", "fr", "de", "es", "pt", "it", "ru", "ja")
"""Of a translation; what the deed's face cannot draw is refused letter by letter."""


def language_words(code: str) -> str:
    return {
        "en": _("英文"), "fr": _("法文"), "de": _("德文"), "es": _("西班牙文"), "pt": _("葡萄牙文"), "it": _("意大利文"),
        "ru": _("俄文"), "ja": _("日文"),
    }[code]  # fmt: skip


def translation_of(form: Mapping[str, str]) -> dict[str, str]:
    """The translation that a form holds, for use abroad (H06); empty where nothing is written. Raises BadInput."""
    found = {name: _tidy(form.get(f"translation-{name}", ""), 10_000) for name in TRANSLATION}
    if not found["text"]:
        return {}
    wrong = {}
    if found["language"] not in LANGUAGES:
        wrong["translation-language"] = _("请选译文是哪种文字。")
    for name, most, words in (
        ("title", 200, _("请写译文的标题。")),
        ("translator", 120, _("请写译者是谁：译文要署名。")),
    ):
        if not 2 <= len(found[name]) <= most:
            wrong[f"translation-{name}"] = words
    if len(found["text"]) > 8000:
        wrong["translation-text"] = _("译文太长了，最多 8000 个字符。")
    elif _lines(found["text"]) > 300:
        wrong["translation-text"] = _("译文太长了，最多 %(n)d 行。", n=300)
    elif lacking := render.missing_glyphs("".join(found.values())):
        wrong["translation-text"] = _("公证书的字体里没有这些字：%(chars)s。请换一种写法。", chars=" ".join(lacking))
    if wrong:
        raise BadInput(wrong)
    return found


def _tidy(typed: str, most: int) -> str:
    """What a deed can print: no control characters, one blank for every tab."""
    return filing.plain(typed, most).replace("\t", " ")


def _lines(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.strip())


TRANSLATION = ("language", "title", "translator", "text")


def save(db: Session, case: Case, text: str, form: Mapping[str, str], by: Actor, now: datetime) -> Draft:
    """A new version of the draft, with its findings and translation; the older ones stay. Raises BadInput, NotAllowed."""
    if case.state != State.DRAFTING or by.id != case.notary_id or by.id is None:
        raise NotAllowed(_("只有承办公证员能写草稿。"))
    text = _tidy(text, 4000)
    if len(text) < 20:
        raise BadInput({"text": _("证词太短了，请写全。")})
    if _lines(text) > 40:
        raise BadInput({"text": _("证词太长了，最多 %(n)d 行。", n=40)})
    if lacking := render.missing_glyphs(text):
        raise BadInput({"text": _("公证书的字体里没有这些字：%(chars)s。请换一种写法。", chars=" ".join(lacking))})
    translation = translation_of(form)
    before = newest(db, case)
    draft = Draft(
        case_id=case.id, version=before.version + 1 if before else 1, template=template_of(db, case), text=text,
        translation=translation, findings={point: form.get(point, "").strip()[:1000] for point in FINDINGS}, by=by.id, at=now,
    )  # fmt: skip
    db.add(draft)
    db.flush()
    ledger.append(db, "draft.saved", by, now, case_id=case.id, office_id=case.office_id, version=draft.version)
    return draft


def propose(db: Session, case: Case, by: Actor, now: datetime) -> None:
    """Hands the draft to an approver. Raises NotYet, NotAllowed, NotPossible."""
    if by.id != case.notary_id:
        raise NotAllowed(_("只有承办公证员能报审批。"))
    advance(db, case, Act.PROPOSE, by, now)


def send_back(db: Session, case: Case, remarks: str, by: Actor, now: datetime) -> None:
    """Raises BadInput, NotYet, NotAllowed, NotPossible."""
    if len(remarks.strip()) < 4:
        raise BadInput({"remarks": _("请写明要改什么。")})
    advance(db, case, Act.SEND_BACK, by, now, frozenset({Need.REASON}), remarks=remarks.strip())
    db.add(Remark(case_id=case.id, kind="sent-back", text=remarks.strip(), by=by.name, at=now))


def difference(draft: Draft) -> list[tuple[str, str]]:
    """The draft against its template, as runs: ("same" | "out" | "in", text)."""
    matcher = difflib.SequenceMatcher(None, draft.template, draft.text, autojunk=False)
    runs: list[tuple[str, str]] = []
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        if kind == "equal":
            runs.append(("same", draft.template[a0:a1]))
            continue
        if a1 > a0:
            runs.append(("out", draft.template[a0:a1]))
        if b1 > b0:
            runs.append(("in", draft.text[b0:b1]))
    return runs


def unusual(db: Session, case: Case) -> list[str]:
    """What an approver should look at first: waivers, decisions against advice, interruptions, edits."""
    from notary.models import StepResult
    from notary.office import identifying, proving, vouching

    found: list[str] = []
    interview = hearing.last_complete(db, case)
    if interview is None:
        return [_("没有完整的视频")]
    for step, row in identifying.steps_of(db, interview).items():
        if row.result == StepResult.WAIVED:
            found.append(_("身份核对“%(step)s”免做：%(why)s", step=identifying.step_words(step), why=row.reason))
    face = identifying.last_face_check(db, interview)
    if face is not None and face.reason:
        found.append(_("人脸比对，公证员的决定和机器不同：%(why)s", why=face.reason))
    elif face is None:
        found.append(_("没有用机器比对人脸"))
    found += proving.unusual(db, interview)
    found += [_("证件照片：%(what)s", what=words) for words in vouching.card_doubts(db, case)]
    if not any(one.level in vouching.BELIEVED and one.outcome for one in vouching.of_case(db, case)):
        found.append(_("身份没有问过外面：公安户籍里有没有这个人、证有没有效，都没有核"))
    if interview.interruptions:
        found.append(_("视频断过 %(n)d 次，共 %(s)d 秒", n=interview.interruptions, s=round(interview.interrupted_s)))
    draft = newest(db, case)
    if draft is not None and draft.text != draft.template:
        found.append(_("证词改过，请看对照"))
    return found


@dataclass(frozen=True)
class Point:
    """One line of the review's result: what, how it stands in words, and whether it wants a look."""

    what: str
    words: str
    fine: bool


def points_of(db: Session, case: Case) -> list[Point]:
    """What the approver checks, as the record has it."""
    from notary.office import accepting, asking, identifying

    interview = hearing.last_complete(db, case)
    if interview is None:
        return [Point(_("录像"), _("没有完整的视频"), False)]
    open_ones = asking.open_questions(db, hearing.Live(case, interview))
    identity = identifying.missing_words(db, interview)
    talked = "talk" in identifying.steps_of(db, interview)
    signature, paper = showing.signature_of(db, case, "instrument"), showing.newest(db, case, "instrument")
    shown = showing.all_shown(db, interview)
    bound = signature is not None and paper is not None and signature.sha256 == paper.sha256
    broken = _("断过 %(n)d 次，共 %(s)d 秒", n=interview.interruptions, s=round(interview.interrupted_s))
    notary = db.get_one(Person, case.notary_id)
    related = accepting.conflict(db, case, notary)
    return [
        Point(_("身份四项"), _("不齐") if identity else _("齐全"), not identity),
        Point(
            _("必问 %(n)d 题", n=len(asking.asked_of(case))),
            _("有没答的") if open_ones else _("都已回答"),
            not open_ones,
        ),
        Point(_("单独谈话"), _("有") if talked else _("没有"), talked),
        Point(_("文件逐页看过再签"), _("一致") if shown else _("没有看完"), shown),
        Point(_("签字与文件绑定"), _("一致") if bound else _("不一致"), bound),
        Point(_("录像"), broken if interview.interruptions else _("完整"), not interview.interruptions),
        Point(_("承办人与当事人"), _("同名，已声明") if related else _("无回避情形"), not related),
    ]


def course_of(db: Session, case: Case) -> list[tuple[datetime, str]]:
    """How the case came here: its moves from the ledger, oldest first."""
    rows = db.scalars(
        sa.select(Event).where(Event.case_id == case.id, Event.kind.like("case.%")).order_by(Event.seq)
    ).all()
    known = {f"case.{act}": act for act in Act}
    return [(row.at, act_words(known[row.kind])) for row in rows if row.kind in known]


@check(Need.DRAFT)
def draft_is_written(db: Session, case: Case, _by: Actor) -> bool:
    return newest(db, case) is not None


@check(Need.FINDINGS)
def every_point_is_found(db: Session, case: Case, _by: Actor) -> bool:
    draft = newest(db, case)
    return draft is not None and all(len(draft.findings.get(point, "")) >= 2 for point in FINDINGS)
