"""Who vouches for the applicant: what was asked, what was answered, and above all what nobody looked at."""

import io
import json
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from fake_authority import SECRET, Gateway
from walking import WHO, desk, photo

from identity.provider import Check, Claim, Level, Outcome, from_card
from notary.authority import AuthorityService
from notary.models import Event, Exhibit, IdentityCheck
from notary.office import vouching

NAME, NUMBER = WHO["name"], WHO["id_number"]


@pytest.fixture
def gateway():
    running = Gateway()
    yield running
    running.close()


@pytest.fixture
def asking(parts, gateway, app):
    """The office asks the gateway."""
    service = AuthorityService(gateway.url, "office", SECRET, gateway.key.public_key())
    asked = replace(parts, authority=service)
    app.extensions["parts"] = asked
    return asked


def checks(parts):
    with parts.db() as db:
        return db.scalars(sa.select(IdentityCheck).order_by(IdentityCheck.asked_at)).all()


def here(case):
    return desk(case) + "/identity-checks"


def entered(**changed):
    return {
        "source": "江边派出所户籍窗口", "outcome": "agrees", "checked": ["holder", "card"], "reference": "警号 00123",
    } | changed  # fmt: skip


@pytest.mark.req("B05", "B04")
def test_without_a_service_the_page_says_what_was_not_checked_and_never_that_it_passed(filed, bob_notarizes, parts):
    assert "没有接核验服务" in unescape(bob_notarizes.get(here(filed)).text)
    assert bob_notarizes.post(here(filed) + "/ask").status_code == 303
    (row,) = checks(parts)
    assert (row.level, row.outcome, row.checked) == (Level.ASSISTED, Outcome.DIFFERS, ["form"])
    assert row.why == ["region"]  # 00 is no province
    page = unescape(bob_notarizes.get(here(filed)).text)
    assert "户籍里有没有这个人、这张证现在有没有效、户籍照片是不是本人" in page.split("没有核</dt>")[1]
    with parts.db() as db:
        line = db.scalars(sa.select(Event).where(Event.kind == "identity.answered")).one()
    assert line.payload["unchecked"] == ["agreement", "holder", "card", "portrait"]
    assert NUMBER not in json.dumps(line.payload)


def test_a_card_that_agrees_with_itself_is_no_confirmation_and_one_that_does_not_says_where():
    claim = Claim("样本甲", "110101198005170028")
    front = {
        "type": "cn_id_front", "name": "样本甲", "number": claim.number, "birth": "1980-05-17", "sex": "女",
        "checks": {"number_checksum": True, "birth_in_number": True, "sex_in_number": True, "region": True},
    }  # fmt: skip
    back = {"type": "cn_id_back", "valid_from": "2021.03.08", "valid_to": "2041.03.08", "checks": {"period": True}}
    word = from_card(claim, front, back, date(2026, 11, 25))
    assert (word.outcome, word.why) == (Outcome.AGREES, ())
    assert word.unchecked == (Check.HOLDER, Check.CARD, Check.PORTRAIT)
    late = from_card(claim, front | {"name": "样本乙"}, back, date(2041, 3, 9))
    assert late.why == ("name", "not_expired")


@pytest.mark.req("B05", "B12", "B17")
def test_a_signed_answer_is_kept_as_it_came_and_stands_for_twelve_hours(filed, bob_notarizes, parts, asking, gateway):
    gateway.people[NUMBER] = NAME
    assert bob_notarizes.post(here(filed) + "/ask").status_code == 303
    (row,) = checks(parts)
    assert "正在问" in unescape(bob_notarizes.get(here(filed)).text)
    assert bob_notarizes.post(here(filed) + "/ask").status_code == 409  # one is under way
    vouching.ask_authority(asking, str(row.id))
    vouching.ask_authority(asking, str(row.id))  # taken over after a crash: nothing is asked or written twice
    (row,) = checks(parts)
    assert (row.level, row.outcome, row.checked, row.reference) == (
        Level.SIGNED,
        Outcome.AGREES,
        ["holder", "card"],
        "R-1",
    )
    assert gateway.asked == [
        {"client": "office", "question": str(row.id), "name": NAME, "number": NUMBER, "valid_from": "", "valid_to": ""}
    ]  # and no picture
    page = unescape(bob_notarizes.get(here(filed)).text)
    assert "户籍照片是不是本人" in page.split("没有核</dt>")[1]
    assert "不能再用" not in page
    kept = bob_notarizes.get(f"{here(filed)}/{row.id}/answer")
    assert json.loads(kept.data)["question"] == str(row.id)
    with parts.db.begin() as db:
        db.scalars(sa.select(IdentityCheck)).one().done_at -= timedelta(hours=12, minutes=1)
    assert "不能再用" in unescape(bob_notarizes.get(here(filed)).text)


