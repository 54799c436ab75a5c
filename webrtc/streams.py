"""
One direction of one kind of media: what comes in, what goes out. No clock and no socket of its own.

`Incoming` counts, asks for what is missing, and gives packets back in order. `Outgoing` rewrites a source's
packets onto one continuous stream: when the source is replaced, sequence numbers and timestamps carry on,
or the receiver's replay check would refuse every packet of the new source for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from webrtc import packets
from webrtc.codecs import VP8, Codec
from webrtc.packets import Rtp

RATES = {"video": 90000, "audio": 48000}
HISTORY = 512
WAIT_S = {"video": 1.0, "audio": 0.4}
NACK_TRIES = 8
NACK_APART_S = 0.01
NACK_MOST = 64  # an answer of more in one burst would fill the queues on its way and be lost again
MAX_MISSING = 3000
MAX_FRAME = 4 << 20


@dataclass
class _Missing:
    since: float
    tries: int = 0
    asked: float = -1.0


@dataclass
class Incoming:
    """One received stream. `kind` is audio or video; times are monotonic seconds."""

    kind: str
    ssrc: int | None = None
    count: int = 0
    highest: int = 0  # extended sequence number
    base: int = 0
    jitter: float = 0.0
    last: float = 0.0
    given_up: int = 0  # packets that never came, in the order of recording
    missing: dict[int, _Missing] = field(default_factory=dict)
    report: tuple[packets.SenderReport, float] | None = None
    codec: Codec = VP8  # of pictures
    _transit: float | None = None
    _before: tuple[int, int] = (0, 0)  # (expected, received) at the last report
    _next: int = 0
    _skipped: bool = False
    _wanted: float = -1.0
    _waiting: dict[int, Rtp] = field(default_factory=dict)

    def take(self, rtp: Rtp, now: float) -> Sequence[Rtp | None] | None:
        """Count the packet, and give those whose turn has come; None stands for one that never will.

        None altogether if the packet is not of this stream, or an old one again.
        """
        if self.ssrc is None:
            self.ssrc = rtp.ssrc
            self.highest = self.base = self._next = rtp.seq + (1 << 16)
        elif rtp.ssrc != self.ssrc:
            return None
        # RFC 3550 A.1: 16 bits stand for the number nearest to the highest yet
        step = ((rtp.seq - self.highest + 0x8000) & 0xFFFF) - 0x8000
        number = self.highest + step
        if step == 1:
            self.highest = number
        elif step > 1:
            self._leap(number, now)
        else:
            self.missing.pop(number, None)
        self.count += 1
        self.last = now
        transit = now * RATES[self.kind] - rtp.ts
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < RATES[self.kind]:
                self.jitter += (change - self.jitter) / 16  # RFC 3550 A.8
        self._transit = transit
        if number == self._next and not self._waiting and not self._skipped:  # as nearly all are
            self._next += 1
            return (rtp,)
        if number < self._next:
            return None
        self._waiting.setdefault(number, rtp)
        return self.overdue(now)

    def overdue(self, now: float) -> list[Rtp | None]:
        """What waited, as far as it is in order or waits no longer; None is one that never came."""
        ready: list[Rtp | None] = [None] if self._skipped else []
        self._skipped = False
        while self._waiting:
            here = self._waiting.pop(self._next, None)
            if here is None:
                lost = self.missing.get(self._next)
                if lost is not None and now - lost.since < WAIT_S[self.kind] and len(self._waiting) < HISTORY:
                    break
                self.missing.pop(self._next, None)
                self.given_up += 1
            ready.append(here)
            self._next += 1
        return ready

    def flush(self) -> list[Rtp | None]:
        """What still waits, in order, when nothing more will come."""
        ready: list[Rtp | None] = []
        for number in sorted(self._waiting):
            if number != self._next:
                ready.append(None)
                self.given_up += number - self._next
            ready.append(self._waiting[number])
            self._next = number + 1
        self._waiting.clear()
        return ready

    def wanted(self, now: float, rtt: float) -> list[int]:
        """Sequence numbers to ask for (again): at once, then every round trip, while young; some at a time."""
        ask: list[int] = []
        if not self.missing or 0 <= now - self._wanted < NACK_APART_S:
            return ask
        self._wanted = now
        for number, m in list(self.missing.items()):
            if now - m.since > WAIT_S[self.kind]:
                if number < self._next:
                    del self.missing[number]
            elif m.tries < NACK_TRIES and now - m.asked >= max(0.03, 1.2 * rtt):
                m.tries, m.asked = m.tries + 1, now
                ask.append(number & 0xFFFF)
                if len(ask) == NACK_MOST:
                    break
        return ask

    def receiver_report(self, now: float) -> packets.Report | None:
        """What RFC 3550 A.3 makes of the counts since the last report."""
        if self.ssrc is None:
            return None
        expected = self.highest - self.base + 1
        new_expected = expected - self._before[0]
        new_lost = new_expected - (self.count - self._before[1])
        self._before = (expected, self.count)
        fraction = max(0, min(255, (new_lost << 8) // new_expected)) if new_expected > 0 else 0
        lsr = dlsr = 0
        if self.report:
            lsr = self.report[0].ntp >> 16 & 0xFFFFFFFF
            dlsr = int((now - self.report[1]) * 65536)
        highest = (self.highest - (1 << 16)) & 0xFFFFFFFF
        lost = expected - self.count
        return packets.Report(self.ssrc, fraction, lost, highest, int(self.jitter), lsr, dlsr)

    def _leap(self, number: int, now: float) -> None:
        if number - self.highest + len(self.missing) > MAX_MISSING:  # the sender began anew; nothing between will come
            self._skip_to(number)
        else:
            for n in range(self.highest + 1, number):
                self.missing[n] = _Missing(now)
        self.highest = number

    def _skip_to(self, number: int) -> None:
        self.missing.clear()
        self.given_up += 1
        self._waiting.clear()
        self._skipped = True
        self._next = number


@dataclass
class Outgoing:
    """One sent stream on `ssrc`, fed by one source after another."""

    kind: str
    pt: int
    ssrc: int
    count: int = 0
    octets: int = 0
    codec: Codec = VP8  # of pictures
    _source: object = None
    _shift: tuple[int, int] = (0, 0)  # added to sequence number and timestamp
    _first: int = 0  # the source's sequence number with which it began
    _last: tuple[int, int, float] | None = None
    _history: list[bytes] = field(default_factory=lambda: [b""] * HISTORY)

    def forward(self, source: object, rtp: Rtp, now: float) -> bytes | None:
        """The packet to send for `rtp`, or None: a new source of pictures begins with a key frame."""
        if source is not self._source and not self._switch(source, rtp, now):
            return None
        if (rtp.seq - self._first) & 0xFFFF > 0x8000 and self.count < 0x8000:
            return None  # from before the switch
        seq, ts = (rtp.seq + self._shift[0]) & 0xFFFF, (rtp.ts + self._shift[1]) & 0xFFFFFFFF
        slot = seq % HISTORY
        if self._last is None or 0 < (seq - self._last[0]) & 0xFFFF < 0x8000:
            self._last = (seq, ts, now)
        elif (kept := self._history[slot]) and (int.from_bytes(kept[2:4], "big") - seq) & 0xFFFF < 0x8000:
            # two packets under one number would share a nonce, which gives the key of AES-GCM's tag away (RFC 7714 8.1)
            return None
        data = packets.build_rtp(self.pt, rtp.marker, seq, ts, self.ssrc, rtp.payload)
        self._history[slot] = data
        self.count += 1
        self.octets += len(rtp.payload)
        return data

    def again(self, seq: int) -> bytes | None:
        """What was sent under `seq`, if it is still kept."""
        data = self._history[seq % HISTORY]
        return data if data[2:4] == seq.to_bytes(2, "big") else None

    def report(self, source: object, sr: packets.SenderReport) -> packets.SenderReport | None:
        """The source's clock pair on this stream's timestamps, for lip sync at the receiver."""
        if source is not self._source or not self.count:
            return None
        ts = (sr.ts + self._shift[1]) & 0xFFFFFFFF
        return packets.SenderReport(self.ssrc, sr.ntp, ts, self.count, self.octets)

    def _switch(self, source: object, rtp: Rtp, now: float) -> bool:
        if self.kind == "video":
            if isinstance(source, Incoming) and source.codec is not self.codec:
                return False  # until the source's page has changed over: this receiver could read nothing of it
            if not self.codec.begins_key(rtp.payload):
                return False
        self._source, self._first = source, rtp.seq
        if self._last is not None:
            seq, ts, when = self._last
            passed = max(1, int((now - when) * RATES[self.kind]))
            self._shift = ((seq + 1 - rtp.seq) & 0xFFFF, (ts + passed - rtp.ts) & 0xFFFFFFFF)
        return True


@dataclass
class Frames:
    """VP8 packets in order to whole frames, bit for bit; a frame that misses a packet is not given."""

    broken: int = 0
    _parts: list[bytes] = field(default_factory=list)
    _whole: bool = False
    _ts: int = -1
    _size: int = 0

    def add(self, rtp: Rtp | None) -> tuple[int, bytes] | None:
        """(RTP time, frame) when `rtp` completes one; None stands for a lost packet."""
        if rtp is None:
            self.broken += self._whole
            self._whole = False
            return None
        body = packets.vp8_body(rtp.payload)
        if body is None:  # padding
            return None
        begins, data = body
        if begins and (rtp.ts != self._ts or not self._parts):
            self._parts, self._whole, self._ts, self._size = [data], True, rtp.ts, len(data)
        else:
            self._parts.append(data)
            self._size += len(data)
        if self._size > MAX_FRAME:
            self._parts, self._whole, self._size = [], False, 0
        if not rtp.marker:
            return None
        frame, whole = b"".join(self._parts), self._whole
        self._parts, self._whole, self._size = [], False, 0
        return (rtp.ts, frame) if whole and frame else None
