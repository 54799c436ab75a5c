"""Time stamps over real HTTP, from services that work, fail or lie."""

import dataclasses
import hashlib
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import der, stamp, token
from signing.fetch import NoAnswer, exchange
from signing.stamp import HttpStamper, LocalStamper, NoStamp
from signing.throwaway import authority
from signing.token import BadToken
from signing.tsa import StampUnit, server

DIGEST = hashlib.sha256(b"x").digest()


@pytest.fixture(scope="module")
def running(house):
    with server(house.stamper.unit) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{door.server_address[1]}"
        door.shutdown()


@pytest.fixture
def asking(house):
    def asked(*urls, timeout=2.0):
        return HttpStamper(urls, (house.root,), (house.issuing,), timeout=timeout).stamp(DIGEST)

    return asked


@pytest.mark.req("H03")
def test_a_real_authority_over_http_gives_a_checked_token(running, house, asking):
    got = asking(running)
    assert abs(got.time - datetime.now(UTC)) < timedelta(seconds=5)
    again = token.check(got.der, DIGEST, (house.root,), datetime.now(UTC), others=(house.issuing,))
    assert again == got
    assert got.path == (house.stamper.unit.signer.chain[0], house.issuing, house.root)


def lies(house, answering):
    """Name, address and what is said of it."""
    unit = house.stamper.unit
    at = lambda when: dataclasses.replace(unit, now=lambda: when).respond  # noqa: E731
    now = datetime.now(UTC)
    return {
        "down": ("http://127.0.0.1:9", "connect"),
        "no HTTP": ("ftp://127.0.0.1/", "not an HTTP address"),
        "rubbish": (answering(b"rubbish"), "no answer by RFC 3161"),
        "500": (answering(b"", status=500), "HTTP 500"),
        "redirected": (answering(b"", status=302, headers=[("Location", "http://127.0.0.1:1/")]), "HTTP 302"),
        "a page": (answering(b"<html>", kind="text/html"), "another type"),
        "huge": (answering(b"x" * 200_000), "too large"),
        "wrong nonce": (answering(lambda _: unit.respond(stamp.request(DIGEST, 7))), "nonce is not ours"),
        "wrong imprint": (answering(lambda _: unit.respond(stamp.request(b"y" * 32, 7))), "imprint"),
        "another root": (answering(authority("别的机构").stamper.unit.respond), "no chain to a trusted root"),
        "cut off": (answering(lambda asked: unit.respond(asked)[:-1]), "no answer by RFC 3161"),
        "a signer's key": (answering(lambda asked: StampUnit(house.seal).respond(asked)), "no time-stamp unit"),
        "years ago": (answering(at(datetime(2020, 1, 1, tzinfo=UTC))), "off our clock"),
        "an hour ahead": (answering(at(now + timedelta(hours=1))), "off our clock"),
        "coarse": (answering(dataclasses.replace(unit, accuracy=90).respond), "too coarse"),
        "slow bytes": (answering(unit.respond, trickle=0.2), "too slow"),
    }


@pytest.mark.req("H03")
def test_no_lie_of_a_time_stamp_service_is_taken(house, answering, asking):
    for name, (url, says) in lies(house, answering).items():
        with pytest.raises(NoStamp) as caught:
            asking(url)
        assert says in str(caught.value).lower() or says in str(caught.value), name


def test_the_next_authority_is_asked_when_one_is_down_or_lies(house, answering, asking, running):
    urls = [url for url, _ in lies(house, answering).values()]
    assert asking(*urls, running, timeout=1).time


def test_a_service_that_trickles_is_left_after_the_time_limit_as_a_whole(house, answering, asking):
    """Each byte comes in time, the answer never does."""
    begin = time.monotonic()
    with pytest.raises(NoStamp, match="too slow"):
        asking(answering(house.stamper.unit.respond, trickle=0.3), timeout=1.0)
    assert time.monotonic() - begin < 3


def test_without_authorities_there_is_no_stamp(asking):
    with pytest.raises(NoStamp, match="no time-stamp authority"):
        asking()


def test_the_unit_refuses_other_digests_and_rubbish(house):
    for query in (b"", b"0", b"\x30\x80", stamp.request(b"short", 1)):
        answer = house.stamper.unit.respond(query)
        with pytest.raises(BadToken, match="refused: status 2"):
            stamp.accept(answer, DIGEST, None, (house.root,), datetime.now(UTC))


