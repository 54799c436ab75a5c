"""One bit of a deed changed, anywhere: our rules refuse every one of FLIPS (100,000), and so does the service."""

import io
import os
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import Encoding

from notary.models import Deed, Failure
from signing import facts as facts_room
from signing import specimen
from signing.throwaway import authority
from signing.verify import Trust, examine

FLIPS = int(os.environ.get("FLIPS", "25000"))
SEED = int(os.environ.get("SEED", "20261125"))
BY_SERVICE = 500


def flipped(data: bytes, dice: random.Random) -> tuple[int, int, bytes]:
    at, bit = dice.randrange(len(data)), dice.randrange(8)
    return at, bit, data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def accepted(deed: bytes, root: bytes, seed: int, count: int) -> list[tuple[int, int]]:
    """Places of flips that the rules do not call invalid."""
    dice, trust = random.Random(seed), Trust.from_pem(root)
    found = []
    for _ in range(count):
        at, bit, changed = flipped(deed, dice)
        if examine(changed, trust).verdict != "invalid":
            found.append((at, bit))
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.req("H03", "I02")
def test_no_flip_of_a_bit_passes_our_rules():
    raw = (Path(facts_room.__file__).parent / "examples" / "facts.json").read_bytes()
    facts = facts_room.read(raw)
    deed = specimen.deed(specimen.vary(facts, 1))
    root = authority(facts["office"]["name"]).root.public_bytes(Encoding.PEM)
    assert examine(deed, Trust.from_pem(root)).verdict == "valid"
    piece = max(1, FLIPS // 20)
    with ProcessPoolExecutor(2, get_context("spawn")) as beside:
        pieces = [
            beside.submit(accepted, deed, root, SEED + n, min(piece, FLIPS - n * piece))
            for n in range(-(-FLIPS // piece))
        ]
        assert [place for one in pieces for place in one.result()] == []


@pytest.mark.req("I01", "I02")
def test_no_flip_of_a_bit_passes_the_service(world):
    case_id = world.case_ids[0]
    world.issue(case_id)
    data = world.browser("chenjing").get(f"/desk/cases/{case_id}/deed.pdf").data
    http, dice = world.stranger().http, random.Random(SEED)
    head = {"Accept": "application/json"}
    for _ in range(BY_SERVICE):
        at, bit, changed = flipped(data, dice)
        with world.parts.db.begin() as db:
            db.execute(sa.delete(Failure))  # the limit on uploads is not what is asked here
        said = http.post("/verify", data={"file": (io.BytesIO(changed), "deed.pdf")}, headers=head).json
        assert said["verdict"] == "changed", (at, bit, said["verdict"])
        assert said["machine"]["verdict"] == "invalid"
    assert http.post("/verify", data={"file": (io.BytesIO(data), "deed.pdf")}, headers=head).json["verdict"] == "valid"
    with world.parts.db() as db:
        assert db.scalars(sa.select(Deed).where(Deed.case_id == case_id)).one().pages
