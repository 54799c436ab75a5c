"""The judge of a challenge: what it takes for met, and every way in which it says no."""

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "identity"))
import attacks
import moving

from identity.challenge import ACTIONS, AHEAD_S, LONGEST_S, TURNS, Drawn, draw, drawn, script
from identity.liveness import judge
from identity.signals import Signals, signals
from notary.office.prompting import AFTER_S, AHEAD_AT_MOST_S

CHANCE = random.Random(5)
DRAWN = Drawn("n", ("left", "mouth", "blink"), "4711", ("red", "white", "green", "blue", "red", "green"), 4.0)
PROMPTS = moving.prompts_of(DRAWN, 2.0, 4.0, 8.0, 0.7, 1.2)
AT = {one.kind: one.at for one in PROMPTS[:5]}


def somebody(**late: float) -> list[Signals]:
    """Frames of a person who does what is asked; `late`: seconds after the prompt, instead of one."""
    doing = [(AT[one] + late.get(one, 1.0), one) for one in DRAWN.actions] + [(PROMPTS[-1].until, "say")]
    return attacks.person(DRAWN, PROMPTS, random.Random(1), doing, DRAWN.colours)


def reasons(frames: list[Signals], kind: str) -> tuple[str, ...]:
    return next(one.reasons for one in judge(DRAWN, PROMPTS, frames).findings if one.kind == kind)


def within(frames: list[Signals], begin: float, end: float, **changed: object) -> list[Signals]:
    return [replace(one, **changed) if begin <= one.at < end else one for one in frames]


@pytest.mark.req("B06", "B08")
def test_who_does_what_is_asked_in_time_has_met_it():
    verdict = judge(DRAWN, PROMPTS, somebody())
    assert ("passed", ()) == (verdict.outcome, verdict.reasons)
    assert ["left", "mouth", "blink", "say", "flash"] == [one.kind for one in verdict.findings]
    for one in verdict.findings:
        assert one.met is not None
        assert one.met > one.at
    assert attacks.passed([attacks.a_person(CHANCE) for _ in range(100)]) >= 97


@pytest.mark.req("B08")
def test_every_draw_differs_and_always_asks_for_a_turn():
    some = [draw(4.0) for _ in range(300)]
    assert 300 == len({one.nonce for one in some})
    assert 54 == len({one.actions for one in [draw(4.0) for _ in range(3000)]})
    for one in some:
        assert 3 == len(set(one.actions))
        assert set(one.actions) & set(TURNS)
        assert 4 == len(one.digits)
        assert one.digits.isdecimal()
        assert all(a != b for a, b in zip(one.colours, one.colours[1:], strict=False))
        assert one.seconds < 60
        assert draw(8.0).seconds - AHEAD_S + AHEAD_AT_MOST_S + AFTER_S <= LONGEST_S
        assert one == drawn(one.as_json())
        assert one.colours == tuple(shown for kind, shown, _ in script(one) if kind == "flash")


def test_what_the_notary_took_out_is_not_drawn():
    assert {("mouth", "blink"), ("blink", "mouth")} == {draw(4.0, ("left", "right", "nod")).actions for _ in range(50)}
    assert 3 == len(draw(4.0, ("left",)).actions)
    with pytest.raises(ValueError):
        draw(4.0, ACTIONS)


@pytest.mark.parametrize(("when", "why"), [(0.05, "too-early"), (-1.0, "too-early"), (4.5, "not-seen")])
def test_a_turn_begun_before_the_prompt_or_after_its_window_is_no_answer(when, why):
    assert (why,) == reasons(somebody(left=when), "left")


def test_the_wrong_movement_is_no_answer_even_if_the_right_one_follows():
    frames = [replace(one, yaw=-one.yaw if one.at < AT["left"] + 2 else one.yaw) for one in somebody(left=1.0)]
    assert ("did-right",) == reasons(frames, "left")


