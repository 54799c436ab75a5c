"""A bank's receiver of our webhooks, whole: python docs/examples/webhook_receiver.py https://notary.example 9000

Checks the Standard Webhooks signature `v1a` (Ed25519 over `id.timestamp.body`) with the key that the office publishes
at /.well-known/yuanzheng/keys.json, refuses what is older than five minutes, and answers with a receipt.
Needs `cryptography`.
"""

import base64
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE = 300
LARGEST = 64 * 1024


@dataclass
class Raw:
    signed: bytes
    signature: str


@dataclass
class State:
    """`keys`: 32 bytes each. `events`: what came, each once by its webhook-id."""

    keys: list[bytes]
    now: Callable[[], float] = time.time
    events: list[dict[str, Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    raw: list[Raw] = field(default_factory=list)


def published_keys(office: str) -> list[bytes]:
    with urllib.request.urlopen(f"{office}/.well-known/yuanzheng/keys.json", timeout=10) as answer:  # noqa: S310
        told = json.load(answer)
    return [base64.b64decode(key["whpk"].removeprefix("whpk_")) for key in told["keys"] if key["use"] == "webhook"]


def genuine(state: State, event_id: str, stamp: str, body: bytes, signatures: str) -> bool:
    if not stamp.isdecimal() or abs(state.now() - int(stamp)) > TOLERANCE:
        return False
    signed = f"{event_id}.{stamp}.".encode() + body
    for one in signatures.split():
        version, _comma, value = one.partition(",")
        if version != "v1a":
            continue
        state.raw.append(Raw(signed, one))
        for key in state.keys:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(value), signed)
            except (InvalidSignature, ValueError):
                continue
            return True
    return False


def handler(state: State) -> type[BaseHTTPRequestHandler]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size) if 0 < size <= LARGEST else b""
            event_id = self.headers.get("webhook-id", "")
            stamp, signatures = self.headers.get("webhook-timestamp", ""), self.headers.get("webhook-signature", "")
            if not body or not genuine(state, event_id, stamp, body, signatures):
                self._answer(401, {"error": "not signed by the office"})
                return
            if event_id not in state.seen:
                state.seen.add(event_id)
                state.events.append(json.loads(body))
            self._answer(200, {"receipt": f"got-{event_id}"})

        def _answer(self, status: int, said: dict[str, str]) -> None:
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            if "--quiet" not in sys.argv and __name__ == "__main__":
                super().log_message(format, *args)

    return Receiver


if __name__ == "__main__":
    known = State(published_keys(sys.argv[1].rstrip("/")))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), handler(known)).serve_forever()
