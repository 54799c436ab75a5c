"""That a line stands in a log: the line, its place, the way to the root, and the checkpoint that signs the root.

Format `yuanzheng-log-proof/1`, docs/formats/log.md. Needs nothing but the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from signing.merkle import leaf_hash, verify_inclusion
from signing.note import BadNote, Checkpoint, Verifier, opened

FORMAT = "yuanzheng-log-proof/1"
KINDS = ("case.issue", "deed.renewed")


class BadProof(ValueError):
    """The proof does not show what it should; the message says why."""


@dataclass(frozen=True)
class Place:
    """Line `index` (from 0) of `size` in the log `origin`; `signers`: who of the known keys has signed the checkpoint."""

    origin: str
    index: int
    size: int
    entry: dict[str, Any]
    signers: tuple[str, ...]


def made(
    leaf: bytes, index: int, size: int, path: Iterable[bytes], checkpoint: str, salt: bytes, private: bytes
) -> bytes:
    """The proof as a file. `salt` and `private` open the line's commitment."""
    return json.dumps(
        {
            "format": FORMAT, "leaf": leaf.decode(), "index": index, "size": size, "path": [one.hex() for one in path],
            "checkpoint": checkpoint, "opening": {"salt": salt.hex(), "private": private.decode()},
        },
        ensure_ascii=False, sort_keys=True, indent=1,
    ).encode()  # fmt: skip


def read(raw: bytes, deed_sha256: str, number: str, known: Iterable[Verifier] = ()) -> Place:
    """Checks that this is the line of that very file under that number, of its issue or its renewal. Raises BadProof."""
    try:
        proof: Mapping[str, Any] = json.loads(raw)
        leaf, index, size = str(proof["leaf"]).encode(), int(proof["index"]), int(proof["size"])
        path = [bytes.fromhex(one) for one in proof["path"]]
        body, signers = opened(str(proof["checkpoint"]), known)
        head = Checkpoint.parse(body)
        entry = json.loads(leaf)
        salt, private = bytes.fromhex(proof["opening"]["salt"]), str(proof["opening"]["private"]).encode()
        kind, says = entry["kind"], (entry["public"]["sha256"], entry["public"]["number"])
        commitment = entry["commitment"]
    except BadNote as wrong:
        raise BadProof(str(wrong)) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadProof("not a log proof") from None
    if proof.get("format") != FORMAT or size != head.size:
        raise BadProof("not a log proof of this checkpoint")
    if not verify_inclusion(leaf_hash(leaf), index, size, path, head.root):
        raise BadProof("the line does not stand in the tree that the checkpoint signs")
    if kind not in KINDS or says != (deed_sha256, number):
        raise BadProof("the line is of another deed")
    if hashlib.sha256(salt + private).hexdigest() != commitment:
        raise BadProof("the line's commitment does not open")
    return Place(head.origin, index, size, entry, tuple(sorted(signers)))
