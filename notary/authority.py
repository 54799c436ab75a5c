"""
A service outside that says whether a name and a number belong together: the adapter of the CTID kind (B05).

There is no open interface to the state's services; an operator's gateway stands between. This is the profile that such
a gateway has to speak, and `docs/identity.md` describes it: JSON over HTTPS, our question under an HMAC-SHA-256 of its
bytes, the answer under an ECDSA P-256 signature of its bytes. No picture and no template of a face is ever sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from identity.provider import Check, Claim, Level, Outcome, Word

WAIT_SECONDS = 10.0
LARGEST = 64 << 10
SOURCE = "authority"


@dataclass(frozen=True, repr=False)
class AuthorityService:
    """An `IdentityProvider` at `url`. `secret`: shared with the gateway; `key`: its public key."""

    url: str
    client: str
    secret: bytes
    key: ec.EllipticCurvePublicKey
    source: str = SOURCE

    def ask(self, claim: Claim, question: str) -> Word:
        """One question, one try of ten seconds; whoever asked may ask again."""
        body = json.dumps(
            {
                "client": self.client, "question": question, "name": claim.name, "number": claim.number,
                "valid_from": claim.valid_from, "valid_to": claim.valid_to,
            },
            ensure_ascii=False, sort_keys=True,
        ).encode()  # fmt: skip
        head = {
            "Content-Type": "application/json",
            "Idempotency-Key": question,
            "X-Client-MAC": base64.b64encode(hmac.digest(self.secret, body, hashlib.sha256)).decode(),
        }
        try:
            raw, signature = self._post(body, head)
        except httpx.HTTPStatusError as refused:
            return _none(f"http-{refused.response.status_code}")
        except httpx.HTTPError:
            return _none("unreachable")
        except ValueError:
            return _none("too-large")
        return self._read(raw, signature, question)

    def _post(self, body: bytes, head: dict[str, str]) -> tuple[bytes, str]:
        with (
            httpx.Client(timeout=WAIT_SECONDS, follow_redirects=False) as client,
            client.stream("POST", self.url, content=body, headers=head) as answer,
        ):
            if not answer.is_success:
                raise httpx.HTTPStatusError("refused", request=answer.request, response=answer)
            raw = b""
            for piece in answer.iter_bytes():
                raw += piece
                if len(raw) > LARGEST:
                    raise ValueError("too large")
            return raw, answer.headers.get("X-Signature", "")

    def _read(self, raw: bytes, signature: str, question: str) -> Word:
        """Nothing of an answer counts before its signature holds and it names our question."""
        try:
            self.key.verify(base64.b64decode(signature, validate=True), raw, ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return _none("signature", raw)
        try:
            said = json.loads(raw)
            if said["question"] != question:
                return _none("another-question", raw)
            outcome = Outcome(said["outcome"])
            checked = tuple(one for one in Check if one in said["checked"])
            reference = str(said["reference"])[:100]
        except (ValueError, KeyError, TypeError, RecursionError):
            return _none("unreadable", raw)
        if outcome == Outcome.AGREES and Check.HOLDER not in checked:
            return _none("unreadable", raw)  # agrees about what?
        return Word(self.source, Level.SIGNED, outcome, checked, (), reference, raw)


def _none(why: str, raw: bytes = b"") -> Word:
    return Word(SOURCE, Level.SIGNED, Outcome.NO_ANSWER, (), (why,), "", raw)


def public_key_of(path: Path) -> ec.EllipticCurvePublicKey:
    """Raises ValueError unless the file holds a P-256 public key in PEM, OSError."""
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 public key")
    return key
