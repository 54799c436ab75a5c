"""
Both parties of an interview in one film, on one clock, for the eye of a reviewer; the segments themselves stay what they are.

Every bit comes from strangers' cameras, so it is decoded apart: this file is the program of a child with bounds on memory and time.
It reads one line of JSON, `{"limits": {...}, "segments": [{"leg", "offset", "seconds", "fd"}, ...]}`, and the segments as WebM
from the descriptors that the line names; it writes fragments of a WebM, each after its length (4 bytes, big-endian). Where nothing
was recorded of a party its half is grey, and its sound silence.
"""

import json
import os
import struct
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

WIDTH, HEIGHT = 480, 360  # of one party's half
PICTURES = 10  # a second
SAMPLES = 48_000
LEGS = ("applicant", "notary")
GREY = 96
BITRATE = {"video": 500_000, "audio": 48_000}
CLUSTER_MS = 1000
MEMORY = 1536 << 20


class Party:
    """One leg's segments, one after another: the picture and the sound of any moment, asked for in order."""

    def __init__(self, segments: list[dict[str, Any]], opened: Any) -> None:
        self._left = sorted(segments, key=lambda one: one["offset"])
        self._open = opened
        self._packets: Iterator[Any] | None = None
        self._offset = self._until = 0.0
        self._pictures: list[tuple[float, Any]] = []
        self._sound: list[tuple[int, Any]] = []
        self._shown: Any = None
        self._reached = 0.0

    def picture(self, at: float) -> Any:
        """The newest decoded frame at `at` seconds, or None where nothing was recorded."""
        self._read(at)
        while self._pictures and self._pictures[0][0] <= at:
            self._shown = self._pictures.pop(0)[1]
        if self._packets is None and at > self._until:
            self._shown = None
        return self._shown

    def sound(self, first: int, count: int) -> Any:
        """`count` samples from sample `first` on, as float64; silence where nothing was recorded."""
        import numpy as np

        self._read((first + count) / SAMPLES)
        out = np.zeros(count)
        kept = []
        for start, samples in self._sound:
            begin, end = max(start, first), min(start + len(samples), first + count)
            if begin < end:
                out[begin - first : end - first] = samples[begin - start : end - start]
            if start + len(samples) > first + count:
                kept.append((start, samples))
        self._sound = kept
        return out

    def _read(self, until: float) -> None:
        while self._reached <= until:
            if self._packets is None:
                if not self._left or self._left[0]["offset"] > until:
                    return
                self._begin(self._left.pop(0))
            packet = next(self._packets, None) if self._packets is not None else None
            if packet is None:
                self._packets = None
                continue
            self._take(packet)

    def _begin(self, segment: dict[str, Any]) -> None:
        self._offset, self._until = float(segment["offset"]), float(segment["offset"]) + float(segment["seconds"])
        self._reached = max(self._reached, self._offset)
        self._packets = self._open(segment)

    def _take(self, packet: Any) -> None:
        if packet.pts is None:
            return
        at = self._offset + float(packet.pts * packet.time_base)
        self._reached = max(self._reached, at)
        try:
            frames = packet.decode()
        except Exception:  # noqa: BLE001  a frame that does not decode is a moment without a picture, no more
            return
        for frame in frames:
            when = self._offset + float(frame.time or 0.0)
            if packet.stream.type == "video":
                self._pictures.append((when, frame))
            else:
                self._sound.append((round(when * SAMPLES), _mono(frame)))


