"""What the notary reads of a connection."""

import pytest

from notary.app import create_app
from notary.portal.screens import health_of


@pytest.fixture
def app(parts):
    return create_app(parts)


def strip(app, **leg):
    status = {
        "legs": {"applicant": {"connected": True, "rtt": 0.12, "loss_down": 0.0, **leg}},
        "recorder": {"ok": True},
    }
    with app.test_request_context():
        return {key: words for key, _label, words in health_of(status)}


@pytest.mark.req("C07")
@pytest.mark.parametrize(
    ("leg", "words"),
    [
        ({"ages": {"audio": 0.1, "video": 0.1}}, "良好，来回 120 毫秒，丢 0.0%"),
        ({"ages": {"audio": 0.1, "video": 0.1}, "loss_down": 0.05}, "一般，来回 120 毫秒，丢 5.0%"),
        ({"ages": {"audio": 0.1, "video": 9.0}}, "画面停了"),
        ({"ages": {"audio": 9.0, "video": 9.0}}, "画面停了，没有声音"),
        ({"ages": {"audio": None, "video": None}, "health": {"loss": "rubbish"}}, "良好，来回 120 毫秒，丢 0.0%"),
        ({"connected": False}, "没有连上"),
    ],
)
def test_loss_delay_and_who_stands_still_are_said_in_words(app, leg, words):
    assert words == strip(app, **leg)["far"]
