"""The checked-in vectors are what `tools/vectors.py` makes, and the verifier says of each what stands there."""

import hashlib
import importlib.util
import sys
from datetime import datetime
from pathlib import Path

import pytest

from signing.verify import Trust, examine

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("vectors", ROOT / "tools/vectors.py")
vectors = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(vectors)


def told(one, data):
    """Indication, sub-indication, reason and remarks of the Python edition."""
    trust = Trust.from_pem((vectors.ROOTS / f"{one['trust']}.pem").read_bytes()) if one["trust"] else None
    said = examine(data, trust, now=datetime.fromisoformat(one["now"]))
    reason = said.reasons[0] if said.reasons else None
    return said.verdict, reason and reason.code, reason and reason.etsi, [r.code for r in said.remarks]


@pytest.mark.req("C1")
def test_every_vector_gets_the_verdict_that_stands_beside_it():
    wrong = []
    for one, data in vectors.files():
        assert hashlib.sha256(data).hexdigest() == one["sha256"], one["name"]
        if told(one, data) != (one["expect"], one["code"], one["etsi"], one["remarks"]):
            wrong.append((one["name"], told(one, data)))
    assert wrong == []


def test_the_list_is_what_the_program_makes_of_its_bases():
    assert vectors.LIST.read_text("utf-8") == vectors.derive()


def test_every_class_of_attack_is_there_and_only_genuine_deeds_are_valid():
    found = [one for one, _ in vectors.files()]
    assert {
        "flip",
        "structure",
        "attacks",
        "people",
        "authorities",
        "stamps",
        "revoked",
        "status",
        "others",
        "rsa",
    } <= {one["class"] for one in found}
    assert len(found) > 500
    assert {one["class"] for one in found if one["expect"] == "valid"} & {"flip", "attacks"} == {"attacks"}
    assert [o["name"] for o in found if o["class"] == "attacks" and o["expect"] == "valid"] == [
        "stripped-stamped-again"
    ]
    spelt = [o["name"] for o in found if o["class"] == "structure" and o["expect"] == "valid"]
    assert spelt == [f"other-{kind}-other-spelling-of-the-last-value" for kind in ("genuine", "packed")]


def test_without_a_reader_of_pages_only_the_pages_are_not_judged(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    for one, data in vectors.files():
        if one.get("needs") == "pages":
            assert told(one, data)[0] == "valid"
