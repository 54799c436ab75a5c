"""Who vouches that the applicant is whom the card names: the card itself, a register outside, or a person who asked.

Each answer is kept with what was not looked at (B05); none of them passes or fails anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from identity import provider, sides
from identity.provider import Check, Claim, Level, Outcome, Word
from notary import calendar, ledger
from notary.errors import BadInput, NotAllowed, NotFound, NotPossible
from notary.intake import Clean
from notary.jobs import enqueue, job
from notary.ledger import Actor
from notary.lifecycle import Need, Role, State
from notary.models import Case, Exhibit, IdentityCheck, Party
from notary.office import documents, filing, safe
from notary.office.needs import check
from notary.parts import Parts
from notary.rules import rules

TEMPORARY = "cn_id_temporary"
OPEN = (
    State.SUBMITTED, State.ACCEPTED, State.SCHEDULED, State.INTERVIEW, State.SUSPENDED, State.DRAFTING, State.APPROVAL,
)  # fmt: skip
"""While an answer can still change what is done."""
TOO_LATE = "too-late"
"""An answer that came after approval: the evidence is listed by then and the answer changes nothing."""
BELIEVED = (Level.ENTERED, Level.SIGNED)
LONGEST_WAIT = timedelta(minutes=2)
"""After that a question without an answer no longer stands in the way of the next: its job was lost or is stuck."""


def check_words(one: str) -> str:
    return {
        "form": _("号码本身对不对"), "agreement": _("证件前后对得上"), "holder": _("户籍里有没有这个人"),
        "card": _("这张证现在有没有效"), "portrait": _("户籍照片是不是本人"),
    }[one]  # fmt: skip


def why_words(key: str) -> str:
    """What did not agree, or why there is no answer."""
    return {
        "number_checksum": _("号码的校验位不对"), "region": _("号码里的地区不存在"),
        "birth_in_number": _("号码里的出生日期和证上的不一样"), "sex_in_number": _("号码里的性别和证上的不一样"),
        "name": _("姓名和证上的不一样"), "number": _("号码和证上的不一样"), "not_expired": _("证件过期了"),
        "period": _("有效期的年数不对"), "period_for_age": _("有效期和年龄不配"), "unreachable": _("没有连上"),
        "signature": _("回答的签名不对，没有采用"), "another-question": _("回答的不是这一次的问题，没有采用"),
        "unreadable": _("回答读不懂，没有采用"), "too-large": _("回答太长，没有采用"), "too-late": _("审批以后才来，没有采用"),
    }.get(key, _("对方没有受理（%(code)s）", code=key.removeprefix("http-")))  # fmt: skip


def result_words(key: str) -> str:
    """What a check of the card's pictures looks at (B04)."""
    return {
        "number_checksum": _("号码的校验位"), "region": _("号码里的地区"), "birth_in_number": _("号码里的出生日期"),
        "sex_in_number": _("号码里的性别"), "not_expired": _("没有过期"), "period": _("有效期的年数"),
        "period_for_age": _("有效期和年龄相配"), "number_form": _("号码的写法"),
        "mrz_number": _("机读区：号码的校验位"), "mrz_birth": _("机读区：出生日期的校验位"),
        "mrz_expiry": _("机读区：有效期的校验位"), "mrz_composite": _("机读区：总校验位"),
        "number_printed": _("机读区的号码和印的一样"), "birth_printed": _("机读区的出生日期和印的一样"),
        "expiry_printed": _("机读区的有效期和印的一样"), "name_printed": _("机读区的姓名和印的一样"),
        "number_agrees": _("正反面的号码一样"), "birth_agrees": _("正反面的出生日期一样"),
        "expiry_agrees": _("正反面的有效期一样"), "sex_agrees": _("正反面的性别一样"), "name_agrees": _("正反面的姓名一样"),
    }.get(key, key)  # fmt: skip


def sign_words(sign: str) -> str:
    """A sign that the picture of the card was changed, with what else may cause it."""
    kind, _colon, where = sign.partition(":")
    if kind == "editor":
        return _("照片存过修图程序：%(name)s（只是裁剪、转正也会这样）", name=where)
    part = {"portrait": _("头像"), "number": _("号码")}.get(where, where)
    return {
        "other-compression": _("%(part)s和整张照片压缩的经过不同（反光、遮挡也可能这样）", part=part),
        "copied-digits": _("号码里有两个字连噪点都一样（机器降噪也可能这样）"),
    }.get(kind, sign)  # fmt: skip


