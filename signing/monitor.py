"""A monitor: reads a log's static files again and again and names whatever a log must not do.

`python -m signing monitor URL --key VKEY --state FILE`. It needs nobody's permission and keeps one small file: what it saw last.
The rules behind the numbers stand in docs/formats/log.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from signing.merkle import EMPTY, verify_consistency
from signing.note import BadNote, Checkpoint, Verifier, opened
from signing.tiles import BadTiles, Tiles, replace

SLACK = 900
"""Seconds by which a line's time may lie before an earlier line's: acts that overlap are logged in the order of commits."""
AHEAD = 300
RENEWED = "deed.renewed"
VOIDED = ("number.voided", "case.void")
ISSUED, STANDINGS = "case.issue", ("deed.under_review", "deed.valid", "deed.corrected", "deed.revoked")
NOTICE = "notice.issued"


@dataclass
class Seen:
    """What the monitor remembers between runs. Hashes in hex; `deeds`: number -> file hash; `standing`: file hash -> kind."""

    size: int = 0
    root: str = EMPTY.hex()
    latest: str = ""
    deeds: dict[str, str] = field(default_factory=dict)
    standing: dict[str, str] = field(default_factory=dict)
    voids: list[str] = field(default_factory=list)
    faults: list[list[str]] = field(default_factory=list)
    """Code and words of every bad line: a log never becomes good again by growing."""

    @classmethod
    def load(cls, path: Path) -> Seen:
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def save(self, path: Path) -> None:
        replace(path, json.dumps(self.__dict__, ensure_ascii=False).encode())


@dataclass(frozen=True)
class Fault:
    """`code` is stable; `words` say what was found, for people."""

    code: str
    words: str


def look(seen: Seen, fetch: Callable[[str], bytes], known: list[Verifier], quorum: int, now: datetime) -> list[Fault]:
    """One look at the log: what is wrong with it now, and every bad line of before.

    `known`: the log's verifier first, then witnesses, of which `quorum` must have signed.
    `seen` moves on as far as the log was good; after a fault of the tree it stays, so that the fault is found again.
    """
    try:
        note = fetch("checkpoint").decode()
        body, signers = opened(note, known)
        new = Checkpoint.parse(body)
    except (OSError, UnicodeDecodeError) as wrong:
        return [Fault("log.unreachable", f"no checkpoint: {wrong}")]
    except BadNote as wrong:
        return [Fault("log.unsigned", f"the checkpoint is not the log's: {wrong}")]
    if known[0].name not in signers or new.origin != known[0].name:
        return [Fault("log.unsigned", "the checkpoint is not signed by this log")]
    if sum(1 for one in known[1:] if one.name in signers) < quorum:
        return [Fault("log.no-witness", f"fewer than {quorum} of the known witnesses have signed")]
    if new.size < seen.size:
        return [
            Fault("log.shorter", f"{seen.size} lines were there, now {new.size}: lines were cut off or rolled back")
        ]
    tree = Tiles(new.size, fetch)
    try:
        if tree.root() != new.root:
            return [Fault("log.root", "the tiles do not give the root that the checkpoint signs")]
        proof = tree.consistency(seen.size)
        if not verify_consistency(seen.size, new.size, proof, bytes.fromhex(seen.root), new.root):
            return [Fault("log.rewritten", f"the first {seen.size} lines are not what they were: rewritten or forked")]
        faults = [
            fault
            for index, raw in enumerate(tree.entries(seen.size, new.size), seen.size)
            for fault in _line(seen, index, raw, now)
        ]
    except (BadTiles, OSError) as wrong:
        return [Fault("log.tiles", str(wrong))]
    seen.size, seen.root = new.size, new.root.hex()
    seen.faults += [[one.code, one.words] for one in faults]
    return [Fault(code, words) for code, words in seen.faults]


def _line(seen: Seen, index: int, raw: bytes, now: datetime) -> list[Fault]:
    """The rules for one line, in the order of the log."""
    try:
        entry: dict[str, Any] = json.loads(raw)
        at, kind, about = datetime.fromisoformat(entry["at"]), str(entry["kind"]), dict(entry.get("public", {}))
        if entry["seq"] != index + 1:
            return [Fault("line.place", f"line {index + 1} says that it is line {entry['seq']}")]
    except (ValueError, KeyError, TypeError):
        return [Fault("line.unreadable", f"line {index + 1} cannot be read")]
    found = []
    if seen.latest and (datetime.fromisoformat(seen.latest) - at).total_seconds() > SLACK:
        found.append(
            Fault("line.back-dated", f"line {index + 1} is dated {entry['at']}, after a line of {seen.latest}")
        )
    if (at - now).total_seconds() > AHEAD:
        found.append(Fault("line.future", f"line {index + 1} is dated {entry['at']}, which has not come yet"))
    if not seen.latest or at > datetime.fromisoformat(seen.latest):
        seen.latest = at.isoformat()
    number, sha256 = str(about.get("number", "")), str(about.get("sha256", ""))
    if kind == ISSUED:
        if number in seen.deeds:
            found.append(Fault("deed.twice", f"line {index + 1} issues {number}, which was issued before"))
        if number in seen.voids:
            found.append(Fault("deed.void-number", f"line {index + 1} issues {number}, which is void"))
        seen.deeds.setdefault(number, sha256)
        seen.standing.setdefault(sha256, "deed.valid")
    elif kind in VOIDED:
        seen.voids.append(number)
        if number in seen.deeds:
            found.append(Fault("deed.voided", f"line {index + 1} voids {number}, which was issued"))
    elif kind == RENEWED:
        old = str(about.get("before", ""))
        if seen.deeds.get(number) != old:
            found.append(Fault("deed.unknown", f"line {index + 1} renews another file than the log has for {number}"))
        else:
            seen.deeds[number] = sha256
            seen.standing[sha256] = seen.standing[old]
    elif kind == NOTICE and str(about.get("about", "")) not in seen.standing:
        found.append(Fault("deed.unknown", f"line {index + 1}: a notice about a deed that was never issued"))
    elif kind in STANDINGS:
        before = seen.standing.get(sha256)
        if before is None:
            found.append(Fault("deed.unknown", f"line {index + 1}: {kind} of a deed that was never issued"))
        elif before == "deed.revoked" and kind != "deed.revoked":
            found.append(
                Fault("deed.un-revoked", f"line {index + 1}: a revoked deed is made {kind.removeprefix('deed.')}")
            )
        else:
            seen.standing[sha256] = kind
    return found


def differs(seen: Seen, number: str, sha256: str, standing: str) -> Fault | None:
    """What an office's register says of a deed against the log: hash and standing. None where they agree.

    `standing`: valid, under_review, corrected or revoked, as the office's API gives it.
    """
    logged = seen.deeds.get(number)
    if logged is None:
        return Fault("register.not-logged", f"{number} is in the register and not in the log")
    if logged != sha256:
        return Fault("register.hash", f"{number}: the register's file hash is not the one in the log")
    if seen.standing.get(logged, "") != f"deed.{standing}":
        said = seen.standing.get(logged, "").removeprefix("deed.")
        return Fault("register.standing", f"{number}: the register says {standing}, the log says {said}")
    return None
