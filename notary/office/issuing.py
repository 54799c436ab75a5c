"""From approval to deed. Planned, sealed, durable, true: in that order, and each step can be repeated.

Approval fixes the date and reserves the number, one transaction. A job renders, lints and keeps the body. The notary
activates over that body. The issue job seals, stores, and commits; until that commit everybody is told "not issued".
A crash anywhere is repaired by running the same job again; a number is never used for anything else.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotPossible
from notary.jobs import enqueue, job, pending
from notary.ledger import SYSTEM, Actor
from notary.lifecycle import Act, Need, State
from notary.models import Case, Deed, Number, NumberState, Office, Person, Series, Standing
from notary.office import bundling, delivering, drafting, filing, publishing, safe, showing, wording
from notary.office.minutes import stamp
from notary.office.step import advance
from notary.parts import Parts
from notary.seal.activation import ByPasskey
from signing import lint, render
from signing.facts import manifest
from signing.verify import Trust, verify

CODE_LETTERS = 9
"""Of the short code: 44 random bits; number and code together open the status, the number alone nothing."""


ISSUING_TIME = timedelta(minutes=10)
"""While an activated body is being sealed nobody may void its number."""


class Unfit(Exception):
    """A body or a sealed file that fails our own rules; nothing is issued."""


Evidence = list[dict[str, Any]]


def evidence_of(parts: Parts, case_id: UUID) -> Evidence:
    """The list of evidence that the deed will carry. It reads every recording, so it is done before approval locks anything; what it
    reads does not change once the interview is closed. Raises NotPossible, Unavailable.
    """
    with parts.db() as db:
        files = bundling.evidence(db, parts, db.get_one(Case, case_id))
    return bundling.listed(files)


def approve(db: Session, parts: Parts, case: Case, evidence: Evidence, by: Actor, now: datetime) -> Number:
    """The approver's act: date and number in one transaction (G05, G06, H02). `evidence` is `evidence_of` the case.

    Raises NotYet, NotAllowed, NotPossible.
    """
    advance(db, case, Act.APPROVE, by, now)
    office = db.get_one(Office, case.office_id)
    today = now.astimezone(ZoneInfo(office.zone)).date()
    case.approver_id, case.approved_on = by.id, today
    number = reserve(db, parts, case, office, evidence, today, now)
    ledger.append(db, "number.reserved", by, now, case_id=case.id, office_id=case.office_id, number=number.text)
    enqueue(db, "render-body", number_id=str(number.id))
    return number


def reserve(
    db: Session, parts: Parts, case: Case, office: Office, evidence: Evidence, today: date, now: datetime
) -> Number:
    """The next number of the office's series."""
    series, text = next_number(db, office, filing.matter_of(case).serial_class, today)
    number = Number(
        series_id=series.id, n=series.last, case_id=case.id, text=text, approved_on=today, reserved_at=now,
        facts=facts_of(db, parts, case, office, text, new_code(series.last, today), evidence, today),
    )  # fmt: skip
    db.add(number)
    db.flush()
    return number


def next_number(db: Session, office: Office, letter: str, today: date) -> tuple[Series, str]:
    """The series, counted on by one, and how its number reads; from a row that stays locked (H02)."""
    db.execute(
        insert(Series)
        .values(id=sa.func.gen_random_uuid(), office_id=office.id, year=today.year, letter=letter, last=0)
        .on_conflict_do_nothing()
    )
    series = db.scalars(
        sa.select(Series)
        .where(Series.office_id == office.id, Series.year == today.year, Series.letter == letter)
        .with_for_update()
    ).one()
    series.last += 1
    return series, f"（{today.year}）{office.word}{letter}字第{series.last}号"


def preview(db: Session, parts: Parts, case: Case) -> bytes:
    """The deed as this draft would make it, without number: for the eye only, kept nowhere. Raises NotPossible."""
    office = db.get_one(Office, case.office_id)
    today = parts.clock().astimezone(ZoneInfo(office.zone)).date()
    number = f"（{today.year}）{office.word}{filing.matter_of(case).serial_class}字第〇号"
    return render.deed(facts_of(db, parts, case, office, number, f"{today.year}-0-PREVIEW", [], today))


def new_code(n: int, today: date) -> str:
    """The short code under the QR: what a person can compare with the number, then 44 random bits."""
    return f"{today.year}-{n}-{filing.new_code(CODE_LETTERS)}"


