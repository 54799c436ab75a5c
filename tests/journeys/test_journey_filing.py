"""From an empty form to an appointment, as the people at both ends see it."""

import re
from datetime import timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from walking import ALICE, LOAN, WHO, desk, fill, id_number, new_case, upload

from notary.lifecycle import State
from notary.models import Case, DeviceCheck, Event, Exhibit, Gap, Payment, Slot
from notary.office import filing


@pytest.mark.req("A03", "A11", "A14", "G11")
def test_a_guarantor_files_is_accepted_and_books(alice_applies, bob_notarizes, parts, row, outbox, clock):
    case = new_case(alice_applies)
    fill(alice_applies, case)
    page = unescape(alice_applies.get(f"{case}/check").text)
    assert "还差这些" not in page
    assert "王大川" in page
    assert "200 元" in page

    reply = alice_applies.post(f"{case}/submit")
    receipt = unescape(alice_applies.get(reply.location).text)
    assert row(case).reference in receipt
    assert row(case).code in receipt
    assert State.SUBMITTED is row(case).state
    assert row(case).code in outbox()[0].text

    assert row(case).reference in bob_notarizes.get("/desk/").text
    bob_notarizes.post(desk(case) + "/accept")
    assert State.ACCEPTED is row(case).state
    assert "陈静" in outbox()[0].text
    assert row(case).due.isoformat() == "2026-11-24T15:59:59.999999+00:00"

    page = unescape(alice_applies.get(f"{case}/book?zone=America/Toronto").text)
    slot = re.search(r'name="slot" id="f-slot" value="([^"]+)"', page).group(1)
    assert "多伦多" in page
    assert "北京 12:30–13:00" in page
    assert "周一 23:30" in page
    assert 303 == alice_applies.post(f"{case}/book", {"slot": slot, "zone": "America/Toronto"}).status_code
    assert State.SCHEDULED is row(case).state
    page = unescape(alice_applies.get(case).text)
    assert "2026 年 11 月 24 日周二 12:30（北京时间），多伦多 2026 年 11 月 23 日周一 23:30" in page

    ics = alice_applies.get(f"{case}/appointment.ics")
    assert "attachment" in ics.headers["Content-Disposition"]
    assert "TZID:America/Toronto" in ics.text
    assert "DTSTART;TZID=America/Toronto:20261123T233000" in ics.text


def test_nothing_typed_is_lost_right_or_wrong(alice_applies):
    case = new_case(alice_applies)

    reply = alice_applies.post(f"{case}/form/loan", {**LOAN, "principal": "四十八万", "new_due": "2026-11-01"})
    said = unescape(reply.text)
    assert 422 == reply.status_code
    assert "金额请只写数字" in said
    assert "要比“2026-11-24”晚" in said
    again = unescape(alice_applies.get(f"{case}/form/loan").text)
    assert "四十八万" in again
    assert "样本甲" in again

    reply = alice_applies.post(f"{case}/who", {**WHO, "birth": "去年春天", "id_number": "123"})
    assert 422 == reply.status_code
    again = unescape(alice_applies.get(f"{case}/who").text)
    assert "去年春天" in again
    assert "王大川" in again
    assert 303 == alice_applies.post(f"{case}/who", {**WHO, "name": "!", "later": "yes"}).status_code


@pytest.mark.req("B04")
def test_a_name_is_kept_with_one_kind_of_dot_and_only_real_differences_from_the_card_are_recorded(
    alice_applies, parts, row
):
    case = new_case(alice_applies)
    assert 303 == upload(alice_applies, case, "id-front").status_code
    with parts.db.begin() as db:
        read = {"type": "cn_id_front", "name": "買買提·吐爾遜", "sex": "男", "address": "瀋陽市鐵西區1號"}
        db.scalars(sa.select(Exhibit)).one().read = read
    typed = {**WHO, "name": "买买提 ・ 吐尔逊", "address": "沈阳市铁西区1号"}
    assert 303 == alice_applies.post(f"{case}/who", typed).status_code
    with parts.db() as db:
        party = filing.party_of(db, row(case))
        assert ("买买提·吐尔逊", {}) == (party.name, party.confirmed["differences"])
    assert 303 == alice_applies.post(f"{case}/who", {**typed, "name": "买买提吐尔逊"}).status_code
    with parts.db() as db:
        differences = filing.party_of(db, row(case)).confirmed["differences"]
    assert {"name": {"card": "買買提·吐爾遜", "typed": "买买提吐尔逊"}} == differences  # as written on both sides


