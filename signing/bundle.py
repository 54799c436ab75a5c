"""The evidence zip beside a deed: is it the one that the deed names, and is every file in it as listed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from signing.proof import BadProof, read
from signing.verdict import Refused

LARGEST = 4 << 30
PIECE = 1 << 20


def check(raw: bytes, deed: bytes, facts: Mapping[str, Any]) -> str:
    """`manifest.json` in the zip: {"files": [{"name", "sha256", "size"}, ...]}; its own SHA-256 stands in the
    facts as `attachments.evidence.sha256`. `deed.pdf`, where inside, is this very file. Refused otherwise."""
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
            logged = _logged(zipped.read("log.json"), deed, facts) if "log.json" in names else ""
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError,
    ):  # fmt: skip
        raise _other("damaged") from None
    return f"{len(files)} files{logged}"


def _logged(proof: bytes, deed: bytes, facts: Mapping[str, Any]) -> str:
    """The deed's place in the public log; who signed the checkpoint is for the holder of the log's key to say."""
    try:
        place = read(proof, hashlib.sha256(deed).hexdigest(), str(facts.get("number")))
    except BadProof as wrong:
        raise Refused("bundle.log", why=str(wrong)) from None
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
