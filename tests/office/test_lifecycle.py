"""The table is the truth: every (state, act, role) outside it is refused, and nothing else moves a case."""

import re
from itertools import product
from pathlib import Path

import pytest

from notary import terms
from notary.lifecycle import (
    MOVES,
    Act,
    Facts,
    Need,
    NoSuchMove,
    Role,
    State,
    Unmet,
    WrongRole,
    acts_of,
    decide,
    drawing,
)

EVERYTHING = frozenset(Need)
SOURCES = Path(__file__).parents[2]


def test_a_move_is_allowed_exactly_where_the_table_says():
    for state, act, role in product(State, Act, Role):
        move = MOVES.get((state, act))
        if move is None:
            with pytest.raises(NoSuchMove):
                decide(Facts(state, EVERYTHING), act, role)
        elif role not in move.by:
            with pytest.raises(WrongRole):
                decide(Facts(state, EVERYTHING), act, role)
        else:
            assert move is decide(Facts(state, EVERYTHING), act, role)


@pytest.mark.parametrize(("state", "act"), [key for key, move in MOVES.items() if move.needs])
def test_each_need_alone_holds_a_move_back(state, act):
    move = MOVES[state, act]
    for missing in move.needs:
        with pytest.raises(Unmet) as no:
            decide(Facts(state, EVERYTHING - {missing}), act, min(move.by))

        assert (missing,) == no.value.needs


def test_every_state_is_reached_from_draft():
    reached = {State.DRAFT}
    for _ in State:
        reached |= {move.to for (at, _act), move in MOVES.items() if at in reached}

    assert set(State) == reached


@pytest.mark.req("G05", "C15")
def test_approval_is_the_approvers_alone_and_needs_another_person():
    move = MOVES[State.APPROVAL, Act.APPROVE]

    assert frozenset({Role.APPROVER}) == move.by
    assert Need.OTHER_PERSON in move.needs
    assert Act.APPROVE not in acts_of(State.APPROVAL, Role.NOTARY)


@pytest.mark.req("D14")
def test_nothing_is_approved_or_issued_without_a_whole_recording():
    for act in (
        (State.INTERVIEW, Act.CLOSE),
        (State.DRAFTING, Act.PROPOSE),
        (State.APPROVAL, Act.APPROVE),
        (State.APPROVED, Act.ISSUE),
    ):
        assert Need.RECORDING in MOVES[act].needs


def test_every_closed_set_has_words():
    assert set(terms.STATES) == set(State)
    assert set(terms.ROLES) == set(Role)
    assert set(terms.ACTS) == set(Act)
    assert set(terms.NEEDS) == set(Need)


def test_only_step_writes_a_case_state():
    writers = [
        path.name
        for path in (SOURCES / "notary").rglob("*.py")
        if re.search(r"\bcase\.state\s*=[^=]|\bstate=State\.", path.read_text())
    ]

    assert ["step.py"] == writers


def test_the_drawing_in_the_docs_is_drawn_from_the_table():
    assert drawing() in (SOURCES / "docs" / "lifecycle.md").read_text()