def test_an_answer_opens_the_questions_that_hang_on_it(alice_applies):
    case = new_case(alice_applies)
    assert "担保公司全名" not in alice_applies.get(f"{case}/form/who").text

    reply = alice_applies.post(f"{case}/form/who", {"capacity": "shareholder"})
    assert 200 == reply.status_code
    assert "担保公司全名" in reply.text
    assert "公司营业执照" in alice_applies.get(f"{case}/papers").text


@pytest.mark.req("A08")
@pytest.mark.parametrize("key", ["interest", "no-dispute", "capacity", "licensed"])
def test_a_contrary_declaration_ends_it_and_names_another_way(alice_applies, row, key):
    case = new_case(alice_applies)
    fill(alice_applies, case)
    answers = {f"declare-{one}": "yes" for one in ("interest", "no-dispute", "capacity", "licensed")}

    reply = alice_applies.post(f"{case}/declare", answers | {f"declare-{key}": "no"})
    assert 422 == reply.status_code
    assert filing.matter_of(row(case)).declarations[0].refusal.zh
    assert "/visit" in reply.text
    assert 409 == alice_applies.post(f"{case}/submit").status_code
    assert State.DRAFT is row(case).state


@pytest.mark.req("I05")
def test_each_recipient_is_asked_by_itself_with_purpose_and_data(alice_applies, row):
    case = new_case(alice_applies)
    fill(alice_applies, case)
    page = unescape(alice_applies.get(f"{case}/recipients").text)
    for one in filing.matter_of(row(case)).recipients:
        if one.consent:
            assert one.purpose.zh in page
            assert one.data.zh in page

    alice_applies.post(f"{case}/recipients/bank", {"given": "no"})
    reply = alice_applies.post(f"{case}/submit")
    assert 409 == reply.status_code
    assert "公证书要送给贷款银行" in unescape(reply.text)
    assert 404 == alice_applies.post(f"{case}/recipients/newspaper", {"given": "yes"}).status_code


@pytest.mark.req("A15")
def test_a_promise_stands_in_only_where_the_rule_allows(alice_applies, row, parts):
    case = new_case(alice_applies)
    alice_applies.post(f"{case}/form/who", {"capacity": "shareholder", "company": "样例公司"})

    assert 303 == alice_applies.post(f"{case}/papers/licence/promise", {"promise": "yes"}).status_code
    assert 404 == alice_applies.post(f"{case}/papers/resolution/promise", {"promise": "yes"}).status_code
    with parts.db() as db:
        missing = filing.missing_materials(db, row(case))
    assert "licence" not in missing
    assert "charter" in missing
    assert "resolution" in missing


def test_an_incomplete_application_comes_back_with_everything_at_once(alice_applies, row):
    case = new_case(alice_applies)
    reply = alice_applies.post(f"{case}/submit")
    page = unescape(reply.text)

    assert 409 == reply.status_code
    for words in ("身份证，有照片的一面", "借款合同", "请填“借款合同编号”", "请选“是”或“不是”", "公证书要送给贷款银行"):
        assert words in page
    assert State.DRAFT is row(case).state


@pytest.mark.req("A10")
def test_all_gaps_come_at_once_each_a_link_and_a_late_one_is_flagged(filed, alice_applies, zhou_assists, row, parts):
    case = filed
    assert 422 == zhou_assists.post(desk(case) + "/return", {}).status_code
    gaps = {
        "gap": ["material:loan-contract", "field:loan_number"],
        "words-material:loan-contract": "第 3 页看不清",
        "other": "请写清楚",
    }
    assert 303 == zhou_assists.post(desk(case) + "/return", gaps).status_code

    page = unescape(alice_applies.get(case).text)
    assert "还差 3 样" in page
    assert "第 3 页看不清" in page
    assert f"{case}/papers#m-loan-contract" in page
    assert f"{case}/form/loan#f-loan_number" in page
    assert 303 == upload(alice_applies, case, "loan-contract").status_code
    assert 303 == alice_applies.post(f"{case}/submit").status_code

    zhou_assists.post(desk(case) + "/return", {"gap": ["material:loan-contract", "field:period"]})
    with parts.db() as db:
        flags = dict(db.execute(sa.select(Gap.item, Gap.missed_before).where(Gap.round == 2)).tuples().all())
    assert {"material:loan-contract": False, "field:period": True} == flags


@pytest.mark.req("A11")
def test_a_refusal_to_accept_says_why_and_what_else(filed, alice_applies, bob_notarizes, row):
    assert (
        422 == bob_notarizes.post(desk(filed) + "/decline", {"reason": "材料是复印件", "alternative": ""}).status_code
    )
    assert State.SUBMITTED is row(filed).state

    bob_notarizes.post(desk(filed) + "/decline", {"reason": "这件事要先去法院", "alternative": "visit"})
    page = unescape(alice_applies.get(filed).text)
    assert "这件事要先去法院" in page
    assert "来公证处" in page
    assert State.NOT_ACCEPTED is row(filed).state


