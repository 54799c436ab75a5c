"""Messages survive the wire; offers and packets of strangers are bounded before anybody reads them."""

import json
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webrtc import packets, protocol, sdp
from webrtc.errors import BadOffer, BadRequest, NoSpace, OfferTooLarge, error_of
from webrtc.protocol import Limits, OpenRoom, Seat

KEY = bytes(range(32))
OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 00:11
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 10.0.0.7
a=candidate:1 1 udp 2130706431 169.254.169.254 80 typ host
a=end-of-candidates
m=video 9 UDP/TLS/RTP/SAVPF 96
A=CANDIDATE:2 1 udp 1 internal.example 80 typ host
 a=candidate:3 1 udp 1 ::1 80 typ host"""

REQUESTS = [
    OpenRoom("room-1", KEY, (Seat("applicant", "applicant"), Seat("notary", "notary")), Limits(1 << 20)),
    protocol.Offer("room-1", "applicant", "v=0", "offer"),
    protocol.Send("room-1", None, {"event": "say", "text": "你好"}),
    protocol.Mark("room-1", "identity"),
    protocol.Snapshot("room-1", "notary"),
    protocol.Watch("room-1", "applicant", 45.0, 12.0),
    protocol.Status("room-1"),
    protocol.StopRecording("room-1", "applicant"),
    protocol.CloseLeg("room-1", "applicant"),
    protocol.CloseRoom("room-1"),
    protocol.Health("worker"),
    protocol.Drain("worker", on=False),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.do)
def test_a_request_comes_over_as_it_was(request_):
    assert protocol.from_line(protocol.to_line(request_)) == request_


def test_every_verb_is_in_the_table_of_this_test():
    assert {type(r) for r in REQUESTS} == set(protocol.REQUESTS.values())


def test_a_key_is_in_no_text_of_a_request():
    assert "key" not in repr(REQUESTS[0])


@given(st.one_of(st.binary(max_size=300), st.from_regex(rb'\{"do":"(offer|mark|open_room)".{0,80}\}')))
def test_what_is_no_request_is_refused_by_one_error(line):
    with pytest.raises(BadRequest):
        protocol.from_line(line)


@pytest.mark.parametrize("room", ["", "../x", "a/b", "a" * 65, ".x", "ä", None, 3])
def test_a_room_that_could_be_a_path_is_refused(room):
    with pytest.raises(BadRequest):
        protocol.Status(room)


def test_events_and_rooms_are_bounded():
    with pytest.raises(BadRequest):
        protocol.Send("r", None, {"event": "x", "text": "a" * 17000})
    with pytest.raises(BadRequest):
        protocol.Send("r", None, {"text": "no name"})
    with pytest.raises(BadRequest):
        OpenRoom("r", KEY, tuple(Seat(f"leg-{n}", "party") for n in range(3)))
    with pytest.raises(BadRequest):
        OpenRoom("r", b"short", (Seat("a", "a"),))


def test_an_error_keeps_its_class_and_words_over_the_wire():
    with pytest.raises(NoSpace, match="too little"):
        protocol.read_answer(protocol.answer_line(NoSpace("too little")))
    assert protocol.read_answer(protocol.answer_line({"a": 1})) == {"a": 1}
    assert error_of("media.never-heard", "x").words == "x"


def test_no_address_of_a_client_is_left_in_an_offer():
    cleaned = sdp.clean(OFFER)
    for trace in ("candidate", "169.254", "internal.example", "10.0.0.7", "::1"):
        assert trace not in cleaned.lower()
    assert cleaned.count("m=") == 2


@pytest.mark.parametrize(
    ("offer", "error"),
    [
        ("x" * 1_000_000, OfferTooLarge),
        (OFFER + "\r\na=candidate:1 1 udp 1 1.2.3.4 1 typ host" * 33, OfferTooLarge),
        (OFFER + "\r\na=x" * 3000, OfferTooLarge),
        (OFFER + "\r\nm=video 9 UDP/TLS/RTP/SAVPF 97", BadOffer),
        (OFFER.replace("m=video", "m=text"), BadOffer),
        ("", BadOffer),
        ("v=0", BadOffer),
        (OFFER + "\r\ns=名", BadOffer),
    ],
)
def test_an_offer_over_a_bound_is_refused_at_once(offer, error):
    began = time.monotonic()
    with pytest.raises(error):
        sdp.clean(offer)
    assert time.monotonic() - began < 0.05


@given(st.binary(max_size=120))
def test_no_bytes_upset_the_packet_parsers(data):
    rtp = packets.parse_rtp(data)
    assert rtp is None or len(rtp.payload) <= len(data)
    packets.vp8_body(data)
    packets.picture_size(data)
    for head in (b"\x80\xc8", b"\x81\xc9", b"\x81\xcd", b"\x81\xce", b"\x84\xce", b"\x8f\xce", b"\x83\xcb"):
        packets.parse_rtcp(head + struct.pack("!H", len(data) // 4) + data)


U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


@given(st.integers(0, 127), st.booleans(), U16, U32, U32, st.binary(max_size=100))
def test_rtp_reads_what_it_wrote(pt, marker, seq, ts, ssrc, payload):
    rtp = packets.parse_rtp(packets.build_rtp(pt, marker, seq, ts, ssrc, payload))
    assert rtp == (pt, marker, seq, ts, ssrc, payload)


@given(st.lists(U16, unique=True, min_size=1, max_size=127))
def test_a_nack_names_what_is_missing_and_nothing_else(lost):
    (nack,) = packets.parse_rtcp(packets.build_nack(1, 2, lost))
    assert set(nack.lost) == set(lost)
    assert nack.ssrc == 2


@given(st.integers(-0x800000, 0x7FFFFF), st.integers(0, 255), U32, U32, U32, st.integers(0, 10_000_000))
def test_reports_read_what_they_wrote(lost, fraction, highest, lsr, dlsr, bitrate):
    report = packets.Report(7, fraction, lost, highest, 5, lsr, dlsr)
    remb = packets.build_remb(1, bitrate, [7])
    back, cap = packets.parse_rtcp(packets.build_rr(1, [report]) + remb)
    assert back == report
    assert bitrate - (bitrate >> 17) <= cap.bitrate <= bitrate
    sr = packets.SenderReport(3, lsr << 32 | dlsr, highest, 9, 10)
    assert packets.parse_rtcp(packets.build_sr(sr, b"name")) == [sr]
    assert packets.parse_rtcp(packets.build_pli(1, 2)) == [packets.KeyRequest(2)]


def test_a_line_stays_one_line():
    assert all(protocol.to_line(r).count(b"\n") == 1 for r in REQUESTS)
    assert json.loads(protocol.to_line(REQUESTS[1]))["do"] == "offer"
