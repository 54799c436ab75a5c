"""
Whether an SCTP packet may reach aiortc's parser, which believes what lengths say: a parameter of length 0 holds
it for ever, and one SACK can name twenty million packets. PURE.
"""

import struct

HEADER = 12  # RFC 9260 3
MAX_BYTES = 2048
MAX_CHUNKS = 64
MAX_ACKED = 4096  # packets in the gap blocks of one SACK; we never have that many on the way
MAX_STREAMS = 64
DATA, INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN, ERROR = 0, 1, 2, 3, 4, 5, 6, 7, 9
RECONFIG, FORWARD_TSN = 130, 192
PARAMETERS_AT = {INIT: 16, INIT_ACK: 16, HEARTBEAT: 0, HEARTBEAT_ACK: 0, ABORT: 0, ERROR: 0, RECONFIG: 0}


def sound(packet: bytes) -> bool:
    """Whether every length in it fits, and nothing in it asks for much work."""
    size, at = len(packet), HEADER
    if not HEADER + 4 <= size <= MAX_BYTES:
        return False
    for _ in range(MAX_CHUNKS):
        if at + 4 > size:
            return True
        kind, length = packet[at], int.from_bytes(packet[at + 2 : at + 4], "big")
        if length < 4 or at + length > size or not _chunk(kind, packet[at + 4 : at + length]):
            return False
        at += length + -length % 4
    return False


def _chunk(kind: int, body: bytes) -> bool:
    if kind in PARAMETERS_AT:
        start = PARAMETERS_AT[kind]
        return len(body) >= start and _parameters(body[start:])
    if kind == DATA:
        return len(body) > 12  # RFC 9260 3.3.1: no DATA chunk is empty
    if kind == SACK:
        return _sack(body)
    if kind == SHUTDOWN:
        return len(body) == 4
    if kind == FORWARD_TSN:  # RFC 3758 3.2
        return len(body) >= 4 and len(body) % 4 == 0 and len(body) <= 4 + 4 * MAX_STREAMS
    return True


def _parameters(body: bytes) -> bool:
    at = 0
    while at + 4 <= len(body):
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        if length < 4 or at + length > len(body):  # RFC 9260 3.2.1: the length counts its own header
            return False
        at += length + -length % 4
    return True


def _sack(body: bytes) -> bool:
    if len(body) < 12:
        return False
    gaps, duplicates = struct.unpack_from("!HH", body, 8)
    if len(body) != 12 + 4 * (gaps + duplicates):
        return False
    blocks = list(struct.iter_unpack("!HH", body[12 : 12 + 4 * gaps]))
    return all(a <= b for a, b in blocks) and sum(b - a + 1 for a, b in blocks) <= MAX_ACKED