@dataclass(frozen=True)
class CardLook:
    """What the machine found on one side of a card: `checks` by key (None: could not be looked at), `signs` of a change to
    the picture, and what of them could be looked for."""

    side: str
    type: str
    checks: dict[str, bool | None]
    signs: tuple[str, ...]
    looked: tuple[str, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(key for key, held in self.checks.items() if held is False)


def card_looks(db: Session, case: Case) -> list[CardLook]:
    """Front and back, the newest of each that was read; what both sides show together stands with the back."""
    newest = {one.material: one.read for one in _cards(db, case) if one.read_at is not None}
    made = []
    for side, read in newest.items():
        seen = read.get("signs", {})
        editor = (f"editor:{read['editor']}",) if read.get("editor") else ()
        made.append(
            CardLook(
                side, str(read.get("type", "")), dict(read.get("checks", {})), (*seen.get("found", ()), *editor),
                tuple(seen.get("looked", ())),
            )
        )  # fmt: skip
    if made:
        made[-1].checks.update(sides.checks_of(newest.get("id-front", {}), newest.get("id-back", {})))
    return made


def card_evidence(db: Session, case: Case, before: datetime) -> list[dict[str, object]]:
    """What the machine found on the card's pictures before a moment, by side: checks and signs, no field."""
    read = {one.material for one in _cards(db, case) if one.read_at is not None and one.read_at <= before}
    return [
        {"side": one.side, "type": one.type, "checks": one.checks, "signs": one.signs, "looked_for": one.looked}
        for one in card_looks(db, case)
        if one.side in read
    ]


def card_doubts(db: Session, case: Case) -> list[str]:
    """In words: every check of the card that does not hold, and every sign of a changed picture."""
    looks = card_looks(db, case)
    return [
        *(_("对不上：%(what)s", what=result_words(key)) for one in looks for key in one.failed),
        *(sign_words(sign) for one in looks for sign in one.signs),
    ]


def outcome_words(row: IdentityCheck) -> tuple[str, str]:
    """(words, kind of mark). What only a machine of ours looked at never gets the mark of a confirmation."""
    if row.outcome is None:
        return _("正在问"), "now"
    if row.outcome == Outcome.AGREES and row.level not in BELIEVED:
        return _("证件自己没有矛盾，没有问过外面"), ""
    return {
        Outcome.AGREES: (_("一致"), "ok"), Outcome.DIFFERS: (_("对不上"), "stop"),
        Outcome.NOT_FOUND: (_("查无此人"), "stop"), Outcome.NO_ANSWER: (_("没有得到回答"), "warn"),
    }[row.outcome]  # fmt: skip


def source_words(row: IdentityCheck) -> str:
    return {"local": _("本机看证件照片"), "authority": _("核验服务（有对方签名）")}.get(
        row.source, _("人工核实：%(where)s", where=row.source)
    )


def of_case(db: Session, case: Case) -> list[IdentityCheck]:
    """Newest first."""
    query = sa.select(IdentityCheck).where(IdentityCheck.case_id == case.id)
    return list(db.scalars(query.order_by(IdentityCheck.asked_at.desc())))


def missing(row: IdentityCheck) -> tuple[Check, ...]:
    return provider.unchecked(row.checked)


def stands(row: IdentityCheck, party: Party, now: datetime) -> bool:
    """Whether the answer is about this name and document, and not older than the profile's hours (B17)."""
    limit = timedelta(hours=rules().profile.identity.valid_hours)
    return row.done_at is not None and _is_about(row, party) and now - row.done_at <= limit


def _is_about(row: IdentityCheck, party: Party) -> bool:
    return row.claim == _claim(party)


def _claim(party: Party) -> dict[str, str]:
    """`type` only of a document that is no resident card: older rows, and the service's question, know no other."""
    claim = {"name": party.name, "number": party.id_number}
    return claim if party.id_type == documents.RESIDENT else {**claim, "type": party.id_type}


def by_hand(party: Party) -> str:
    """Why the machine does not check this document, for whoever looks at it by hand; '' for a resident card."""
    if party.id_type == documents.RESIDENT:
        return ""
    return _(
        "这不是居民身份证：没有问过外面，机器也没有核过这张证是真是假。公安的核验只管居民身份证。请公证员自己看原件，和本人对照。"
    )


def newest_words(db: Session, case: Case, now: datetime) -> tuple[str, str]:
    """How the case stands in one line: (words, kind of mark)."""
    party = filing.party_of(db, case)
    rows = [one for one in of_case(db, case) if one.outcome is None or stands(one, party, now)]
    best = max(rows, key=lambda one: (one.level in BELIEVED, one.asked_at), default=None)
    return (_("没有核过"), "") if best is None else outcome_words(best)


def ask(db: Session, parts: Parts, case: Case, by: Actor, now: datetime, reason: str = "") -> IdentityCheck:
    """Asks the office's service, or where there is none looks at the card itself.

    Raises NotPossible (closed case, one is under way, no number yet, no resident card), BadInput, NotAllowed (B16).
    """
    party = _asked_about(db, case)
    if why := by_hand(party):
        raise NotPossible(why)
    if any(row.outcome is None and now - row.asked_at < LONGEST_WAIT for row in of_case(db, case)):
        raise NotPossible(_("正在问，请等一会儿再看。"))
    if parts.authority is not None:
        _refuse_third(db, case, by, reason, now)
    row = IdentityCheck(
        case_id=case.id, source=parts.authority.source if parts.authority else "local",
        level=Level.SIGNED if parts.authority else Level.ASSISTED,
        claim=_claim(party), reason=reason.strip()[:500], asked_by=_id(by), asked_at=now,
    )  # fmt: skip
    db.add(row)
    db.flush()
    ledger.append(
        db, "identity.asked", by, now, case_id=case.id, office_id=case.office_id,
        check=str(row.id), source=row.source, reason=row.reason,
    )  # fmt: skip
    if parts.authority is None:
        front, back = _readings(db, case)
        claim = Claim(party.name, party.id_number)
        _write(db, case, row, provider.from_card(claim, front, back, calendar.today(now)), now)
    else:
        enqueue(db, "ask-authority", check_id=str(row.id))
    return row


@job("ask-authority", attempts=3)
def ask_authority(parts: Parts, check_id: str) -> None:
    """One question to the service. Run again after a crash it asks under the same name, which the service answers once."""
    if parts.authority is None:
        return
    with parts.db() as db:
        row = db.get_one(IdentityCheck, UUID(check_id))
        if row.outcome is not None:
            return
        case = db.get_one(Case, row.case_id)
        _front, back = _readings(db, case)
        claim = Claim(**row.claim, valid_from=str(back.get("valid_from", "")), valid_to=str(back.get("valid_to", "")))
    word = parts.authority.ask(claim, check_id)
    kept = safe.keep(parts, case, "identity", word.raw) if word.raw else ("", "")
    with parts.db.begin() as db:
        row = db.get_one(IdentityCheck, UUID(check_id), with_for_update=True)
        if row.outcome is None:
            row.answer_key, row.answer_sha256 = kept
            row.answer_type = "application/json" if word.raw else ""
            case = db.get_one(Case, row.case_id, with_for_update=True)
            late = replace(word, outcome=Outcome.NO_ANSWER, checked=(), why=(TOO_LATE,))
            _write(db, case, row, word if case.state in OPEN else late, parts.clock())


def enter(
    db: Session, parts: Parts, case: Case, *, source: str, outcome: str, checked: Sequence[str], reference: str,
    receipt: Clean | None, by: Actor, now: datetime, reason: str = "",
) -> IdentityCheck:  # fmt: skip
    """What somebody of the office was told outside, by whom and under which receipt.

    Raises BadInput, NotPossible, NotAllowed (B16).
    """
    party = _asked_about(db, case)
    wrong = {}
    if len(source.strip()) < 4:
        wrong["source"] = _("请写明问的是哪里，比如“某某派出所户籍窗口”。")
    if outcome not in (Outcome.AGREES, Outcome.DIFFERS, Outcome.NOT_FOUND):
        wrong["outcome"] = _("请选对方怎么说。")
    if len(reference.strip()) < 4:
        wrong["reference"] = _("请写回执号，或者答复人的姓名和警号。")
    outside = [one for one in (Check.HOLDER, Check.CARD, Check.PORTRAIT) if one in checked]
    if not outside:
        wrong["checked"] = _("请勾出对方核了什么。")
    if wrong:
        raise BadInput(wrong)
    _refuse_third(db, case, by, reason, now)
    row = IdentityCheck(
        case_id=case.id, source=source.strip()[:100], level=Level.ENTERED, reason=reason.strip()[:500],
        claim=_claim(party), asked_by=_id(by), asked_at=now,
    )  # fmt: skip
    if receipt is not None:
        row.answer_key, row.answer_sha256 = safe.keep(parts, case, "identity", receipt.data)
        row.answer_type = receipt.media_type
    db.add(row)
    db.flush()
    word = Word(row.source, Level.ENTERED, Outcome(outcome), tuple(outside), (), reference.strip()[:100])
    _write(db, case, row, word, now, by)
    return row


def receipt_of(db: Session, case: Case, check_id: UUID) -> IdentityCheck:
    """An answer that has something to be shown. Raises NotFound."""
    row = db.get(IdentityCheck, check_id)
    if row is None or row.case_id != case.id or not row.answer_key:
        raise NotFound
    return row


def is_temporary(db: Session, case: Case) -> bool:
    """A temporary card was handed in, as the machine reads it or as the desk was told."""
    return any(one.read.get("type") == TEMPORARY for one in _cards(db, case))


@check(Need.CARD_CONFIRMED)
def temporary_card_is_confirmed(db: Session, case: Case, _by: Actor) -> bool:
    """B15: a temporary card waits for the police's word. Other cards do not."""
    if not is_temporary(db, case):
        return True
    party = filing.party_of(db, case)
    return any(
        row.outcome == Outcome.AGREES and row.level in BELIEVED and Check.CARD in row.checked and _is_about(row, party)
        for row in of_case(db, case)
    )


def failed_twice(db: Session, case: Case, now: datetime) -> bool:
    """Whether the profile's number of answers of "no" from outside came today, in the office's zone."""
    today = calendar.today(now)
    failed = [
        row
        for row in of_case(db, case)
        if row.outcome in (Outcome.DIFFERS, Outcome.NOT_FOUND)
        and row.level in BELIEVED
        and row.done_at is not None
        and calendar.today(row.done_at) == today
    ]
    return len(failed) >= rules().profile.identity.attempts_per_day


def _refuse_third(db: Session, case: Case, by: Actor, reason: str, now: datetime) -> None:
    """B16: two answers of "no" on one day are for a human; a third try needs the notary's written reason."""
    if not failed_twice(db, case, now):
        return
    if by.role != Role.NOTARY:
        raise NotAllowed(_("今天两次都没有核上。要再核，请公证员写明理由。"))
    if len(reason.strip()) < 4:
        raise BadInput({"reason": _("今天两次都没有核上。要再核，请写明理由。")})


def _asked_about(db: Session, case: Case) -> Party:
    if case.state not in OPEN:
        raise NotPossible(_("这个案子现在不用核验。"))
    party = filing.party_of(db, case)
    if not party.name or not party.id_number:
        raise NotPossible(_("申请人还没有填姓名和证件号码。"))
    return party


def _write(db: Session, case: Case, row: IdentityCheck, word: Word, now: datetime, by: Actor = ledger.SYSTEM) -> None:
    row.outcome, row.checked, row.why = word.outcome, [str(one) for one in word.checked], list(word.why)
    row.reference, row.done_at = word.reference, now
    ledger.append(
        db, "identity.answered", by, now, case_id=case.id, office_id=case.office_id, check=str(row.id),
        source=row.source, level=str(row.level), outcome=str(word.outcome), checked=row.checked,
        unchecked=[str(one) for one in word.unchecked], why=row.why, reference=word.reference,
        answer_sha256=row.answer_sha256,
    )  # fmt: skip


def _cards(db: Session, case: Case) -> list[Exhibit]:
    return [one for one in filing.exhibits_of(db, case) if one.material in ("id-front", "id-back")]


def _readings(db: Session, case: Case) -> tuple[dict[str, object], dict[str, object]]:
    """What the machine read on the newest front and back; empty where it read none."""
    by_side = {one.material: one.read for one in _cards(db, case) if "error" not in one.read}
    return by_side.get("id-front", {}), by_side.get("id-back", {})


def _id(by: Actor) -> UUID:
    assert by.id is not None
    return by.id
