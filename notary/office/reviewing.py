"""复查 (规则 art. 61, 63): opened by a notary who did not handle the case, decided by an approver who did not either.

What is decided holds at once, everywhere; the paper that says so is sealed after it (`noticing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotAllowed, NotPossible
from notary.jobs import enqueue, job
from notary.ledger import Actor
from notary.lifecycle import Act, Need, State
from notary.models import Bank, Case, Deed, Delivery, Number, Review, Standing
from notary.office import delivering, filing, messages, noticing
from notary.office.step import advance
from notary.parts import Parts
from signing import lint, render


def open_review(db: Session, case: Case, reason: str, by: Actor, now: datetime) -> Review:
    """The deed stands as "under review" from this commit on, everywhere. Raises BadInput, NotYet, NotPossible."""
    reason = _reasoned(reason)
    advance(db, case, Act.QUESTION, by, now, frozenset({Need.REASON}), reason=reason)
    review = Review(case_id=case.id, opened_by=by.id, reason=reason, opened_at=now)  # type: ignore[arg-type]
    db.add(review)
    _stand(db, case, Standing.UNDER_REVIEW, reason, now)
    return review


def open_one(db: Session, case: Case) -> Review | None:
    """The review that waits for its decision."""
    return db.scalar(sa.select(Review).where(Review.case_id == case.id, Review.outcome == ""))


OUTCOMES = {"revoked": Act.REVOKE, "corrected": Act.CORRECT, "upheld": Act.UPHOLD}
STANDINGS = {"revoked": Standing.REVOKED, "corrected": Standing.CORRECTED, "upheld": Standing.VALID}
MOST_CORRECTIONS = 3
Correction = dict[str, str]


def refuse_bad(db: Session, case: Case, outcome: str, decision: str, corrections: list[Correction]) -> None:
    """Raises BadInput, NotPossible: what the page says before a key is touched."""
    if case.state != State.UNDER_REVIEW:
        raise NotPossible(_("这个案子没有在复查。"))
    if outcome not in OUTCOMES:
        raise BadInput({"outcome": _("请选撤销、补正或维持。")})
    decision = _reasoned(decision)
    if outcome != "upheld":
        noticing.refuse_unprintable(decision)
    if outcome == "corrected":
        _refuse_bad_corrections(db, case, corrections)


def corrections_of(given: Mapping[str, object]) -> list[Correction]:
    """The filled lines of the form, `stands-1`, `reads-1` …; a half-filled one is kept, so that it can be refused."""
    pairs = [
        {name: " ".join(str(given.get(f"{name}-{n}", "")).split())[:1000] for name in ("stands", "reads")}
        for n in range(1, MOST_CORRECTIONS + 1)
    ]
    return [pair for pair in pairs if any(pair.values())]


def _refuse_bad_corrections(db: Session, case: Case, corrections: list[Correction]) -> None:
    """What is to be corrected must stand in the deed, letter for letter. Raises BadInput."""
    if not corrections:
        raise BadInput({"stands-1": _("请写明原文哪几个字、要改成什么。")})
    deed = db.scalars(sa.select(Deed).where(Deed.case_id == case.id)).one()
    said = lint.words("".join(lint.sheet_words(db.get_one(Number, deed.number_id).facts)))
    wrong = {}
    for n, pair in enumerate(corrections, 1):
        if not pair["stands"] or lint.words(pair["stands"]) not in said:
            wrong[f"stands-{n}"] = _("公证书里没有这几个字，请照公证书抄。")
        if not pair["reads"] or pair["reads"] == pair["stands"]:
            wrong[f"reads-{n}"] = _("请写明改成什么。")
        elif gone := render.missing_glyphs(pair["reads"]):
            wrong[f"reads-{n}"] = _("公证书的字体里没有这个字：%(c)s", c="".join(gone))
    if wrong:
        raise BadInput(wrong)


def decide(
    db: Session, case: Case, outcome: str, decision: str, corrections: list[Correction], by: Actor, now: datetime
) -> None:
    """One of `OUTCOMES`. Raises BadInput, NotAllowed, NotYet, NotPossible."""
    refuse_bad(db, case, outcome, decision, corrections)
    decision = _reasoned(decision)
    review = db.scalar(sa.select(Review).where(Review.case_id == case.id, Review.outcome == "").with_for_update())
    if review is None:
        raise NotPossible(_("这个案子没有在复查。"))
    if by.id is None or by.id in (review.opened_by, case.approver_id):
        raise NotAllowed(_("要换一位审批人：不能是提出复查的人，也不能是当初批准的人。"))
    if outcome != "corrected":
        corrections = []
    detail = {"corrections": corrections} if corrections else {}
    advance(db, case, OUTCOMES[outcome], by, now, frozenset({Need.REASON}), decision=decision, **detail)
    review.outcome, review.decision, review.decided_by, review.decided_at = outcome, decision, by.id, now
    review.corrections = corrections
    deed = _stand(db, case, STANDINGS[outcome], decision, now)
    if outcome == "upheld":
        return
    noticing.prepare(db, case, deed, review, now)
    words = {
        "revoked": lambda: _("公证书（案号 %(ref)s）已撤销，理由：%(why)s", ref=case.reference, why=decision),
        "corrected": lambda: _("公证书（案号 %(ref)s）有补正，理由：%(why)s", ref=case.reference, why=decision),
    }
    messages.tell(db, case, filing.party_of(db, case).phone, words[outcome], now)
    for row in delivering.deliveries_of(db, case):
        if row.bank_id:
            enqueue(db, "tell-standing", delivery_id=str(row.id))


def _reasoned(text: str) -> str:
    text = filing.plain(text)
    if len(text) < 6:
        raise BadInput({"reason": _("请写明理由（至少 6 个字）。")})
    return text


def _stand(db: Session, case: Case, standing: Standing, why: str, now: datetime) -> Deed:
    deed = db.scalars(sa.select(Deed).where(Deed.case_id == case.id).with_for_update()).one()
    deed.standing, deed.standing_at, deed.why = standing, now, why
    ledger.append(
        db, f"deed.{standing}", ledger.SYSTEM, now, case_id=case.id, office_id=case.office_id, sha256=deed.sha256
    )
    return deed


@job("tell-standing", attempts=10)
def tell_standing(parts: Parts, delivery_id: str) -> None:
    """Tells a bank that a deed it holds is revoked or corrected; tried again until it answers."""
    with parts.db() as db:
        row = db.get_one(Delivery, UUID(delivery_id))
        deed = db.scalars(sa.select(Deed).where(Deed.case_id == row.case_id)).one()
        bank = db.get(Bank, row.bank_id) if row.bank_id else None
    if bank is not None and bank.webhook_url:
        standing = str(deed.standing)
        event = delivering.event_of(deed, standing, deed.standing_at)
        delivering.post_event(parts, bank, f"{row.id}-{standing}", event, parts.clock())
