"""Order, loss and replaced sources: what is recorded is in order, what is sent has no seam."""

import itertools
import random
import time

from hypothesis import given
from hypothesis import strategies as st

from webrtc.packets import Rtp, parse_rtp
from webrtc.streams import Frames, Incoming, Outgoing

KEY, DELTA = b"\x10\x00rest", b"\x10\x01rest"


def video(seq: int, ts: int = 0, payload: bytes = KEY, ssrc: int = 1, marker: bool = True) -> Rtp:
    return Rtp(96, marker, seq & 0xFFFF, ts & 0xFFFFFFFF, ssrc, payload)


@given(st.integers(0, 0xFFFF), st.randoms(), st.integers(20, 200))
def test_packets_come_out_in_order_whatever_order_they_came_in(start, rng: random.Random, count):
    stream = Incoming("video")
    order = [0, *sorted(range(1, count), key=lambda n: n + rng.random() * 20)]
    out = []
    for i, n in enumerate(order):
        rtp = video(start + n, n)
        out += stream.take(rtp, i * 0.001) or ()
    out += stream.flush()
    assert [r.ts for r in out if r] == list(range(count))
    assert None not in out
    assert stream.given_up == 0


def test_a_lost_packet_is_asked_for_again_and_then_given_up():
    stream = Incoming("video")
    for seq in (1, 2, 4):
        stream.take(video(seq), 0.0)
    assert stream.wanted(0.0, 0.1) == [3]
    assert stream.wanted(0.05, 0.1) == []
    assert stream.wanted(0.2, 0.1) == [3]
    assert stream.overdue(0.5) == []
    assert [r and r.seq for r in stream.overdue(1.5)] == [None, 4]
    assert stream.given_up == 1
    assert stream.take(video(3), 1.6) is None
    report = stream.receiver_report(2.0)
    assert (report.lost, report.highest) == (0, 4)


def test_the_report_says_what_was_lost():
    stream = Incoming("audio")
    for seq in range(100):
        if seq % 4:
            stream.take(video(seq + 0xFFF0), seq * 0.02)
    report = stream.receiver_report(2.0)
    assert report.lost == 24
    assert 60 < report.fraction < 66
    assert report.highest >> 16 == 1


def test_another_ssrc_and_a_repeated_packet_are_not_recorded():
    stream = Incoming("video")
    assert stream.take(video(1), 0.0) == (video(1),)
    assert stream.take(video(2, ssrc=9), 0.0) is None
    assert stream.take(video(1), 0.0) is None


def test_a_replaced_source_carries_on_without_a_seam():
    out = Outgoing("video", 100, 5)
    first, second = object(), object()
    assert out.forward(first, video(7, 0, DELTA), 0.0) is None
    sent = [parse_rtp(out.forward(first, video(65534 + n, 3000 * n, KEY), n / 30)) for n in range(4)]
    assert out.forward(second, video(40000, 99, DELTA), 0.5) is None
    sent += [parse_rtp(out.forward(second, video(40000 + n, 10**9 + 3000 * n), 0.5 + n / 30)) for n in range(4)]
    assert out.forward(second, video(39999, 10**9), 0.6) is None
    seqs = [s.seq for s in sent]
    assert all((b - a) & 0xFFFF == 1 for a, b in itertools.pairwise(seqs))
    steps = [(b.ts - a.ts) & 0xFFFFFFFF for a, b in itertools.pairwise(sent)]
    assert all(0 < step < 90000 for step in steps)
    assert {s.ssrc for s in sent} == {5}
    assert parse_rtp(out.again(seqs[2])).seq == seqs[2]
    assert out.again((seqs[-1] + 1) & 0xFFFF) is None


def test_a_frame_that_misses_a_packet_is_not_given():
    frames = Frames()
    assert frames.add(video(1, 1, b"\x10AB", marker=False)) is None
    assert frames.add(video(2, 1, b"\x00CD")) == (1, b"ABCD")
    assert frames.add(video(3, 2, b"\x10EF", marker=False)) is None
    assert frames.add(None) is None
    assert frames.add(video(5, 2, b"\x00GH")) is None
    assert frames.broken == 1
    assert frames.add(video(6, 3, b"\x10IJ")) == (3, b"IJ")


def test_no_two_packets_are_ever_sent_under_one_number():
    out = Outgoing("audio", 111, 7)
    sent = {}
    for seq in (10, 11, 11, 12, 10, 900, 12, 65000, 900):
        data = out.forward("one", Rtp(111, False, seq, 0, 1, bytes([len(sent)])), 0.0)
        if data is not None:
            number = int.from_bytes(data[2:4], "big")
            assert number not in sent
            sent[number] = data
    assert {10, 11, 12, 900} <= set(sent)


def test_a_sender_that_leaps_ahead_again_and_again_costs_little():
    stream = Incoming("video")
    began = time.thread_time()
    seq = 0
    for n in range(2000):
        seq = (seq + 2900) & 0xFFFF
        now = n / 1000
        stream.take(Rtp(96, True, seq, n * 90, 5, b"x"), now)
        assert len(stream.wanted(now, 0.05)) <= 64
        assert len(stream.missing) <= 3000
    assert time.thread_time() - began < 5