def facts_of(
    db: Session, parts: Parts, case: Case, office: Office, number: str, code: str, evidence: Evidence, today: date
) -> dict[str, Any]:
    """Everything that the deed says."""
    matter = filing.matter_of(case)
    draft, signature = drafting.newest(db, case), showing.signature_of(db, case, "instrument")
    paper = showing.newest(db, case, "instrument")
    notary = db.get_one(Person, case.notary_id)
    if draft is None or signature is None or paper is None:
        raise NotPossible
    instrument = {
        **paper.facts["instrument"],
        "signatures": [
            {
                **paper.facts["instrument"]["signatures"][0], "signed_at": stamp(signature.at),
                "bound_to": signature.sha256, "strokes": signature.strokes,
            }
        ],
    }  # fmt: skip
    translation = draft.translation and {
        "translation": {
            **{name: draft.translation[name] for name in ("language", "title", "translator")},
            "paragraphs": [line for line in map(str.strip, draft.translation["text"].split("\n")) if line],
        }
    }
    return {
        **(translation or {}),
        "format": "yuanzheng-facts/1",
        "test": parts.settings.trial,
        "number": number,
        "code": code,
        "verify_url": f"{parts.settings.base_url}/v/{code}",
        "office": {"name": office.name, "id": str(office.id)},
        "notary": {"name": notary.name, "id": str(notary.id)},
        "matter": {"key": case.matter, "title": matter.deed_title.zh},
        "issued_on": today.isoformat(),
        "time_zone": office.zone,
        "parties": [wording.party_facts(db, case, filing.party_of(db, case))],
        "certification": [line for line in draft.text.split("\n") if line.strip()],
        "instrument": instrument,
        "attachments": {
            "evidence": {
                "sha256": hashlib.sha256(manifest(evidence)).hexdigest(),
                **({"files": evidence} if evidence else {}),
            },
            "log": {"origin": publishing.origin_of(parts), "reference": code},
        },
    }


@job("render-body", attempts=5)
def render_body(parts: Parts, number_id: str) -> None:
    """Renders and lints the body that the notary will be asked to activate; the same facts give the same bytes."""
    with parts.db() as db:
        number = db.get_one(Number, UUID(number_id))
        if number.state != NumberState.RESERVED or number.body_sha256:
            return
        case = db.get_one(Case, number.case_id)
        facts = number.facts
    body = render.deed(facts)
    if problems := lint.lint(body, number=facts["number"], on=facts["issued_on"], trial=facts["test"]):
        raise Unfit("; ".join(problems))
    key, sha256 = safe.keep(parts, case, "bodies", body)
    with parts.db.begin() as db:
        number = db.get_one(Number, UUID(number_id), with_for_update=True)
        if number.body_sha256 or number.state != NumberState.RESERVED:
            return
        number.body_sha256, number.body_key = sha256, key
        ledger.append(
            db, "body.rendered", SYSTEM, parts.clock(), case_id=case.id, office_id=case.office_id,
            number=number.text, sha256=sha256,
        )  # fmt: skip


def body_of(parts: Parts, case: Case, number: Number) -> bytes:
    return safe.fetch(parts, case, number.body_key, number.body_sha256)


def reserved(db: Session, case: Case) -> Number | None:
    return db.scalar(sa.select(Number).where(Number.case_id == case.id, Number.state == NumberState.RESERVED))


def local_date(db: Session, case: Case, now: datetime) -> date:
    return now.astimezone(ZoneInfo(db.get_one(Office, case.office_id).zone)).date()


def activation_of(number: Number) -> ByPasskey:
    """The act as it was kept; the seal has its own record and judges by that."""
    kept = number.activation
    return ByPasskey(tuple((text, sha256) for text, sha256 in kept["entries"]), kept["assertion"])


@job("issue-deed", attempts=8)
def issue(parts: Parts, number_id: str) -> None:
    """Seals the activated body and makes it true. Run twice, or after a crash anywhere: one deed, the same number."""
    with parts.db() as db:
        number = db.get_one(Number, UUID(number_id))
        if number.state != NumberState.RESERVED or not number.activation:
            return
        case = db.get_one(Case, number.case_id)
    body = body_of(parts, case, number)
    sealed = parts.seal.issue(str(case.id), body, activation_of(number))
    verdict = verify(sealed, Trust.from_pem(parts.seal.public().trust_pem))
    if verdict.verdict != "valid":
        raise Unfit("; ".join(reason.code for reason in verdict.reasons))
    key, sha256 = safe.keep(parts, case, "deeds", sealed)
    now = parts.clock()
    with parts.db.begin() as db:
        commit_deed(db, parts, number.id, key, sha256, len(render.page_texts(sealed)), now)


