import hashlib
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import stamp
from signing.stamp import BadToken, HttpStamper, LocalStamper, NoStamp
from signing.throwaway import authority
from signing.tsa import StampUnit, server

DIGEST = hashlib.sha256(b"x").digest()


@pytest.fixture(scope="module")
def running(house):
    with server(house.stamper.unit) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{door.server_address[1]}"
        door.shutdown()


@pytest.fixture
def answering():
    """A loopback server that answers with given bytes."""
    doors = []

    def start(answer, status=200, kind="application/timestamp-reply"):
        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                said = answer(asked) if callable(answer) else answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *args):
                pass

        door = HTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=door.serve_forever, daemon=True).start()
        doors.append(door)
        return f"http://127.0.0.1:{door.server_address[1]}"

    yield start
    for door in doors:
        door.shutdown()
        door.server_close()


@pytest.mark.req("H03")
def test_a_real_authority_over_http_gives_a_checked_token(running, house):
    token = HttpStamper((running,), (house.root,)).stamp(DIGEST)
    assert abs(token.time - datetime.now(UTC)) < timedelta(seconds=5)
    assert stamp.check(token.der, DIGEST, (house.root,), datetime.now(UTC)).path == token.path


def test_the_next_authority_is_asked_when_one_is_down_or_lies(running, house, answering):
    liars = (
        "http://127.0.0.1:9",  # nobody listens
        answering(b"rubbish"),
        answering(b"", status=500),
        answering(b"<html>", kind="text/html"),
        answering(b"x" * 200_000),
        answering(lambda _: house.stamper.unit.respond(stamp.request(DIGEST, 7))),  # nonce of another request
        answering(lambda _: house.stamper.unit.respond(stamp.request(b"y" * 32, 7))),
        answering(authority("别的机构").stamper.unit.respond),  # another root
        answering(lambda asked: house.stamper.unit.respond(asked)[:-1]),
        answering(lambda asked: StampUnit(house.seal).respond(asked)),  # a key that is no stamp unit
        answering(
            lambda asked: StampUnit(house.stamper.unit.signer, lambda: datetime(2020, 1, 1, tzinfo=UTC)).respond(asked)
        ),
    )
    for liar in liars:
        with pytest.raises(NoStamp):
            HttpStamper((liar,), (house.root,), timeout=2).stamp(DIGEST)
    assert HttpStamper((*liars, running), (house.root,), timeout=2).stamp(DIGEST).time


def test_without_authorities_there_is_no_stamp(house):
    with pytest.raises(NoStamp, match="no time-stamp authority"):
        HttpStamper((), (house.root,)).stamp(DIGEST)


def test_the_unit_refuses_other_digests_and_rubbish(house):
    for query in (b"", b"0", b"\x30\x80", stamp.request(b"short", 1)):
        answer = house.stamper.unit.respond(query)
        with pytest.raises(BadToken, match="refused: rejection"):
            stamp.accept(answer, DIGEST, None, (house.root,), datetime.now(UTC))


def test_a_stamp_from_the_future_is_refused(house):
    ahead = LocalStamper(
        StampUnit(house.stamper.unit.signer, lambda: datetime.now(UTC) + timedelta(hours=1)), (house.root,)
    )
    with pytest.raises(NoStamp, match="off our clock"):
        ahead.stamp(DIGEST)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_no_changed_bit_of_a_token_is_accepted(house, data):
    token = bytearray(_one(house))
    token[data.draw(st.integers(0, len(token) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        got = stamp.check(bytes(token), DIGEST, (house.root,), datetime.now(UTC))
    except BadToken:
        return
    # certificates beside the path and outer headers are signed by nothing; `verify` and `shape` refuse those
    assert got.time == stamp.check(_one(house), DIGEST, (house.root,), datetime.now(UTC)).time


_tokens = {}


def _one(house):
    return _tokens.setdefault(house.office, house.stamper.stamp(DIGEST).der)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_no_answer(house, raw):
    with pytest.raises(BadToken):
        stamp.accept(raw, DIGEST, None, (house.root,), datetime.now(UTC))
    assert house.stamper.unit.respond(raw)
