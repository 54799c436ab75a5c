"""The notary's act at the seal: one passkey over the list of bodies, taken by the seal before anything is kept here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotAllowed, NotPossible, Refusal, TooMany, Unavailable
from notary.jobs import enqueue
from notary.ledger import Actor
from notary.lifecycle import Role, State
from notary.models import Case, Number, NumberState
from notary.office import issuing
from notary.parts import Parts
from notary.seal import refusals
from notary.seal.activation import ByPasskey, Entry
from notary.seal.refusals import SealError

MOST = 50
"""Bodies that one passkey may activate: a person is to have looked at each."""


def words_of(error: SealError) -> Refusal:
    """What the seal said, in words of the person who asked."""
    if isinstance(error, refusals.SealDown):
        return Unavailable(_("签名机现在没有回应。"))
    if isinstance(error, refusals.TooMany):
        return TooMany(_("一分钟内签发得太多了，请等一分钟再点。"), after=60)
    if isinstance(error, refusals.NotEnrolled):
        return NotAllowed(_("签名机没有认出您的通行密钥。请到“通行密钥”页登记，或用登记过的那一把。"))
    if isinstance(error, refusals.NotActivated):
        return NotAllowed(_("签名机没有接受这次签发。请刷新看清楚，再签一次。"))
    if isinstance(error, refusals.NotApproved | refusals.OtherBody):
        return NotPossible(_("签名机那边看到的批准和这里的不一样，没有签发。"))
    return NotAllowed(_("签名机拒绝了：%(why)s", why=error.words))


def waiting(db: Session, by: Actor) -> list[tuple[Case, Number]]:
    """The notary's own bodies that are rendered and not yet activated, oldest first."""
    query = (
        sa.select(Case, Number)
        .join(Number, Number.case_id == Case.id)
        .where(
            Case.notary_id == by.id, Case.state == State.APPROVED, Number.state == NumberState.RESERVED,
            Number.body_sha256 != "", Number.activation == {},
        )
        .order_by(Number.reserved_at)
    )  # fmt: skip
    return [(case, number) for case, number in db.execute(query)]


def entries_of(chosen: Sequence[tuple[Case, Number]]) -> tuple[Entry, ...]:
    return tuple((number.text, number.body_sha256) for _case, number in chosen)


def chosen(db: Session, case_ids: Sequence[object], by: Actor, now: datetime) -> list[tuple[Case, Number]]:
    """The cases and numbers that are to be activated together. Raises BadInput, NotAllowed, NotPossible."""
    if not 1 <= len(case_ids) <= MOST:
        raise BadInput({"cases": _("请至少勾一份，最多 %(n)d 份。", n=MOST)})
    if by.role != Role.NOTARY:
        raise NotAllowed(_("只有承办公证员能签发。"))
    ready = {str(case.id): (case, number) for case, number in waiting(db, by)}
    if any(str(one) not in ready for one in case_ids):
        raise NotPossible(_("公证书正文还没有准备好，或者已经签发。请刷新。"))
    found = [ready[str(one)] for one in dict.fromkeys(case_ids)]
    for case, number in found:
        if number.approved_on != issuing.local_date(db, case, now):
            raise NotPossible(_("批准那天没有签发，编号要作废，请重新报审批。"))
    return found


def activate(
    db: Session, parts: Parts, case_ids: Sequence[object], assertion: dict[str, Any], by: Actor, now: datetime
) -> list[Number]:
    """One act for one or several bodies, all or none: the seal puts it on record, then the issue jobs start.

    A death after the seal's record and before our commit costs one more touch of the passkey, never a deed.
    Raises BadInput, NotAllowed, NotPossible, Unavailable.
    """
    pairs = chosen(db, case_ids, by, now)
    act = ByPasskey(entries_of(pairs), assertion)
    try:
        parts.seal.activate(str(by.id), [str(case.id) for case, _number in pairs], act)
    except SealError as error:
        raise words_of(error) from error
    for case, number in pairs:
        locked = db.get_one(Number, number.id, with_for_update=True, populate_existing=True)
        if locked.activation or locked.state != NumberState.RESERVED:
            raise NotPossible(_("这一份刚刚已经签发或作废了。请刷新。"))
        locked.activation = {**act.json(), "given_at": now.isoformat()}
        ledger.append(
            db, "deed.activated", by, now, case_id=case.id, office_id=case.office_id,
            number=locked.text, body=locked.body_sha256,
        )  # fmt: skip
        enqueue(db, "issue-deed", number_id=str(number.id))
    return [number for _case, number in pairs]
