"""Seal's own memory, beside the keys and trusted over the database: who is enrolled, what was activated
and signed.

JSON lines, each with the SHA-256 of the line before (`prev`), each fsynced before anything happens because
of it. A torn last line is of a write that never was acknowledged and is cut off; any other damage stops
the start.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START = "0" * 64


class BadJournal(Exception):
    """The journal was changed or cut in the middle: nothing is signed until a person has looked."""


@dataclass
class Passkey:
    credential_id: bytes
    public_key: bytes
    sign_count: int


@dataclass
class Person:
    """A notary, or staff who may only witness a recovery. `code`: salted hash of the one-time enrolment
    code."""

    name: str
    code: str | None = None
    code_until: float = 0
    code_tries: int = 0
    passkeys: dict[bytes, Passkey] = field(default_factory=dict)


@dataclass(frozen=True)
class Activation:
    """`entries`: (number, body SHA-256) each. `on`: ISO date in the office's zone."""

    notary_id: str
    entries: frozenset[tuple[str, str]]
    at: float
    on: str


class Journal:
    """Opened once; holds the file descriptor, so that a later drop of privilege changes nothing."""

    def __init__(self, path: Path) -> None:
        self.people: dict[str, Person] = {}
        self.activations: set[str] = set()
        self.by_entry: dict[tuple[str, str], Activation] = {}
        """(number, body) -> the latest act for it."""
        self.recent: dict[str, list[float]] = {}
        """notary -> times of his last acts, newest last."""
        self.numbers: dict[str, str] = {}
        """number -> SHA-256 of the one body that it was signed for."""
        self._prev = START
        new = not path.exists()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._replay(path)
        if new:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)

    def close(self) -> None:
        os.close(self._fd)

    def write(self, kind: str, at: float, **what: Any) -> None:
        """Durable when it returns; then applied to memory. OSError leaves both as they were."""
        line = _line({"kind": kind, "at": at, "prev": self._prev, **what})
        size = os.fstat(self._fd).st_size
        try:
            if os.write(self._fd, line) != len(line):
                raise OSError("short write")
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        self._apply(json.loads(line))
        self._prev = hashlib.sha256(line).hexdigest()

    def _replay(self, path: Path) -> None:
        raw = path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if whole != raw:
            os.ftruncate(self._fd, len(whole))
            os.fsync(self._fd)
        for no, line in enumerate(whole.splitlines(keepends=True), 1):
            try:
                entry = json.loads(line)
                if entry["prev"] != self._prev:
                    raise BadJournal(f"{path.name}: line {no} does not follow the one before")
                self._apply(entry)
            except (ValueError, KeyError, TypeError) as wrong:
                raise BadJournal(f"{path.name}: line {no}: {type(wrong).__name__}") from None
            self._prev = hashlib.sha256(line).hexdigest()

    def _apply(self, e: Mapping[str, Any]) -> None:
        match e["kind"]:
            case "person":
                self.people[e["person"]] = Person(e["name"], e["code"], e["until"])
            case "code-try":
                self.people[e["person"]].code_tries += 1
            case "passkey":
                person = self.people[e["person"]]
                if e["alone"]:  # a recovery: whatever was enrolled before is lost
                    person.passkeys.clear()
                key = Passkey(bytes.fromhex(e["credential"]), bytes.fromhex(e["public_key"]), e["count"])
                person.passkeys[key.credential_id] = key
                person.code = None
            case "count":
                self.people[e["person"]].passkeys[bytes.fromhex(e["credential"])].sign_count = e["count"]
            case "activation":
                entries = frozenset((n, s) for n, s in e["entries"])
                done = Activation(e["notary"], entries, e["at"], e["on"])
                self.activations.add(e["id"])
                self.by_entry |= dict.fromkeys(entries, done)
                self.recent[done.notary_id] = [*self.recent.get(done.notary_id, [])[-9:], done.at]
            case "signing":
                self.numbers[e["number"]] = e["body"]
            case "issued" | "start":
                pass
            case other:
                raise BadJournal(f"unknown entry {other}")


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
