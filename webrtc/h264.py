"""
H.264 as it travels and as it is kept. No clock and no socket; whatever the bytes are, nothing here raises.

Payloads: RFC 6184 with packetization-mode 1 (single units 5.6, STAP-A 5.7.1, FU-A 5.8). NAL units and parameter sets:
ITU-T H.264 7.3. A frame is one access unit with the length of each NAL unit before it (4 bytes, big-endian) and the
parameter sets where the sender put them, which is how Matroska keeps it (ISO/IEC 14496-15 5.3.3, with sets in the stream).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from webrtc.packets import Rtp

SLICE, IDR, SPS, PPS, DELIMITER = 1, 5, 7, 8, 9
STAP_A, FU_A = 24, 28
MAX_FRAME = 4 << 20
MAX_UNITS = 1024
MAX_SETS = 16
MAX_SPS = 256
_HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # ITU-T H.264 7.3.2.1.1
_NO_SETS = b"\x01\x42\xe0\x1f\xff\xe0\x00"


@dataclass
class AccessUnits:
    """Packets in order to whole frames, bit for bit; a frame that misses a packet is not given.

    One thing is added: a key frame without parameter sets gets those of before, so that it stands alone. A frame ends with
    the marker, which every browser sets.
    """

    broken: int = 0
    _units: list[bytes] = field(default_factory=list)
    _part: list[bytes] = field(default_factory=list)
    _sets: list[bytes] = field(default_factory=list)
    _open: bool = False
    _whole: bool = False
    _lost: bool = True
    _ts: int = -1
    _size: int = 0

    def add(self, rtp: Rtp | None) -> tuple[int, bytes] | None:
        """(RTP time, frame) when `rtp` completes one; None stands for a lost packet."""
        if rtp is None:
            self.broken += self._whole
            self._whole, self._lost = False, True
            return None
        payload = rtp.payload
        if not payload:  # padding
            return None
        if not self._open or rtp.ts != self._ts:
            self.broken += self._open and self._whole
            self._clear()
            self._open, self._ts, self._whole = True, rtp.ts, not self._lost or _begins(payload)
        self._lost = False
        self._size += len(payload)
        if not self._take(payload) or self._size > MAX_FRAME or len(self._units) > MAX_UNITS:
            self.broken += self._whole
            self._whole = False
        if not self._whole:
            self._units, self._part = [], []
        if not rtp.marker:
            return None
        units, whole = self._units, self._whole and not self._part
        self._clear()
        return (rtp.ts, _frame(self._standing(units))) if whole and self._pictured(units) else None

    def _take(self, payload: bytes) -> bool:
        """Whether the payload is sound and fits what came before."""
        kind = payload[0] & 31
        if kind == FU_A:
            return self._fragment(payload)
        if self._part:
            return False
        if kind == STAP_A:
            found = _aggregated(payload)
            self._units += found
            return bool(found)
        self._units.append(payload)
        return 0 < kind < STAP_A

    def _fragment(self, payload: bytes) -> bool:
        if len(payload) < 3:
            return False
        starts, ends, kind = payload[1] & 0x80, payload[1] & 0x40, payload[1] & 31
        if bool(starts) == bool(self._part) or (starts and ends) or not 0 < kind < STAP_A:
            return False
        head = bytes((payload[0] & 0xE0 | kind,))
        if starts:
            self._part = [head]
        elif self._part[0] != head:
            return False
        self._part.append(payload[2:])
        if ends:
            self._units.append(b"".join(self._part))
            self._part = []
        return True

    def _pictured(self, units: list[bytes]) -> bool:
        """Whether there is a picture in it; parameter sets are remembered."""
        sets = [unit for unit in units if unit[0] & 31 in (SPS, PPS)]
        if any(unit[0] & 31 == SPS for unit in sets):
            self._sets = []
        self._sets = [*self._sets, *sets][:MAX_SETS]
        return any(SLICE <= unit[0] & 31 <= IDR for unit in units)

    def _standing(self, units: list[bytes]) -> list[bytes]:
        kinds = {unit[0] & 31 for unit in units}
        if IDR not in kinds or SPS in kinds:
            return units
        at = int(units[0][0] & 31 == DELIMITER)  # ITU-T H.264 7.4.1.2.3: it is the first of its access unit
        return [*units[:at], *self._sets, *units[at:]]

    def _clear(self) -> None:
        self._units, self._part, self._size = [], [], 0
        self._open = self._whole = False


class Picture(NamedTuple):
    """What a sequence parameter set says; width and height in pixels, cropped."""

    width: int
    height: int
    chroma: int = 1
    luma_bits: int = 8
    chroma_bits: int = 8


def begins_key(payload: bytes) -> bool:
    """Whether a receiver can begin with this payload: it holds a sequence parameter set, which browsers send before
    each IDR picture."""
    if not payload:
        return False
    if payload[0] & 31 == STAP_A:
        return any(unit[0] & 31 == SPS for unit in _aggregated(payload))
    return payload[0] & 31 == SPS


def units(frame: bytes) -> list[bytes]:
    """The NAL units of a frame, up to the first whose length does not fit."""
    found, at = [], 0
    while at + 4 < len(frame):
        size = int.from_bytes(frame[at : at + 4], "big")
        unit = frame[at + 4 : at + 4 + size]
        if not unit or len(unit) < size:
            break
        found.append(unit)
        at += 4 + size
    return found


def is_key(frame: bytes) -> bool:
    """Whether a frame stands alone (an IDR picture)."""
    return any(unit[0] & 31 == IDR for unit in units(frame))


def annex_b(frame: bytes) -> bytes:
    """The frame as a byte stream (ITU-T H.264 annex B), which decoders take without being told the parameter sets apart."""
    return b"".join(b"\0\0\0\1" + unit for unit in units(frame))


def picture_size(frame: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels of a frame that carries a sequence parameter set; None for any other bytes."""
    for unit in units(frame):
        if unit[0] & 31 == SPS and (said := read_sps(unit)):
            return said.width, said.height
    return None


