"""A passkey in software: attestation "none", ES256, user verified. What a browser's virtual authenticator
does."""

import hashlib
import json
import os
import struct

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url as b64

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class SoftPasskey:
    def __init__(self, rp_id="localhost", origin="http://localhost:8000"):
        self.rp_id, self.origin = rp_id, origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(16)
        self.count = 0

    def _data(self, flags: int) -> bytes:
        self.count += 1
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)

    def _client(self, kind: str, challenge: bytes) -> bytes:
        return json.dumps({"type": kind, "challenge": b64(challenge), "origin": self.origin}).encode()

    def register(self, challenge: bytes) -> dict:
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

    def sign(self, challenge: bytes, *, verified: bool = True) -> dict:
        data, client = (
            self._data(PRESENT | (VERIFIED if verified else 0)),
            self._client("webauthn.get", challenge),
        )
        value = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {"authenticatorData": b64(data), "clientDataJSON": b64(client), "signature": b64(value)}
        )

    def _credential(self, response: dict) -> dict:
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
