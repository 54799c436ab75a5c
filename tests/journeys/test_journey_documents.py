"""Filing without a resident identity card: a drawn passport and a drawn permit, from the picture to the deed's words."""

import re
import sys
from datetime import date
from html import unescape
from pathlib import Path

import cv2
import pytest
import sqlalchemy as sa
from walking import WHO, desk, fill, id_number, new_case, upload

sys.path.insert(0, str(Path(__file__).parents[1] / "identity"))
from interview_pictures import face, jpeg

from identity import child, specimen
from identity.provider import Level
from notary.lifecycle import State
from notary.models import Case, Exhibit, IdentityCheck, Person
from notary.office import accepting, filing, identifying, vouching, wording

PASSPORT = {
    "id_type": "passport", "name": "MUSTERMANN ANNA MARIA", "sex": "女", "birth": "1974-08-12", "id_number": "L898902C3",
    "address": "示例省样例市江边区渡口路 7 号", "name_en": "",
}  # fmt: skip
PERMIT = {
    "id_type": "permit_hk_mo", "name": "样本丙", "sex": "男", "birth": "1975-03-09", "id_number": "H00000001",
    "address": "香港样例区样例道 7 号", "name_en": "",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_running():
    yield
    child.close()


def handed_in(visitor, parts, page):
    """A new case with one picture of a document, read."""
    case = new_case(visitor)
    add(visitor, parts, case, "id-front", page)
    return case


def add(visitor, parts, case, side, page):
    assert upload(visitor, case, side, jpeg(cv2.resize(page, None, fx=1.4, fy=1.4))).status_code == 303
    with parts.db() as db:
        newest = db.scalars(sa.select(Exhibit).order_by(Exhibit.added_at.desc()).limit(1)).one()
    identifying.read_card(parts, str(newest.id))


def shown(page):
    """What the page has in its fields and what is chosen, by name."""
    said = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r' name="([^"]+)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and name[1] in PASSPORT and ('type="radio"' not in tag or " checked" in tag):
            said[name[1]] = unescape(value[1]) if value else ""
    return said


def differences(parts, case):
    with parts.db() as db:
        return filing.party_of(db, case).confirmed["differences"]


def without_back(visitor, case, who):
    """The whole application, then without the picture of a back."""
    fill(visitor, case, who=who)
    page = visitor.get(f"{case}/card").text
    back = re.search(r'id="m-id-back".*?papers/([0-9a-f-]{36})/remove', page, re.DOTALL)
    assert visitor.post(f"{case}/papers/{back[1]}/remove").status_code == 303
    return visitor.get(f"{case}/card").text


@pytest.mark.req("B04")
def test_a_passport_is_read_confirmed_filed_without_a_back_and_named_in_the_deed(
    alice_applies, bob_notarizes, parts, row
):
    case = handed_in(alice_applies, parts, specimen.passport_page(specimen.PASSPORT, face(1)))
    page = alice_applies.get(f"{case}/who").text
    assert shown(page) == PASSPORT | {"address": "", "name_en": "MUSTERMANN ANNA MARIA"}
    assert "没有住址：写您现在住的地方" in page
    assert "m-id-back" not in alice_applies.get(f"{case}/card").text  # the machine has seen that it is a passport

    assert alice_applies.post(f"{case}/who", PASSPORT | {"id_number": "L-1"}).status_code == 422
    assert "护照号码是 5 到 9 个字母和数字" in alice_applies.last.text
    corrected = PASSPORT | {"name": "MUSTERMANN ANNA-MARIA"}
    assert "m-id-back" not in without_back(alice_applies, case, corrected)
    assert differences(parts, row(case)) == {"name": {"card": PASSPORT["name"], "typed": corrected["name"]}}
    check = unescape(alice_applies.get(f"{case}/check").text)
    assert "还差这些" not in check
    assert "护照" in check
    assert alice_applies.post(f"{case}/submit").status_code == 303
    assert row(case).state is State.SUBMITTED

    page = unescape(bob_notarizes.get(desk(case)).text)
    assert "L898902C3" in page
    assert "有国徽的一面" not in page
    with parts.db() as db:
        found = row(case)
        assert "护照号码L898902C3" in wording.certification(db, found, date(2026, 11, 24)) + "".join(
            wording.instrument(db, found, date(2026, 11, 24), True)["instrument"]["paragraphs"]
        )
        assert wording.values(db, found, "en", date(2026, 11, 24))["party_id_type"] == "passport"
        assert wording.party_facts(db, found, filing.party_of(db, found))["id_type"] == "护照号码"
        assert identifying.card_snapshots(db, found) == ("card-front",)


@pytest.mark.req("B05")
def test_of_a_passport_nothing_is_asked_and_the_page_says_so_but_an_answer_on_paper_can_be_entered(
    alice_applies, bob_notarizes, parts
):
    case = new_case(alice_applies)
    fill(alice_applies, case, who=PASSPORT)
    assert alice_applies.post(f"{case}/submit").status_code == 303
    here = desk(case) + "/identity-checks"
    page = unescape(bob_notarizes.get(here).text)
    assert "机器也没有核过这张证是真是假" in page
    assert 'id="ask"' not in page
    assert bob_notarizes.post(here + "/ask").status_code == 409
    with parts.db() as db:
        assert db.scalars(sa.select(IdentityCheck)).all() == []

    told = {"source": "出入境管理局窗口", "outcome": "agrees", "checked": ["holder"], "reference": "警号 00123"}
    assert bob_notarizes.post(here + "/enter", told).status_code == 303
    with parts.db.begin() as db:
        answer = db.scalars(sa.select(IdentityCheck)).one()
        party = filing.party_of(db, db.get_one(Case, answer.case_id))
        assert answer.level is Level.ENTERED
        assert vouching.stands(answer, party, parts.clock())
        party.id_type = "permit_tw"  # the same number on another document was not asked about
        assert not vouching.stands(answer, party, parts.clock())


@pytest.mark.req("B04")
def test_a_permit_is_read_and_its_back_is_called_for_and_held_against_the_front(
    alice_applies, bob_notarizes, parts, row
):
    case = handed_in(alice_applies, parts, specimen.permit_front(specimen.PERMITS[0], face(1)))
    assert shown(alice_applies.get(f"{case}/who").text) == PERMIT | {"address": "", "name_en": "YANGBEN BING"}
    assert "m-id-back" in without_back(alice_applies, case, PERMIT)
    assert differences(parts, row(case)) == {}
    assert alice_applies.post(f"{case}/submit").status_code == 409
    add(alice_applies, parts, case, "id-back", specimen.permit_back(specimen.PERMITS[0]))
    assert alice_applies.post(f"{case}/submit").status_code == 303
    with parts.db() as db:
        found = row(case)
        looks = {one.side: one.checks for one in vouching.card_looks(db, found)}
        deed = wording.party_facts(db, found, filing.party_of(db, found))
    assert deed["id_type"] == "港澳居民来往内地通行证号码"
    assert all(looks["id-back"][f"{what}_agrees"] for what in ("number", "birth", "expiry", "sex", "name"))
    assert "正反面的号码一样" in bob_notarizes.get(desk(case) + "/identity-checks").text


def test_another_document_than_the_one_that_was_read_is_a_recorded_difference(alice_applies, parts, row):
    case = new_case(alice_applies)
    assert upload(alice_applies, case, "id-front").status_code == 303
    with parts.db.begin() as db:
        db.scalars(sa.select(Exhibit)).one().read = {"type": "td3", "number": "L898902C3", "country": "UTO"}
    assert alice_applies.post(f"{case}/who", {**WHO, "id_type": "cn_id"}).status_code == 303
    assert differences(parts, row(case))["id_type"] == {"card": "passport", "typed": "cn_id"}
    assert "护照 → 居民身份证" in alice_applies.get(f"{case}/who").text
    assert alice_applies.post(f"{case}/who", {**WHO, "id_type": "library"}).status_code == 422
    assert "请选一种证件" in alice_applies.last.text


@pytest.mark.req("A13")
def test_a_number_bars_a_notary_only_as_that_of_an_identity_card(alice_applies, parts, row):
    case = new_case(alice_applies)
    number = id_number("00000019750312002")
    with parts.db.begin() as db:
        chen = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
        party = filing.party_of(db, row(case))
        chen.id_number = party.id_number = number
        assert accepting.conflict(db, row(case), chen) == "number"
        party.id_type = "permit_foreign"
        assert accepting.conflict(db, row(case), chen) == ""
