"""Who may come in where, with what, and how often: every door, tried by everybody."""

import re
import threading
from datetime import timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from walking import ALICE, desk, fill, new_case

from notary.lifecycle import Role, State
from notary.models import Bank, Case, Slot, Ticket, TicketState
from notary.office import tickets
from notary.office.doors import CODE_TRIES
from notary.portal.doors import audience_of

CALLER = "+8613700137000"
SOME_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def everybody(alice_applies, bob_notarizes, carol_approves, zhou_assists, he_operates, the_admin):
    return {
        Role.APPLICANT: alice_applies, Role.NOTARY: bob_notarizes, Role.APPROVER: carol_approves,
        Role.ASSISTANT: zhou_assists, Role.OPERATOR: he_operates, Role.ADMIN: the_admin,
    }  # fmt: skip


def made_up(converter):
    kind = type(converter).__name__
    return SOME_ID if "UUID" in kind else 1 if "Integer" in kind else "x"


def addresses(app):
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static" and "logout" not in rule.endpoint:
            values = {name: made_up(converter) for name, converter in rule._converters.items()}
            with app.test_request_context():
                url = app.url_map.bind("localhost").build(
                    rule.endpoint, values, method=min(rule.methods & {"GET", "POST"})
                )
            for method in rule.methods & {"GET", "POST"}:
                yield rule.endpoint, method, url


@pytest.mark.req("K06")
def test_every_route_lets_in_its_audience_and_nobody_else(app, everybody, visit):
    stranger = visit()
    tokens = {role: who.token() for role, who in everybody.items()}
    stranger_token = stranger.token()
    tried = 0
    for endpoint, method, url in addresses(app):
        audience = audience_of(app, endpoint)
        if audience.public:
            continue
        reply = stranger.client.open(
            url, method=method, data={"csrf_token": stranger_token} if method == "POST" else None
        )
        assert reply.status_code in (303, 401), (endpoint, method)
        for role, who in everybody.items():
            if endpoint in ("staff.disable", "banks.key") and role in audience.roles:
                continue
            headers = {"X-CSRFToken": tokens[role]} if method == "POST" else {}
            reply = who.client.open(url, method=method, headers=headers)
            words = reply.get_data(as_text=True)
            refused = reply.status_code == 401 or (reply.status_code == 403 and "您的身份不能做" in words)
            assert refused == (role not in audience.roles), (endpoint, method, role, reply.status_code)
            assert reply.status_code != 500, (endpoint, method, role)
            tried += 1
    assert tried > 300


@pytest.mark.req("K06")
def test_another_persons_case_is_not_there(filed, alice_applies, mallory, app):
    paper = re.search(rf'"({filed}/papers/[0-9a-f-]+)"', alice_applies.get(f"{filed}/card").text).group(1)
    case_id = filed.rsplit("/", 1)[-1]
    tried = 0
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/my/<uuid:case_id>"):
            continue
        url = rule.rule.replace("<uuid:exhibit_id>", paper.rsplit("/", 1)[-1]).replace("<section>", "loan")
        url = url.replace("<material>", "id-front").replace("<key>", "bank").replace("<kind>", "recording")
        url = re.sub(r"<uuid:(?!case_id)\w+>", SOME_ID, url).replace("<int:number>", "1")
        url = re.sub(r"<(?!uuid:case_id)[a-z_]+>", "x", url)
        there, nowhere = url.replace("<uuid:case_id>", case_id), url.replace("<uuid:case_id>", SOME_ID)
        assert "<" not in there
        for method in rule.methods & {"GET", "POST"}:
            replies = []
            for address in (there, nowhere):
                if method == "GET":
                    replies.append(mallory.get(address))
                elif rule.endpoint == "booking.device_check":
                    headers = {"X-CSRFToken": mallory.token()}
                    replies.append(mallory.client.post(address, json={"results": {}}, headers=headers))
                else:
                    replies.append(mallory.post(address, {"given": "yes", "slot": "2026-11-24T04:30:00+00:00"}))
            own, none = replies
            assert own.status_code == none.status_code, (method, there)
            assert own.status_code in (404, 422), (method, there, own.status_code)
            assert own.status_code == 404 or rule.endpoint.startswith("room."), (method, there)
            tried += 1
    assert tried > 25
    assert "王大川" not in mallory.get(filed).text


