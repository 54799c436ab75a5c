"""
Decoded pictures of one party for as long as a challenge lasts: from the leg's frames through a decoder's child to the
office. Nothing of it touches a file, and a slow office costs pictures, never packets.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from webrtc.codecs import Codec
from webrtc.decoder import Decoder, DecoderDied

LONGEST_S = 60.0
FASTEST = 15.0
WAITING = 60
"""Frames that may wait for the decoder: two seconds. More are dropped up to the next key frame."""


@dataclass(frozen=True)
class Frame:
    """An encoded frame as it was taken up: wall clock, RTP time."""

    wall: float
    ts: int
    data: bytes
    key: bool


class Source(Protocol):
    """What a feed needs of a leg."""

    over: str
    codec: Codec
    taps: "list[Feed]"

    def ask_key(self, now: float) -> None: ...


class Feed:
    """Taps a leg; `pictures` ends after `seconds`, or with the leg."""

    def __init__(self, source: Source, seconds: float, rate: float) -> None:
        self._source, self._seconds = source, min(seconds, LONGEST_S)
        self._apart = 1.0 / min(rate, FASTEST)
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._broken = True  # until a key frame
        self.dropped = 0

    def take(self, frame: Frame | None) -> None:
        """A frame of the leg; None: the leg is over, or a frame was lost."""
        if frame is None:
            self._broken = True
            return
        full = self._frames.qsize() >= WAITING
        if frame.key:
            self._broken = False
            while full and not self._frames.empty():  # nothing that waits is needed any more
                self._frames.get_nowait()
                self.dropped += 1
        elif self._broken or full:
            self.dropped += 1
            self._broken = True
            self._source.ask_key(time.monotonic())
            return
        self._frames.put_nowait(frame)

    def end(self) -> None:
        """The leg is over."""
        self._frames.put_nowait(None)

    async def pictures(self) -> AsyncIterator[tuple[Frame, bytes]]:
        """(frame, JPEG) at most so often as asked. Raises DecoderDied."""
        decoder, last = Decoder(self._source.codec), 0.0
        end = time.monotonic() + self._seconds
        self._source.taps.append(self)
        self._source.ask_key(time.monotonic())
        try:
            while not self._source.over and (left := end - time.monotonic()) > 0:
                try:
                    frame = await asyncio.wait_for(self._frames.get(), left)
                except TimeoutError:
                    return
                if frame is None:
                    return
                wanted = frame.wall - last >= 0.9 * self._apart
                made = await decoder.picture(frame.data, wanted=wanted)
                if made:
                    last = frame.wall
                    yield frame, made
        finally:
            self._source.taps.remove(self)
            await decoder.close()


async def send(feed: Feed, started: float, writer: asyncio.StreamWriter) -> None:
    """A JSON line and its JPEG for each picture, then a line that says how it ended; `started`: wall clock at media
    time 0."""
    cause = "over"
    try:
        async for frame, made in feed.pictures():
            head = {"seconds": round(frame.wall - started, 3), "ts": frame.ts, "size": len(made)}
            writer.write(json.dumps(head).encode() + b"\n" + made)
            await asyncio.wait_for(writer.drain(), 5)
    except DecoderDied:
        cause = "decoder"
    writer.write(json.dumps({"end": cause, "dropped": feed.dropped}).encode() + b"\n")
    await writer.drain()
