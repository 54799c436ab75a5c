"""An interview on a bad line goes on; how well is measured in benchmarks/media/network.py."""

import os
import sys
from pathlib import Path

import pytest
from webrtc_path import Line

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "media"))

import network

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/dev/net/tun").exists(),
        reason="a network namespace with a line of its own needs root",
    ),
]


@pytest.mark.req("C07")
def test_on_a_narrow_long_and_lossy_line_both_are_seen_and_heard_in_one_connection():
    found = network.measure(Line(rate=1_000_000, delay=0.15, loss=0.02), settle=3, seconds=8)
    assert found["states"] == {"applicant": 3, "notary": 3}, "the call was interrupted"
    assert found["intact"]
    assert found["gaps"] == 0
    for leg in ("applicant", "notary"):
        assert found[leg]["pictures_s"] >= 5
        assert found[leg]["speech_gaps"] < 0.15
