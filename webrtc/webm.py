"""
Encoded pictures and Opus as Matroska that is only ever appended to: WebM with VP8, plain Matroska with H.264. PURE:
bytes in, bytes out.

Segment and clusters have unknown size (RFC 9559 5.1, 5.1.3; live streaming), so nothing written is patched
later and a file cut anywhere between two clusters plays to the cut. A cluster a fragment: each fragment
stands for itself, and losing one loses nothing else.
"""

import struct

VIDEO, AUDIO = 1, 2
_UNKNOWN = b"\x01" + b"\xff" * 7
_OPUS_HEAD = b"OpusHead" + struct.pack("<BBHLHB", 1, 2, 312, 48000, 0, 0)
_OPUS_DELAY_NS, _OPUS_ROLL_NS = 6_500_000, 80_000_000


def _element(ident: str, body: bytes) -> bytes:
    size = len(body)
    width = next(w for w in range(1, 9) if size < (1 << 7 * w) - 1)
    return bytes.fromhex(ident) + ((1 << 7 * width) | size).to_bytes(width, "big") + body


def _number(ident: str, n: int) -> bytes:
    return _element(ident, n.to_bytes(max(1, (n.bit_length() + 7) // 8), "big"))


def header(width: int, height: int, avcc: bytes | None = None) -> bytes:
    """Everything before the first cluster; pixels of the first key frame (later frames carry later sizes).

    `avcc`: the configuration record of H.264 (ISO/IEC 14496-15 5.3.3.1.2); None: the pictures are VP8.
    """
    ebml = _number("4286", 1) + _number("42F7", 1) + _number("42F2", 4) + _number("42F3", 8)
    ebml += _element("4282", b"webm" if avcc is None else b"matroska") + _number("4287", 4) + _number("4285", 2)
    info = _number("2AD7B1", 1_000_000) + _element("4D80", b"yuanzheng") + _element("5741", b"yuanzheng")
    pixels = _element("E0", _number("B0", width) + _number("BA", height))
    video = _number("D7", VIDEO) + _number("73C5", VIDEO) + _number("83", 1) + _number("9C", 0)
    if avcc is None:
        video += _element("86", b"V_VP8") + pixels
    else:
        video += _element("86", b"V_MPEG4/ISO/AVC") + _element("63A2", avcc) + pixels
    samples = _element("E1", _element("B5", struct.pack(">f", 48000.0)) + _number("9F", 2))
    audio = _number("D7", AUDIO) + _number("73C5", AUDIO) + _number("83", 2) + _number("9C", 0)
    audio += _element("86", b"A_OPUS") + _number("56AA", _OPUS_DELAY_NS) + _number("56BB", _OPUS_ROLL_NS)
    audio += _element("63A2", _OPUS_HEAD) + samples
    tracks = _element("1654AE6B", _element("AE", video) + _element("AE", audio))
    return _element("1A45DFA3", ebml) + bytes.fromhex("18538067") + _UNKNOWN + _element("1549A966", info) + tracks


def cluster(blocks: list[tuple[int, int, bytes, bool]]) -> bytes:
    """One cluster of (track, milliseconds, frame, is a key frame); at most 32 s of them, in file order."""
    base = min(ms for _, ms, _, _ in blocks)
    body = bytearray(bytes.fromhex("1F43B675") + _UNKNOWN + _number("E7", base))
    for track, ms, frame, key in blocks:
        body += b"\xa3" + (0x10000000 | len(frame) + 4).to_bytes(4, "big") + bytes((0x80 | track,))
        body += (ms - base).to_bytes(2, "big") + (b"\x80" if key else b"\0") + frame
    return bytes(body)