@pytest.mark.req("A13")
def test_a_notary_with_a_partys_number_is_blocked_and_a_namesake_declares(alice_applies, bob_notarizes, visit, row):
    case = new_case(alice_applies)
    chen = {"name": "陈静", "sex": "女", "birth": "1975-03-12", "id_number": id_number("00000019750312002")}
    fill(alice_applies, case, who=chen)
    alice_applies.post(f"{case}/submit")
    assert "您不能办这个案子" in bob_notarizes.get(desk(case)).text
    assert 409 == bob_notarizes.post(desk(case) + "/accept").status_code
    assert State.SUBMITTED is row(case).state

    other = new_case(alice_applies)
    fill(alice_applies, other, who={**chen, "name": "陳靜", "id_number": id_number("00000019750312004")})
    alice_applies.post(f"{other}/submit")
    assert 409 == bob_notarizes.post(desk(other) + "/accept").status_code
    assert 422 == bob_notarizes.post(desk(other) + "/relation", {"related": "no", "text": ""}).status_code
    bob_notarizes.post(desk(other) + "/relation", {"related": "no", "text": "同名，不认识"})
    assert 303 == bob_notarizes.post(desk(other) + "/accept").status_code
    assert State.ACCEPTED is row(other).state

    li = visit().enrol("liyuan")
    assert 303 == li.post(desk(case) + "/accept").status_code
    assert "李远" in alice_applies.get(case).text


@pytest.mark.req("A14")
def test_the_fee_of_the_table_is_taken_once_with_a_receipt(accepted, bob_notarizes, he_operates, alice_applies, parts):
    url = desk(accepted) + "/fee"
    assert 403 == he_operates.post(url, {"manner": "cash"}).status_code
    assert 422 == bob_notarizes.post(url, {"manner": "gold"}).status_code
    assert 303 == bob_notarizes.post(url, {"manner": "cash"}).status_code
    assert 422 == bob_notarizes.post(url, {"manner": "cash"}).status_code
    with parts.db() as db:
        assert [20000] == list(db.scalars(sa.select(Payment.fen)))
    assert "现金" in bob_notarizes.get(url + "/receipt").text
    assert "已交" in alice_applies.get(accepted).text


@pytest.mark.req("K04", "K05")
def test_every_read_is_a_line_and_an_operator_sees_numbers_masked(filed, zhou_assists, he_operates, row, parts):
    number = WHO["id_number"]
    page = zhou_assists.get(desk(filed)).text
    assert number in page
    paper = re.search(rf'href="({desk(filed)}/papers/[0-9a-f-]+)"', page).group(1)
    shown = zhou_assists.get(paper)
    assert 200 == shown.status_code
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    masked = he_operates.get(desk(filed)).text
    assert number not in masked
    assert "渡口路" not in masked
    assert 403 == he_operates.get(paper).status_code
    with parts.db() as db:
        reads = db.execute(sa.select(Event.kind, Event.role).where(Event.kind.in_(["case.read", "exhibit.read"]))).all()
    assert [("case.read", "assistant"), ("exhibit.read", "assistant"), ("case.read", "operator")] == [
        tuple(r) for r in reads
    ]


def test_the_applicant_sees_only_the_kept_bytes(alice_applies):
    case = new_case(alice_applies)
    upload(alice_applies, case, "id-front")
    paper = re.search(rf'href="({case}/papers/[0-9a-f-]+)"', alice_applies.get(f"{case}/card").text).group(1)
    shown = alice_applies.get(paper)

    assert "image/jpeg" == shown.mimetype
    assert "nosniff" == shown.headers["X-Content-Type-Options"]
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert shown.headers["Content-Disposition"].startswith("inline")
    assert len(alice_applies.get(paper + "?size=small").data) < len(shown.data)
    alice_applies.post(f"{paper}/remove")
    assert 404 == alice_applies.get(paper).status_code


