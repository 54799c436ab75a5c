"""
What a recording says of itself, and the manifest that follows from it.

A room is a folder: `journal.jsonl`, one JSON line an event, each carrying the SHA-256 of the line before, and
one file a segment (`0001-applicant.rec`: a party on one connection) of encrypted fragments, each preceded by
its length (4 bytes, big-endian). Put together, the fragments of a segment are a WebM file, or
where its line `open` says H264 a Matroska file (`file_name`). Hashes are of the
plaintext; the journal itself holds no picture, no sound and no word of anybody.

`manifest_of` needs nothing but the folder and the key, also after a crash in mid-write.
Schemas: docs/formats/journal.schema.json, docs/formats/manifest.schema.json.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage import BadBox, vault

NAME = "journal.jsonl"
START = "0" * 64
_SEGMENT = re.compile(r"[0-9]{4,}-[a-z][a-z0-9-]{0,31}")  # also a file's name, so nothing else passes
SUFFIXES = {"VP8": ".webm", "H264": ".mkv"}
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "room": {"room": str, "version": int},
    "resume": {"torn": int},
    "open": {
        "segment": str, "offset": (int, float), "leg": str, "role": str, "connection": str, "fingerprint": str,
    },
    "fragment": {"segment": str, "index": int, "bytes": int, "sha256": str},
    "gap": {
        "segment": str, "leg": str, "media": str, "from": str, "to": str, "seconds": (int, float), "cause": str,
    },
    "drop": {"segment": str, "fragments": int, "bytes": int, "cause": str},
    "mark": {"phase": str, "seconds": (int, float)},
    "close": {"segment": str, "cause": str, "last": str, "fragments": int, "bytes": int, "sha256": str},
    "end": {"cause": str},
}  # fmt: skip
"""What every kind of line must say. A chain proves order, not sense: whoever can reckon a hash can chain anything."""
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
LONG_GAP_S = 2.0  # requirement D02: a longer gap is an entry with its cause
Line = dict[str, Any]


def stamp(when: float) -> str:
    """Unix seconds as UTC text with milliseconds, e.g. 2026-01-02T03:04:05.678Z."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """Unix seconds of a `stamp`."""
    return datetime.fromisoformat(text).timestamp()


def file_name(segment: Line) -> str:
    """What a segment of a manifest is called once it is exported; older manifests say no codec: all was VP8."""
    return f"{segment['segment']}{SUFFIXES[segment.get('codec', 'VP8')]}"


def chain(prev: str, number: int, when: float, kind: str, fields: Line) -> Line:
    """The line that follows the line with hash `prev`."""
    line: Line = {"n": number, "at": stamp(when), "kind": kind, **fields, "prev": prev}
    return {**line, "hash": _hash(line)}


def dump(line: Line) -> bytes:
    """A line as it stands in the file."""
    return _canonical(line) + b"\n"


def read(path: Path) -> tuple[list[Line], int, list[str]]:
    """(lines, bytes they take, what is wrong). A torn last line is left out; it is no problem by itself.

    Reading stops at the first line that does not follow from the one before.
    """
    data = path.read_bytes()
    lines: list[Line] = []
    used, prev = 0, START
    for raw in data.splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            break
        try:
            line = json.loads(raw)
            follows = (
                isinstance(line, dict)
                and line["prev"] == prev
                and line["n"] == len(lines)
                and line["hash"] == _hash({k: v for k, v in line.items() if k != "hash"})
                and dump(line) == raw
                and _sensible(line)
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            follows = False
        if not follows:
            return lines, used, [f"journal line {len(lines)} does not follow from the line before"]
        lines.append(line)
        used += len(raw)
        prev = line["hash"]
    return lines, used, []


def _sensible(line: Line) -> bool:
    """Whether a line says what its kind must, in a form that can be reckoned with. Raises KeyError, ValueError."""
    fields = _FIELDS[line["kind"]]
    times = [line[name] for name in ("at", "from", "to", "last") if name == "at" or name in fields]
    return (
        all(isinstance(line[name], kind) for name, kind in fields.items())
        and all(isinstance(time, str) and _TIME.fullmatch(time) and seconds(time) is not None for time in times)
        and _SEGMENT.fullmatch(line.get("segment", "0000-none")) is not None
        and line.get("codec", "VP8") in SUFFIXES
    )


def fragments(path: Path, key: bytes, room: str) -> Iterator[bytes]:
    """The plaintext fragments of a segment file, in order; a torn last one is left out. Raises BadBox."""
    segment = path.stem
    with path.open("rb") as stream:
        index = 0
        while len(head := stream.read(4)) == 4:
            size = int.from_bytes(head, "big")
            box = stream.read(size)
            if len(box) < size:
                return
            yield vault.decrypt(key, box, vault.aad(room, segment, index, 0))
            index += 1


def manifest_of(folder: Path, key: bytes) -> Line:
    """What was recorded, from the files alone: every fragment decrypted, hashed and compared.

    `intact` is false when anything recorded is missing or changed; `problems` names each place. `complete`
    is true when the room was closed in order. Raises FileNotFoundError where there is no journal.
    """
    lines, used, problems = read(folder / NAME)
    if not lines:
        problems.append("the journal has no first line")
    elif not problems and used < (folder / NAME).stat().st_size and lines[-1]["kind"] == "end":
        problems.append("something follows the last line of a closed journal")
    room = str(lines[0].get("room", "")) if lines else ""
    hashes: dict[str, list[str]] = {}
    for line in lines:
        if line["kind"] == "fragment":
            hashes.setdefault(line["segment"], []).append(line["sha256"])
    closes = {line["segment"]: line for line in lines if line["kind"] == "close"}
    segments = []
    for line in lines:
        if line["kind"] == "open":
            entry, wrong = _segment(folder, key, room, line, hashes.get(line["segment"], []), closes)
            segments.append(entry)
            problems += wrong
    known = {f"{s['segment']}.rec" for s in segments}
    problems += [f"{p.name} is not in the journal" for p in sorted(folder.glob("*.rec")) if p.name not in known]
    return _compose(lines, segments, problems)


def _segment(
    folder: Path, key: bytes, room: str, opened: Line, told: list[str], closes: dict[str, Line]
) -> tuple[Line, list[str]]:
    """One segment's entry and what is wrong with it."""
    name, problems, whole = opened["segment"], [], hashlib.sha256()
    count = size = 0
    path = folder / f"{name}.rec"
    close = closes.get(name)
    try:
        for plain in fragments(path, key, room):
            if count < len(told) and hashlib.sha256(plain).hexdigest() != told[count]:
                problems.append(f"{name}: fragment {count} is not the one in the journal")
            whole.update(plain)
            size += len(plain)
            count += 1
    except FileNotFoundError:
        if told or (close and close["bytes"]):
            problems.append(f"{name}: the file is missing")
    except BadBox:
        problems.append(f"{name}: fragment {count} does not open")
    if count < len(told):
        problems.append(f"{name}: {len(told) - count} fragments of the journal are missing")
    if close and path.exists() and path.stat().st_size != size + count * (4 + vault.OVERHEAD):
        problems.append(f"{name}: something follows the last fragment of a closed segment")
    if close and (count, size, whole.hexdigest()) != (close["fragments"], close["bytes"], close["sha256"]):
        problems.append(f"{name}: the file is not the one that was closed")
    last = close["last"] if close else opened["at"]
    return {
        "segment": name,
        "leg": opened["leg"],
        "role": opened["role"],
        "connection": opened["connection"],
        "fingerprint": opened["fingerprint"],
        **_only(opened, *({"codec"} & set(opened))),
        "started": opened["at"],
        "ended": last,
        "offset": opened["offset"],
        "seconds": round(seconds(last) - seconds(opened["at"]), 3),
        "fragments": count,
        "bytes": size,
        "sha256": whole.hexdigest(),
        "end": close["cause"] if close else "interrupted",
    }, problems