@pytest.mark.req("B05")
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda raw, signature: (raw.replace(b"not-found", b"agrees"), signature), "signature"),
        (lambda raw, signature: (raw, ""), "signature"),
        (lambda raw, signature: (raw + b" " * (65 << 10), signature), "too-large"),
    ],
    ids=["changed", "unsigned", "endless"],
)
def test_an_answer_that_cannot_be_trusted_is_no_answer(filed, bob_notarizes, parts, asking, gateway, spoil, why):
    gateway.spoil = spoil
    bob_notarizes.post(here(filed) + "/ask")
    vouching.ask_authority(asking, str(checks(parts)[0].id))
    (row,) = checks(parts)
    assert (row.outcome, row.why, row.checked) == (Outcome.NO_ANSWER, [why], [])
    assert "没有得到回答" in unescape(bob_notarizes.get(here(filed)).text)


@pytest.mark.req("B05")
def test_an_old_answer_played_again_a_hollow_one_and_a_dead_gateway_are_no_answers(gateway):
    service = AuthorityService(gateway.url, "office", SECRET, gateway.key.public_key())
    gateway.people[NUMBER] = NAME
    old = []
    gateway.spoil = lambda raw, signature: old.append((raw, signature)) or old[0]
    claim = Claim(NAME, NUMBER)
    assert service.ask(claim, "first").outcome == Outcome.AGREES
    assert service.ask(claim, "second").why == ("another-question",)
    gateway.spoil = lambda raw, signature: (raw, signature)
    gateway.checked = []
    assert service.ask(claim, "third").why == ("unreadable",)
    assert replace(service, secret=b"another secret, no").ask(claim, "fourth").why == ("http-401",)
    gateway.close()
    assert service.ask(claim, "fifth").why == ("unreachable",)


@pytest.mark.req("B16")
def test_after_two_failures_on_a_day_only_the_notary_goes_on_and_only_with_a_reason(
    filed, bob_notarizes, zhou_assists, parts, asking
):
    for _try in range(2):
        assert zhou_assists.post(here(filed) + "/ask").status_code == 303
        vouching.ask_authority(asking, str(checks(parts)[-1].id))
    assert {row.outcome for row in checks(parts)} == {Outcome.NOT_FOUND}
    assert zhou_assists.post(here(filed) + "/ask", {"reason": "号码核对过了"}).status_code == 403
    assert zhou_assists.post(here(filed) + "/enter", entered()).status_code == 403
    refused = bob_notarizes.post(here(filed) + "/ask")
    assert refused.status_code == 422
    assert "今天两次都没有核上" in unescape(refused.text)
    assert bob_notarizes.post(here(filed) + "/ask", {"reason": "派出所说系统刚更新"}).status_code == 303
    assert checks(parts)[-1].reason == "派出所说系统刚更新"
    with parts.db.begin() as db:
        for row in db.scalars(sa.select(IdentityCheck)):
            row.done_at = row.asked_at = row.asked_at - timedelta(days=1)
    assert zhou_assists.post(here(filed) + "/ask").status_code == 303


@pytest.mark.req("B15", "B05")
def test_a_temporary_card_waits_for_the_polices_word_with_its_receipt(filed, bob_notarizes, parts):
    with parts.db.begin() as db:
        card = db.scalars(sa.select(Exhibit).where(Exhibit.material == "id-front")).one()
        card.read = {"type": "cn_id_temporary", "checks": {}}
    assert bob_notarizes.post(desk(filed) + "/accept").status_code == 409
    assert "临时身份证，要先记下公安的核实结果" in unescape(bob_notarizes.get(desk(filed)).text)
    wrong = bob_notarizes.post(here(filed) + "/enter", entered(reference="", checked=[]))
    assert wrong.status_code == 422
    assert "请写回执号" in unescape(wrong.text)
    assert "江边派出所户籍窗口" in unescape(wrong.text)  # nothing typed is lost
    bob_notarizes.post(here(filed) + "/enter", entered(checked=["holder"]))
    assert (
        bob_notarizes.post(desk(filed) + "/accept").status_code == 409
    )  # the person is known, the card is not said to be
    receipt = {"receipt": (io.BytesIO(photo("回执", (900, 700))), "receipt.jpg")}
    assert bob_notarizes.post(here(filed) + "/enter", entered() | receipt).status_code == 303
    assert bob_notarizes.post(desk(filed) + "/accept").status_code == 303
    row = checks(parts)[-1]
    assert (row.level, row.outcome) == (Level.ENTERED, Outcome.AGREES)
    assert bob_notarizes.get(f"{here(filed)}/{row.id}/answer").mimetype == "image/jpeg"


@pytest.mark.req("B05", "B17")
def test_an_answer_about_another_number_does_not_stand_for_this_one(filed, bob_notarizes, parts):
    bob_notarizes.post(here(filed) + "/enter", entered())
    with parts.db.begin() as db:
        row = db.scalars(sa.select(IdentityCheck)).one()
        row.claim = row.claim | {"number": "110101198005170028"}
    assert "不能再用" in unescape(bob_notarizes.get(here(filed)).text)
    assert "没有核过" in unescape(bob_notarizes.get(desk(filed)).text)


@pytest.mark.req("K04", "K05")
def test_only_those_who_handle_the_case_ask_or_read(filed, he_operates, alice_applies):
    for who in (he_operates, alice_applies):
        assert who.get(here(filed)).status_code in (403, 404)
        assert who.post(here(filed) + "/ask").status_code in (403, 404)