@pytest.mark.req("L09")
def test_a_time_is_moved_given_back_and_missed(accepted, alice_applies, bob_notarizes, visit, row, parts, clock):
    def pick(page, n):
        return re.findall(r'name="slot" id="[^"]+" value="([^"]+)"', page)[n]

    first = pick(alice_applies.get(f"{accepted}/book").text, 0)
    alice_applies.post(f"{accepted}/book", {"slot": first, "zone": "Asia/Shanghai"})
    alice_applies.post(f"{accepted}/book", {"slot": pick(alice_applies.get(f"{accepted}/book").text, 3)})
    with parts.db() as db:
        slots = db.execute(sa.select(Slot.starts_at, Slot.why).order_by(Slot.starts_at)).all()
    assert ["moved", ""] == [why for _at, why in slots]

    assert 409 == bob_notarizes.post(desk(accepted) + "/miss").status_code
    clock.at = slots[-1][0] + timedelta(minutes=11)
    assert 303 == visit().enrol("zhoumin").post(desk(accepted) + "/miss").status_code
    assert State.ACCEPTED is row(accepted).state

    he_operates = visit().enrol("hejie")
    page = he_operates.get(desk(accepted) + "/book").text
    assert (
        303 == he_operates.post(desk(accepted) + "/book", {"slot": pick(page, 0), "zone": "Asia/Shanghai"}).status_code
    )
    assert State.SCHEDULED is row(accepted).state
    alice_applies.post(f"{accepted}/book/cancel")
    assert State.ACCEPTED is row(accepted).state


def test_a_time_that_nobody_offers_is_refused(accepted, alice_applies, row):
    for slot in (
        "",
        "soon",
        "2026-11-24T04:30:00",
        "2026-11-24T04:37:00+00:00",
        "2026-11-28T04:30:00+00:00",
        "2020-01-01T01:00:00+00:00",
    ):
        assert 422 == alice_applies.post(f"{accepted}/book", {"slot": slot}).status_code
    assert State.ACCEPTED is row(accepted).state


def test_the_queue_is_honest_elderly_first_and_claimed_once(visit, bob_notarizes, row, clock, parts):
    people = []
    for n, care in ((1, ()), (2, ("elder",)), (3, ())):
        one = visit().log_in_by_phone(f"+861380013800{n}")
        case = fill(one, new_case(one), care=care)
        one.post(f"{case}/submit")
        bob_notarizes.post(desk(case) + "/accept")
        clock.pass_by(minutes=1)
        assert 303 == one.post(f"{case}/queue").status_code
        people.append((one, case))
    (first, a), (elder, b), (third, c) = people

    assert ">0<" in elder.get(f"{b}/waiting").text
    assert ">1<" in first.get(f"{a}/waiting").text
    assert ">2<" in third.get(f"{c}/waiting").text
    poll = third.get(f"{c}/waiting/place")
    again = third.get(f"{c}/waiting/place", headers={"If-None-Match": poll.headers["ETag"]})
    assert 304 == again.status_code
    order = [bob_notarizes.get("/desk/").text.index(row(one).reference) for one in (b, a, c)]
    assert sorted(order) == order

    li = visit().enrol("liyuan")
    assert 303 == bob_notarizes.post(desk(b) + "/claim").status_code
    assert 409 == li.post(desk(b) + "/claim").status_code
    assert State.SCHEDULED is row(b).state
    moved = third.get(f"{c}/waiting/place", headers={"If-None-Match": poll.headers["ETag"]})
    assert 200 == moved.status_code
    assert ">1<" in moved.json["card"]
    assert elder.get(f"{b}/waiting/place").json["go"] == b
    first.post(f"{a}/queue/leave")
    assert 303 == first.get(f"{a}/waiting").status_code


def test_nobody_queues_while_the_office_sleeps(accepted, alice_applies, row, clock):
    clock.at = clock.at.replace(hour=14)
    assert 409 == alice_applies.post(f"{accepted}/queue").status_code
    assert row(accepted).asap_at is None
    assert "现在没有公证员在" in alice_applies.get(f"{accepted}/book").text


def test_a_banks_deadline_comes_before_everything(filed, alice_applies, zhou_assists, row):
    late = fill(alice_applies, new_case(alice_applies), care=["elder"])
    alice_applies.post(f"{late}/submit")
    listed = zhou_assists.get("/desk/").text
    assert listed.index(row(late).reference) < listed.index(row(filed).reference)

    assert 303 == zhou_assists.post(desk(filed) + "/wanted-by", {"wanted_by": "2026-11-24T17:30"}).status_code
    listed = zhou_assists.get("/desk/").text
    assert listed.index(row(filed).reference) < listed.index(row(late).reference)
    assert 422 == zhou_assists.post(desk(filed) + "/wanted-by", {"wanted_by": "2020-01-01T10:00"}).status_code
    assert 422 == zhou_assists.post(desk(filed) + "/wanted-by", {"wanted_by": "tea time"}).status_code


