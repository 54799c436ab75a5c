"""复查 (规则 art. 61, 63): opened by a notary who did not handle the case, decided by an approver who did not either."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotAllowed, NotPossible
from notary.jobs import enqueue, job
from notary.ledger import Actor
from notary.lifecycle import Act, Need, State
from notary.models import Bank, Case, Deed, Delivery, Review, Standing
from notary.office import delivering, filing, messages
from notary.office.step import advance
from notary.parts import Parts


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


OUTCOMES = {"revoked": Act.REVOKE, "upheld": Act.UPHOLD}


def refuse_bad(case: Case, outcome: str, decision: str) -> None:
    """Raises BadInput, NotPossible: what the page says before a key is touched."""
    if case.state != State.UNDER_REVIEW:
        raise NotPossible(_("这个案子没有在复查。"))
    if outcome not in OUTCOMES:
        raise BadInput({"outcome": _("请选撤销或维持。")})
    _reasoned(decision)


def decide(db: Session, case: Case, outcome: str, decision: str, by: Actor, now: datetime) -> None:
    """`revoked` or `upheld`. Raises BadInput, NotAllowed, NotYet, NotPossible."""
    decision = _reasoned(decision)
    review = db.scalar(sa.select(Review).where(Review.case_id == case.id, Review.outcome == "").with_for_update())
    if review is None:
        raise NotPossible(_("这个案子没有在复查。"))
    if by.id is None or by.id in (review.opened_by, case.approver_id):
        raise NotAllowed(_("要换一位审批人：不能是提出复查的人，也不能是当初批准的人。"))
    act = OUTCOMES.get(outcome)
    if act is None:
        raise BadInput({"outcome": _("请选撤销或维持。")})
    advance(db, case, act, by, now, frozenset({Need.REASON}), decision=decision)
    review.outcome, review.decision, review.decided_by, review.decided_at = outcome, decision, by.id, now
    _stand(db, case, Standing.REVOKED if outcome == "revoked" else Standing.VALID, decision, now)
    if outcome == "revoked":
        messages.tell(
            db, case, filing.party_of(db, case).phone,
            lambda: _("公证书（案号 %(ref)s）已撤销，理由：%(why)s", ref=case.reference, why=decision), now,
        )  # fmt: skip
        for row in delivering.deliveries_of(db, case):
            if row.bank_id:
                enqueue(db, "tell-revoked", delivery_id=str(row.id))


def _reasoned(text: str) -> str:
    text = text.strip()[:2000]
    if len(text) < 6:
        raise BadInput({"reason": _("请写明理由（至少 6 个字）。")})
    return text


def _stand(db: Session, case: Case, standing: Standing, why: str, now: datetime) -> None:
    deed = db.scalars(sa.select(Deed).where(Deed.case_id == case.id).with_for_update()).one()
    deed.standing, deed.standing_at, deed.why = standing, now, why
    ledger.append(
        db, f"deed.{standing}", ledger.SYSTEM, now, case_id=case.id, office_id=case.office_id, sha256=deed.sha256
    )


@job("tell-revoked", attempts=10)
def tell_revoked(parts: Parts, delivery_id: str) -> None:
    """Tells a bank that a deed it holds is revoked; tried again until it answers."""
    from uuid import UUID

    with parts.db() as db:
        row = db.get_one(Delivery, UUID(delivery_id))
        deed = db.scalars(sa.select(Deed).where(Deed.case_id == row.case_id)).one()
        bank = db.get(Bank, row.bank_id) if row.bank_id else None
    if bank is not None and bank.webhook_url:
        event = delivering.event_of(deed, "revoked", deed.standing_at)
        delivering.post_event(parts, bank, f"{row.id}-revoked", event, parts.clock())
