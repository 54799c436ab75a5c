"""Both parties in one film: where each stands, when, and what a gap looks like."""

import fractions
import json
import os
import struct
import subprocess
import sys
import threading

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder
from webrtc_parties import ENCODERS

from webrtc import codecs, compose, webm

RED, BLUE = (200, 20, 20), (20, 20, 200)


def segment(colour, hertz, seconds, codec=codecs.VP8) -> bytes:
    """A file as the recorder writes it: one colour, one tone."""
    encoder, video_options = ENCODERS[codec.name]
    video = av.CodecContext.create(encoder, "w")
    video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
    video.time_base, video.framerate = fractions.Fraction(1, 20), 20
    video.options = video_options
    audio = av.CodecContext.create("libopus", "w")
    audio.sample_rate, audio.layout, audio.format = 48000, "stereo", "s16"
    data, blocks = b"", []
    for n in range(int(seconds * 50)):
        wave = (8000 * np.sin(2 * np.pi * hertz * (np.arange(960) + 960 * n) / 48000)).astype(np.int16)
        sound = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None, :], "s16", "stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48000, 960 * n, fractions.Fraction(1, 48000)
        blocks += [(webm.AUDIO, 20 * n, bytes(p), True) for p in audio.encode(sound)]
        if n % 5 in (0, 2):
            i = n // 5 * 2 + (n % 5 > 0)
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), colour, np.uint8), "rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = i, fractions.Fraction(1, 20)
            for packet in video.encode(frame):
                kept = as_kept(bytes(packet)) if codec is codecs.H264 else bytes(packet)
                data = data or webm.header(320, 240, codec.configuration(kept))
                blocks.append((webm.VIDEO, 20 * n, kept, packet.is_keyframe))
        if n % 25 == 24:
            data += webm.cluster(sorted(blocks, key=lambda block: block[1]))
            blocks = []
    return data


def as_kept(stream: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in H264Encoder._split_bitstream(stream))


def film(segments, seconds, cpu_s=60) -> tuple[bytes, int]:
    """What the child makes of (leg, offset, seconds, bytes) of each, and its exit code."""
    pipes = [os.pipe() for _ in segments]
    told = [
        {"leg": leg, "offset": offset, "seconds": length, "fd": ours}
        for (leg, offset, length, _), (ours, _) in zip(segments, pipes, strict=True)
    ]
    child = subprocess.Popen(
        [sys.executable, "-m", compose.__name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        pass_fds=[ours for ours, _ in pipes],
    )  # fmt: skip

    def feed(theirs, data):
        with os.fdopen(theirs, "wb") as stream:
            try:
                stream.write(data)
            except BrokenPipeError:
                return

    for (ours, theirs), one in zip(pipes, segments, strict=True):
        os.close(ours)
        threading.Thread(target=feed, args=(theirs, one[3]), daemon=True).start()
    child.stdin.write(json.dumps({"segments": told, "seconds": seconds, "cpu_s": cpu_s}).encode() + b"\n")
    child.stdin.close()
    out, at = b"", 0
    said = child.stdout.read()
    while at < len(said):
        (size,) = struct.unpack_from("!L", said, at)
        out += said[at + 4 : at + 4 + size]
        at += 4 + size
    return out, child.wait()


def halves(path):
    """{tenth of a second: (colour left, colour right)}, and the sound as one array."""
    seen = {}
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            seen[round(frame.time * 10)] = picture[180, 240].astype(int), picture[180, 720].astype(int)
    with av.open(str(path)) as file:
        sound = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    return seen, sound.astype(float)


def loudness(sound, hertz, begin, end):
    """How much of a tone there is between two seconds."""
    part = sound[int(begin * 48000) : int(end * 48000)]
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / 48000)
    return abs((part * turn).sum()) / len(part) / (np.abs(sound).max() + 1e-9)


@pytest.mark.req("D04", "D08")
def test_the_applicant_stands_left_the_notary_right_each_at_its_time_and_a_gap_is_grey(tmp_path):
    parts = [
        ("applicant", 0.0, 2.0, segment(RED, 440, 2)),
        ("notary", 1.0, 4.0, segment(BLUE, 1000, 4, codecs.H264)),
        ("applicant", 4.0, 1.0, segment(RED, 440, 1)),
    ]
    data, code = film(parts, 5.0)
    assert code == 0
    (tmp_path / "both.webm").write_bytes(data)
    seen, sound = halves(tmp_path / "both.webm")
    assert len(seen) >= 49

    def at(tenth, half, colour):
        return np.abs(seen[tenth][half] - np.array(colour)).max() < 40

    grey = (compose.GREY,) * 3
    assert at(5, 0, RED)
    assert at(5, 1, grey)
    assert at(15, 0, RED)
    assert at(15, 1, BLUE)
    assert at(30, 0, grey), "nothing was recorded of the applicant between 2 s and 4 s"
    assert at(30, 1, BLUE)
    assert at(45, 0, RED)
    assert at(45, 1, BLUE)
    assert loudness(sound, 440, 0.2, 0.9) > 0.1 > 10 * loudness(sound, 1000, 0.2, 0.9)
    assert loudness(sound, 1000, 2.5, 3.5) > 0.1 > 10 * loudness(sound, 440, 2.5, 3.5)
    assert min(loudness(sound, hertz, 4.3, 4.8) for hertz in (440, 1000)) > 0.05


@pytest.mark.parametrize("spoilt", [b"", b"rubbish" * 1000, "cut"])
def test_a_segment_that_is_no_film_leaves_its_half_grey_and_the_other_whole(tmp_path, spoilt):
    whole = segment(BLUE, 1000, 2)
    data, code = film(
        [("applicant", 0.0, 2.0, whole[:500] if spoilt == "cut" else spoilt), ("notary", 0.0, 2.0, whole)], 2.0
    )
    assert code == 0
    (tmp_path / "both.webm").write_bytes(data)
    seen, _ = halves(tmp_path / "both.webm")
    assert np.abs(seen[10][0] - compose.GREY).max() < 40
    assert np.abs(seen[10][1] - np.array(BLUE)).max() < 40


def test_the_child_has_no_more_time_than_it_is_given():
    data, code = film([("notary", 0.0, 3600.0, segment(BLUE, 1000, 1))], 36000.0, cpu_s=2)
    assert code != 0
    assert data
