import hashlib
import json

import pytest

from signing.facts import BadFacts, canonical, check, check_minutes, manifest, read


def test_the_shipped_example_is_sound(facts):
    check(facts)
    assert read(canonical(facts)) == facts


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.pop("number"), "missing number"),
        (lambda f: f.update(extra=1), "unknown extra"),
        (lambda f: f.update(issued_on="2026-02-30"), "issued_on: no such date"),
        (lambda f: f["parties"][0].update(birth="58"), "parties.0.birth: not in the expected form"),
        (lambda f: f["parties"][0].update(age=58), "unknown age"),  # H07: birth date, never an age
        (lambda f: f["parties"][0].update(name="甲\n乙"), "parties.0.name: not in the expected form"),
        (lambda f: f["parties"][0].update(name="\ud800"), "not plain JSON"),
        (lambda f: f.update(time_zone="Mars/Base"), "time_zone: no such zone"),
        (lambda f: f["instrument"]["signatures"][0].update(party="谁"), "signs but is no party"),
        (
            lambda f: f["instrument"]["signatures"][0].update(strokes=[[[float("nan"), 0, 0]]]),
            "not plain JSON",
        ),
        (
            lambda f: f["instrument"]["signatures"][0].update(strokes=[[["0", 0, 0]]]),
            "must be of type number",
        ),
        (lambda f: f.update(verify_url="javascript:alert(1)"), "verify_url: not in the expected form"),
    ],
)
@pytest.mark.req("H01", "H07")
def test_what_is_wrong_is_said_in_words(facts, change, says):
    change(facts)
    with pytest.raises(BadFacts) as refused:
        check(facts)
    assert says in str(refused.value)
    assert "000000196804210000" not in str(refused.value)  # values may be personal


def test_a_list_of_evidence_is_the_one_that_its_hash_is_of(facts):
    files = [{"name": "minutes.pdf", "sha256": "0" * 64, "size": 9}]
    facts["attachments"] = {"evidence": {"sha256": hashlib.sha256(manifest(files)).hexdigest(), "files": files}}
    check(facts)
    files[0]["size"] = 10
    with pytest.raises(BadFacts, match="not of the same evidence"):
        check(facts)


@pytest.mark.req("F08")
def test_all_parties_sign_identical_bytes(facts):
    first = facts["instrument"]["signatures"][0]
    facts["instrument"]["signatures"].append(first | {"party": "样本乙", "bound_to": "0" * 64})
    with pytest.raises(BadFacts, match="different bytes"):
        check(facts)


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 100_000, b"{" + b" " * 5_000_000]
)
def test_bytes_that_are_no_facts_are_refused(raw):
    with pytest.raises(BadFacts):
        read(raw)


@pytest.mark.req("E01", "E04", "E05")
def test_minutes_need_a_time_for_every_answer_or_a_reason(minutes_data):
    check_minutes(minutes_data)
    del minutes_data["answers"][0]["media_ms"]
    with pytest.raises(BadFacts, match=r"answers\.0: needs an answer with its media time"):
        check_minutes(minutes_data)


def test_an_interruption_lies_inside_the_interview(minutes_data):
    minutes_data["interruptions"][0]["to"] = "2026-11-23T15:00:00+08:00"
    with pytest.raises(BadFacts, match="not inside the interview"):
        check_minutes(minutes_data)


def test_canonical_form_does_not_depend_on_order(facts):
    assert canonical(dict(reversed(facts.items()))) == canonical(json.loads(json.dumps(facts)))