@pytest.mark.req("K06")
def test_a_form_without_its_token_is_refused(alice_applies, bob_notarizes, filed, row):
    for who, url in (
        (alice_applies, "/my/new/declaration"),
        (alice_applies, f"{filed}/withdraw"),
        (bob_notarizes, desk(filed) + "/accept"),
    ):
        reply = who.post(url, token=False)
        assert 400 == reply.status_code
        assert "刷新" in reply.text
    assert State.SUBMITTED is row(filed).state


def test_a_nul_is_no_letter(alice_applies, visit):
    case = new_case(alice_applies)
    assert 400 == alice_applies.post(f"{case}/who", {"name": "a\x00b"}).status_code
    assert 400 == visit().post("/staff/login", {"login": "a\x00", "password": "x"}).status_code
    assert 400 == alice_applies.get("/call?page=%00").status_code


@pytest.mark.req("K06")
def test_five_wrong_codes_end_a_code_and_ten_shut_the_door(visit, clock):
    guesser = visit()
    guesser.post("/login", {"phone": ALICE})
    right = guesser.code(ALICE)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _n in range(CODE_TRIES):
        assert 422 == guesser.post("/login/code", {"code": wrong}).status_code
    reply = guesser.post("/login/code", {"code": right})
    assert 429 == reply.status_code
    assert "Retry-After" in reply.headers
    guesser.post("/login", {"phone": ALICE})
    fresh = guesser.code(ALICE)
    for _n in range(CODE_TRIES):
        guesser.post("/login/code", {"code": f"{(int(fresh) + 1) % 1_000_000:06d}"})
    assert 429 == guesser.post("/login", {"phone": ALICE}).status_code
    clock.pass_by(minutes=31)
    guesser.log_in_by_phone(ALICE)


def test_a_code_serves_once_and_for_ten_minutes(visit, clock):
    alice = visit()
    alice.post("/login", {"phone": ALICE})
    code = alice.code(ALICE)
    assert 303 == alice.post("/login/code", {"code": code}).status_code
    other = visit()
    with other.client.session_transaction() as kept:
        kept["phone"] = ALICE
    assert 422 == other.post("/login/code", {"code": code}).status_code
    other.post("/login", {"phone": ALICE})
    late = other.code(ALICE)
    clock.pass_by(minutes=11)
    assert 422 == other.post("/login/code", {"code": late}).status_code


@pytest.mark.req("M04", "S-B20")
def test_a_caller_gets_a_link_that_begins_the_application_once(he_operates, visit, parts, outbox, clock, row):
    he_operates.post("/desk/tickets/", {"phone": "13700137000", "name": "李小花", "matter": "", "about": "要办展期"})
    page = unescape(he_operates.get("/desk/tickets/").text)
    assert "李小花" in page
    ticket = re.search(r"/desk/tickets/([0-9a-f-]+)/link", page).group(1)
    assert 409 == he_operates.post(f"/desk/tickets/{ticket}/link", {}).status_code
    assert (
        303 == he_operates.post(f"/desk/tickets/{ticket}/link", {f"matter-{ticket}": "guarantor-consent"}).status_code
    )
    url = re.search(r"http://localhost(/l/\S+)", outbox(CALLER)[0].text).group(1)

    caller = visit()
    for _n in range(2):
        assert "137•••" not in caller.get(url).text
        assert CALLER not in caller.get(url).text
    caller.post(url)
    assert 422 == caller.post(url, {"code": "000000" if caller.code(CALLER) != "000000" else "111111"}).status_code
    reply = caller.post(url, {"code": caller.code(CALLER)})
    assert 303 == reply.status_code
    case = reply.location
    assert "phone" == row(case).channel
    assert 'value="李小花"' in caller.get(f"{case}/who").text
    assert 404 == caller.get(url).status_code
    assert 404 == visit().post(url).status_code

    assert 422 == he_operates.post(f"/desk/tickets/{ticket}/close", {f"outcome-{ticket}": ""}).status_code
    assert 303 == he_operates.post(f"/desk/tickets/{ticket}/close", {f"outcome-{ticket}": "开始填了"}).status_code
    assert 409 == he_operates.post(f"/desk/tickets/{ticket}/take").status_code
    with parts.db() as db:
        assert TicketState.DONE is db.scalar(sa.select(Ticket.state))


