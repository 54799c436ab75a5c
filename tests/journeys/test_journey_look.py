"""The same pages in a real Chromium: no accessibility fault, no sideways scroll, and what needs script works."""

import re
import threading
import time

import pytest
import sqlalchemy as sa
from walking import ALICE, MALLORY, PASSWORD, Visitor, desk, fill, new_case, photo

from notary.models import Exhibit, Person
from notary.office import staff
from tests.looking import FAKE_DEVICES, Looking, browse, running_chromium, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]  # `make look` walks through in six looks


CARD = {
    "id-front": {
        "type": "cn_id_front", "name": "王大川", "birth": "1968-04-21", "editor": "Adobe Photoshop 25.0",
        "checks": {"number_checksum": True, "birth_in_number": True, "sex_in_number": None, "region": False},
        "signs": {"found": ["other-compression:portrait", "copied-digits"], "looked": ["copied-digits"]},
    },
    "id-back": {
        "type": "cn_id_back", "valid_from": "2021.03.08", "valid_to": "2041.03.08", "signs": {"found": [], "looked": []},
        "checks": {"not_expired": True, "period": True},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    """A Chromium whose camera and microphone are its own test pattern and beep."""
    with running_chromium(*FAKE_DEVICES) as browser:
        yield browser


@pytest.fixture
def origin(app):
    with served(app) as address:
        yield address


@pytest.fixture
def stage(visit, app, parts):
    """Cases in every state of this step, and who may look at which page."""
    alice, bob = visit().log_in_by_phone(ALICE), visit().enrol("chenjing")
    cases = [fill(alice, new_case(alice), care=["elder"]) for _n in range(4)]
    draft = new_case(alice)
    draft, returned, waits, booked = draft, *cases[1:]
    whole = cases[0]
    for case in (returned, waits, booked):
        alice.post(f"{case}/submit")
    bob.post(desk(returned) + "/return", {"gap": ["material:loan-contract", "field:period"], "other": "请写清楚"})
    for case in (waits, booked):
        bob.post(desk(case) + "/accept")
    alice.post(f"{waits}/queue")
    slot = re.search(r'name="slot" id="f-slot" value="([^"]+)"', alice.get(f"{booked}/book").text).group(1)
    alice.post(f"{booked}/book", {"slot": slot, "zone": "America/Toronto"})
    other = Visitor(app, parts).log_in_by_phone(MALLORY)
    handed = fill(other, new_case(other), who={"id_type": "permit_hk_mo", "id_number": "H00000001"})
    other.post(f"{handed}/submit")
    bob.post(desk(booked) + "/fee", {"manner": "cash"})
    bob.post(desk(booked) + "/identity-checks/ask")
    told = {
        "source": "江边派出所户籍窗口",
        "outcome": "agrees",
        "checked": ["holder", "card"],
        "reference": "警号 00123",
    }
    bob.post(desk(booked) + "/identity-checks/enter", told)
    with parts.db.begin() as db:  # a card that was read, and doubts about it
        for one in db.scalars(sa.select(Exhibit).where(Exhibit.case_id == booked.rsplit("/", 1)[-1])):
            if one.material in CARD:
                one.read, one.read_at = CARD[one.material], parts.clock()
    he, admin = visit().enrol("hejie"), visit().enrol("guanli")
    he.post(
        "/desk/tickets/", {"phone": "13700137000", "name": "李小花", "matter": "guarantor-consent", "about": "要办展期"}
    )
    form = [
        f"{whole}/{one}"
        for one in ("card", "who", "form/territory", "form/loan", "papers", "declare", "recipients", "check")
    ]
    return (
        (alice, ["/my", "/apply/guarantor-consent", draft, f"{draft}/check", *form, f"{whole}/withdraw", returned, f"{waits}/receipt",
                 f"{waits}/waiting", f"{waits}/notice", f"{waits}/book", f"{waits}/device-check", booked, f"{booked}/book?zone=America/Toronto"]),
        (bob, ["/desk/", desk(handed), desk(waits), desk(booked), desk(booked) + "/book", desk(booked) + "/ending", desk(booked) + "/fee/receipt",
               desk(booked) + "/identity-checks", desk(handed) + "/identity-checks"]),
        (he, ["/desk/tickets/", desk(booked)]),
        (admin, ["/desk/banks/", "/desk/face-assessment"]),
    )  # fmt: skip


@pytest.mark.req("L01")
def test_axe_finds_nothing_and_nothing_scrolls_sideways(chromium, origin, stage):
    looking = Looking(chromium, origin)
    for turn, (who, paths) in enumerate(stage):
        for number, path in enumerate(paths):
            looking.at(f"journey-{turn}{number:02d}", path, who.client)

    looking.found_nothing()


def sending(**fields):
    """Fills the fields, by their names, and sends the form they stand in."""

    def then(page):
        for name, value in fields.items():
            page.locator(f"[name={name}]").fill(value)
        page.locator(f"main form:has([name={next(iter(fields))}]) button:not([type=button])").first.click()
        page.wait_for_load_state()

    return then


def add_somebody(page):
    """Under another name in each look."""
    sending(login=f"new-{time.monotonic_ns()}", name="新同事")(page)


@pytest.mark.req("L01")
def test_the_doors_and_rooms_of_the_staff_can_be_used_by_everybody(chromium, origin, visit, parts):
    looking, people = Looking(chromium, origin), {}
    for login in ("zhoumin", "wangshu", "hejie", "guanli", "chenjing"):
        people[login] = visit().enrol(login)
        looking.at(f"staff-home-{login}", "/staff/", people[login].client)
    at_door = visit()
    at_door.post("/staff/login", {"login": "chenjing", "password": PASSWORD}, page="/staff/login")
    with parts.db.begin() as db:
        rows = {one.login: one for one in db.scalars(sa.select(Person))}
        token = staff.enrolment_link(db, rows["liyuan"], parts.clock())
    looking.at("staff-login", "/staff/login")
    looking.at("staff-login-wrong", "/staff/login", then=sending(login="chenjing", password="wrong"))
    looking.at("staff-totp", "/staff/totp", at_door.client)
    looking.at("staff-totp-wrong", "/staff/totp", at_door.client, then=sending(code="000000"))
    looking.at("staff-enrol", f"/staff/enrol/{token}")
    looking.at("staff-enrol-wrong", f"/staff/enrol/{token}", then=sending(password="short", again="shorter", code="1"))
    looking.at("staff-passkeys", "/staff/passkeys", people["chenjing"].client)
    people["guanli"].post(f"/staff/people/{rows['zhoumin'].id}/recover", {"reason": "手机掉进河里，当面核对了工作证"})
    looking.at("staff-people", "/staff/people", people["wangshu"].client)
    looking.at("staff-people-admin", "/staff/people", people["guanli"].client)
    looking.at("staff-link", "/staff/people", people["guanli"].client, then=add_somebody)
    looking.at("desk-media-away", "/desk/media", people["guanli"].client)
    people["guanli"].post("/desk/media/1/drain")
    looking.at("desk-media-drained", "/desk/media", people["guanli"].client)
    looking.at("desk-media-operator", "/desk/media", people["hejie"].client)
    looking.at("desk-today", "/desk/today", people["guanli"].client)
    looking.at("desk-queue-empty", "/desk/", people["chenjing"].client)
    looking.at("desk-refused", "/desk/banks/", people["chenjing"].client, then=lambda page: None)
    looking.at(
        "desk-bank-key",
        "/desk/banks/",
        people["guanli"].client,
        then=lambda page: page.locator("form[action$=key] button").first.click(),
    )

    looking.found_nothing()


@pytest.mark.req("L01")
def test_what_a_form_answers_can_be_used_by_everybody(chromium, origin, visit, alice_applies):
    looking, alice = Looking(chromium, origin), alice_applies
    case = fill(alice, new_case(alice))
    gaps = new_case(alice)
    looking.at("public-guide-gaps", "/guide", then=lambda page: page.locator("main form button").first.click())
    looking.at("public-guide-end", "/guide?what=other")
    looking.at("public-called", "/call", then=sending(phone="13700137000"))
    looking.at("public-call-gaps", "/call", then=sending(phone="12"))
    looking.at("public-login-gaps", "/login", then=sending(phone="12"))
    looking.at("public-login-code", "/login", then=sending(phone="13700137001"))
    looking.at("public-outbox", "/outbox")
    looking.at("journey-who-gaps", f"{gaps}/who", alice.client, then=sending(name="", id_number="123"))
    looking.at("journey-loan-gaps", f"{gaps}/form/loan", alice.client, then=sending(principal="很多"))
    looking.at("journey-submitted", case, alice.client)

    looking.found_nothing()


def test_a_photo_goes_up_with_a_bar_and_a_refusal_stands_beside_it(chromium, origin, alice_applies):
    case = new_case(alice_applies)
    page = browse(chromium, origin, alice_applies.client)
    page.goto(f"{origin}{case}/card")
    card = page.locator("#m-id-front")
    card.locator("input[type=file]").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"#!/bin/sh\n" * 90}
    )
    card.get_by_text("不是照片也不是 PDF").wait_for()
    card.locator("input[type=file]").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    card.get_by_text("已传好").wait_for()
    assert card.locator("img").first.evaluate("i => i.decode().then(() => i.naturalWidth)") > 100

    held = threading.Event()
    page.route("**/papers/id-back", lambda route: held.wait(5) and route.abort())
    back = page.locator("#m-id-back")
    back.locator("input[type=file]").set_input_files({"name": "b.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    back.get_by_role("button", name="不传了").click()
    back.get_by_text("不传了。可以再选一张。").wait_for()
    held.set()
    page.context.close()


def test_times_are_shown_where_the_browser_is(chromium, origin, accepted, alice_applies):
    page = browse(chromium, origin, alice_applies.client, timezone_id="America/Toronto")
    page.goto(f"{origin}{accepted}/book")
    page.wait_for_url("**zone=America*")
    assert "多伦多" in page.locator("main").inner_text()
    page.check("#f-slot")
    page.get_by_role("button", name="就定这个时间").click()
    page.get_by_text("约好的时间").wait_for()
    assert "多伦多 2026 年 11 月 23 日周一 23:30" in page.locator("main").inner_text()
    page.context.close()


def test_the_waiting_page_moves_on_by_itself(chromium, origin, accepted, alice_applies, bob_notarizes):
    alice_applies.post(f"{accepted}/queue")
    page = browse(chromium, origin, alice_applies.client)
    page.goto(f"{origin}{accepted}/waiting")
    bob_notarizes.post(desk(accepted) + "/claim")
    page.get_by_text("约好的时间").wait_for(timeout=15_000)
    page.context.close()


@pytest.mark.req("C01")
def test_the_check_of_a_phone_reaches_the_case(chromium, origin, accepted, alice_applies, zhou_assists):
    page = browse(chromium, origin, alice_applies.client)
    page.goto(f"{origin}{accepted}/device-check")
    for part in ("camera", "microphone"):
        page.locator(f"[data-check={part}] [data-start]").click()
        page.locator(f"[data-check={part}][data-state=passed]").wait_for(timeout=20_000)
    page.locator("[data-check=speaker] [data-start]").click()
    with page.expect_response("**/device-check") as kept:
        page.locator("[data-check=speaker] [data-number='2']").click()
    right = page.locator("[data-check=speaker]").get_attribute("data-state") == "passed"
    assert kept.value.ok
    assert ("试过了" if right else "没试成") in alice_applies.get(accepted).text
    page.context.close()


def test_without_script_the_paper_form_is_a_plain_form(chromium, origin, alice_applies):
    case = new_case(alice_applies)
    page = browse(chromium, origin, alice_applies.client, java_script_enabled=False)
    page.goto(f"{origin}{case}/card")
    page.locator("#m-id-front input[type=file]").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    )
    page.locator("#m-id-front").get_by_role("button", name="交这份").click()
    page.locator("#m-id-front").get_by_text("已传好").wait_for()
    page.context.close()
