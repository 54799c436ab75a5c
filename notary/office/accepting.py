"""The desk reads an application: one complete return, acceptance with clock and notice, or a reasoned no."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from identity import names
from notary import calendar, ledger
from notary.database import fresh
from notary.errors import BadInput, NotAllowed, NotFound, NotPossible
from notary.ledger import Actor
from notary.lifecycle import Act, Need, Role, State
from notary.models import Case, Gap, Party, Payment, Person, Recusal, Remark
from notary.office import documents, messages
from notary.office.filing import matter_of, party_of
from notary.office.needs import check
from notary.office.step import advance
from notary.rules import rules


def case_for_staff(db: Session, case_id: UUID, by: Actor, *, lock: bool = False) -> Case:
    """A case of the actor's own office. Raises NotFound."""
    query = sa.select(Case).where(Case.id == case_id, Case.office_id == by.office_id)
    case = db.scalar(fresh(query) if lock else query)
    if case is None:
        raise NotFound
    return case


def give_back(db: Session, case: Case, items: dict[str, str], by: Actor, now: datetime) -> None:
    """Sends an application back with *all* gaps at once (A10): `items` maps `field:KEY`, `material:KEY` or
    `other` to words. A gap of a later round that was there in the first one is flagged for quality control.

    Raises BadInput, NotPossible, NotAllowed.
    """
    items = {key: words.strip() for key, words in items.items() if words.strip()}
    if not items:
        raise BadInput({"gaps": _("请写明缺什么，一次写全。")})
    earlier = db.scalars(sa.select(Gap).where(Gap.case_id == case.id)).all()
    turn = max((gap.round for gap in earlier), default=0) + 1
    named = {gap.item for gap in earlier}
    advance(db, case, Act.RETURN, by, now, frozenset({Need.REASON}), round=turn, items=sorted(items))
    for item, words in items.items():
        db.add(
            Gap(
                case_id=case.id,
                round=turn,
                item=item,
                words=words,
                missed_before=turn > 1 and item not in named,
                at=now,
            )
        )
    messages.tell(
        db, case, party_of(db, case).phone,
        lambda: _("您的申请 %(ref)s 还差 %(n)d 样，已一次列清。补好再交就行。", ref=case.reference, n=len(items)), now,
    )  # fmt: skip


def gaps_of(db: Session, case: Case) -> list[Gap]:
    """The gaps of the last return."""
    last = db.scalar(sa.select(sa.func.max(Gap.round)).where(Gap.case_id == case.id))
    return list(db.scalars(sa.select(Gap).where(Gap.case_id == case.id, Gap.round == last).order_by(Gap.item)))


def conflict(db: Session, case: Case, notary: Person) -> str:
    """`number` when the notary's own identity number is a party's (blocked), `name` when only the name is, else ''.

    A number of another kind of document is never that of the notary's resident card.
    """
    parties = db.scalars(sa.select(Party).where(Party.case_id == case.id)).all()
    numbers = {party.id_number.upper() for party in parties if party.id_type == documents.RESIDENT}
    if notary.id_number and notary.id_number.upper() in numbers:
        return "number"
    return "name" if any(names.same(notary.name, party.name) for party in parties) else ""


def declare_relation(db: Session, case: Case, related: bool, text: str, by: Actor, now: datetime) -> None:
    """A notary's declaration where the names are equal: related means that another notary takes the case."""
    if len(text.strip()) < 4:
        raise BadInput({"text": _("请写明为什么不用回避，比如“同名，不认识”。")})
    if by.id is None:
        raise NotAllowed
    db.add(Recusal(case_id=case.id, notary_id=by.id, related=related, text=text.strip(), at=now))
    ledger.append(
        db, "recusal.declared", by, now, case_id=case.id, office_id=case.office_id, related=related, text=text.strip()
    )


@check(Need.NO_CONFLICT)
def notary_may_act(db: Session, case: Case, by: Actor) -> bool:
    """公证法 art. 23: never one's own or a near relative's matter."""
    notary = db.get(Person, by.id) if by.id else None
    if notary is None or by.role != Role.NOTARY:
        return False
    kind = conflict(db, case, notary)
    said = db.scalar(
        sa.select(Recusal)
        .where(Recusal.case_id == case.id, Recusal.notary_id == notary.id)
        .order_by(Recusal.at.desc())
        .limit(1)
    )
    if kind == "number" or (said is not None and said.related):
        return False
    return kind == "" or said is not None


@check(Need.REMOTE)
def remote_is_allowed(_db: Session, case: Case, _by: Actor) -> bool:
    matter = rules().matters.get(case.matter)
    return matter is not None and matter.remote.enabled and case.matter in rules().profile.matters


