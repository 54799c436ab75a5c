"""Signed notes and checkpoints: what a log says of itself, in a few lines of text.

C2SP signed-note (Ed25519, type 0x01; cosignature/v1, type 0x04) and tlog-checkpoint. Pure but for the signing function
that the caller gives, so that the key may stay in another process.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from signing.keys import attested

ED25519, COSIGNATURE = b"\x01", b"\x04"
LARGEST = 1 << 20
DASH = "— "


class BadNote(ValueError):
    """Not a note as C2SP has it, or not a checkpoint."""


@dataclass(frozen=True)
class Verifier:
    """A name and the key that it signs with; `kind`: ED25519 or COSIGNATURE. `str()` is the vkey that people exchange."""

    name: str
    public: bytes
    kind: bytes = ED25519

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name, newline, type, key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.kind + self.public).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Raises BadNote."""
        name, _, rest = vkey.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if not name or len(raw) != 33 or raw[:1] not in (ED25519, COSIGNATURE):
            raise BadNote("not a verifier key: NAME+ID+KEY")
        made = cls(name, raw[1:], raw[:1])
        if made.key_id.hex() != key_id:
            raise BadNote("the verifier key's id is not that of its key")
        return made


def sign(body: str, by: Verifier, signature: Callable[[bytes], bytes]) -> str:
    """The note: body, blank line, one signature line. `body` ends with a newline; `signature` gives 64 bytes."""
    return f"{body}\n{line(by, signature(body.encode()))}"


def line(by: Verifier, raw: bytes) -> str:
    return f"{DASH}{by.name} {base64.b64encode(by.key_id + raw).decode()}\n"


def cosigned(checkpoint: str, at: int) -> bytes:
    """What a witness signs: cosignature/v1, POSIX seconds, the checkpoint's body."""
    return f"cosignature/v1\ntime {at}\n{checkpoint}".encode()


def split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Body (with its last newline) and (name, raw signature) of each line. Raises BadNote."""
    if len(note) > LARGEST or "\r" in note:
        raise BadNote("not a signed note")
    body, found, tail = note.rpartition("\n\n")
    if not found or not tail.endswith("\n"):
        raise BadNote("a note has a body, a blank line and signatures")
    lines = []
    for one in tail.splitlines():
        name, _, encoded = one.removeprefix(DASH).partition(" ")
        raw = _decoded(encoded)
        if not one.startswith(DASH) or not name or len(raw) < 5:
            raise BadNote("a signature line reads — NAME BASE64")
        lines.append((name, raw))
    return body + "\n", lines


def opened(note: str, known: Iterable[Verifier]) -> tuple[str, dict[str, int | None]]:
    """The body, and who of `known` signed it: name -> time of a cosignature, None of a plain signature.

    A line of a known key that does not verify makes the whole note bad (signed-note); unknown keys are passed over.
    Raises BadNote.
    """
    body, lines = split(note)
    signers: dict[str, int | None] = {}
    by_id = {(one.name, one.key_id): one for one in known}
    for name, raw in lines:
        who = by_id.get((name, raw[:4]))
        if who is None:
            continue
        at = int.from_bytes(raw[4:12], "big") if who.kind == COSIGNATURE else None
        payload, signature = (body.encode(), raw[4:]) if at is None else (cosigned(body, at), raw[12:])
        if not attested(who.public, payload, signature):
            raise BadNote(f"the signature of {name} is not good")
        signers[name] = at
    return body, signers


@dataclass(frozen=True)
class Checkpoint:
    """Origin, number of lines and root of a log (tlog-checkpoint)."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, body: str) -> Checkpoint:
        """Raises BadNote. Further lines of the body are passed over, as tlog-checkpoint has it."""
        parts = body.split("\n")
        if len(parts) < 4 or not parts[0] or not parts[1].isdecimal() or (parts[1] != "0" and parts[1].startswith("0")):
            raise BadNote("a checkpoint has origin, size and root")
        root = _decoded(parts[2])
        if len(root) != 32 or len(parts[1]) > 18:
            raise BadNote("a checkpoint's root has 32 bytes")
        return cls(parts[0], int(parts[1]), root)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("not base64") from None
