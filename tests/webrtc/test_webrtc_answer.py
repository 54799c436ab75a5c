"""What is read of an offer, what is answered, and what is refused in words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webrtc import answer, arrivals
from webrtc.errors import BadOffer, MediaError

CHROME = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:eN6W
a=ice-pwd:4Zb0eUb3f2lVdDq6yLr5pXyz
a=ice-options:trickle
a=fingerprint:sha-256 FINGER
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:stream audio-track
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=ssrc:1001 cname:user
m=video 9 UDP/TLS/RTP/SAVPF 96 97 103
c=IN IP4 0.0.0.0
a=ice-ufrag:eN6W
a=ice-pwd:4Zb0eUb3f2lVdDq6yLr5pXyz
a=fingerprint:sha-256 FINGER
a=setup:actpass
a=mid:1
a=sendrecv
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:103 H264/90000
a=rid:hi send
a=rid:lo send
a=simulcast:send hi;lo
a=ssrc:1002 cname:user
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:eN6W
a=ice-pwd:4Zb0eUb3f2lVdDq6yLr5pXyz
a=fingerprint:sha-256 FINGER
a=setup:actpass
a=mid:2
a=sctp-port:5000
a=max-message-size:262144
""".replace("FINGER", ":".join(["AB"] * 32)).replace("\n", "\r\n")
OURS = answer.Ours("203.0.113.7", 4443, "ufrag", "p" * 32, "CD" * 32, 1, 2, {"audio": 5, "video": 6})


@pytest.mark.req("C01")
def test_the_answer_takes_one_stream_of_each_kind_and_one_port():
    said = answer.write(answer.read(CHROME), OURS)
    assert said.count("m=") == 3
    assert "a=ice-lite" in said
    assert "a=group:BUNDLE 0 1 2" in said
    assert {"203.0.113.7 4443"} == set(re.findall(r"2130706431 (\S+ \d+) typ host", said))
    assert {"a=setup:passive"} == set(re.findall(r"a=setup:\S+", said))
    assert "a=rtpmap:96 VP8/90000" in said
    assert "a=rtpmap:111 opus/48000/2" in said
    assert [
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir",
        "a=rtcp-fb:96 goog-remb",
        "a=rtcp-fb:96 transport-cc",
    ] == re.findall(r"a=rtcp-fb:.*(?=\r)", said)


def test_what_is_not_taken_is_left_out_and_not_refused():
    said = answer.write(answer.read(CHROME), OURS)
    for word in ("simulcast", "rid:", "rtx", "H264", "abs-send-time", "red/"):
        assert word in CHROME
        assert word not in said


def test_the_numbers_of_pictures_are_taken_with_the_feedback_and_neither_without_the_other():
    said = answer.write(answer.read(CHROME), OURS)
    assert re.findall(r"a=extmap:\S+ \S+", said) == [f"a=extmap:4 {arrivals.URI}"]
    for missing in ("a=rtcp-fb:96 transport-cc\r\n", f"a=extmap:4 {arrivals.URI}\r\n"):
        said = answer.write(answer.read(CHROME.replace(missing, "")), OURS)
        assert "extmap" not in said
        assert "transport-cc" not in said


def test_a_silent_or_deaf_party_is_answered_by_its_counterpart():
    said = answer.write(answer.read(CHROME.replace("a=sendrecv", "a=sendonly")), OURS)
    assert said.count("a=recvonly") == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("VP8", "XX8"), "no VP8 and no H264"),
        (("opus", "speex"), "opus"),
        (("a=rtcp-mux\r\n", ""), "RTCP"),
        (("a=setup:actpass", "a=setup:passive"), "DTLS"),
        (("BUNDLE 0 1 2", "BUNDLE 0 1"), "bundle"),
        (("a=mid:1", "a=mid:0"), "bundle"),
        (("sha-256", "sha-1"), "SHA-256"),
        (("a=ice-pwd:4Zb0eUb3f2lVdDq6yLr5pXyz", "a=ice-pwd:short"), "ICE"),
        (("a=mid:0", "a=mid:a b"), "mid"),
        (("webrtc-datachannel\r\n", "webrtc-datachannel\r\na=sctp-port:99999\r\n"), "port"),
        (("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "form"),
        (("o=- 46", "o=46"), "origin"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(change, words):
    with pytest.raises(BadOffer) as refused:
        answer.read(CHROME.replace(*change))
    assert words in refused.value.words


H264 = """a=rtpmap:103 H264/90000\r
a=rtcp-fb:103 nack pli\r
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42E034\r
"""
BOTH = CHROME.replace("a=rtpmap:103 H264/90000\r\n", H264)
ONLY_H264 = BOTH.replace("VP8", "XX8")


def test_h264_is_answered_as_it_is_offered_where_the_room_wants_it_or_there_is_no_other():
    assert ("VP8", "H264") == answer.read(BOTH).codecs
    assert "VP8/90000" in answer.write(answer.read(BOTH), OURS)
    wanted = answer.read(BOTH)
    wanted.take("H264")
    for asked in (wanted, answer.read(ONLY_H264)):
        said = answer.write(asked, OURS)
        assert "m=video 4443 UDP/TLS/RTP/SAVPF 103\r\n" in said
        assert "a=rtpmap:103 H264/90000\r\n" in said
        assert (
            f"a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f;{answer.LEAST}\r\n"
            in said
        )
        assert ["a=rtcp-fb:103 nack pli"] == re.findall(r"a=rtcp-fb:.*(?=\r)", said), "of the other codec nothing"
        assert "VP8" not in said
    with pytest.raises(BadOffer):
        answer.read(ONLY_H264).take("VP8")


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        (("level-asymmetry-allowed=1;", ""), "packetization-mode=1;profile-level-id=42e01f"),
        (("42E034", "42c01f"), "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c01f"),
        (("42E034", "42001f"), ""),  # baseline that is not constrained: slice groups, which browsers do not decode
        (("42E034", "640c1f"), ""),
        (("42E034", "42e01e"), ""),
        (("42E034", "42e0"), ""),
        (("packetization-mode=1", "packetization-mode=0"), ""),
        (("packetization-mode=1;", ""), ""),
        (("a=fmtp:103", "a=fmtp:104"), ""),
    ],
)
def test_of_h264_one_profile_is_taken(change, taken):
    offer = ONLY_H264.replace(*change)
    if not taken:
        with pytest.raises(BadOffer):
            answer.read(offer)
        assert ("VP8",) == answer.read(BOTH.replace(*change)).codecs
    else:
        assert f"a=fmtp:103 {taken};{answer.LEAST}\r\n" in answer.write(answer.read(offer), OURS)


@given(st.lists(st.tuples(st.integers(0, len(CHROME)), st.integers(0, 40), st.text(max_size=12)), max_size=6))
def test_a_spoiled_offer_is_answered_or_refused(changes):
    text = BOTH
    for at, size, put in changes:
        text = text[:at] + put + text[at + size :]
    try:
        said = answer.write(answer.read(text), OURS)
    except MediaError:
        return
    assert said.isascii()
    assert all(re.fullmatch(r"[a-z]=[^\r\n]*", line) for line in said[:-2].split("\r\n"))
