"""
Connectivity checks that reach an ICE-lite server: which are true, and what is answered. PURE.

A request is heard only if it names a user of ours and carries a right MESSAGE-INTEGRITY and FINGERPRINT, and
is answered only if the answer is no longer than it, so that a forged source address is sent no more than the
forger sent. Everything else gets silence: an error response would tell a scanner that somebody listens.
"""

import struct
from typing import NamedTuple

from aioice import stun

MIN_BYTES = 20
MAX_BYTES = 548  # RFC 8489 6.1: a message fits 576 bytes of IPv4
MAX_ATTRIBUTES = 32
COOKIE = struct.pack("!L", stun.COOKIE)
REQUEST = b"\x00\x01"  # Binding, class request: RFC 8489 5
USERNAME = 0x0006
Address = tuple[str, int]


class Check(NamedTuple):
    """A true connectivity check (RFC 8445 7.2)."""

    transaction: bytes
    priority: int
    nominates: bool
    conflict: bool


def username(data: bytes) -> tuple[str, str] | None:
    """(our ufrag, their ufrag) of a Binding request, by its bounds alone; None for anything else."""
    if not MIN_BYTES <= len(data) <= MAX_BYTES or data[:2] != REQUEST or data[4:8] != COOKIE:
        return None
    if int.from_bytes(data[2:4], "big") != len(data) - 20 or len(data) % 4:  # RFC 8489 5: padded to 4 bytes
        return None
    at, found = 20, None
    for _ in range(MAX_ATTRIBUTES):
        if at == len(data):
            break
        kind, size = struct.unpack_from("!HH", data, at)
        end = at + 4 + size
        if end > len(data):
            return None
        if kind == USERNAME and found is None:
            found = data[at + 4 : end]
        at = end + -size % 4
        if at > len(data):
            return None
    if at != len(data) or found is None:
        return None
    # RFC 8445 7.2.2: the user is "<the receiver's ufrag>:<the sender's>"
    ours, colon, theirs = found.decode("latin-1").partition(":")
    return (ours, theirs) if colon else None


def check(data: bytes, password: str) -> Check | None:
    """The request if it is true under `password`; None if not. Bounds are `username`'s to check, before."""
    try:
        message = stun.parse_message(data)  # refuses a wrong FINGERPRINT itself
        if not message.check_message_integrity(password.encode()):  # RFC 8489 9.1.3
            return None
    except Exception:  # noqa: BLE001  malformed attributes raise struct.error, KeyError and more
        return None
    said = message.attributes
    # RFC 8445 7.1: PRIORITY and FINGERPRINT must be there
    if "FINGERPRINT" not in said or "PRIORITY" not in said or "USERNAME" not in said:
        return None
    return Check(message.transaction_id, said["PRIORITY"], "USE-CANDIDATE" in said, "ICE-CONTROLLED" in said)


def success(found: Check, seen_as: Address, password: str) -> bytes:
    """The answer to a true check: where it came from (RFC 8445 7.3.1.2), signed with the same password."""
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, found.transaction)
    answer.attributes["XOR-MAPPED-ADDRESS"] = seen_as
    answer.add_message_integrity(password.encode())
    return bytes(answer)


def role_conflict(found: Check, password: str) -> bytes:
    """A lite agent is always controlled (RFC 8445 6.1.1); who says that he is so too is told (7.3.1.1)."""
    answer = stun.Message(stun.Method.BINDING, stun.Class.ERROR, found.transaction)
    answer.attributes["ERROR-CODE"] = (487, "Role Conflict")
    answer.add_message_integrity(password.encode())
    return bytes(answer)
