"""What goes out on the wire holds by the rules of Standard Webhooks, re-implemented here from its text."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from notary.models import Bank, Deed
from notary.office import delivering
from tests.conftest import NOON

TOLERANCE = 5 * 60


class NotGenuine(Exception):
    pass


def verified(public, headers, payload, now):
    """Standard Webhooks: the three headers, whatever their case; a tolerance of five minutes to both sides; any of the
    signatures, space between; `v1a` is Ed25519 over `id.timestamp.payload`. Returns the payload, or raises NotGenuine.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        event_id, stamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        at = int(stamp)
        if not public.startswith("whpk_"):
            raise NotGenuine("key")
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_"), validate=True))
    except (KeyError, ValueError) as error:
        raise NotGenuine(str(error)) from error
    if not now - TOLERANCE <= at <= now + TOLERANCE:
        raise NotGenuine("time")
    for one in signatures.split(" "):
        version, _comma, signature = one.partition(",")
        if version == "v1a":
            try:
                key.verify(base64.b64decode(signature), f"{event_id}.{at}.".encode() + payload)
            except InvalidSignature:
                continue
            return json.loads(payload)
    raise NotGenuine("no signature fits")


@pytest.fixture
def wire():
    """A receiver that keeps exactly what came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append((dict(self.headers.items()), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_said):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", came
    server.shutdown()
    server.server_close()


@pytest.fixture
def sent(world, wire):
    """One event as a bank's receiver got it, the published key, and the moment."""
    import sqlalchemy as sa

    url, came = wire
    with world.parts.db.begin() as db:
        bank = db.get_one(Bank, world.bank_id)
        bank.webhook_url = url
        deed = db.scalars(sa.select(Deed).where(Deed.sha256 == world.held[0].sha256)).one()
        event = delivering.event_of(deed, "issued", NOON)
    delivering.post_event(world.parts, bank, "7b1f3d0e-revoked", event, NOON)
    keys = world.http.get("/.well-known/yuanzheng/keys.json").json["keys"]
    (public,) = [one["whpk"] for one in keys if "whpk" in one]
    return *came[0], public, int(NOON.timestamp())


@pytest.mark.req("I04")
def test_a_webhook_is_genuine_by_the_rules_of_standard_webhooks(world, sent):
    headers, payload, public, now = sent
    event = verified(public, headers, payload, now)
    assert event["type"] == "deed.issued"
    assert set(event) == {"type", "timestamp", "data"}
    assert event["data"]["sha256"] == world.held[0].sha256
    assert payload == json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    given = {name.lower(): value for name, value in headers.items()}
    assert given["content-type"] == "application/json"
    assert "." not in given["webhook-id"]
    other = {**given, "webhook-signature": "v1,AAAA v1a,AAAA " + given["webhook-signature"]}
    assert verified(public, other, payload, now)  # one of several fits, as while a key is changed


@pytest.mark.req("I04")
def test_what_was_changed_replayed_or_signed_by_another_is_not_genuine(world, sent):
    headers, payload, public, now = sent
    head = {name.lower(): value for name, value in headers.items()}
    signature = head["webhook-signature"]
    other = "whpk_" + base64.b64encode(b"\x07" * 32).decode()
    wrong = [
        (public, head, payload + b" ", now), (public, head, payload.replace(b"valid", b"VALID"), now),
        (public, {**head, "webhook-id": "another"}, payload, now), (public, {**head, "webhook-timestamp": str(now + 1)}, payload, now),
        (public, head, payload, now + TOLERANCE + 1), (public, head, payload, now - TOLERANCE - 1), (other, head, payload, now),
        (public.removeprefix("whpk_"), head, payload, now), (public, {**head, "webhook-signature": signature[4:]}, payload, now),
        (public, {**head, "webhook-signature": "v1," + signature[4:]}, payload, now),
        (public, {k: v for k, v in head.items() if k != "webhook-id"}, payload, now), (public, {**head, "webhook-timestamp": "x"}, payload, now),
    ]  # fmt: skip
    for given in wrong:
        with pytest.raises(NotGenuine):
            verified(*given)


def test_the_example_receiver_takes_the_key_as_it_is_published(world, sent):
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "examples"))
    import webhook_receiver

    from tests.looking import served

    headers, payload, _public, now = sent
    with served(world.app) as origin:
        state = webhook_receiver.State(webhook_receiver.published_keys(origin), now=lambda: now)
    head = {name.lower(): value for name, value in headers.items()}
    taken = [head["webhook-id"], head["webhook-timestamp"], payload, head["webhook-signature"]]
    assert webhook_receiver.genuine(state, *taken)
    assert not webhook_receiver.genuine(state, "x", *taken[1:])