def test_a_stamp_from_the_future_is_refused(house):
    ahead = LocalStamper(
        StampUnit(house.stamper.unit.signer, lambda: datetime.now(UTC) + timedelta(hours=1)), (house.root,)
    )
    with pytest.raises(NoStamp, match="off our clock"):
        ahead.stamp(DIGEST)


def test_a_unit_past_its_term_stamps_nothing_any_more(house):
    late = datetime.now(UTC) + timedelta(days=3550)
    unit = dataclasses.replace(house.stamper.unit, now=lambda: late)
    with pytest.raises(NoStamp, match="valid from"):
        LocalStamper(unit, (house.root,), now=lambda: late).stamp(DIGEST)


_tokens = {}


def _one(house):
    return _tokens.setdefault(house.office, house.stamper.stamp(DIGEST).der)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_no_changed_bit_of_a_token_is_accepted(house, data):
    raw = bytearray(_one(house))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BadToken):
        token.check(bytes(raw), DIGEST, (house.root,), datetime.now(UTC), others=(house.issuing,))


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_no_answer(house, raw):
    with pytest.raises(BadToken):
        stamp.accept(raw, DIGEST, None, (house.root,), datetime.now(UTC))
    assert house.stamper.unit.respond(raw)


# ---- DER


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "30",
        "3080",
        "30800000",
        "308102" + "0500",
        "30820002" + "0500",
        "3003" + "0500",
        "3002" + "050000",
        "1f0100",
        "0000",
    ],
)
def test_der_in_any_laxer_spelling_is_refused(raw):
    with pytest.raises(der.BadDer):
        der.read(bytes.fromhex(raw))


@pytest.mark.parametrize(("raw", "says"), [("020100", 0), ("0201ff", -1), ("02020080", 128), ("020200ff", 255)])
def test_integers_are_read_as_they_are_written(raw, says):
    assert der.read(bytes.fromhex(raw), der.INTEGER).integer() == says


@pytest.mark.parametrize("raw", ["0200", "02020001", "0202ffff"])
def test_integers_that_are_not_minimal_are_refused(raw):
    node = der.read(bytes.fromhex(raw), der.INTEGER)
    with pytest.raises(der.BadDer):
        node.integer()


def test_depth_is_limited():
    deep = b""
    for _ in range(60):
        deep = der.wrap(der.SEQUENCE, deep)
    with pytest.raises(der.BadDer, match="deep"):
        der.read(deep)


@given(st.binary(max_size=60), st.integers(0, 70_000))
@settings(max_examples=100, deadline=None)
def test_what_is_wrapped_reads_back(body, size):
    body = (body or b"x") * (size // (len(body) or 1))
    node = der.read(der.wrap(der.OCTETS, body), der.OCTETS)
    assert node.body == body


def test_object_identifiers_are_written_as_the_library_writes_them():
    from asn1crypto import core

    for dotted in ("1.2.840.113549.1.7.2", "2.16.840.1.101.3.4.2.1", "1.3.6.1.5.5.7.3.36", "2.999.1"):
        assert der.wrap(der.OID, der.oid(dotted)) == core.ObjectIdentifier(dotted).dump()


# ---- fetching


@pytest.mark.parametrize(
    "url", ["", "tsa.example", "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://[::1", "http://h:x/"]
)
def test_what_is_no_http_address_is_not_asked(url):
    with pytest.raises(NoAnswer, match="not an HTTP address"):
        exchange(url, b"", "a/b", "c/d", limit=10, seconds=1)


def test_an_answer_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(answering):
    url = answering(b"x" * 1000)
    kinds = ("application/timestamp-query", "application/timestamp-reply")
    assert exchange(url, b"?", *kinds, limit=1000, seconds=2) == b"x" * 1000
    with pytest.raises(NoAnswer, match="too large"):
        exchange(url, b"?", *kinds, limit=999, seconds=2)


def test_a_handshake_that_never_ends_is_cut():
    """Somebody listens, takes the line, and says nothing: neither plain nor under TLS are we held."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        for scheme in ("http", "https"):
            begin = time.monotonic()
            with pytest.raises(NoAnswer, match="too slow"):
                exchange(f"{scheme}://127.0.0.1:{mute.getsockname()[1]}/", b"", "a/b", "c/d", limit=10, seconds=0.5)
            assert time.monotonic() - begin < 2
