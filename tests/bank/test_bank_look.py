"""The desk's page of banks in a real Chromium, with certificates and without."""

import datetime as dt

import pytest
import sqlalchemy as sa
from deed_world import Browser
from tls_gate import Identity

from notary.ledger import Actor
from notary.lifecycle import Role
from notary.models import Case, Delivery, Person
from notary.office import banks, doors
from tests.conftest import NOON
from tests.looking import Looking, served

pytestmark = pytest.mark.browser


@pytest.fixture
def guanli(world):
    """The admin, and the admin's browser."""
    with world.parts.db.begin() as db:
        person = db.scalars(sa.select(Person).where(Person.login == "guanli")).one()
        token = doors.open_login(db, world.parts.clock(), person=person)
    return Actor(Role.ADMIN, person.id, person.name, person.office_id), Browser(world.app, token)


def open_all(page):
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")


def refused(page):
    open_all(page)
    page.locator("form[action$=certificates] button").first.click()
    page.locator(".govuk-error-summary").wait_for()
    page.locator(".govuk-error-summary a").first.click()
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"


@pytest.mark.req("L01", "I04")
def test_the_desk_can_see_and_change_what_a_bank_is_known_by(world, guanli, chromium, tmp_path):
    by, browser = guanli
    with served(world.app) as origin:
        looking = Looking(chromium, origin)
        looking.at("desk-banks-wrong", "/desk/banks/", browser.http, then=refused)
        with world.parts.db.begin() as db:
            for name, days in (("api.bank.example", 400), ("soon.bank.example", 20)):
                banks.add_certificate(db, world.bank_id, Identity(tmp_path, name, days=days).pem, by, NOON)
            over = banks.add_certificate(db, world.bank_id, Identity(tmp_path, "old").pem, by, NOON)
            over.not_after = NOON - dt.timedelta(hours=1)
            banks.new_key(db, world.bank_id, by, NOON, keep_days=30)
        looking.at("desk-banks-bound", "/desk/banks/", browser.http, then=open_all)
        looking.at("desk-banks-key", "/desk/banks/", browser.http, then=lambda page: page.locator("form[action$=key] button").first.click())  # fmt: skip
        looking.found_nothing()


@pytest.mark.req("I04")
def test_the_admin_alone_registers_and_removes_a_certificate(world, guanli, tmp_path):
    by, browser = guanli
    base = f"/desk/banks/{world.bank_id}"
    pem = Identity(tmp_path, "api.bank.example").pem
    assert browser.form(f"{base}/certificates", **{f"pem-{world.bank_id}": pem}).status_code == 303
    assert browser.form(f"{base}/certificates", **{f"pem-{world.bank_id}": pem}).status_code == 422
    assert browser.form(f"{base}/key", **{f"keep-{world.bank_id}": "9"}).status_code == 422
    with world.parts.db() as db:
        (one,) = banks.certificates_of(db, world.bank_id)
    page = browser.get("/desk/banks/").text
    assert one.sha256 in page
    assert "还要出示下面一张证书" in page
    assert world.post("/verifications", json={"sha256": "0" * 64}).status_code == 401
    assert browser.form(f"/desk/banks/certificates/{one.id}/remove").status_code == 303
    assert browser.form(f"/desk/banks/certificates/{one.id}/remove").status_code == 404
    assert world.post("/verifications", json={"sha256": "0" * 64}).status_code == 404
    with world.parts.db.begin() as db:
        notary = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
        token = doors.open_login(db, world.parts.clock(), person=notary)
    other = Browser(world.app, token)
    assert other.form(f"{base}/certificates", **{f"pem-{world.bank_id}": pem}).status_code == 403
    assert by.role == Role.ADMIN


@pytest.mark.req("L01", "I05", "I07")
def test_an_applicant_can_see_who_asked_and_end_a_banks_access(world, chromium):
    held = world.held[0]
    with world.parts.db.begin() as db:
        applicant = doors.applicant_of(db, "+8613800000001", NOON)
        db.execute(sa.update(Case).where(Case.id == held.case_id).values(applicant_id=applicant.id))
        alice = Browser(world.app, doors.open_login(db, NOON, applicant=applicant))
    world.post("/verifications", json={"number": held.number, "code": held.code})
    world.http.get(f"/v/{held.code}")
    with served(world.app) as origin:
        looking = Looking(chromium, origin)
        looking.at("deed-mine-asked", f"/my/{held.case_id}/deed", alice.http, then=open_all)
        with world.parts.db() as db:
            row = db.scalars(sa.select(Delivery.id).where(Delivery.case_id == held.case_id)).one()
        assert alice.form(f"/my/{held.case_id}/deed/deliveries/{row}/end").status_code == 303
        looking.at("deed-mine-ended", f"/my/{held.case_id}/deed", alice.http)
        looking.found_nothing()
