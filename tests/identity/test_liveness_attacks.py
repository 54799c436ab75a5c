"""Photographs that are held, swung, bent and animated, and recordings: what `make bench-identity` does, small."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "identity"))
sys.path.insert(0, str(Path(__file__).parent))
import attacks
import moving
from interview_pictures import face

CHANCE = random.Random(3)


@pytest.fixture(scope="module")
def photo() -> moving.Photo:
    return moving.Photo(face(1))


@pytest.mark.req("B08")
@pytest.mark.parametrize("kind", attacks.SHEETS)
def test_a_photograph_in_the_hand_meets_no_turn(photo, kind):
    verdict = attacks.a_sheet(photo, kind, CHANCE)
    assert "failed" == verdict.outcome
    assert not any(one.kind in ("left", "right") and not one.reasons for one in verdict.findings)


@pytest.mark.req("B08")
@pytest.mark.parametrize("solid", [False, True])
def test_one_photograph_animated_by_a_program_does_not_pass(photo, solid):
    """Its lids, its mouth and the painted colours do pass: they are the lesser part of the challenge."""
    verdict = attacks.an_animation(photo, solid, CHANCE)
    assert "failed" == verdict.outcome
    assert not any(one.kind in ("left", "right") and not one.reasons for one in verdict.findings)


@pytest.mark.req("B08")
@pytest.mark.parametrize("challenged", [False, True])
def test_a_recording_that_was_not_made_for_this_draw_does_not_pass(challenged):
    assert 0 == attacks.passed([attacks.a_replay(CHANCE, challenged, False) for _ in range(30)])
