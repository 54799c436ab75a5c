"""The notary's act: over exactly which numbers and bodies the key may be used. Shared by seal and its
clients."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Entry = tuple[str, str]
"""(deed number, SHA-256 of the body in hex)"""
CODE_SECONDS, CODE_TRIES = 600, 5


def challenge(entries: Iterable[Entry]) -> bytes:
    """What a passkey signs to activate: SHA-256 over the list of number and body hash, 32 bytes."""
    return _digest("activate", [f"{number}\t{body}" for number, body in entries])


def enrol_challenge(person_id: str, registration: bytes) -> bytes:
    """What an enrolled passkey signs to let another one of the same person in."""
    return _digest("enrol", [person_id, registration.hex()])


def recovery_challenge(person_id: str, registration: bytes) -> bytes:
    """What each of two colleagues signs for somebody who lost every passkey."""
    return _digest("recover", [person_id, registration.hex()])


def _digest(what: str, lines: list[str]) -> bytes:
    if any("\n" in line for line in lines):
        raise ValueError("a line break in a number")
    return hashlib.sha256("\n".join([f"yuanzheng-{what}/1", *lines]).encode()).digest()


@dataclass(frozen=True)
class ByPasskey:
    """`assertion`: the browser's PublicKeyCredential as JSON, over `challenge(entries)`."""

    entries: tuple[Entry, ...]
    assertion: dict[str, Any]

    def json(self) -> dict[str, Any]:
        return {"kind": "passkey", "entries": [list(e) for e in self.entries], "assertion": self.assertion}


@dataclass(frozen=True)
class ByCode:
    """A one-time code from seal's own console; only with the built-in test keys."""

    entries: tuple[Entry, ...]
    code: str = field(repr=False)

    def json(self) -> dict[str, Any]:
        return {"kind": "code", "entries": [list(e) for e in self.entries], "code": self.code}


@dataclass
class PendingCode:
    challenge: bytes
    code: str = field(repr=False)
    until: float
    tries: int = 0

    def take(self, challenge: bytes, code: str, now: float) -> bool:
        """One try. The right code for other bodies is a wrong code."""
        if now > self.until or self.tries >= CODE_TRIES:
            return False
        self.tries += 1
        same = hmac.compare_digest(self.challenge, challenge)
        return hmac.compare_digest(self.code.encode(), code.encode()) and same


def new_code(digits: int = 6) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(digits))


def code_hash(code: str, person_id: str) -> str:
    """Stored form of an enrolment code of 64 bits; no need of a slow hash."""
    return hashlib.sha256(f"yuanzheng-enrolment/1\n{person_id}\n{code}".encode()).hexdigest()
