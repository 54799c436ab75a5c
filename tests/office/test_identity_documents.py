"""Kinds of identity document: the form of each number, and what a reading of each says by our field names."""

from datetime import date

import pytest

from identity import specimen
from notary.office import documents, wording
from notary.terms import DOCUMENTS

TODAY = date(2026, 11, 30)
RESIDENT = specimen.number_of(date(1968, 4, 21), 1)
FOREIGN = "91000019800812001" + specimen.check_digit("91000019800812001")


@pytest.fixture(autouse=True)
def words_are_chinese(parts):
    from notary.app import create_app

    with create_app(parts).test_request_context():
        yield


@pytest.mark.req("B04")
@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("cn_id", [RESIDENT], [RESIDENT[:17], RESIDENT[:16] + "00", FOREIGN, "L898902C3", ""]),
        (
            "passport",
            ["L898902C3", "EG0966518", "12345"],
            ["1234", "L898902C32", "L-898902", "护照12345", RESIDENT, ""],
        ),
        (
            "permit_hk_mo",
            ["H00000001", "M12345678", "H0000000101"],
            ["00000001", "K00000001", "H0000001", "H000000010"],
        ),
        ("permit_tw", ["00000002", "0000000201"], ["0000002", "000000020", "H00000001"]),
        ("permit_foreign", ["UTO000080081201", FOREIGN], ["UTO00008008120", RESIDENT, FOREIGN[:16] + "00"]),
    ],
)
def test_a_number_has_the_form_of_its_document(kind, right, wrong):
    for number in right:
        assert documents.number_problem(kind, number) == "", number
    for number in wrong:
        assert documents.number_problem(kind, number), number


def test_a_residence_cards_number_typed_as_an_identity_cards_is_told_which_document_it_is():
    assert "外国人永久居留身份证" in documents.number_problem("cn_id", FOREIGN)


def test_a_day_of_birth_is_looked_for_only_in_numbers_that_hold_one():
    assert documents.birth_in("cn_id", RESIDENT) == "19680421"
    assert documents.birth_in("permit_foreign", FOREIGN) == "19800812"
    for kind, number in (("permit_foreign", "UTO000080081201"), ("passport", "L898902C3"), ("permit_tw", "0000000201")):
        assert documents.birth_in(kind, number) == ""


def test_a_zone_is_put_into_our_fields_and_a_chinese_holders_name_is_left_to_him():
    zone = {
        "type": "td3", "surname": "ZHANG", "given": "SAN", "number": "EG0966518", "country": "CHN", "sex": "M",
        "birth": "740812",
    }  # fmt: skip
    assert documents.fields_of(zone, TODAY) == {
        "id_type": "passport", "name_en": "ZHANG SAN", "id_number": "EG0966518", "sex": "男", "birth": "1974-08-12",
    }  # fmt: skip
    assert documents.fields_of({**zone, "country": "UTO"}, TODAY)["name"] == "ZHANG SAN"
    assert documents.fields_of({**zone, "birth": "080229"}, TODAY)["birth"] == "2008-02-29"
    assert documents.fields_of({**zone, "birth": "261201"}, TODAY)["birth"] == "1926-12-01"  # tomorrow
    assert "birth" not in documents.fields_of({**zone, "birth": "74B812", "sex": "<"}, TODAY)


def test_a_side_without_the_persons_fields_fills_nothing():
    for kind in ("cn_id_back", "td1", "", "anything"):
        assert documents.fields_of({"type": kind, "number": "00000002"}, TODAY) == {}
    assert documents.fields_of({"error": "unreadable"}, TODAY) == {}


def test_every_kind_is_named_on_pages_and_in_deeds():
    assert set(documents.KINDS) == set(DOCUMENTS) == set(wording.ID_TYPES)
    assert wording.ID_NUMBER_OF["cn_id"] == "公民身份号码"
    assert wording.ID_NUMBER_OF["permit_hk_mo"] == "港澳居民来往内地通行证号码"