def test_the_check_of_a_phone_is_kept_with_the_case(accepted, alice_applies, zhou_assists, parts, clock):
    headers = {"X-CSRFToken": alice_applies.token()}
    url = f"{accepted}/device-check"
    good = {"camera": "passed", "microphone": "passed", "speaker": "skipped", "network": "failed:slow"}
    assert alice_applies.client.post(url, json={"results": good}, headers=headers).json["passed"]
    clock.pass_by(seconds=1)
    assert not alice_applies.client.post(
        url, json={"results": good | {"camera": "failed:denied"}}, headers=headers
    ).json["passed"]
    for bad in ({"results": {"camera": "<script>"}}, {"results": "ok"}, [], None):
        assert 422 == alice_applies.client.post(url, json=bad, headers=headers).status_code
    with parts.db() as db:
        assert 2 == db.scalar(sa.select(sa.func.count()).select_from(DeviceCheck))
    assert "没试成" in zhou_assists.get(desk(accepted)).text


def test_an_application_is_taken_back_and_its_time_is_free(accepted, alice_applies, row, parts, outbox):
    slot = re.search(r'name="slot" id="f-slot" value="([^"]+)"', alice_applies.get(f"{accepted}/book").text).group(1)
    alice_applies.post(f"{accepted}/book", {"slot": slot})
    assert 303 == alice_applies.post(f"{accepted}/withdraw").status_code
    assert State.TERMINATED is row(accepted).state
    with parts.db() as db:
        assert ["withdrawn"] == list(db.scalars(sa.select(Slot.why)))
    assert "撤回了" in outbox()[0].text
    assert 409 == alice_applies.post(f"{accepted}/withdraw").status_code


def test_a_message_speaks_the_cases_language_whoever_sends_it(visit, bob_notarizes, outbox):
    alice = visit("en").log_in_by_phone(ALICE)
    case = fill(alice, new_case(alice))
    alice.post(f"{case}/submit")
    assert "application" in outbox()[0].text
    bob_notarizes.post(desk(case) + "/accept")
    assert "notary" in outbox()[0].text


def test_drafts_have_a_limit_and_a_look_makes_none(alice_applies, parts):
    alice_applies.get("/apply/guarantor-consent")
    with parts.db() as db:
        assert 0 == db.scalar(sa.select(sa.func.count()).select_from(Case))
    for _n in range(filing.MOST_DRAFTS):
        new_case(alice_applies)
    assert 409 == alice_applies.post("/my/new/guarantor-consent").status_code


@pytest.mark.req("A04")
@pytest.mark.parametrize("matter", ["will", "../rules", "common"])
def test_a_matter_that_is_not_open_cannot_be_started(alice_applies, matter):
    assert 404 == alice_applies.post(f"/my/new/{matter}").status_code


@pytest.mark.req("L10")
@pytest.mark.parametrize(("lang", "tag"), [("zh", "zh-CN"), ("en", "en")])
def test_every_page_opens_in_both_languages(visit, bob_notarizes, he_operates, the_admin, lang, tag):
    alice = visit(lang).log_in_by_phone(ALICE)
    case = fill(alice, new_case(alice))
    pages = ["/my", "/apply/declaration", case]
    pages += [
        f"{case}/{one}"
        for one in (
            "card",
            "who",
            "form/territory",
            "form/loan",
            "papers",
            "declare",
            "recipients",
            "check",
            "withdraw",
        )
    ]
    seen = [alice.get(page) for page in pages]
    alice.post(f"{case}/submit")
    seen += [alice.get(f"{case}/receipt"), alice.get(f"{case}/check")]
    bob_notarizes.post(desk(case) + "/accept")
    seen += [alice.get(f"{case}/{one}") for one in ("", "notice", "book", "device-check")[1:]]
    alice.post(f"{case}/queue")
    seen += [alice.get(f"{case}/waiting"), alice.get(case)]
    bob_notarizes.post(desk(case) + "/fee", {"manner": "transfer"})
    for who, urls in (
        (bob_notarizes, ["/desk/", desk(case), desk(case) + "/book", desk(case) + "/fee/receipt"]),
        (he_operates, ["/desk/tickets/"]), (the_admin, ["/desk/banks/"]),
    ):  # fmt: skip
        who.client.set_cookie("lang", lang)
        seen += [who.get(url) for url in urls]

    for reply in seen:
        assert 200 == reply.status_code, reply.request.path
        assert f'lang="{tag}"' in reply.text[:200]
        assert 1 == reply.text.count("<h1"), reply.request.path
        assert "<style" not in reply.text
        assert " style=" not in reply.text
        assert "%(" not in re.sub(r'data-words-[a-z]+="[^"]*"', "", reply.text), reply.request.path
