"""Notices about a deed: correction (补正公证书) and revocation, in the shape of a deed and never taken for one."""

import copy
import json

import pytest
from signing_world import ROOT

from signing import lint, pades, render
from signing.facts import BadFacts, canonical, check, read
from signing.verify import examine, verify

CORRECTION = json.loads((ROOT / "signing/examples/notice.json").read_text("utf-8"))


def make(kind: str) -> dict:
    facts = copy.deepcopy(CORRECTION) | {"kind": kind}
    if kind == "revocation":
        del facts["corrections"]
    return facts


def sealed(facts, house) -> bytes:
    notary = house.notary(facts["notary"]["name"], facts["notary"]["id"])
    return pades.seal(render.deed(facts), notary, house.seal, house.stamper, house.status)


def test_the_shipped_example_is_sound():
    assert read(canonical(CORRECTION)) == CORRECTION


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.pop("corrections"), "a correction has some"),
        (lambda f: f.update(kind="revocation"), "a revocation has none"),
        (lambda f: f.update(kind="pardon"), "kind: must be one of"),
        (lambda f: f.update(issued_on="2026-11-01"), "before the deed that it is about"),
        (lambda f: f.update(issued_on="2026-02-30"), "no such date"),
        (lambda f: f["concerns"].pop("sha256"), "missing sha256"),
        (lambda f: f.update(parties=[]), "unknown parties"),
        (lambda f: f["corrections"][0].update(reads=""), "not be empty"),
    ],
)
def test_what_is_wrong_with_a_notice_is_said_in_words(change, says):
    facts = make("correction")
    change(facts)
    with pytest.raises(BadFacts) as refused:
        check(facts)
    assert says in str(refused.value)


@pytest.mark.parametrize("kind", ["correction", "revocation"])
@pytest.mark.req("H01", "H05", "H11")
def test_its_page_says_what_its_facts_say(kind):
    facts = make(kind)
    body = render.deed(facts)
    assert lint.lint(body, number=facts["number"], on=facts["issued_on"]) == []
    said = lint.words("".join(render.page_texts(body)))
    for words in (facts["number"], facts["concerns"]["number"], facts["concerns"]["sha256"], *facts["decision"]):
        assert lint.words(words) in said
    assert ("自始无效" in said) is (kind == "revocation")
    assert ("更正为“借字2024-0086号”" in said) is (kind == "correction")


@pytest.mark.parametrize("kind", ["correction", "revocation"])
@pytest.mark.req("H03")
def test_a_notice_is_signed_and_sealed_like_a_deed_and_the_verdict_says_that_it_is_none(kind, house, trust):
    facts = make(kind)
    file = sealed(facts, house)
    verdict = verify(file, trust)
    assert (verdict.verdict, verdict.kind, verdict.concerns) == ("valid", kind, facts["concerns"]["number"])
    assert verdict.sentence["zh"].startswith("这不是公证书")
    assert verdict.sentence["en"].startswith("No deed but")
    assert [one.role for one in verdict.signers] == ["notary", "office"]


@pytest.mark.req("H03")
def test_a_notice_that_was_changed_is_refused(house, trust):
    file = sealed(make("revocation"), house)
    at = file.index(b"startxref")
    for place in (200, at - 40, len(file) // 2, len(file) - 2000):
        changed = bytearray(file)
        changed[place] ^= 1
        assert examine(bytes(changed), trust).verdict == "invalid", place


def test_a_page_that_says_something_else_than_its_facts_is_refused():
    facts = make("correction")
    other = copy.deepcopy(facts)
    other["corrections"][0]["reads"] = "借字2024-0000号"
    assert lint.page_problems(render.deed(facts), other)


def test_a_deed_is_called_a_deed(deed, trust):
    assert examine(deed, trust).kind == "deed"
