"""Signs of a picture in the camera's place: each with an innocent twin that is not flagged."""

import random

import pytest

from identity.injection import signs

CHANCE = random.Random(2)
STEADY = [n * 3000 for n in range(120)]
LIVE = [n * 3000 + CHANCE.randint(-200, 200) for n in range(120)]
PRINTS = [str(n) for n in range(120)]


@pytest.mark.req("B08")
@pytest.mark.parametrize(
    "label",
    ["OBS Virtual Camera", "Dummy video device (0x0000)", "ManyCam Virtual Webcam", "虚拟摄像头", "fake_device_0"],
)
def test_the_names_of_cameras_that_are_programs_are_a_sign(label):
    assert ("camera-name",) == signs(label, LIVE, PRINTS, True)


@pytest.mark.parametrize(
    "label", ["", "FaceTime HD Camera", "HD Pro Webcam C920", "camera2 1, facing front", "后置摄像头"]
)
def test_an_ordinary_camera_has_no_sign(label):
    assert () == signs(label, LIVE, PRINTS, True)


def test_a_clock_without_jitter_is_a_sign_also_where_frames_were_left_out():
    assert ("too-steady",) == signs("", STEADY, PRINTS, True)
    assert ("too-steady",) == signs("", [n for n in STEADY if n % 21000], PRINTS, True)
    assert () == signs("", STEADY[:20], PRINTS, True)


def test_frames_that_repeat_and_colours_without_answer_are_signs():
    assert ("same-frames",) == signs("", LIVE, ["a"] * 60 + PRINTS[:60], True)
    assert ("no-colours",) == signs("", LIVE, PRINTS, False)
    assert () == signs("", LIVE, PRINTS, None)
