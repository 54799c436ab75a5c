"""How a case ends without a deed: the applicant takes it back, or a notary proposes it and an approver decides.

公证法 art. 31 (nine grounds of not handling), 公证程序规则 art. 48, 50, 51.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotAllowed, NotPossible
from notary.ledger import Actor
from notary.lifecycle import MOVES, Act, Need, State
from notary.models import Case, Number, NumberState, Remark, Slot
from notary.office import closing, filing, issuing, messages
from notary.office.needs import check
from notary.office.step import advance
from notary.parts import Parts
from notary.rules import Ground, rules

GROUNDS = {Act.REFUSE: "refusal", Act.TERMINATE: "termination"}
DECLINED = "ending-declined"
ENDED = {State.REFUSED: Act.REFUSE, State.TERMINATED: Act.TERMINATE}


def withdraw(db: Session, parts: Parts, case: Case, by: Actor, now: datetime) -> None:
    """The applicant takes the application back; a taken time is free again. Raises NotPossible, NotAllowed."""
    advance(db, case, Act.WITHDRAW, by, now)
    _let_go(db, parts, case, "withdrawn", by, now)
    messages.tell(
        db, case, filing.party_of(db, case).phone,
        lambda: _("您的申请 %(ref)s 撤回了。想办可以随时再申请。", ref=case.reference), now,
    )  # fmt: skip


def may_end(case: Case) -> bool:
    return any((case.state, act) in MOVES for act in GROUNDS)


def grounds(act: Act) -> tuple[Ground, ...]:
    return rules().kinds(GROUNDS[act])


def propose(db: Session, case: Case, act: Act, ground: str, text: str, by: Actor, now: datetime) -> Remark:
    """The handling notary asks for an end without a deed; nothing has ended yet. Raises BadInput, NotPossible, NotAllowed."""
    if by.id is None or by.id != case.notary_id:
        raise NotAllowed(_("只有承办公证员能做这一步。"))
    if act not in GROUNDS or (case.state, act) not in MOVES:
        raise NotPossible
    if proposal(db, case):
        raise NotPossible(_("已经提请过了，等审批人决定。"))
    if ground not in {one.key for one in grounds(act)}:
        raise BadInput({"ground": _("请选法律上的理由。")})
    if len(text.strip()) < 6:
        raise BadInput({"text": _("请写明事实和理由（至少 6 个字），申请人会看到。")})
    made = Remark(case_id=case.id, kind=str(act), ground=ground, text=text.strip()[:2000], by=by.label, at=now)
    db.add(made)
    ledger.append(
        db, "ending.proposed", by, now, case_id=case.id, office_id=case.office_id, act=str(act), ground=ground
    )  # fmt: skip
    return made


def proposal(db: Session, case: Case) -> Remark | None:
    """What waits for an approver: the newest proposal, unless it was declined or the case has gone where it cannot end."""
    query = sa.select(Remark).where(Remark.case_id == case.id, Remark.kind.in_([*map(str, GROUNDS), DECLINED]))
    last = db.scalar(query.order_by(Remark.at.desc(), (Remark.kind == DECLINED).desc()).limit(1))
    return last if last and last.kind != DECLINED and (case.state, Act(last.kind)) in MOVES else None


def waiting(db: Session, office_id: UUID | None) -> Sequence[Case]:
    """The cases whose end is proposed, oldest first."""
    states = {state for state, act in MOVES if act in GROUNDS}
    query = (
        sa.select(Case)
        .where(Case.office_id == office_id, Case.state.in_(states))
        .where(sa.exists().where(Remark.case_id == Case.id, Remark.kind.in_([str(act) for act in GROUNDS])))
        .order_by(Case.created_at)
    )
    return [case for case in db.scalars(query) if proposal(db, case)]


def refuse_bad(db: Session, case: Case, agree: str, text: str) -> Remark:
    """The proposal that an answer is to. Raises BadInput, NotPossible: what the page says before a key is touched."""
    asked = proposal(db, case)
    if asked is None:
        raise NotPossible(_("这个案子没有人提请不予办理或终止。"))
    if agree not in ("yes", "no"):
        raise BadInput({"agree": _("请选同意或不同意。")})
    if agree == "no" and len(text.strip()) < 4:
        raise BadInput({"text": _("请写明为什么不同意。")})
    return asked


def decide(db: Session, parts: Parts, case: Case, agree: str, text: str, by: Actor, now: datetime) -> None:
    """The approver's word on the proposal; `agree`: yes or no. Raises BadInput, NotYet, NotPossible, NotAllowed."""
    asked = refuse_bad(db, case, agree, text)
    if agree == "no":
        db.add(
            Remark(case_id=case.id, kind=DECLINED, ground=asked.ground, text=text.strip()[:2000], by=by.label, at=now)
        )
        ledger.append(db, "ending.declined", by, now, case_id=case.id, office_id=case.office_id, act=asked.kind)
        return
    act = Act(asked.kind)
    advance(db, case, act, by, now, frozenset({Need.REASON}), ground=asked.ground, proposed_by=asked.by)
    _let_go(db, parts, case, asked.kind, by, now)
    ground = rules().grounds[asked.ground]
    said = {
        Act.REFUSE: lambda: _("您的申请 %(ref)s 不予办理。理由和您可以怎么办，写在您的页面上。", ref=case.reference),
        Act.TERMINATE: lambda: _("您的申请 %(ref)s 终止了。理由和您可以怎么办，写在您的页面上。", ref=case.reference),
    }[act]
    assert ground.kind == GROUNDS[act]
    messages.tell(db, case, filing.party_of(db, case).phone, said, now)


def reason(db: Session, case: Case) -> Remark | None:
    """Why the case was refused or terminated; None where it was not, or where the applicant withdrew it."""
    act = ENDED.get(case.state)
    if act is None:
        return None
    query = sa.select(Remark).where(Remark.case_id == case.id, Remark.kind == str(act))
    return db.scalar(query.order_by(Remark.at.desc()).limit(1))


@check(Need.SECOND_PERSON)
def proposed_by_another(db: Session, case: Case, by: Actor) -> bool:
    """An end is never the decision of one person (规则 48, 51)."""
    asked = proposal(db, case)
    return asked is not None and by.id is not None and not asked.by.endswith(str(by.id)) and by.id != case.notary_id


def _let_go(db: Session, parts: Parts, case: Case, why: str, by: Actor, now: datetime) -> None:
    """Whatever the case still holds: a place in the queue, a time, a number, a room.

    Raises NotPossible while the seal is at work on the number, Unavailable while the room's recording does not close.
    """
    case.asap_at = None
    db.execute(
        sa.update(Slot).where(Slot.case_id == case.id, Slot.given_up_at.is_(None)).values(given_up_at=now, why=why)
    )
    number = db.scalar(
        sa.select(Number).where(Number.case_id == case.id, Number.state == NumberState.RESERVED).with_for_update()
    )
    if number is not None:
        if issuing.at_work(number, now):
            raise NotPossible(_("正在签发，现在停不下来。请过 10 分钟看结果。"))
        number.state, number.why_void, number.done_at = NumberState.VOID, "批准后案子已结束", now
        ledger.append(db, "number.voided", by, now, case_id=case.id, office_id=case.office_id, number=number.text)
    closing.shut(db, parts, case, why, by, now)