def test_a_guessed_or_old_link_is_nothing_and_guessing_ends(he_operates, visit, outbox, clock):
    he_operates.post("/desk/tickets/", {"phone": "13700137000", "matter": "declaration"})
    ticket = re.search(r"/desk/tickets/([0-9a-f-]+)/link", he_operates.get("/desk/tickets/").text).group(1)
    he_operates.post(f"/desk/tickets/{ticket}/link", {})
    url = re.search(r"http://localhost(/l/\S+)", outbox(CALLER)[0].text).group(1)
    clock.at += tickets.LINK_LIFE + timedelta(seconds=1)
    guesser = visit()
    assert 404 == guesser.get(url).status_code
    seen = [guesser.get(f"/l/guess{n}").status_code for n in range(25)]
    assert 404 == seen[0]
    assert 429 == seen[-1]


@pytest.mark.req("M04", "M08")
def test_please_call_me_has_an_owner_a_deadline_and_its_case(
    alice_applies, mallory, he_operates, zhou_assists, parts, clock
):
    case = new_case(alice_applies)
    alice_applies.post("/call", {"phone": "13800138000", "page": f"{case}/form/loan"})
    mallory.post("/call", {"phone": "13900139000", "page": f"{case}/form/loan"})
    with parts.db() as db:
        first, second = db.scalars(sa.select(Ticket).order_by(Ticket.opened_at)).all()
    assert str(first.case_id) in case
    assert first.due == first.opened_at + timedelta(minutes=5)
    assert second.case_id is None

    zhou_assists.post(f"/desk/tickets/{first.id}/take")
    he_operates.post(f"/desk/tickets/{first.id}/take")
    with parts.db() as db:
        assert "hejie" == db.scalar(sa.text("SELECT login FROM people JOIN tickets ON owner_id = people.id"))
    assert "过了时间" not in he_operates.get("/desk/tickets/").text
    clock.pass_by(minutes=6)
    assert "过了时间" in he_operates.get("/desk/tickets/").text
    assert 422 == alice_applies.post("/call", {"phone": "12"}).status_code


def test_a_banks_key_is_shown_once_and_the_one_before_stops(the_admin, parts):
    from notary.office import doors

    page = the_admin.get("/desk/banks/").text
    bank = re.search(r"/desk/banks/([0-9a-f-]+)/key", page).group(1)
    keys = [
        re.search(r'id="bank-key">([^<]+)<', the_admin.post(f"/desk/banks/{bank}/key").text).group(1) for _n in range(2)
    ]
    with parts.db() as db:
        assert doors.bank_of(db, keys[0], None, parts.clock()) is None
        assert bank == str(doors.bank_of(db, keys[1], None, parts.clock()).id)
    assert keys[1] not in the_admin.get("/desk/banks/").text
    for url in (
        "http://bank.example/hook",
        "https://10.0.0.1/x",
        "https://169.254.169.254/",
        "file:///etc/passwd",
        "https://db.internal/",
        "https://u:p@bank.example/",
        "https://[::1]/",
    ):
        assert 422 == the_admin.post(f"/desk/banks/{bank}/webhook", {f"url-{bank}": url}).status_code, url
    assert (
        303 == the_admin.post(f"/desk/banks/{bank}/webhook", {f"url-{bank}": "https://bank.example/hook"}).status_code
    )
    the_admin.post("/desk/banks/", {"name": "第三银行", "name_en": "Third Bank"})
    assert 422 == the_admin.post("/desk/banks/", {"name": "第三银行"}).status_code
    the_admin.post(f"/desk/banks/{bank}/disable")
    with parts.db() as db:
        assert doors.bank_of(db, keys[1], None, parts.clock()) is None
        assert 3 == db.scalar(sa.select(sa.func.count()).select_from(Bank))


@pytest.mark.req("L09")
def test_of_many_who_want_one_time_as_many_get_it_as_there_are_notaries(visit, bob_notarizes, parts):
    cases = []
    for n in range(4):
        one = visit().log_in_by_phone(f"+861380013800{n}")
        case = fill(one, new_case(one))
        one.post(f"{case}/submit")
        bob_notarizes.post(desk(case) + "/accept")
        cases.append((one, case, one.token()))
    slot = re.search(r'name="slot" id="f-slot" value="([^"]+)"', cases[0][0].get(f"{cases[0][1]}/book").text).group(1)
    gate, seen = threading.Barrier(len(cases)), []

    def book(one, case, token):
        gate.wait()
        seen.append(one.client.post(f"{case}/book", data={"slot": slot, "csrf_token": token}).status_code)

    threads = [threading.Thread(target=book, args=one) for one in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [303, 303, 422, 422] == sorted(seen)
    with parts.db() as db:
        assert 2 == len(set(db.scalars(sa.select(Slot.notary_id))))
        assert 2 == db.scalar(sa.select(sa.func.count()).where(Case.state == State.SCHEDULED))
