"""Connectivity checks and addresses: who is heard, who is answered, where packets go."""

import asyncio
import gc
import random
import struct
import weakref

import pytest
from aioice import stun as theirs
from hypothesis import given
from hypothesis import strategies as st

from webrtc import stun
from webrtc.pairs import CONSENT_S, MAX_ADDRESSES, Pairs
from webrtc.port import Port

PASSWORD = "p" * 32
HOME, AWAY = ("192.0.2.1", 5000), ("198.51.100.2", 6000)


def check(password: str = PASSWORD, user: str = "ours:theirs", **extra: object) -> bytes:
    message = theirs.Message(theirs.Method.BINDING, theirs.Class.REQUEST)
    message.attributes |= {"USERNAME": user, "PRIORITY": 77, "ICE-CONTROLLING": 1, **extra}
    message.add_message_integrity(password.encode())
    return bytes(message)


@pytest.mark.req("C01")
def test_a_true_check_is_heard_and_answered_with_no_more_bytes_than_it_has():
    request = check(**{"USE-CANDIDATE": None})
    assert ("ours", "theirs") == stun.username(request)

    found = stun.check(request, PASSWORD)
    assert found is not None
    assert (77, True, False) == (found.priority, found.nominates, found.conflict)

    reply = stun.success(found, HOME, PASSWORD)
    said = theirs.parse_message(reply)
    assert said.check_message_integrity(PASSWORD.encode())
    assert HOME == said.attributes["XOR-MAPPED-ADDRESS"]
    assert len(reply) <= len(request)


def test_a_check_under_another_password_or_without_one_is_not_heard():
    assert stun.check(check("q" * 32), PASSWORD) is None
    bare = theirs.Message(theirs.Method.BINDING, theirs.Class.REQUEST)
    bare.attributes |= {"USERNAME": "ours:theirs", "PRIORITY": 1}
    assert stun.check(bytes(bare), PASSWORD) is None
    bare.add_fingerprint()
    assert stun.check(bytes(bare), PASSWORD) is None
    assert stun.check(check()[:-8], PASSWORD) is None  # no FINGERPRINT, and the length lies


def test_who_takes_our_part_is_told_so():
    request = check()
    message = theirs.parse_message(request)
    message.attributes.pop("ICE-CONTROLLING")
    message.attributes["ICE-CONTROLLED"] = 1
    message.add_message_integrity(PASSWORD.encode())
    found = stun.check(bytes(message), PASSWORD)
    assert found is not None
    assert found.conflict
    assert theirs.parse_message(stun.role_conflict(found, PASSWORD)).error_code == 487


@given(st.randoms(use_true_random=False))
def test_no_changed_bit_makes_a_true_check(rng: random.Random):
    request = bytearray(check())
    at = rng.randrange(len(request))
    request[at] ^= 1 << rng.randrange(8)
    heard = stun.username(bytes(request)) is not None and stun.check(bytes(request), PASSWORD) is not None
    assert not heard


@given(st.binary(max_size=600), st.booleans())
def test_no_bytes_raise(data: bytes, framed: bool):
    if framed:
        body = data[: len(data) & ~3]
        data = struct.pack("!HHL", 1, len(body), 0x2112A442) + bytes(12) + body
    stun.username(data)
    stun.check(data, PASSWORD)


def test_packets_go_where_the_browser_last_said_and_sends_from():
    pairs = Pairs()
    assert pairs.prove(HOME, 10, 1, 0.0, nominates=False) == []
    assert pairs.selected is None
    pairs.prove(HOME, 10, 1, 1.0, nominates=True)
    assert HOME == pairs.selected
    pairs.prove(AWAY, 5, 1, 2.0, nominates=False)
    pairs.prove(HOME, 10, 1, 2.5, nominates=False)
    pairs.heard(AWAY)
    assert HOME == pairs.selected, "an address that is only tried is not sent to"
    pairs.prove(AWAY, 5, 1, 3.0, nominates=True)
    assert HOME == pairs.selected, "the other has the higher priority and is alive"
    pairs.heard(AWAY)
    assert AWAY == pairs.selected, "what the browser sends from is what it means"
    pairs.heard(HOME)
    assert AWAY == pairs.selected, "a packet that was under way does not turn it back"


def test_a_nat_that_takes_another_port_is_followed_by_its_checks_and_packets():
    pairs = Pairs()
    pairs.heard(AWAY)
    assert pairs.selected is None
    pairs.prove(HOME, 10, 1, 1.0, nominates=True)
    pairs.heard(AWAY)
    assert HOME == pairs.selected, "an address without a check is not sent to"
    pairs.prove(AWAY, 10, 1, 5.0, nominates=False)
    assert HOME == pairs.selected, "a check alone may be a try"
    pairs.heard(AWAY)
    assert AWAY == pairs.selected


def test_a_restart_moves_at_once_and_silence_moves_in_the_end():
    pairs = Pairs()
    pairs.prove(HOME, 10, 1, 0.0, nominates=True)
    pairs.prove(AWAY, 5, 2, 1.0, nominates=True)
    assert AWAY == pairs.selected
    pairs.prove(HOME, 5, 2, 9.0, nominates=True)
    assert HOME == pairs.selected
    assert not pairs.expired(9.0 + CONSENT_S)
    assert pairs.expired(9.1 + CONSENT_S)


def test_an_endless_row_of_addresses_is_bounded_and_keeps_the_one_in_use():
    pairs = Pairs()
    pairs.prove(HOME, 10, 1, 0.0, nominates=True)
    gone = [a for n in range(100) for a in pairs.prove(("203.0.113.9", n), 1, 1, 0.1, nominates=False)]
    assert len(list(pairs)) == MAX_ADDRESSES
    assert len(gone) == 101 - MAX_ADDRESSES
    assert HOME in pairs


def test_who_listened_to_a_closed_connection_goes_without_the_collector():
    """A leg keeps half a second of packets of each kind; a hundred of those that nobody frees are a worker's memory."""

    class Listener:
        def __init__(self, link):
            self.link = link
            link.on_rtp = link.on_rtcp = link.on_state = link.on_text = self.heard

        def heard(self, _what):
            raise AssertionError("nothing was said")

    async def closed():
        port = Port("127.0.0.1")
        listener = Listener(port.connect())
        link, gone = listener.link, weakref.ref(listener)
        gc.disable()
        try:
            del listener
            assert gone() is not None
            await link.close()
            assert gone() is None
        finally:
            gc.enable()
            await port.close()

    asyncio.run(closed())