def _compose(lines: list[Line], segments: list[Line], problems: list[str]) -> Line:
    last_seen = {line["segment"]: line["at"] for line in lines if line["kind"] == "fragment"}
    for s in segments:
        if s["end"] == "interrupted" and s["segment"] in last_seen:
            s["ended"] = last_seen[s["segment"]]
            s["seconds"] = round(seconds(s["ended"]) - seconds(s["started"]), 3)
    end = next((line for line in lines if line["kind"] == "end"), None)
    return {
        "format": "yuanzheng-manifest-1",
        "room": lines[0].get("room", "") if lines else "",
        "started": segments[0]["started"] if segments else None,
        "ended": end["at"] if end else None,
        "complete": end is not None,
        "intact": not problems,
        "problems": problems,
        "segments": segments,
        "gaps": _gaps(lines, segments, end),
        "drops": [_only(x, "segment", "fragments", "bytes", "cause") for x in lines if x["kind"] == "drop"],
        "marks": [_only(x, "at", "phase", "seconds") for x in lines if x["kind"] == "mark"],
        "journal": {"lines": len(lines), "head": lines[-1]["hash"] if lines else START},
    }


def _gaps(lines: list[Line], segments: list[Line], end: Line | None) -> list[Line]:
    """Every stretch over LONG_GAP_S in which a party that had come was not recorded, by time."""
    gaps = [_only(x, "leg", "from", "to", "seconds", "cause") for x in lines if x["kind"] == "gap"]
    for leg in sorted({str(s["leg"]) for s in segments}):
        own = [s for s in segments if s["leg"] == leg]
        after: list[str] = [s["started"] for s in own[1:]] + ([end["at"]] if end else [])
        for before, start in zip(own, after, strict=False):
            length = seconds(start) - seconds(before["ended"])
            if length > LONG_GAP_S:
                gap = {"leg": leg, "from": before["ended"], "to": start, "seconds": round(length, 3)}
                gaps.append({**gap, "cause": before["end"]})
    return sorted(gaps, key=lambda g: (g["from"], g["leg"]))


def _only(line: Line, *names: str) -> Line:
    return {name: line[name] for name in names}


def _canonical(line: Line) -> bytes:
    return _encode(line).encode()


def _hash(line: Line) -> str:
    return hashlib.sha256(_canonical(line)).hexdigest()
