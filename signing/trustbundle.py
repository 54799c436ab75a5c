"""What an office knew of its keys on a day, signed: lists, certificates, log keys, and until when each algorithm is good.

A deed proves itself as of its last stamp; a bundle tells who verifies offline what happened since. Its lists and answers count only
as the authorities' own signed words, so it may supply one that a file lacks, and otherwise it takes away. Its key is named by the
root itself (`profile.TRUST`). See docs/formats/trust-bundle.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from signing import path, profile
from signing.evidence import BadEvidence, Evidence, read_list
from signing.trust import Trust

FORMAT = "yuanzheng-trust-bundle/1"
LARGEST = 1_000_000
DRIFT = timedelta(minutes=5)
SUNSETS = {"rsa-2048": "2030-12-31", "ecdsa": "2035-12-31", "rsa": "2035-12-31"}
"""Last days by NIST IR 8547 (draft of 2024): below 3,072 bits 2030, every curve and RSA 2035."""


class BadBundle(ValueError):
    """A trust bundle that is not believed; the message says why."""


@dataclass(frozen=True)
class Known:
    """A believed bundle. `log`: the log's verifier key, then its witnesses'."""

    made_at: datetime
    sha256: str
    evidence: Evidence
    log: tuple[str, ...]
    sunsets: Mapping[str, date] = field(default_factory=dict)

    def covers(self, cert: x509.Certificate) -> bool:
        """Whether a list of its issuer is inside."""
        return any(x509.load_der_x509_crl(raw).issuer == cert.issuer for raw in self.evidence.crls)

    def ended(self, cert: x509.Certificate, at: datetime) -> str | None:
        """The algorithm of this key, if it was no longer good at `at`."""
        key, names = cert.public_key(), []
        if isinstance(key, rsa.RSAPublicKey):
            names = ["rsa-2048", "rsa"] if key.key_size < 3072 else ["rsa"]
        elif isinstance(key, ec.EllipticCurvePublicKey):
            names = ["ecdsa"]
        return next((n for n in names if n in self.sunsets and at.astimezone(UTC).date() > self.sunsets[n]), None)


def make(
    root: x509.Certificate,
    signer: x509.Certificate,
    certs: Iterable[x509.Certificate],
    known: Evidence,
    log: Sequence[str],
    sign: Callable[[bytes], bytes],
    now: datetime,
) -> bytes:
    """`signer`: the certificate of the key that `sign` uses, Ed25519, named by `root`. `log`: verifier keys, the log's first."""
    body = json.dumps(
        {
            "format": FORMAT, "made_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "root_sha256": root.fingerprint(hashes.SHA256()).hex(),
            "certificates": [_b64(c.public_bytes(form.Encoding.DER)) for c in (root, *certs) if c != signer],
            "lists": [_b64(raw) for raw in known.crls], "answers": [_b64(raw) for raw in known.ocsps],
            "log": list(log), "sunsets": SUNSETS,
        },
        ensure_ascii=False, sort_keys=True, separators=(",", ":"),
    )  # fmt: skip
    wrapped = {
        "format": FORMAT, "body": body, "signer": _b64(signer.public_bytes(form.Encoding.DER)),
        "signature": sign(body.encode()).hex(),
    }  # fmt: skip
    return json.dumps(wrapped, ensure_ascii=False, indent=1).encode() + b"\n"


def read(raw: bytes, trust: Trust, now: datetime, *, newer_than: datetime | None = None) -> Known:
    """BadBundle for one that is forged, of another root, from the future, out of date when made, or older than `newer_than`."""
    try:
        body, signer, signature = _opened(raw)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadBundle("no trust bundle, or a damaged one") from None
    root = next((one for one in trust.signers if path.signed_by(signer, one)), None)
    if root is None:
        raise BadBundle("it comes from another root than the one you trust")
    if path.policies(signer) != {profile.TRUST}:
        raise BadBundle("it is forged: its key is not one for trust bundles")
    try:
        key = signer.public_key()
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise InvalidSignature
        key.verify(signature, body.encode())
    except InvalidSignature:
        raise BadBundle("it is forged: its signature does not hold") from None
    try:
        known = _known(json.loads(body), raw, root)
    except BadBundle:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadBundle("a damaged trust bundle") from None
    _check(known, signer, root, now, newer_than)
    return known


def _opened(raw: bytes) -> tuple[str, x509.Certificate, bytes]:
    if len(raw) > LARGEST:
        raise ValueError("too large")
    wrapped = json.loads(raw)
    if wrapped["format"] != FORMAT or not isinstance(wrapped["body"], str):
        raise ValueError("another format")
    signer = path.load(base64.b64decode(wrapped["signer"], validate=True))
    return wrapped["body"], signer, bytes.fromhex(wrapped["signature"])


def _known(said: Mapping[str, Any], raw: bytes, root: x509.Certificate) -> Known:
    if said["format"] != FORMAT or said["root_sha256"] != root.fingerprint(hashes.SHA256()).hex():
        raise BadBundle("it comes from another root than the one you trust")
    certs, lists, answers = (
        tuple(base64.b64decode(one, validate=True) for one in said[name])
        for name in ("certificates", "lists", "answers")
    )
    made_at = datetime.fromisoformat(said["made_at"])
    if made_at.tzinfo is None:
        raise ValueError("a time without zone")
    sunsets = {str(name): date.fromisoformat(day) for name, day in said["sunsets"].items()}
    for one in lists:
        x509.load_der_x509_crl(one)
    kept = Evidence(certs, answers, lists)
    return Known(made_at, hashlib.sha256(raw).hexdigest(), kept, tuple(map(str, said["log"])), sunsets)


def _check(
    known: Known, signer: x509.Certificate, root: x509.Certificate, now: datetime, newer_than: datetime | None
) -> None:
    made = known.made_at
    if made > now + DRIFT:
        raise BadBundle("it is dated in the future")
    if newer_than is not None and made < newer_than:
        raise BadBundle(
            f"it is of {made:%Y-%m-%d %H:%M}, older than the one you know already ({newer_than:%Y-%m-%d %H:%M})"
        )
    if not signer.not_valid_before_utc <= made <= signer.not_valid_after_utc:
        raise BadBundle("its key was not valid on its date")
    for raw in known.evidence.crls:
        try:
            word = read_list(raw, signer, root)
        except BadEvidence:
            continue  # another authority's
        if word.revoked is not None and word.revoked <= made:
            raise BadBundle("its key was revoked")
        if word.until >= made:
            return
    raise BadBundle("it holds no list of the root that was good on its date")


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
