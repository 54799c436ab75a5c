"""The evidence zip beside a deed: is it the one that the deed names, is every file in it as listed, and do they hang together."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from signing import recording
from signing.proof import BadProof, read
from signing.verdict import Refused

LARGEST = 4 << 30
PIECE = 1 << 20


def check(raw: bytes, deed: bytes, facts: Mapping[str, Any]) -> str:
    """`manifest.json` in the zip: {"files": [{"name", "sha256", "size"}, ...]}; its own SHA-256 stands in the
    facts as `attachments.evidence.sha256`. `deed.pdf`, where inside, is this very file. Signed papers are those that the deed
    was signed over; a recording is whole, fragment by fragment, as its journal tells. Refused otherwise."""
    named = facts.get("attachments", {}).get("evidence", {}).get("sha256")
    if named is None:
        raise Refused("bundle.not-named")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as zipped:
            if sum(i.file_size for i in zipped.infolist()) > LARGEST:
                raise _other("too large")
            names = zipped.namelist()
            if len(set(names)) != len(names):
                raise _other("a name twice")
            manifest = zipped.read("manifest.json")
            if hashlib.sha256(manifest).hexdigest() != named:
                raise _other("its manifest is another")
            files = {f["name"]: f for f in json.loads(manifest)["files"]}
            for name, listed in files.items():
                if _digest(zipped, name) != (listed["sha256"], listed["size"]):
                    raise _other(name)
            if "deed.pdf" in names and zipped.read("deed.pdf") != deed:
                raise _other("deed.pdf is another")
            found = [f"{len(files)} files"]
            if "signatures.json" in files:
                found.append(_papers(zipped, files, facts))
            if recording.FOLDER + "manifest.json" in files:
                found.append(recording.check(zipped))
            logged = _logged(zipped.read("log.json"), deed, facts) if "log.json" in names else ""
    except recording.BadRecording as wrong:
        raise _other(str(wrong)) from None
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError,
    ):  # fmt: skip
        raise _other("damaged") from None
    return ", ".join(found) + logged


def _papers(zipped: zipfile.ZipFile, files: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Instrument and minutes are the bytes that were shown and signed; the instrument's strokes are those in the deed."""
    signed = json.loads(zipped.read("signatures.json"))
    for one in signed:
        paper = f"{one['paper']}.pdf"
        if files[paper]["sha256"] != one["sha256"]:
            raise _other(f"{paper} is not the one that was signed")
    drawn = [(one["sha256"], one["strokes"]) for one in signed if one["paper"] == "instrument"]
    said = [(one["bound_to"], one["strokes"]) for one in facts["instrument"]["signatures"]]
    if drawn != said:
        raise _other("the instrument's signatures are not those of the deed")
    return f"{len(signed)} signed papers"


def _logged(proof: bytes, deed: bytes, facts: Mapping[str, Any]) -> str:
    """The deed's place in the public log; who signed the checkpoint is for the holder of the log's key to say."""
    try:
        place = read(proof, hashlib.sha256(deed).hexdigest(), str(facts.get("number")))
    except BadProof as wrong:
        raise Refused("bundle.log", why=str(wrong)) from None
    named = facts.get("attachments", {}).get("log", {}).get("origin", place.origin)
    if place.origin != named:
        raise Refused("bundle.log", why=f"the deed names the log {named}, the proof is of {place.origin}")
    return f", line {place.index + 1} of {place.size} in {place.origin}"


def _other(what: str) -> Refused:
    return Refused("bundle.other", why=what)


def _digest(zipped: zipfile.ZipFile, name: str) -> tuple[str, int]:
    sha, size = hashlib.sha256(), 0
    with zipped.open(name) as entry:
        while piece := entry.read(PIECE):
            sha.update(piece)
            size += len(piece)
    return sha.hexdigest(), size