def accept(db: Session, case: Case, by: Actor, now: datetime) -> None:
    """Acceptance: the clock starts, the notary is named, receipt and notice go out (A11, A12, A13).

    Raises NotYet, NotPossible, NotAllowed.
    """
    advance(db, case, Act.ACCEPT, by, now)
    matter = matter_of(case)
    case.notary_id = by.id
    case.accepted_at = now
    case.due = calendar.deadline(now, matter.clock.days, rules().profile.hours, rules().years)
    notary = db.get_one(Person, by.id)
    messages.tell(
        db, case, party_of(db, case).phone,
        lambda: _(
            "您的申请 %(ref)s 受理了，公证员是%(notary)s。请登录约视频时间，并看告知书。查询码 %(code)s。",
            ref=case.reference, notary=notary.name, code=case.code,
        ),
        now,
    )  # fmt: skip


def decline(db: Session, case: Case, reason: str, alternative: str, by: Actor, now: datetime) -> None:
    """Non-acceptance, with the reason and the way that is left: a key of the profile's `alternatives`.

    Raises BadInput, NotPossible, NotAllowed.
    """
    if len(reason.strip()) < 4:
        raise BadInput({"reason": _("请写明不受理的理由，申请人会看到。")})
    if alternative not in {one.key for one in rules().profile.alternatives}:
        raise BadInput({"alternative": _("请选一个别的办法，写给申请人。")})
    advance(db, case, Act.DECLINE, by, now, frozenset({Need.REASON}), reason=reason.strip(), alternative=alternative)
    db.add(Remark(case_id=case.id, kind="not-accepted", ground=alternative, text=reason.strip(), by=by.label, at=now))
    messages.tell(
        db, case, party_of(db, case).phone,
        lambda: _("您的申请 %(ref)s 没有受理，理由和别的办法写在您的页面上。", ref=case.reference), now,
    )  # fmt: skip


def declined(db: Session, case: Case) -> Remark | None:
    """The reason for not taking the case on, with the other way (`ground`)."""
    if case.state != State.NOT_ACCEPTED:
        return None
    query = sa.select(Remark).where(Remark.case_id == case.id, Remark.kind == "not-accepted")
    return db.scalar(query.order_by(Remark.at.desc()).limit(1))


def want_by(db: Session, case: Case, at: datetime | None, by: Actor, now: datetime) -> None:
    """The bank's own deadline: it puts the case at the head of the queue; None takes it away. Raises BadInput."""
    if at is not None and at <= now:
        raise BadInput({"wanted_by": _("银行的期限要在现在以后。")})
    case.wanted_by = at
    ledger.append(
        db, "bank.deadline-set", by, now, case_id=case.id, office_id=case.office_id, at=at.isoformat() if at else None
    )


def take_payment(db: Session, case: Case, manner: str, by: Actor, now: datetime) -> Payment:
    """Records the fee of the table as paid at the office; no other sum is possible (A14). Raises BadInput."""
    if manner not in ("cash", "transfer", "waived"):
        raise BadInput({"manner": _("请选收费方式。")})
    if case.accepted_at is None:
        raise NotPossible(_("受理以后才收费。"))
    if db.scalar(sa.select(Payment.id).where(Payment.case_id == case.id)):
        raise BadInput({"manner": _("这个案子的费用已经记过了。")})
    fen = 0 if manner == "waived" else matter_of(case).fee.fen
    receipt = f"{case.reference}-收"
    assert by.id is not None
    payment = Payment(case_id=case.id, fen=fen, receipt=receipt, manner=manner, taken_by=by.id, at=now)
    db.add(payment)
    ledger.append(db, "fee.taken", by, now, case_id=case.id, office_id=case.office_id, fen=fen, manner=manner)
    return payment


def payment_of(db: Session, case: Case) -> Payment | None:
    return db.scalar(sa.select(Payment).where(Payment.case_id == case.id))


def queue(db: Session, by: Actor) -> list[Case]:
    """Open cases of the office: bank's deadline first, then declared care, then the clock, then arrival."""
    open_states = (
        State.SUBMITTED, State.RETURNED, State.ACCEPTED, State.SCHEDULED, State.INTERVIEW, State.SUSPENDED,
        State.DRAFTING, State.APPROVAL, State.APPROVED, State.ISSUED, State.UNDER_REVIEW,
    )  # fmt: skip
    found = db.scalars(sa.select(Case).where(Case.office_id == by.office_id, Case.state.in_(open_states))).all()
    far = datetime.max.replace(tzinfo=UTC)
    return sorted(
        found, key=lambda c: (c.wanted_by or far, 0 if c.care else 1, c.due or far, c.submitted_at or c.created_at)
    )
