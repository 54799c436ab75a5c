"""
The recording on the packet loop: frames in, fragments out, within a quarter of a second.

A `Segment` touches no file; it hands whole fragments to the `Writer`. Its clock puts sound and picture on one
line of milliseconds: by arrival at first, then by the sender's own clock reports (RFC 3550 6.4.1).
"""

from concurrent.futures import Future
from typing import Any

from webrtc import journal, webm
from webrtc.archive import Archive, Writer
from webrtc.codecs import VP8, Codec

FLUSH_S = 0.2
HOLD_S = {"VP8": 0.2, "H264": 2.0}
"""How long the header waits for the first key frame: for its picture size, in H.264 also for its parameter sets, without
which most players show nothing."""
RATES = {"video": 90000, "audio": 48000}


class Segment:
    """One party on one connection, on the packet loop: frames in, fragments to the writer."""

    def __init__(self, name: str, archive: Archive, writer: Writer, codec: Codec = VP8) -> None:
        self.name, self._archive, self._writer, self._codec = name, archive, writer, codec
        self.began: float | None = None
        self._began_wall = 0.0
        self._clocks = {kind: _Clock(rate) for kind, rate in RATES.items()}
        self._blocks: list[tuple[int, int, bytes, bool]] = []
        self._flushed = 0.0
        self._head = b""
        self._last: float | None = None

    def begin(self, now: float, wall: float, fields: journal.Line) -> None:
        """The first packet: the segment opens."""
        self.began, self._began_wall, self._flushed = now, wall, now
        told = {**fields, "codec": self._codec.name}
        self._writer.submit(lambda: self._archive.begin(wall, self.name, told))

    def frame(self, kind: str, ts: int, data: bytes, key: bool, now: float) -> None:
        """One encoded frame at RTP time `ts`, taken up at monotonic `now`; in order within its kind."""
        if self.began is None:
            return
        track = webm.VIDEO if kind == "video" else webm.AUDIO
        ms = self._clocks[kind].ms(ts, (now - self.began) * 1000)
        self._blocks.append((track, ms, data, key))
        self._last = now

    def synchronise(self, kind: str, ntp: int, ts: int) -> None:
        """A sender report: RTP time `ts` was NTP time `ntp`. Lines the picture up with the sound."""
        self._clocks[kind].report = (ntp, ts)
        sound, picture = self._clocks["audio"], self._clocks["video"]
        if sound.base is not None and picture.base is not None and sound.report and picture.report:
            ahead = (picture.captured() - sound.captured()) * 1000
            wanted = sound.at + ahead
            if abs(wanted - picture.at) < 1000:
                picture.wanted = wanted

    def flush(self, now: float, *, final: bool = False) -> None:
        """Hand over what has come, every FLUSH_S; by the room's clock, so that the writer wakes for many at once."""
        if not self._blocks or self.began is None:
            return
        if not final and now - self._flushed < FLUSH_S:
            return
        if not self._head:
            first = next((f for t, _, f, key in self._blocks if t == webm.VIDEO and key), None)
            if first is None and not final and now - self.began < HOLD_S[self._codec.name]:
                return
            pixels = self._codec.picture_size(first or b"") or (640, 480)
            self._head = webm.header(*pixels, self._codec.configuration(first or b""))
        plain = webm.cluster(sorted(self._blocks, key=lambda b: b[1]))
        wall, head = self._wall(now), self._head
        self._blocks = []
        self._flushed = now
        kept = self._writer.submit(lambda: self._archive.fragment(wall, self.name, head, plain), len(plain))
        if kept is None:
            size = len(plain)
            self._writer.submit(lambda: self._archive.lose(self.name, size, "queue full"))

    def end(self, now: float, cause: str) -> "Future[Any] | None":
        """The connection is over: `closed`, `replaced`, `lost`, `consent`, `failed`. Safe to call twice."""
        if self.began is None:
            return None
        self.flush(now, final=True)
        wall = self._wall(now)
        last = self._wall(self.began if self._last is None else self._last)
        self.began = None
        return self._writer.submit(lambda: self._archive.end(wall, self.name, cause, last))

    def _wall(self, now: float) -> float:
        assert self.began is not None
        return self._began_wall + now - self.began


class _Clock:
    """RTP time of one stream to milliseconds of the segment."""

    MAX_APART_MS = 5000.0  # a stream further than this from its arrival has begun anew
    SLEW_MS = 2.0

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.base: int | None = None
        self.at = 0.0  # milliseconds at `base`
        self.wanted: float | None = None
        self.report: tuple[int, int] | None = None
        self._before = -1

    def ms(self, ts: int, arrived: float) -> int:
        """Where the frame stands; grows with every call."""
        if self.base is None:
            self.base, self.at = ts, arrived
        if self.wanted is not None:
            self.at += max(-self.SLEW_MS, min(self.SLEW_MS, self.wanted - self.at))
        ticks = _apart(ts, self.base)
        place = self.at + ticks * 1000 / self.rate
        if abs(place - arrived) > self.MAX_APART_MS:
            self.base, self.at, self.wanted, self.report = ts, arrived, None, None
            place = arrived
        elif abs(ticks) > 1 << 29:  # keep the base near, so that 32 bits never wrap between the two
            self.base, shift = ts, place - self.at
            self.at = place
            self.wanted = None if self.wanted is None else self.wanted + shift
        self._before = max(self._before + 1, int(place))
        return self._before

    def captured(self) -> float:
        """NTP seconds at which the sender's clock stood at `base`."""
        assert self.report is not None
        assert self.base is not None
        ntp, ts = self.report
        return ntp / (1 << 32) + _apart(self.base, ts) / self.rate


def _apart(a: int, b: int) -> int:
    """a - b of 32-bit clocks, between -2**31 and 2**31."""
    return ((a - b + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
