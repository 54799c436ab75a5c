"""
RTP, RTCP and VP8 payloads as bytes and back. PURE: no clock, no socket, no state.

RTP and RTCP: RFC 3550; feedback: RFC 4585; REMB: draft-alvestrand-rmcat-remb; VP8 payload: RFC 7741;
VP8 frame header: RFC 6386 9.1. Every parser takes hostile bytes and answers None or an empty list.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

KEY_START = b"\x9d\x01\x2a"
_RTP = struct.Struct("!BBHLL")


class Rtp(NamedTuple):
    """One RTP packet; `payload` without padding, header extensions dropped."""

    pt: int
    marker: bool
    seq: int
    ts: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> Rtp | None:
    """The packet, or None if the lengths in it do not fit."""
    size = len(data)
    if size < 12:
        return None
    first, second, seq, ts, ssrc = _RTP.unpack_from(data)
    if first >> 6 != 2:
        return None
    start = 12 + 4 * (first & 15)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])
    end = size
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    if start > end:
        return None
    return Rtp(second & 0x7F, second > 127, seq, ts, ssrc, data[start:end])


def build_rtp(pt: int, marker: bool, seq: int, ts: int, ssrc: int, payload: bytes) -> bytes:
    """An RTP packet without extensions."""
    return _RTP.pack(0x80, pt | (0x80 if marker else 0), seq, ts, ssrc) + payload


def vp8_body(payload: bytes) -> tuple[bool, bytes] | None:
    """(begins a frame, bytes of the frame) of a VP8 payload; None if the descriptor does not fit."""
    size = len(payload)
    if not size:
        return None
    first, at = payload[0], 1
    if first & 0x80:
        if size < 2:
            return None
        extra, at = payload[1], 2
        if extra & 0x80:
            if size < 3:
                return None
            at += 2 if payload[2] & 0x80 else 1
        at += (1 if extra & 0x40 else 0) + (1 if extra & 0x30 else 0)
    if at >= size:
        return None
    return bool(first & 0x10) and not first & 0x0F, payload[at:]


def vp8_begins_key(payload: bytes) -> bool:
    """Whether a VP8 payload is the first of a key frame."""
    body = vp8_body(payload)
    return body is not None and body[0] and is_key(body[1])


def is_key(frame: bytes) -> bool:
    """Whether a VP8 frame stands alone."""
    return bool(frame) and not frame[0] & 1


def picture_size(frame: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels of a VP8 key frame; None for any other bytes."""
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != KEY_START:
        return None
    width, height = struct.unpack_from("<HH", frame, 6)
    return width & 0x3FFF, height & 0x3FFF


@dataclass(frozen=True, slots=True)
class Report:
    """What a receiver says of one stream (RFC 3550 6.4.1); `jitter` in ticks, `lsr`, `dlsr` in 1/65536 s."""

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a sender says of its clock: `ntp` is the 64-bit NTP time of RTP time `ts`."""

    ssrc: int
    ntp: int
    ts: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Nack:
    """Packets that the receiver misses."""

    ssrc: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """PLI or FIR: the receiver wants a key frame."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Remb:
    """What the receiver believes the path carries, bit/s."""

    bitrate: int


@dataclass(frozen=True, slots=True)
class Bye:
    """The sender says that the stream has ended."""

    ssrc: int


Rtcp = Report | SenderReport | Nack | KeyRequest | Remb | Bye


def parse_rtcp(data: bytes) -> list[Rtcp]:
    """What a compound packet says; unknown parts are passed over, a part that does not fit ends it."""
    found: list[Rtcp] = []
    at = 0
    while at + 4 <= len(data):
        head, kind, words = data[at], data[at + 1], data[at + 2] << 8 | data[at + 3]
        body = data[at + 4 : at + 4 + 4 * words]
        if head >> 6 != 2 or len(body) != 4 * words:
            break
        at += 4 + 4 * words
        found += _part(head & 31, kind, body)
    return found


