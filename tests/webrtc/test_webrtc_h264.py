"""H.264: packets to frames, frames to files that play, and pictures out of them."""

import asyncio
import contextlib
import fractions
import io
import itertools
import random
import subprocess

import av
import pytest
from aiortc.codecs.h264 import H264Encoder
from PIL import Image
from webrtc_parties import digest, recorded, schema

from webrtc import codecs, h264, journal, webm
from webrtc.__main__ import export
from webrtc.archive import Archive, Writer
from webrtc.decoder import Decoder
from webrtc.h264 import AccessUnits
from webrtc.packets import Rtp
from webrtc.recorder import HOLD_S, Segment
from webrtc.sampler import NotDecoded, Sampler
from webrtc.streams import Incoming, Outgoing

KEY = bytes(range(32))
WHO = {"leg": "applicant", "role": "applicant", "connection": "c", "fingerprint": ""}
PARAMETERS = b"\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\x88", b"\x68\xce\x3c\x80"
SPS, PPS = PARAMETERS
IDR, DELTA, AUD = b"\x65\x88first", b"\x41\x9anext", b"\x09\xf0"


def packets_of(frame: bytes, ts: int, seq: int) -> list[Rtp]:
    """As aiortc, an independent sender, cuts a byte stream."""
    cut = H264Encoder._packetize(H264Encoder._split_bitstream(frame))
    return [Rtp(102, n == len(cut) - 1, (seq + n) & 0xFFFF, ts, 1, one) for n, one in enumerate(cut)]


def all_packets(frames: list[bytes]) -> list[Rtp]:
    found: list[Rtp] = []
    for n, frame in enumerate(frames):
        found += packets_of(frame, 4500 * n, len(found))
    return found


def frames_of(packets) -> list[bytes]:
    units = AccessUnits()
    return [done[1] for one in packets if (done := units.add(one))]


def rtp(payload: bytes, ts: int = 0, marker: bool = True) -> Rtp:
    return Rtp(102, marker, 0, ts, 1, payload)


def stap(*units: bytes) -> bytes:
    return b"\x78" + b"".join(len(one).to_bytes(2, "big") + one for one in units)


def kept(*units: bytes) -> bytes:
    return b"".join(len(one).to_bytes(4, "big") + one for one in units)