def commit_deed(
    db: Session, parts: Parts, number_id: UUID, object_key: str, sha256: str, pages: int, now: datetime
) -> Deed | None:
    """The one commit that makes a deed true. None when another run was first. Locks the case first, as every act does."""
    case = db.get_one(Case, db.get_one(Number, number_id).case_id, with_for_update=True)
    number = db.get_one(Number, number_id, with_for_update=True, populate_existing=True)
    if number.state != NumberState.RESERVED:
        return None
    deed = Deed(
        case_id=case.id, number_id=number.id, number=number.text, code=number.facts["code"], sha256=sha256,
        object_key=object_key, pages=pages, issued_at=now, standing=Standing.VALID, standing_at=now,
    )  # fmt: skip
    db.add(deed)
    number.state, number.done_at = NumberState.ISSUED, now
    db.flush()
    advance(db, case, Act.ISSUE, SYSTEM, now, frozenset({Need.DEED}), number=number.text, sha256=sha256)
    delivering.prepare(db, parts, case, deed, now)
    return deed


def void(db: Session, case: Case, reason: str, by: Actor, now: datetime) -> None:
    """Gives a reserved number up, with the reason; the case goes back to drafting. Not while the seal is at work on it.

    Raises BadInput, NotPossible, NotAllowed.
    """
    if len(reason.strip()) < 4:
        raise BadInput({"reason": _("请写明编号为什么作废。")})
    number = db.scalar(
        sa.select(Number).where(Number.case_id == case.id, Number.state == NumberState.RESERVED).with_for_update()
    )
    if number is None:
        raise NotPossible(_("没有可以作废的编号。"))
    if at_work(number, now):
        raise NotPossible(_("正在签发，现在不能作废。过 10 分钟还没有出证，可以再来作废。"))
    number.state, number.why_void, number.done_at = NumberState.VOID, reason.strip(), now
    advance(db, case, Act.VOID, by, now, frozenset({Need.REASON}), number=number.text, reason=reason)
    case.approver_id, case.approved_on = None, None


def at_work(number: Number, now: datetime) -> bool:
    """Activated so lately that the seal may be signing it this moment."""
    return bool(number.activation) and now - datetime.fromisoformat(number.activation["given_at"]) < ISSUING_TIME


def finish(parts: Parts) -> None:
    """Every minute: activated numbers whose job is gone go on; those that can no longer be issued are voided.

    One transaction a number, so that one that fails holds back no other.
    """
    with parts.db() as db:
        found = db.scalars(sa.select(Number.id).where(Number.state == NumberState.RESERVED)).all()
    for number_id in found:
        with parts.db.begin() as db:
            _finish_one(db, number_id, parts.clock())


def _finish_one(db: Session, number_id: UUID, now: datetime) -> None:
    case = db.get_one(Case, db.get_one(Number, number_id).case_id, with_for_update=True)
    number = db.get_one(Number, number_id, with_for_update=True, populate_existing=True)
    if number.state != NumberState.RESERVED:
        return
    minute = timedelta(minutes=1)
    if (
        case.state != State.APPROVED
    ):  # withdrawn, refused or ended meanwhile: the number is never used for anything else
        number.state, number.why_void, number.done_at = NumberState.VOID, "批准后案子已结束", now
        ledger.append(db, "number.voided", SYSTEM, now, case_id=case.id, office_id=case.office_id, number=number.text)
    elif number.activation:
        if now - datetime.fromisoformat(number.activation["given_at"]) > minute:
            go_on(db, "issue-deed", number_id=str(number.id))
    elif number.approved_on < local_date(db, case, now):
        void(db, case, "批准当日未签发", SYSTEM, now)
    elif not number.body_sha256 and now - number.reserved_at > minute:
        go_on(db, "render-body", number_id=str(number.id))


def go_on(db: Session, name: str, **about: str) -> None:
    """The job once more, unless it waits already."""
    if not pending(db, name, **about):
        enqueue(db, name, **about)


def deed_of(db: Session, case: Case) -> Deed | None:
    return db.scalar(sa.select(Deed).where(Deed.case_id == case.id))


def deed_bytes(parts: Parts, case: Case, deed: Deed) -> bytes:
    """The deed's file, its whole-file hash checked against the register. Raises Unavailable."""
    return safe.fetch(parts, case, deed.object_key, deed.sha256)