def compose(parties: dict[str, Party], seconds: float) -> Iterator[bytes]:
    """The fragments of the film, header first."""
    import av
    import numpy as np

    from webrtc import webm

    video = av.CodecContext.create("libvpx", "w")
    video.width, video.height, video.pix_fmt = WIDTH * len(LEGS), HEIGHT, "yuv420p"
    video.bit_rate, video.time_base, video.framerate = BITRATE["video"], Fraction(1, PICTURES), Fraction(PICTURES)
    video.options = {"deadline": "realtime", "cpu-used": "8", "g": str(5 * PICTURES), "lag-in-frames": "0"}
    audio = av.CodecContext.create("libopus", "w")
    audio.sample_rate, audio.layout, audio.format, audio.bit_rate = SAMPLES, "stereo", "s16", BITRATE["audio"]
    yield webm.header(video.width, video.height)
    blocks: list[tuple[int, int, bytes, bool]] = []
    each = SAMPLES // PICTURES
    for n in range(max(1, int(seconds * PICTURES))):
        planes = [_half(parties[leg].picture(n / PICTURES)) for leg in LEGS]
        frame = av.VideoFrame.from_ndarray(np.concatenate(planes, axis=1), "rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = n, Fraction(1, PICTURES)
        blocks += [(webm.VIDEO, _ms(p), bytes(p), p.is_keyframe) for p in video.encode(frame)]
        mixed = sum(parties[leg].sound(n * each, each) for leg in LEGS)
        both = np.repeat(np.clip(mixed, -32768, 32767).astype(np.int16), 2)[None, :]
        for part in range(0, each, SAMPLES // 50):  # an Opus frame holds 20 ms
            sound = av.AudioFrame.from_ndarray(both[:, 2 * part : 2 * (part + SAMPLES // 50)], "s16", "stereo")
            sound.sample_rate, sound.pts, sound.time_base = SAMPLES, n * each + part, Fraction(1, SAMPLES)
            blocks += [(webm.AUDIO, _ms(p), bytes(p), True) for p in audio.encode(sound)]
        if blocks and blocks[-1][1] - blocks[0][1] >= CLUSTER_MS:
            yield webm.cluster(sorted(blocks, key=lambda block: block[1]))
            blocks = []
    for track, coder in ((webm.VIDEO, video), (webm.AUDIO, audio)):
        blocks += [(track, _ms(p), bytes(p), p.is_keyframe) for p in coder.encode(None)]
    if blocks:
        yield webm.cluster(sorted(blocks, key=lambda block: block[1]))


def _half(frame: Any) -> Any:
    """A frame fitted into its half, its shape kept."""
    import numpy as np

    half = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    if frame is None:
        return half
    scale = min(WIDTH / frame.width, HEIGHT / frame.height)
    width, height = max(2, int(frame.width * scale)), max(2, int(frame.height * scale))
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    half[top : top + height, left : left + width] = frame.to_ndarray(width=width, height=height, format="rgb24")
    return half


def _mono(frame: Any) -> Any:
    """A frame of sound as float64 in the range of 16 bits, its channels mixed."""
    import numpy as np

    samples = frame.to_ndarray().astype(np.float64)
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    return samples.mean(axis=0) * (32767 if frame.format.name.startswith("flt") else 1)


def _ms(packet: Any) -> int:
    return max(0, round(float(packet.pts * packet.time_base) * 1000))


def _opened(segment: dict[str, Any]) -> Iterator[Any]:
    """The packets of one segment; a file that cannot be read has none."""
    import av

    try:
        with av.open(os.fdopen(int(segment["fd"]), "rb"), format="matroska", timeout=None) as file:
            for stream in file.streams:
                stream.codec_context.thread_count = 1
            yield from file.demux()
    except av.FFmpegError:
        return


def main() -> None:
    """The child."""
    import resource

    said = json.loads(sys.stdin.buffer.readline())
    for what, much in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, int(said["cpu_s"])),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (much, much))
    os.nice(15)
    segments = said["segments"]
    parties = {leg: Party([one for one in segments if one["leg"] == leg], _opened) for leg in LEGS}
    out = sys.stdout.buffer
    for fragment in compose(parties, float(said["seconds"])):
        out.write(struct.pack("!L", len(fragment)) + fragment)
        out.flush()


if __name__ == "__main__":
    main()