def _part(count: int, kind: int, body: bytes) -> list[Rtcp]:
    if kind == 200 and len(body) >= 24:
        ssrc, ntp, ts, packets, octets = struct.unpack_from("!LQLLL", body)
        return [SenderReport(ssrc, ntp, ts, packets, octets), *_reports(count, body[24:])]
    if kind == 201 and len(body) >= 4:
        return list(_reports(count, body[4:]))
    if kind == 203 and len(body) >= 4 * count:
        return [Bye(ssrc) for (ssrc,) in struct.iter_unpack("!L", body[: 4 * count])]
    if kind == 205 and count == 1 and len(body) >= 12:
        lost: list[int] = []
        for pid, mask in struct.iter_unpack("!HH", body[8:]):
            lost += [pid, *((pid + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1)]
        return [Nack(int.from_bytes(body[4:8], "big"), tuple(lost[:512]))]
    if kind == 206 and count == 1 and len(body) >= 8:
        return [KeyRequest(int.from_bytes(body[4:8], "big"))]
    if kind == 206 and count == 4 and len(body) >= 16:
        return [KeyRequest(int.from_bytes(body[8:12], "big"))]
    if kind == 206 and count == 15 and len(body) >= 16 and body[8:12] == b"REMB":
        word = int.from_bytes(body[13:16], "big")
        return [Remb((word & 0x3FFFF) << (word >> 18))]
    return []


def _reports(count: int, body: bytes) -> list[Report]:
    found = []
    for i in range(min(count, len(body) // 24)):
        ssrc, loss, highest, jitter, lsr, dlsr = struct.unpack_from("!LLLLLL", body, 24 * i)
        lost = loss & 0xFFFFFF
        found.append(Report(ssrc, loss >> 24, lost - (lost >> 23 << 24), highest, jitter, lsr, dlsr))
    return found


def build_rr(sender: int, reports: list[Report]) -> bytes:
    """A receiver report; what it reports is clamped to the fields' widths."""
    body = struct.pack("!L", sender)
    for r in reports[:31]:
        lost = max(-0x800000, min(0x7FFFFF, r.lost)) & 0xFFFFFF
        body += struct.pack(
            "!LLLLLL",
            r.ssrc,
            (r.fraction & 0xFF) << 24 | lost,
            r.highest & 0xFFFFFFFF,
            min(r.jitter, 0xFFFFFFFF),
            r.lsr,
            min(r.dlsr, 0xFFFFFFFF),
        )
    return _rtcp(len(reports[:31]), 201, body)


def build_sr(report: SenderReport, cname: bytes) -> bytes:
    """A sender report with the SDES item CNAME that a compound packet must carry."""
    body = struct.pack(
        "!LQLLL", report.ssrc, report.ntp, report.ts, report.packets & 0xFFFFFFFF, report.octets & 0xFFFFFFFF
    )
    item = struct.pack("!LBB", report.ssrc, 1, len(cname)) + cname
    item += bytes(4 - len(item) % 4)
    return _rtcp(0, 200, body) + _rtcp(1, 202, item)


def build_nack(sender: int, source: int, lost: list[int]) -> bytes:
    """A request to send `lost` again; at most 127 sequence numbers a packet."""
    body = struct.pack("!LL", sender, source)
    rest = lost[:127]
    while rest:
        pid, mask = rest[0], 0
        later = []
        for seq in rest[1:]:
            distance = (seq - pid - 1) & 0xFFFF
            if distance < 16:
                mask |= 1 << distance
            else:
                later.append(seq)
        body += struct.pack("!HH", pid, mask)
        rest = later
    return _rtcp(1, 205, body)


def build_pli(sender: int, source: int) -> bytes:
    """A request for a key frame."""
    return _rtcp(1, 206, struct.pack("!LL", sender, source))


def build_remb(sender: int, bitrate: int, sources: list[int]) -> bytes:
    """An upper bound in bit/s for the sum of `sources`."""
    shift = max(0, bitrate.bit_length() - 18)
    body = struct.pack("!LL4sL", sender, 0, b"REMB", len(sources) << 24 | shift << 18 | bitrate >> shift)
    return _rtcp(15, 206, body + b"".join(struct.pack("!L", s) for s in sources))


def _rtcp(count: int, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
