"""Sixteen at once: numbers without a gap. Webhooks are signed, tried again and answered. Today's figures by hand."""

import base64
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "examples"))
import webhook_receiver

from notary.models import Bank, Case, Deed, Event, Interview, Number, Office, Person, Rating, Series, Standing
from notary.office import counting, delivering, safe
from notary.office.issuing import reserve
from notary.rules import rules
from signing.keys import attested
from tests.conftest import NOON


def a_case(db, parts, **more):
    case_id = uuid4()
    case = Case(
        id=case_id, office_id=db.scalars(sa.select(Office.id)).one(), reference=f"2026-远-{case_id.hex[:6]}",
        matter="guarantor-consent", profile="cn-domestic", rules_digest=rules().matter("guarantor-consent").digest,
        data_key=safe.new_key(parts, case_id), code=case_id.hex[:10].upper(), created_at=NOON, **more,
    )  # fmt: skip
    db.add(case)
    db.flush()
    return case


@pytest.mark.req("H02")
def test_sixteen_at_once_leave_no_gap(parts, monkeypatch):
    from notary.office import issuing

    monkeypatch.setattr(issuing, "facts_of", lambda *_a, **_k: {})
    with parts.db.begin() as db:
        cases = [a_case(db, parts).id for _n in range(48)]

    def take(case_id):
        with parts.db.begin() as db:
            case, office = db.get_one(Case, case_id), db.scalars(sa.select(Office)).one()
            return reserve(db, parts, case, office, "0" * 64, NOON.date(), NOON).n

    with ThreadPoolExecutor(16) as pool:
        taken = sorted(pool.map(take, cases))
    assert taken == list(range(1, 49))
    with parts.db() as db:
        assert db.scalars(sa.select(Series)).one().last == 48


@pytest.mark.req("M06")
def test_todays_figures_are_those_of_a_hand(parts):
    """Three accepted after 10, 20 and 60 minutes; one interview of 15; one deed after 90; ratings 5, 4 and 2."""
    with parts.db.begin() as db:
        notary = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
        office = db.scalars(sa.select(Office)).one()
        cases = [
            a_case(db, parts, submitted_at=NOON - timedelta(minutes=minutes), accepted_at=NOON, notary_id=notary.id)
            for minutes in (10, 20, 60)
        ]
        a_case(db, parts, submitted_at=NOON - timedelta(days=1), accepted_at=NOON - timedelta(days=1))
        db.add(
            Interview(
                case_id=cases[0].id, notary_id=notary.id, opened_at=NOON, closed_at=NOON + timedelta(minutes=15),
                identity_since=NOON,
            )
        )  # fmt: skip
        series = Series(office_id=office.id, year=2026, letter="证", last=1)
        db.add(series)
        db.flush()
        number = Number(
            series_id=series.id, n=1, case_id=cases[0].id, text="一", approved_on=NOON.date(), reserved_at=NOON
        )
        db.add(number)
        db.flush()
        db.add(
            Deed(
                case_id=cases[0].id, number_id=number.id, number="一", code="x", sha256="y", object_key="z", pages=1,
                issued_at=NOON + timedelta(minutes=90), standing=Standing.VALID, standing_at=NOON,
            )
        )  # fmt: skip
        for case, stars in zip(cases, (5, 4, 2), strict=True):
            db.add(Rating(case_id=case.id, moment="delivery", stars=stars, at=NOON))
        found = counting.today(db, office.id, NOON + timedelta(hours=2))
    assert found == counting.Today(
        day=NOON.date(), accepted=3, issued=1, refused=0, to_accept=20.0, in_interview=15.0, to_issue=90.0, waiting=0,
        satisfied=2, rated=3,
    )  # fmt: skip


@pytest.fixture
def receiver():
    """The example receiver of docs/examples on a port of its own, failing as often as it is told."""
    state = webhook_receiver.State(keys=[])
    server = ThreadingHTTPServer(("127.0.0.1", 0), webhook_receiver.handler(state))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(state=state, url=f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
    server.server_close()


@pytest.mark.req("I04")
def test_a_webhook_is_signed_by_the_published_key_and_its_receipt_taken(parts, receiver):
    from dataclasses import replace

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    seal = SimpleNamespace(attest=lambda _use, data: SimpleNamespace(signature=key.sign(data), key_id="k"))
    office = replace(parts, seal=seal)
    bank = Bank(office_id=uuid4(), name="b", name_en="b", api_key_hash="x", webhook_url=receiver.url, created_at=NOON)
    event = {"type": "deed.issued", "timestamp": NOON.isoformat(), "data": {"number": "一"}}

    with pytest.raises(OSError, match="webhook"):  # signed by nobody whom the bank knows: refused
        delivering.post_event(office, bank, "id-1", event, parts.clock())
    receiver.state.keys = [public]
    receiver.state.now = lambda: parts.clock().timestamp()
    assert delivering.post_event(office, bank, "id-1", event, parts.clock())["receipt"]
    assert receiver.state.events == [event]
    receiver.state.now = lambda: parts.clock().timestamp() + 3600  # a replay, an hour later
    with pytest.raises(OSError, match="webhook"):
        delivering.post_event(office, bank, "id-1", event, parts.clock())
    body = receiver.state.raw[-1]
    assert attested(public, body.signed, base64.b64decode(body.signature.removeprefix("v1a,")))


def test_webhooks_never_go_inwards_outside_a_trial(parts):
    from dataclasses import replace

    strict = replace(parts, settings=replace(parts.settings, env="production"))
    for url in ("http://bank.example/", "https://localhost/", "https://127.0.0.1/", "ftp://bank.example/"):
        with pytest.raises(OSError, match="not-allowed"):
            delivering.refuse_inner(strict, url)
    assert Event is not None
