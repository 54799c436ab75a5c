"""A relay's credentials: for who sits in an open interview, for minutes, and for nobody else."""

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest

from notary.office.relaying import credentials
from tests.conftest import NOON

SECRET = "coturn knows it too"
URLS = ("turn:relay.example:3478", "turns:relay.example:5349?transport=tcp")


@pytest.fixture
def relay():
    return {"turn_urls": URLS, "turn_secret": SECRET}


@pytest.fixture
def settings(settings, relay):
    return replace(settings, **relay)


def asked(seat):
    return seat.http.get(f"{seat.base}/relay", headers={"Accept": "application/json"})


def test_the_password_is_what_coturns_rest_scheme_says():
    user, password = credentials("north", "room-applicant", NOON)

    assert user == f"{int(NOON.timestamp())}:room-applicant"
    assert password == base64.b64encode(hmac.new(b"north", user.encode(), hashlib.sha1).digest()).decode()


@pytest.mark.req("C07")
def test_each_party_gets_credentials_of_its_own_for_ten_minutes(interview):
    interview.notary.does("open", waive_device="")
    assert 'data-relay="' in interview.applicant.page().text
    assert 'data-relay="' in interview.notary.page().text

    for seat, leg in ((interview.applicant, "applicant"), (interview.notary, "notary")):
        (server,) = asked(seat).json
        expiry, subject = server["username"].split(":")
        assert list(URLS) == server["urls"]
        assert f"{interview.room}-{leg}" == subject
        assert 595 < int(expiry) - interview.parts.clock().timestamp() <= 600
        wanted = hmac.new(SECRET.encode(), server["username"].encode(), hashlib.sha1).digest()
        assert wanted == base64.b64decode(server["credential"])


def test_nobody_else_gets_any_and_nobody_before_the_interview_is_open(interview):
    assert asked(interview.applicant).status_code == 409
    interview.notary.does("open", waive_device="")

    assert asked(interview.stranger).status_code == 404
    for colleague in interview.colleagues.values():
        assert asked(colleague).status_code in (403, 404)
    assert interview.app.test_client().get(f"{interview.applicant.base}/relay").status_code == 303


@pytest.mark.parametrize("relay", [{}])
def test_an_office_without_a_relay_gives_nothing(interview):
    interview.notary.does("open", waive_device="")

    assert "data-relay" not in interview.applicant.page().text + interview.notary.page().text
    assert asked(interview.applicant).json == []