def big(width: int, height: int) -> bytes:
    """A key frame of that size, as it is kept."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.options = fractions.Fraction(1, 20), {"profile": "baseline", "tune": "zerolatency"}
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.pts = 0
    return kept(*H264Encoder._split_bitstream(bytes(encoder.encode(frame)[0])))


@pytest.mark.req("D04")
def test_frames_come_out_as_they_were_encoded(h264_clips):
    clip = h264_clips["applicant"].video
    packets = all_packets(clip)
    assert {one.payload[0] & 31 for one in packets} >= {h264.STAP_A, h264.FU_A}
    frames = frames_of(packets)
    assert clip == [h264.annex_b(one) for one in frames]
    assert [n for n, one in enumerate(frames) if h264.is_key(one)] == [0, 20]
    assert (320, 240) == h264.picture_size(frames[0])
    assert h264.picture_size(frames[1]) is None


def test_a_frame_that_misses_a_packet_is_not_given_and_the_next_is():
    clip = [kept(*PARAMETERS, IDR * 900), kept(DELTA * 900), kept(DELTA * 800)]
    rng = random.Random(5)
    packets = all_packets([h264.annex_b(one) for one in clip])
    for n in range(len(packets)):
        frames = frames_of([*packets[:n], None, *packets[n + 1 :]])
        assert len(frames) == 2, n
        assert all(one in clip for one in frames)
    for _ in range(300):
        assert all(one in clip for one in frames_of(one if rng.random() > 0.2 else None for one in packets))


@pytest.mark.parametrize(
    "payloads",
    [
        [SPS, PPS, IDR],
        [stap(SPS, PPS), IDR],
        [stap(SPS, PPS, IDR)],
        [stap(SPS, PPS), b"\x7c\x85\x88f", b"\x7c\x05ir", b"\x7c\x45st"],
    ],
)
def test_the_three_forms_of_payload_make_the_same_frame(payloads):
    packets = [rtp(one, 7, n == len(payloads) - 1) for n, one in enumerate(payloads)]
    assert [kept(SPS, PPS, IDR)] == frames_of(packets)
    assert [True, *[False] * (len(payloads) - 1)] == [h264.begins_key(one) for one in payloads]


def test_a_key_frame_without_parameter_sets_gets_those_of_before():
    packets = [rtp(stap(SPS, PPS, IDR)), rtp(DELTA, 1), rtp(IDR, 2), rtp(stap(AUD, IDR), 3)]
    first, delta, second, third = frames_of(packets)
    assert first == second == kept(SPS, PPS, IDR)
    assert delta == kept(DELTA)
    assert third == kept(AUD, SPS, PPS, IDR)
    apart = frames_of([rtp(stap(SPS, PPS), 0), rtp(IDR, 1)])
    assert [first] == apart, "sets under a time of their own are no frame, and are not forgotten"


@pytest.mark.parametrize(
    "payload",
    [
        b"\x78", b"\x78\x00", b"\x78\x00\x00", b"\x78\x00\x09\x41", stap(b"\x78\x00\x01\x41"), b"\x7c", b"\x7c\x85",
        b"\x7c\x05middle", b"\x7c\xc5both", b"\x7c\x9cnested", b"\x7c\x85never ends", b"\x79\0\0\0\1\x41", b"\x00",
        b"\x5fno", b"\x7d\x85\0\0ab",
    ],
)  # fmt: skip
def test_a_payload_that_makes_no_sense_spoils_its_frame_and_no_other(payload):
    packets = [rtp(stap(SPS, PPS, IDR)), rtp(payload, 1, marker=False), rtp(DELTA, 1), rtp(DELTA, 2), rtp(b"", 2)]
    assert [kept(SPS, PPS, IDR), kept(DELTA)] == frames_of(packets)


def test_a_frame_without_an_end_fills_no_memory():
    units = AccessUnits()
    assert units.add(rtp(stap(SPS, PPS, IDR))) is not None
    for n in range(8000):
        assert units.add(rtp(b"\x7c\x81" + bytes(1000) if not n else b"\x7c\x01" + bytes(1000), 1, False)) is None
        assert sum(map(len, units._part)) <= h264.MAX_FRAME + 1100
    for _ in range(3000):
        units.add(rtp(b"\x41", 2, False))
        assert len(units._units) <= h264.MAX_UNITS + 1
    for n in range(100):
        units.add(rtp(stap(*[bytes((0x68, n))] * 50), 3 + n))
    assert len(units._sets) <= h264.MAX_SETS
    assert units.add(rtp(DELTA, 200)) == (200, kept(DELTA))


@pytest.mark.parametrize("size", [(320, 240), (322, 242), (1280, 720), (720, 1280), (176, 144)])
def test_the_size_is_what_the_encoder_was_told(size):
    assert size == h264.picture_size(big(*size))


def test_other_profiles_are_read_too():
    for profile, form in (
        ("high", "yuv420p"),
        ("high422", "yuv422p"),
        ("high444", "yuv444p"),
        ("high10", "yuv420p10le"),
    ):
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 322, 244, form
        encoder.time_base = fractions.Fraction(1, 20)
        encoder.options = {"profile": profile, "tune": "zerolatency", "x264-params": "cqm=jvt:interlaced=1"}
        frame = av.VideoFrame(322, 244, form)
        frame.pts = 0
        units = list(H264Encoder._split_bitstream(bytes(encoder.encode(frame)[0])))
        (sps,) = (one for one in units if one[0] & 31 == h264.SPS)
        said = h264.read_sps(sps)
        assert said[:2] == (322, 244), profile
        assert (said.chroma, said.luma_bits) == {"yuv422p": (2, 8), "yuv444p": (3, 8), "yuv420p10le": (1, 10)}.get(
            form, (1, 8)
        )
        if profile == "high":
            assert h264.configuration(kept(*units)).endswith(b"\xfd\xf8\xf8\0")


def test_a_set_that_makes_no_sense_has_no_size():
    rng = random.Random(1)
    for _ in range(3000):
        noise = bytes((0x67, rng.choice((66, 100, 244)))) + rng.randbytes(rng.randrange(60))
        said = h264.read_sps(noise)
        assert said is None or (said.width > 0 and said.height > 0)
        h264.configuration(kept(noise, *PARAMETERS)), h264.units(noise), h264.annex_b(noise)
    assert h264.read_sps(PPS) is None
    assert h264.read_sps(SPS[:5]) is None


def test_a_receiver_begins_with_a_key_frame_and_never_in_another_codec(h264_clips):
    packets = all_packets(h264_clips["applicant"].video[:22])
    out, source = Outgoing("video", 109, 5, codec=codecs.H264), Incoming("video", codec=codecs.H264)
    sent = [out.forward(source, one, 0.0) for one in packets[3:]]
    first = next(n for n, one in enumerate(packets[3:]) if h264.begins_key(one.payload))
    assert not any(sent[:first])
    assert all(sent[first:])
    assert {one[1] & 0x7F for one in sent[first:]} == {109}
    other = Outgoing("video", 96, 6)
    assert not any(other.forward(source, one, 0.0) for one in packets)


@pytest.mark.req("D03", "D04", "D05")
@pytest.mark.parametrize("late", [False, True])
def test_a_segment_is_matroska_that_plays_and_holds_every_frame(h264_clips, tmp_path, late):
    clip, writer = h264_clips["applicant"], Writer()
    archive = Archive(tmp_path / "room", "room", KEY, writer)
    writer.submit(lambda: archive.open(1000.0)).result(5)
    segment = Segment("0001-applicant", archive, writer, codecs.H264)
    segment.begin(0.0, 1000.0, WHO)
    start = HOLD_S["H264"] + 1 if late else 0.5  # sound comes first, as browsers have it
    for n in range(int(start * 50)):
        segment.frame("audio", 960 * n, clip.audio[n % 50], True, n * 0.02)
        segment.flush(n * 0.02)
    frames = frames_of(all_packets(clip.video))
    for n, one in enumerate(frames):
        now = start + n * 0.05
        segment.frame("audio", 960 * int(now * 50), clip.audio[n % 50], True, now)
        segment.frame("video", 4500 * n, one, h264.is_key(one), now)
        segment.flush(now)
    segment.end(start + 2, "closed").result(5)
    writer.submit(lambda: archive.close(1010.0, "closed")).result(5)
    writer.stop()
    manifest = journal.manifest_of(tmp_path / "room", KEY)
    assert manifest["intact"], manifest["problems"]
    schema(manifest, "manifest")
    assert manifest["segments"][0]["codec"] == "H264"
    for line in journal.read(tmp_path / "room" / journal.NAME)[0]:
        schema(line, "journal")
    export(tmp_path / "room", tmp_path / "out", KEY)
    path = tmp_path / "out" / "0001-applicant.mkv"
    assert [one for _, one in recorded(path)["video"]] == [digest(one) for one in clip.video]
    told = subprocess.run(
        ["ffprobe", "-v", "warning", "-count_frames", "-show_entries", "format=format_name:stream=codec_name,nb_read_frames",
         "-of", "csv=p=0", str(path)], check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout.split()[0] == "h264,40"
    assert told.stderr == ""
    with av.open(str(path)) as file:
        assert bool(file.streams.video[0].codec_context.extradata[5:].strip(b"\xe0\0")) != late
        assert [one.width for one in file.decode(video=0)] == [320] * 40


def test_a_picture_that_changes_its_size_is_decoded_to_the_end(tmp_path):
    """As a browser does on a narrow way: new sets stand in the stream, the head keeps the first."""
    frames = [big(*size) for size in ((640, 480), (320, 240), (480, 360))]
    data = webm.header(640, 480, h264.configuration(frames[0]))
    data += webm.cluster([(webm.VIDEO, 50 * n, one, True) for n, one in enumerate(frames)])
    with av.open(io.BytesIO(data)) as file:
        assert [640, 320, 480] == [one.width for one in file.decode(video=0)]


@pytest.mark.req("D06")
def test_pictures_come_out_of_frames_and_giants_do_not(h264_clips):
    frames = frames_of(all_packets(h264_clips["applicant"].video[:4]))
    giant = big(1296, 736)
    rng = random.Random(3)

    async def body():
        sampler, decoder = Sampler(), Decoder(codecs.H264)
        try:
            picture = await sampler.jpeg(frames[0], codecs.H264)
            for bad in (b"", frames[1], giant, frames[0][:40], kept(*PARAMETERS, IDR), bytes(1 << 21)):
                with pytest.raises(NotDecoded):
                    await sampler.jpeg(bad, codecs.H264)
            for _ in range(20):
                noise = bytearray(frames[0])
                for _ in range(30):
                    noise[rng.randrange(60, len(noise))] = rng.randrange(256)
                with contextlib.suppress(NotDecoded):
                    await sampler.jpeg(bytes(noise), codecs.H264)
            again = await sampler.jpeg(frames[0], codecs.H264)
            made = [await decoder.picture(one, wanted=True) for one in (giant, b"rubbish", *frames, b"")]
            return picture, again, made
        finally:
            await sampler.close()
            await decoder.close()

    picture, again, made = asyncio.run(body())
    assert picture == again
    assert Image.open(io.BytesIO(picture)).size == (320, 240)
    assert [False, False, True, True, True, True, False] == [bool(one) for one in made]


def test_no_frame_is_ever_put_together_of_two(h264_clips):
    """Whatever is lost, doubled or exchanged on the way, a frame that is given was sent."""
    clip = set(h264_clips["notary"].video[:12])
    packets = all_packets(h264_clips["notary"].video[:12])
    rng = random.Random(9)
    for _ in range(40):
        seen = [one for one in packets if rng.random() > 0.02]
        lost = itertools.pairwise([None, *seen])
        stream = [
            one for a, b in lost for one in ([None] if a is not None and b.seq != (a.seq + 1) & 0xFFFF else []) + [b]
        ]
        assert {h264.annex_b(one) for one in frames_of(stream)} <= clip
