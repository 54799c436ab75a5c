"""A passkey in software, as a browser's virtual authenticator is one: ES256, attestation "none", user verified.

WebAuthn Level 2 §6.1 (authenticator data), §6.5.2 (attested credential), §7.1 and §7.2 (what the server checks).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url as b64

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class SoftPasskey:
    """One credential for one relying party. `user`: the handle that a resident credential carries."""

    def __init__(self, rp_id: str = "localhost", origin: str = "http://localhost:8000", user: bytes = b"") -> None:
        self.rp_id, self.origin, self.user = rp_id, origin, user
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(16)
        self.count = 0

    def _data(self, flags: int) -> bytes:
        self.count += 1
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)

    def _client(self, kind: str, challenge: bytes) -> bytes:
        return json.dumps({"type": kind, "challenge": b64(challenge), "origin": self.origin}).encode()

    def register(self, challenge: bytes) -> dict[str, Any]:
        """What navigator.credentials.create() gives, as the pages send it."""
        n = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: n.x.to_bytes(32, "big"), -3: n.y.to_bytes(32, "big")})
        data = self._data(PRESENT | VERIFIED | ATTESTED) + bytes(16) + struct.pack(">H", len(self.id)) + self.id + cose
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(
            {
                "clientDataJSON": b64(self._client("webauthn.create", challenge)),
                "attestationObject": b64(made),
            }
        )

    def sign(self, challenge: bytes, *, verified: bool = True) -> dict[str, Any]:
        """What navigator.credentials.get() gives, as the pages send it."""
        data, client = (
            self._data(PRESENT | (VERIFIED if verified else 0)),
            self._client("webauthn.get", challenge),
        )
        value = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {"authenticatorData": b64(data), "clientDataJSON": b64(client), "signature": b64(value)}
        )

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}

    def exported(self) -> dict[str, Any]:
        """This credential for Chromium's virtual authenticator (DevTools protocol, WebAuthn.Credential)."""
        from base64 import b64encode

        private = self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "credentialId": b64encode(self.id).decode(), "isResidentCredential": True, "rpId": self.rp_id,
            "privateKey": b64encode(private).decode(), "userHandle": b64encode(self.user or self.id).decode(),
            "signCount": self.count,
        }  # fmt: skip
