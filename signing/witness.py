"""A witness: remembers how long a log was and refuses every other past. C2SP tlog-witness and tlog-cosignature.

A bank or an association runs it beside nothing else: `python -m signing witness --key FILE --log VKEY --port N`. It keeps one
small file a log, written before the cosignature leaves.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signing.merkle import SIZE, verify_consistency
from signing.note import COSIGNATURE, BadNote, Checkpoint, Verifier, cosigned, line, opened
from signing.tiles import replace

LARGEST = 64 << 10


class Conflict(Exception):
    """The caller thinks of another size; `size` is the one that the witness has seen."""

    def __init__(self, size: int) -> None:
        super().__init__(f"last seen: {size} lines")
        self.size = size


class Unproved(Exception):
    """The new checkpoint does not continue the old one: the log has been rewritten or forked."""


@dataclass
class Witness:
    """`logs`: their verifier keys; `state`: a folder with one file a log."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)
    logs: dict[str, Verifier]
    state: Path
    clock: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key().public_bytes_raw(), COSIGNATURE)

    def add(self, old: int, proof: list[bytes], note: str) -> str:
        """The cosignature's line for a checkpoint that continues the last one.

        Raises BadNote (unknown log, not signed), Conflict, Unproved.
        """
        origin = note.partition("\n")[0]
        if origin not in self.logs:
            raise BadNote("this witness does not know that log")
        body, signers = opened(note, [self.logs[origin]])
        new = Checkpoint.parse(body)
        if not signers:
            raise BadNote("the checkpoint is not signed by its log")
        with self._lock:
            size, root = self.last(origin)
            if old != size:
                raise Conflict(size)
            if not verify_consistency(size, new.size, proof, root, new.root):
                raise Unproved
            self._remember(origin, new)
            at = int(self.clock())
            signature = self.key.sign(cosigned(body, at))
        return line(self.verifier, at.to_bytes(8, "big") + signature)

    def last(self, origin: str) -> tuple[int, bytes]:
        """Size and root of the newest checkpoint that was cosigned; the empty tree before the first."""
        from signing.merkle import EMPTY

        path = self._path(origin)
        if not path.exists():
            return 0, EMPTY
        kept = json.loads(path.read_text())
        return int(kept["size"]), bytes.fromhex(kept["root"])

    def _remember(self, origin: str, seen: Checkpoint) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        replace(self._path(origin), json.dumps({"origin": origin, "size": seen.size, "root": seen.root.hex()}).encode())

    def _path(self, origin: str) -> Path:
        return self.state / f"{base64.urlsafe_b64encode(origin.encode()).decode()}.json"


def server(witness: Witness, port: int) -> ThreadingHTTPServer:
    """POST /add-checkpoint on the loopback; put a web server with TLS in front to be reached from elsewhere."""

    class Door(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != "/add-checkpoint" or not length.isdecimal() or int(length) > LARGEST:
                self._say(404 if self.path != "/add-checkpoint" else 413, "")
                return
            try:
                head, _, note = self.rfile.read(int(length)).decode().partition("\n\n")
                old, *proof = head.split("\n")
                if not old.startswith("old ") or not old[4:].isdecimal():
                    raise BadNote("the first line reads: old SIZE")
                hashes = [base64.b64decode(one, validate=True) for one in proof]
                if any(len(one) != SIZE for one in hashes) or len(hashes) > 63:
                    raise BadNote("a proof has at most 63 hashes of 32 bytes")
                self._say(200, witness.add(int(old[4:]), hashes, note))
            except Conflict as other:
                self._say(409, f"{other.size}\n", "text/x.tlog.size")
            except Unproved:
                self._say(422, "the checkpoint does not continue the one seen before\n")
            except (BadNote, ValueError) as wrong:
                self._say(403, f"{wrong}\n")

        def _say(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Door)


def request(old: int, proof: list[bytes], note: str) -> bytes:
    """The body of an add-checkpoint request."""
    lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof)]
    return ("\n".join(lines) + "\n\n" + note).encode()