def configuration(frame: bytes) -> bytes:
    """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1.2) of a key frame; without sets if it has none: they come
    with the first picture then."""
    found = [unit for unit in units(frame) if len(unit) < 1 << 16]
    sequence = [unit for unit in found if unit[0] & 31 == SPS and len(unit) > 3][:MAX_SETS]
    picture = [unit for unit in found if unit[0] & 31 == PPS][:MAX_SETS]
    if not sequence:
        return _NO_SETS
    out = bytearray((1, *sequence[0][1:4], 0xFF, 0xE0 | len(sequence)))
    for unit in sequence:
        out += len(unit).to_bytes(2, "big") + unit
    out.append(len(picture))
    for unit in picture:
        out += len(unit).to_bytes(2, "big") + unit
    said = read_sps(sequence[0])
    if said is not None and sequence[0][1] in (100, 110, 122, 144):
        out += bytes((0xFC | said.chroma, 0xF8 | said.luma_bits - 8, 0xF8 | said.chroma_bits - 8, 0))
    return bytes(out)


def read_sps(unit: bytes) -> Picture | None:
    """What matters of a sequence parameter set (ITU-T H.264 7.3.2.1.1); None if it is none, or makes no sense."""
    if not 4 < len(unit) <= MAX_SPS or unit[0] & 31 != SPS:
        return None
    try:
        found = _sps(unit[1], _Bits(unit[4:].replace(b"\0\0\3", b"\0\0")))  # 7.4.1: emulation prevention
    except _TooShort:
        return None
    return found if found.width > 0 and found.height > 0 else None


def _sps(profile: int, bits: "_Bits") -> Picture:
    bits.ue()  # seq_parameter_set_id
    chroma, depths, separate = 1, (8, 8), 0
    if profile in _HIGH:
        chroma = bits.ue()
        if chroma > 3:
            raise _TooShort
        separate = bits.take(1) if chroma == 3 else 0
        depths = (8 + bits.ue(), 8 + bits.ue())
        if max(depths) > 14:
            raise _TooShort
        bits.take(1)
        if bits.take(1):
            for n in range(8 if chroma != 3 else 12):
                if bits.take(1):
                    _pass_over_list(bits, 16 if n < 6 else 64)
    bits.ue()  # log2_max_frame_num_minus4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.take(1)
        bits.ue(), bits.ue()
        for _ in range(min(bits.ue(), 255)):
            bits.ue()
    bits.ue()  # max_num_ref_frames
    bits.take(1)
    wide, high = bits.ue() + 1, bits.ue() + 1
    whole = bits.take(1)  # frame_mbs_only_flag
    if not whole:
        bits.take(1)
    bits.take(1)
    left = right = top = bottom = 0
    if bits.take(1):
        left, right, top, bottom = (bits.ue() for _ in range(4))
    kind = 0 if separate else chroma
    across, down = (2 if kind in (1, 2) else 1), (2 if kind == 1 else 1) * (2 - whole)  # table 6-1
    width, height = 16 * wide - across * (left + right), 16 * high * (2 - whole) - down * (top + bottom)
    return Picture(width, height, chroma, *depths)


def _pass_over_list(bits: "_Bits", size: int) -> None:
    last = following = 8  # 7.3.2.1.1.1
    for _ in range(size):
        if following:
            code = bits.ue()
            following = (last + (code + 1) // 2 * (1 if code & 1 else -1)) % 256
        last = following or last


class _TooShort(Exception):
    pass


class _Bits:
    """Bits from the front; Exp-Golomb codes (ITU-T H.264 9.1)."""

    def __init__(self, data: bytes) -> None:
        self._all, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise _TooShort
        self._left -= count
        return self._all >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise _TooShort
        return (1 << zeros) - 1 + self.take(zeros)


def _aggregated(payload: bytes) -> list[bytes]:
    """The units of a STAP-A; none if a length in it does not fit."""
    found, at = [], 1
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + size]
        if not unit or len(unit) < size or not 0 < unit[0] & 31 < STAP_A:
            return []
        found.append(unit)
        at += 2 + size
    return found


def _begins(payload: bytes) -> bool:
    """Whether a payload after a loss can be the first of a frame: a delimiter or parameter set, or a slice that begins
    with macroblock 0 (first_mb_in_slice, one bit 1) of a picture that needs no set."""
    kind = payload[0] & 31
    if kind == STAP_A:
        found = _aggregated(payload)
        return bool(found) and _begins(found[0])
    if kind == FU_A:
        return len(payload) > 2 and payload[1] & 0x9F == 0x80 | SLICE and bool(payload[2] & 0x80)
    return kind in (SPS, DELIMITER) or (kind == SLICE and len(payload) > 1 and bool(payload[1] & 0x80))


def _frame(found: list[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in found)
