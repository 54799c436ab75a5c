"""The only writer of `Case.state`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import NotAllowed, NotPossible, NotYet
from notary.ledger import Actor
from notary.lifecycle import Act, Facts, Move, Need, NoSuchMove, State, Unmet, WrongRole, decide
from notary.models import Case
from notary.office.needs import met
from notary.terms import need_words, state_words


def advance(
    db: Session,
    case: Case,
    act: Act,
    by: Actor,
    now: datetime,
    given: frozenset[Need] = frozenset(),
    **detail: Any,
) -> State:
    """Makes the move that `act` stands for: new state and its line in the ledger, in `db`'s transaction.

    `given`: needs that hold by what is being done right now (a reason typed, a slot just taken).
    Raises NotPossible, NotAllowed, NotYet (naming what is missing); then nothing has changed.
    """
    move = refuse_unmet(db, case, act, by, given)
    before = case.state
    case.state = move.to
    ledger.append(
        db, f"case.{act}", by, now, case_id=case.id, office_id=case.office_id,
        before=str(before), after=str(move.to), **detail,
    )  # fmt: skip
    db.flush()
    return move.to


def refuse_unmet(db: Session, case: Case, act: Act, by: Actor, given: frozenset[Need] = frozenset()) -> Move:
    """The move that `act` would make. Raises NotPossible, NotAllowed, NotYet."""
    facts = Facts(case.state, met(db, case, by, act) | given)
    try:
        return decide(facts, act, by.role)
    except NoSuchMove as no:
        raise NotPossible(_("这个案子现在是“%(state)s”，不能这样办。", state=state_words(case.state))) from no
    except WrongRole as no:
        raise NotAllowed from no
    except Unmet as no:
        raise NotYet(tuple(need_words(need) for need in no.needs)) from no