@pytest.mark.req("B08")
def test_a_flat_turn_or_one_whose_eyes_come_along_is_not_taken_for_a_head():
    begin, end = AT["left"], AT["left"] + 4
    assert ("flat",) == reasons(within(somebody(), begin, end, bent=0.03), "left")
    assert ("eyes-came-along",) == reasons(within(somebody(), begin, end, across=0.5), "left")


def test_one_blink_is_not_two_and_closed_eyes_are_none():
    begin, end = AT["blink"], AT["blink"] + 4
    once = within(somebody(), begin + 1.5, end, eyes=0.22)
    assert ("not-seen",) == reasons(once, "blink")
    assert ("not-seen",) == reasons(within(somebody(), begin + 0.5, end, eyes=0.05), "blink")


def test_a_still_mouth_reads_no_digits():
    assert ("not-seen",) == reasons(within(somebody(), AT["say"], AT["say"] + 8, mouth=0.04), "say")


@pytest.mark.req("B08")
def test_colours_that_do_not_show_leave_it_to_the_notary_and_others_speak_against_it():
    dim = attacks.person(
        DRAWN, PROMPTS, random.Random(1), [(AT[one] + 1, one) for one in DRAWN.actions] + [(99, "say")], ()
    )
    assert "open" == judge(DRAWN, PROMPTS, dim).outcome
    assert ("unseen-flash",) == judge(DRAWN, PROMPTS, dim).reasons
    other = ("blue", "green", "white", "red", "green", "white")
    old = attacks.person(
        DRAWN, PROMPTS, random.Random(1), [(AT[one] + 1, one) for one in DRAWN.actions] + [(99, "say")], other
    )
    assert "failed" == judge(DRAWN, PROMPTS, old).outcome
    assert ("other-colours",) == reasons(old, "flash")


def test_a_tint_over_the_whole_picture_is_no_light_on_a_face():
    washed = [
        replace(one, wall=tuple(wall * skin / base for wall, skin, base in zip(one.wall, one.skin, (118, 130, 160), strict=True)))
        for one in somebody()
    ]  # fmt: skip
    assert "open" == judge(DRAWN, PROMPTS, washed).outcome


@pytest.mark.req("B08", "C09")
def test_a_face_that_goes_changes_or_gets_company_fails_it():
    frames = somebody()
    gone = [one for one in frames if not 9 < one.at < 10.3]
    assert "face-lost" in judge(DRAWN, PROMPTS, gone).reasons
    assert "face-lost" not in judge(DRAWN, PROMPTS, [one for one in frames if not 9 < one.at < 9.9]).reasons
    swapped = [replace(one, same=0.2 if one.same is not None and one.at > 20 else one.same) for one in frames]
    assert "another-face" in judge(DRAWN, PROMPTS, swapped).reasons
    assert "many-faces" in judge(DRAWN, PROMPTS, within(frames, 9, 9.5, faces=2)).reasons
    assert "not-compared" in judge(DRAWN, PROMPTS, [replace(one, same=None) for one in frames]).reasons


def test_too_few_frames_or_no_look_ahead_is_no_challenge():
    assert "too-few-frames" in judge(DRAWN, PROMPTS, somebody()[::3]).reasons
    assert "no-start" in judge(DRAWN, PROMPTS, within(somebody(), 0, 2, gates=("too-dark",))).reasons
    assert "failed" == judge(DRAWN, PROMPTS, []).outcome
    assert "failed" == judge(DRAWN, [], []).outcome


def test_what_was_left_out_leaves_it_open():
    short = [one for one in PROMPTS if one.kind != "flash"]
    assert ("open", ("left-out-flash",)) == (
        judge(DRAWN, short, somebody()).outcome,
        judge(DRAWN, short, somebody()).reasons,
    )


def test_signals_survive_json():
    one = somebody()[0]
    assert one == signals({key: list(v) if isinstance(v, tuple) else v for key, v in one.as_json().items()})
