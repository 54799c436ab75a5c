"""A recording proved from an evidence bundle alone: the chain of its journal, every fragment, the manifest that was sealed.

Needs nothing of the office and no key: what hangs together here hangs on the manifest, and that on the deed's signature.
Formats: docs/formats/journal.schema.json, docs/formats/manifest.schema.json.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from typing import IO, Any

FOLDER = "recording/"
START = "0" * 64
SUFFIXES = {"VP8": ".webm", "H264": ".mkv"}  # by the codec that the journal names; older ones name none
LARGEST_FRAGMENT = 64 << 20
Line = dict[str, Any]


class BadRecording(Exception):
    """What does not hang together, in words."""


def check(zipped: zipfile.ZipFile) -> str:
    """-> what was found, in words. Raises BadRecording, and KeyError, ValueError, TypeError where a file is not what it should be."""
    manifest = json.loads(zipped.read(FOLDER + "manifest.json"))
    if not manifest["complete"] or not manifest["intact"] or manifest["problems"]:
        raise BadRecording("its manifest says itself that it is not whole")
    lines = list(_lines(zipped, manifest["journal"]))
    told: dict[str, list[Line]] = {line["segment"]: [] for line in lines if line["kind"] == "open"}
    closed = {line["segment"]: line for line in lines if line["kind"] == "close"}
    for line in lines:
        if line["kind"] == "fragment":
            told[line["segment"]].append(line)
    listed = {one["segment"]: one for one in manifest["segments"]}
    if list(listed) != list(told):
        raise BadRecording("manifest and journal name other segments")
    for kind, names in (("drop", ("segment", "fragments", "bytes", "cause")), ("mark", ("at", "phase", "seconds"))):
        if [{name: line[name] for name in names} for line in lines if line["kind"] == kind] != manifest[f"{kind}s"]:
            raise BadRecording(f"manifest and journal name other {kind}s")
    codecs = {line["segment"]: line.get("codec", "VP8") for line in lines if line["kind"] == "open"}
    for name, fragments in told.items():
        if listed[name].get("codec", "VP8") != codecs[name]:
            raise BadRecording(f"manifest and journal name other codecs for {name}")
        with zipped.open(f"{FOLDER}{name}{SUFFIXES[codecs[name]]}") as media:
            whole = _segment(name, media, fragments)
        for said in (listed[name], *([closed[name]] if name in closed else [])):
            if (said["sha256"], said["fragments"]) != (whole, len(fragments)):
                raise BadRecording(f"{name} is not the one that was closed")
    gaps = manifest["gaps"]
    broken = f", {len(gaps)} gaps of {sum(g['seconds'] for g in gaps):.0f} s" if gaps else ", no gap"
    return f"recording of {len(told)} segments and {len(lines)} journal lines{broken}"


def _lines(zipped: zipfile.ZipFile, said: Line) -> Iterator[Line]:
    """The journal, each line following from the one before, ending where the manifest says."""
    prev, count = START, 0
    with zipped.open(FOLDER + "journal.jsonl") as journal:
        for raw in journal:
            line = json.loads(raw)
            body = {k: v for k, v in line.items() if k != "hash"}
            if (line["prev"], line["n"], line["hash"]) != (prev, count, hashlib.sha256(_canonical(body)).hexdigest()):
                raise BadRecording(f"journal line {count} does not follow from the line before")
            prev, count = line["hash"], count + 1
            yield line
    if (count, prev) != (said["lines"], said["head"]):
        raise BadRecording("the journal does not end where the manifest says")


def _segment(name: str, media: IO[bytes], fragments: list[Line]) -> str:
    """SHA-256 of a segment whose fragments are, one by one, those of the journal."""
    whole = hashlib.sha256()
    for line in fragments:
        if not 0 < line["bytes"] <= LARGEST_FRAGMENT:
            raise BadRecording(f"{name}: fragment {line['index']} has no possible size")
        plain = media.read(line["bytes"])
        if hashlib.sha256(plain).hexdigest() != line["sha256"]:
            raise BadRecording(f"{name}: fragment {line['index']} is not the one in the journal")
        whole.update(plain)
    if media.read(1):
        raise BadRecording(f"{name}: something follows its last fragment")
    return whole.hexdigest()


def _canonical(line: Line) -> bytes:
    return json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
