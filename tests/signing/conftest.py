"""Facts that the tests of this room start from."""

import copy
import hashlib
import json
from pathlib import Path

import pytest

from signing import render

ROOT = Path(__file__).parents[2]
EXAMPLE = json.loads((ROOT / "signing/examples/facts.json").read_text("utf-8"))
MINUTES = json.loads((ROOT / "signing/examples/minutes.json").read_text("utf-8"))


def make_facts() -> dict:
    """The example as it stands after the interview: strokes bound to the instrument that was shown."""
    facts = copy.deepcopy(EXAMPLE)
    shown = hashlib.sha256(render.instrument(facts)).hexdigest()
    for s in facts["instrument"]["signatures"]:
        s["bound_to"] = shown
    facts["attachments"] = {"evidence": {"sha256": hashlib.sha256(b"manifest").hexdigest()}}
    return facts


@pytest.fixture
def facts() -> dict:
    return make_facts()


@pytest.fixture
def minutes_data() -> dict:
    return copy.deepcopy(MINUTES)


@pytest.fixture(scope="session")
def house():
    """A throw-away authority for the office of the example."""
    from signing.throwaway import authority

    return authority(EXAMPLE["office"]["name"])


@pytest.fixture(scope="session")
def trust(house):
    from signing.verify import Trust

    return Trust((house.root,), (house.root,))


@pytest.fixture(scope="session")
def body() -> bytes:
    return render.deed(make_facts())


@pytest.fixture(scope="session")
def bob(house):
    """The notary's key."""
    return house.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])


@pytest.fixture(scope="session")
def deed(body, house, bob) -> bytes:
    """One genuine deed, whole."""
    from signing import pades

    return pades.seal(body, bob, house.seal, house.stamper)
