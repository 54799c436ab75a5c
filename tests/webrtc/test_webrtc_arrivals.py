"""What the worker tells a browser of the arrival of its packets, read back as the draft says."""

import random
import struct

import pytest

from webrtc.arrivals import MOST, Arrivals, number

STEP_MS = 0.25


def packet(seq, *, extension=4, before=b"", profile=b"\xbe\xde"):
    body = before + bytes([extension << 4 | 1]) + seq.to_bytes(2, "big")
    body += bytes(-len(body) % 4)
    return b"\x90\x60" + bytes(10) + profile + struct.pack("!H", len(body) // 4) + body + b"payload"


def read(message):
    """(first number, count of messages, {number: ms or None}) by the draft's 3.1, with our own eyes."""
    head, kind, words = struct.unpack_from("!BBH", message)
    assert (head, kind, len(message)) == (0x8F, 205, 4 + 4 * words)
    first, count = struct.unpack_from("!HH", message, 12)
    reference, index = int.from_bytes(message[16:19], "big"), message[19]
    at, symbols = 20, []
    while len(symbols) < count:
        word = int.from_bytes(message[at : at + 2], "big")
        assert word >> 14 == 3
        symbols += [word >> (12 - 2 * place) & 3 for place in range(7)]
        at += 2
    clock, found = reference * 64.0, {}
    for place, symbol in enumerate(symbols[:count]):
        found[(first + place) & 0xFFFF] = None
        if symbol:
            size, form = (1, "!B") if symbol == 1 else (2, "!h")
            clock += struct.unpack_from(form, message, at)[0] * STEP_MS
            at += size
            found[(first + place) & 0xFFFF] = clock
    assert len(message) - at < 4
    return first, index, found


@pytest.mark.parametrize("before", [b"", b"\x00", b"\x10\xff", b"\x22\x01\x02\x03"])
def test_the_number_is_read_wherever_it_stands(before):
    assert number(packet(65535, before=before), 4) == 65535


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x60" + bytes(10) + b"payload",
        packet(1, extension=5),
        packet(1, profile=b"\x10\x00"),
        packet(1, before=b"\xf0"),
        packet(1)[:17],
        packet(1)[:14],
        b"\x90\x60" + bytes(10),
        b"\x90\x60" + bytes(10) + b"\xbe\xde\xff\xff\x41",
        b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x01\x40\x07\x00\x00",
    ],
)
def test_a_header_without_it_has_none(data):
    assert number(data, 4) is None


def test_every_packet_is_told_once_with_its_time_and_what_is_missing():
    seen, rng, now, told, messages = Arrivals(), random.Random(3), 100.0, {}, 0
    came = {}
    for seq in range(65_000, 65_000 + 3000):
        now += rng.uniform(0, 0.02)
        if rng.random() > 0.05:
            seen.note(seq & 0xFFFF, now)
            came[seq & 0xFFFF] = now * 1000
        if (message := seen.message(1, 2, now)) is not None:
            _, index, found = read(message)
            assert index == messages & 0xFF
            assert not found.keys() & told.keys()
            told |= found
            messages += 1
    assert messages > 100
    assert {n: ms for n, ms in told.items() if ms is not None}.keys() <= came.keys()
    offset = next(came[n] - told[n] for n in told if told[n] is not None)
    for n, ms in told.items():
        assert (ms is None) == (n not in came)
        if ms is not None:
            assert abs(came[n] - ms - offset) <= 2 * STEP_MS


def test_a_late_packet_is_told_later_and_one_that_comes_again_is_not():
    seen = Arrivals()
    for seq in (10, 11, 13):
        seen.note(seq, 5.0)
    first, _, found = read(seen.message(1, 2, 5.1))
    assert (first, [found[n] is not None for n in (10, 11, 12, 13)]) == (10, [True, True, False, True])
    seen.note(12, 5.15)
    seen.note(12, 5.16)
    assert seen.message(1, 2, 5.17) is None  # not due yet
    first, _, found = read(seen.message(1, 2, 5.3))
    assert (first, len(found)) == (12, 1)
    seen.note(14, 5.4)
    assert read(seen.message(1, 2, 5.5))[0] == 14


def test_a_pause_of_minutes_and_a_leap_of_numbers_stay_within_their_fields():
    seen = Arrivals()
    seen.note(1, 10.0)
    seen.note(2, 200.0)
    _, _, found = read(seen.message(1, 2, 201.0))
    assert found[1] is not None
    assert found[2] is None  # 190 s fit no step
    seen.note(30_000, 202.0)
    found = read(seen.message(1, 2, 203.0))[2]
    assert len(found) == MOST
    assert found[30_000] is not None
