"""The portrait of a card against frames of an interview: what is advised, and on what it rests."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from interview_pictures import card_portrait, face, frames

from identity import engines
from identity.comparison import MOST_USED, compare
from identity.errors import ManyFaces, NoEngine, NoFace
from identity.faces import Encoding, average, portrait
from identity.gates import gates

ROOM = np.full((480, 640, 3), 120, np.uint8)


@pytest.fixture(scope="module")
def card() -> np.ndarray:
    return card_portrait(face(1))


@pytest.fixture(scope="module")
def at_the_camera() -> dict[int, list[np.ndarray]]:
    return {number: frames(face(number))[3::2] for number in (1, 2, 3)}


@pytest.mark.req("B07")
def test_the_person_of_the_card_is_supported_with_all_that_the_advice_rests_on(card, at_the_camera):
    seen = compare(card, at_the_camera[1])
    assert "supports" == seen.advice
    lead, second = seen.opinions
    assert ("sface", "face_recognition") == (lead.engine, second.engine)
    assert "strong" == lead.band
    assert lead.value >= lead.threshold == 0.40
    assert lead.false_accepts == 0.0001
    assert 64 == len(lead.model_sha256) == len(second.model_sha256)
    assert lead.lowest <= lead.value
    assert 1 <= seen.frames_used <= MOST_USED == sum(frame.used for frame in seen.frames)


@pytest.mark.req("B07")
@pytest.mark.parametrize("somebody_else", [2, 3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_somebody_else_is_not_supported(somebody_else, seed, at_the_camera):
    seen = compare(card_portrait(face(1), seed), at_the_camera[somebody_else])
    assert seen.advice in ("against", "doubtful")


def test_a_stranger_is_against(card, at_the_camera):
    assert "against" == compare(card, at_the_camera[2]).advice


def test_frames_of_two_people_are_never_averaged_into_support(card, at_the_camera):
    mixed = [*at_the_camera[1][:3], *at_the_camera[2][:2]]
    seen = compare(card, mixed)
    assert seen.opinions[0].value >= seen.opinions[0].threshold, "the mean alone would have carried them"
    assert "doubtful" == seen.advice
    assert "frames-differ" in seen.notes


@pytest.mark.req("B13")
def test_nothing_of_a_template_is_in_the_answer(card, at_the_camera):
    told = json.dumps(compare(card, at_the_camera[1]).as_json())
    assert "vector" not in told
    longest_list = max(len(value) for value in json.loads(told).values() if isinstance(value, list))
    assert longest_list < 16
    assert "0." not in repr(engines.engine("sface").encode(face(1)))


def test_dark_frames_are_not_scored(card):
    seen = compare(card, frames(face(1), light=0.2)[-3:])
    assert ("none", (), 0) == (seen.advice, seen.opinions, seen.frames_used)
    assert "no-good-frame" in seen.notes
    assert all("too-dark" in frame.reasons for frame in seen.frames)


def test_each_gate_names_its_reason(at_the_camera):
    import cv2

    good = at_the_camera[1][0]
    assert gates(good).good
    assert ("no-face",) == gates(ROOM).reasons
    assert "blurred" in gates(cv2.GaussianBlur(good, (0, 0), 5)).reasons
    assert "too-small" in gates(cv2.resize(good, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)).reasons
    assert ("many-faces",) == gates(np.hstack([good, at_the_camera[2][0]])).reasons


def test_two_people_before_the_camera_are_refused_and_an_empty_room_too(at_the_camera):
    for name in engines.NAMES:
        with pytest.raises(ManyFaces):
            engines.engine(name).encode(np.hstack([at_the_camera[1][0], at_the_camera[2][0]]))
        with pytest.raises(NoFace):
            engines.engine(name).encode(ROOM)
    with pytest.raises(NoFace):
        compare(ROOM, at_the_camera[1])


def test_a_portrait_is_cut_from_a_card_upright_or_sideways():
    import cv2

    page = np.full((638, 1012, 3), 230, np.uint8)
    page[110:390, 690:910] = card_portrait(face(1))
    upright, sideways = portrait(page), portrait(cv2.rotate(page, cv2.ROTATE_90_CLOCKWISE))
    engine = engines.engine("sface")
    for crop in (upright, sideways):
        assert crop.shape[0] < 400
        assert engine.score(engine.encode(crop), engine.encode(face(1))).reached


def test_vectors_of_two_engines_or_of_nobody_are_not_mixed():
    one, other = Encoding("sface", np.ones(128)), Encoding("face_recognition", np.ones(128))
    with pytest.raises(ValueError):
        average([one, other], unit=True)
    with pytest.raises(ValueError):
        average([], unit=True)
    with pytest.raises(ValueError):
        engines.engine("sface").score(one, other)


def test_an_office_may_leave_the_second_engine_out_but_not_the_first(card, at_the_camera, monkeypatch):
    monkeypatch.setitem(engines._WHERE, "absent", ("identity.engines.absent", "Absent"))
    seen = compare(card, at_the_camera[1], engines=("sface", "absent"))
    assert "supports" == seen.advice
    assert "second-opinion-missing" in seen.notes
    with pytest.raises(NoEngine):
        compare(card, at_the_camera[1], engines=("absent",))


@pytest.mark.parametrize("count", [0, 13])
def test_no_probe_and_too_many_are_refused(card, at_the_camera, count):
    with pytest.raises(ValueError):
        compare(card, at_the_camera[1][:1] * count)
