"""The bank's side of the demo: a receiver of webhooks that believes nothing but the office's published key."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE = 300
"""Seconds that a webhook's time stamp may be off (Standard Webhooks)."""


class BankDesk:
    """A small HTTP server on the loopback; `events` holds what was received and verified."""

    def __init__(self, office_url: str) -> None:
        self.office_url = office_url
        self.events: list[dict[str, Any]] = []
        self.refused: list[str] = []
        desk = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if not desk.genuine(dict(self.headers), body):
                    desk.refused.append(self.headers.get("webhook-id", ""))
                    self.send_response(401)
                    self.end_headers()
                    return
                desk.events.append(json.loads(body))
                answer = json.dumps({"receipt": f"bank-{len(desk.events)}"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self._server.server_port}/yuanzheng"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def genuine(self, headers: dict[str, str], body: bytes) -> bool:
        """Checks the `v1a` signature over id.timestamp.body with the key that the office publishes."""
        given = {name.lower(): value for name, value in headers.items()}
        try:
            if abs(time.time() - int(given["webhook-timestamp"])) > TOLERANCE:
                return False
            version, _comma, signature = given["webhook-signature"].partition(",")
            signed = b".".join([given["webhook-id"].encode(), given["webhook-timestamp"].encode(), body])
            self._key().verify(base64.b64decode(signature), signed)
        except (KeyError, ValueError, InvalidSignature):
            return False
        return version == "v1a"

    def _key(self) -> Ed25519PublicKey:
        published = httpx.get(f"{self.office_url}/.well-known/yuanzheng/keys.json", timeout=10).json()
        found = next(one["x"] for one in published["keys"] if one["use"] == "webhook")
        return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(found + "=" * (-len(found) % 4)))

    def waits_for(self, kind: str, seconds: float = 60) -> dict[str, Any]:
        """The first event of a kind. Raises LookupError when none comes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in self.events:
                if event["type"] == kind:
                    return event
            time.sleep(0.2)
        raise LookupError(f"the bank got no {kind}")

    def close(self) -> None:
        self._server.shutdown()
