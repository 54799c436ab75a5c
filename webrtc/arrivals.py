"""
Transport-wide feedback: when each packet arrived, from which the browser reckons what its way carries. PURE: times are given.

The number in the header: RFC 8285 4.2; the message: draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1.
"""

import struct

URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
TICKS_PS = 4000  # an arrival is told in steps of 250 us
REFERENCE = 256  # ticks in 64 ms, the step of the reference time
EVERY_S = 0.1
MOST = 512  # packets in one message; beyond that the older ones are not told
ABSENT, SMALL, LARGE = 0, 1, 2


def number(data: bytes, extension: int) -> int | None:
    """The packet's transport-wide number; `data` is a whole RTP packet, `extension` the id that the offer gave it."""
    at = 12 + 4 * (data[0] & 15)
    if not data[0] & 0x10 or data[at : at + 2] != b"\xbe\xde":
        return None
    end = min(len(data), at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big"))
    at += 4
    while at < end:
        head = data[at]
        kind, size = head >> 4, (head & 15) + 1
        if kind == 15:  # RFC 8285 4.2: nothing after it is read
            return None
        if kind == 0:  # padding
            at += 1
            continue
        if kind == extension:
            return data[at + 1] << 8 | data[at + 2] if size == 2 and at + 3 <= end else None
        at += 1 + size
    return None


class Arrivals:
    """What has arrived since the last message."""

    def __init__(self) -> None:
        self._times: dict[int, int] = {}  # extended number: ticks
        self._newest: int | None = None
        self._next: int | None = None  # the first that no message has told
        self._count = 0
        self._told = 0.0

    def note(self, seq: int, now: float) -> None:
        """A packet with this number has arrived."""
        if self._newest is None:
            self._newest = seq + (1 << 16)
        near = self._newest
        extended = near + ((seq - near + 0x8000) & 0xFFFF) - 0x8000
        self._newest = max(near, extended)
        self._times.setdefault(extended, int(now * TICKS_PS))

    def message(self, sender: int, source: int, now: float) -> bytes | None:
        """The feedback that is due, or None."""
        if not self._times or now - self._told < EVERY_S:
            return None
        self._told = now
        times, self._times = self._times, {}
        last = max(times)
        first = min(times) if self._next is None else min(*times, self._next)
        first = max(first, last - MOST + 1)
        self._next = max(last + 1, self._next or 0)
        begun = next(times[n] for n in range(first, last + 1) if n in times)
        reference = begun // REFERENCE
        symbols, deltas = _told(times, first, last, reference * REFERENCE)
        body = struct.pack(
            "!LLHHL", sender, source, first & 0xFFFF, len(symbols), (reference & 0xFFFFFF) << 8 | self._count
        )
        self._count = (self._count + 1) & 0xFF
        body += _chunks(symbols) + deltas
        body += bytes(-len(body) % 4)
        return struct.pack("!BBH", 0x8F, 205, len(body) // 4) + body


def _told(times: dict[int, int], first: int, last: int, at: int) -> tuple[list[int], bytes]:
    """A symbol for each packet, and the steps between arrivals; a step that no field holds is told as an absence."""
    symbols, deltas = [], []
    for n in range(first, last + 1):
        came = times.get(n)
        step = 0 if came is None else came - at
        if came is None or not -0x8000 <= step <= 0x7FFF:
            symbols.append(ABSENT)
            continue
        at = came
        if 0 <= step <= 0xFF:
            symbols.append(SMALL)
            deltas.append(struct.pack("!B", step))
        else:
            symbols.append(LARGE)
            deltas.append(struct.pack("!h", step))
    return symbols, b"".join(deltas)


def _chunks(symbols: list[int]) -> bytes:
    """Status vectors of seven two-bit symbols each (3.1.4)."""
    chunks = []
    for at in range(0, len(symbols), 7):
        word = 0xC000
        for place, symbol in enumerate(symbols[at : at + 7]):
            word |= symbol << (12 - 2 * place)
        chunks.append(struct.pack("!H", word))
    return b"".join(chunks)
