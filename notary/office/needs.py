"""Which needs of an act hold for a case, looked up when it is about to be done."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from notary.ledger import Actor
from notary.lifecycle import MOVES, Act, Need, State
from notary.models import Case

Check = Callable[[Session, Case, Actor], bool]
CHECKS: dict[Need, Check] = {}


def check(need: Need) -> Callable[[Check], Check]:
    """Registers the function that finds out whether `need` holds. One need, one function."""

    def register(function: Check) -> Check:
        if need in CHECKS:
            raise RuntimeError(f"two checks for {need}")
        CHECKS[need] = function
        return function

    return register


def met(db: Session, case: Case, by: Actor, act: Act, state: State | None = None) -> frozenset[Need]:
    """The needs of `act` that hold now. A need without a check holds only when the verb itself gives it.

    `state`: as if the case stood there; without it, where it stands.
    """
    move = MOVES.get((state or case.state, act))
    needs = move.needs if move else ()
    return frozenset(need for need in needs if (found := CHECKS.get(need)) and found(db, case, by))


@check(Need.OTHER_PERSON)
def another_person(db: Session, case: Case, by: Actor) -> bool:
    """Approval, review and revocation are never by who handled the case (person-level, G05)."""
    return by.id is not None and by.id != case.notary_id
