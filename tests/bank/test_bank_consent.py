"""Consent for each recipient, also after the deed: who has none gets nothing. The applicant sees who asked, how, and the answer."""

import pytest
import sqlalchemy as sa
from deed_world import Browser

from notary.models import Bank, Case, Consent, ConsentKind, Deed, Delivery, Event, Party, Standing
from notary.office import delivering, doors
from tests.conftest import NOON


@pytest.fixture
def alice(world):
    """The applicant of the first deed, logged in."""
    with world.parts.db.begin() as db:
        applicant = doors.applicant_of(db, "+8613800000001", NOON)
        db.execute(sa.update(Case).where(Case.id == world.held[0].case_id).values(applicant_id=applicant.id))
        token = doors.open_login(db, world.parts.clock(), applicant=applicant)
    return Browser(world.app, token)


def delivery(world, held):
    with world.parts.db() as db:
        return db.scalars(sa.select(Delivery).where(Delivery.case_id == held.case_id)).one()


@pytest.mark.req("I05")
@pytest.mark.parametrize("answers", [(), (False,), (True, False)])
def test_a_bank_without_consent_gets_no_copy_no_message_and_no_answer(world, answers):
    held = world.held[2]
    with world.parts.db.begin() as db:
        db.execute(sa.delete(Delivery).where(Delivery.case_id == held.case_id))
        case = db.get_one(Case, held.case_id)
        case.filed = {"bank": db.get_one(Bank, world.bank_id).name}
        for number, given in enumerate(answers):
            db.add(
                Consent(
                    case_id=case.id, kind=ConsentKind.RECIPIENT, about="bank", given=given, words="w",
                    at=NOON.replace(second=number),
                )
            )  # fmt: skip
        db.flush()
        deed = db.scalars(sa.select(Deed).where(Deed.case_id == case.id)).one()
        delivering.prepare(db, world.parts, case, deed, NOON)
        rows = db.scalars(sa.select(Delivery).where(Delivery.case_id == case.id)).all()
    assert [one.kind for one in rows] == ["party"]
    assert world.get(f"/deeds/{held.code}").status_code == 404
    assert held.number not in world.get("/events").text


@pytest.mark.req("I05", "I01")
def test_an_applicant_ends_a_banks_access_and_the_bank_sees_what_a_stranger_sees(world, alice):
    held = world.held[0]
    row = delivery(world, held)
    page = f"/my/{held.case_id}/deed"
    assert world.get(f"/deeds/{held.code}/file").status_code == 200
    assert "不再让它拿" in alice.get(page).text
    assert alice.form(f"{page}/deliveries/{row.id}/end").status_code == 303
    assert alice.form(f"{page}/deliveries/{row.id}/end").status_code == 409
    for path in ("", "/file", "/log-proof"):
        gone, never = world.get(f"/deeds/{held.code}{path}"), world.get(f"/deeds/2026-9-XXXXXXXXX{path}")
        assert (gone.status_code, gone.data) == (never.status_code, never.data) == (404, never.data)
    assert world.post(f"/deeds/{held.code}/receipt").status_code == 404
    assert held.number not in world.get("/events").text
    assert (
        world.post("/verifications", json={"sha256": held.sha256}).json["verdict"] == "valid"
    )  # who holds the file may ask
    world.stand(held, Standing.REVOKED)
    assert held.number in world.get("/revocations").text  # and is told when it falls
    assert "停了它再拿" in alice.get(page).text
    with world.parts.db() as db:
        assert db.scalars(sa.select(Event.kind).order_by(Event.seq.desc()).limit(2)).all()[1] == "delivery.ended"
        last = db.scalars(sa.select(Consent).where(Consent.case_id == held.case_id)).one()
    assert (last.about, last.given) == ("bank", False)


@pytest.mark.req("I05")
def test_nobody_else_ends_it_and_no_job_sends_what_was_ended(world, alice, monkeypatch):
    held, other = world.held[:2]
    mallory = Browser(world.app)
    with world.parts.db.begin() as db:
        applicant = doors.applicant_of(db, "+8613900139000", NOON)
        mallory.http.set_cookie("yz", doors.open_login(db, NOON, applicant=applicant))
    row = delivery(world, held)
    assert mallory.form(f"/my/{held.case_id}/deed/deliveries/{row.id}/end").status_code == 404
    assert alice.form(f"/my/{held.case_id}/deed/deliveries/{delivery(world, other).id}/end").status_code == 404
    assert alice.form(f"/my/{held.case_id}/deed/deliveries/{row.id}/end").status_code == 303
    monkeypatch.setattr(delivering, "post_event", lambda *_a: pytest.fail("it was sent"))
    with world.parts.db.begin() as db:
        db.get_one(Bank, world.bank_id).webhook_url = "http://127.0.0.1:9/"
    delivering.deliver(world.parts, str(row.id))
    assert delivery(world, held).tries == 0


@pytest.mark.req("I07")
def test_the_applicant_sees_who_asked_when_how_and_what_was_answered(world, alice):
    held = world.held[0]
    world.post("/verifications", json={"number": held.number, "code": held.code})
    world.http.get(f"/v/{held.code}")
    world.stand(held, Standing.REVOKED)
    world.post("/verifications/batch", data='{"sha256": "%s"}' % held.sha256)  # noqa: UP031 (JSON has braces of its own)
    world.http.post("/verify/files/", json={"sha256": [held.sha256]})
    page = alice.get(f"/my/{held.case_id}/deed").text
    listed = page[page.index('id="my-asked"') :]
    with world.parts.db() as db:
        name = db.get_one(Bank, world.bank_id).name
        assert db.scalars(sa.select(Party.name).where(Party.case_id == held.case_id)).one() == "王大川"
    assert listed.count(name) == 2
    for words in ("按编号 · 答：有效", "扫二维码 · 答：有效", "按文件指纹 · 答：已撤销", "网页上，不知道是谁"):
        assert words in listed
    assert "12:00" in listed
