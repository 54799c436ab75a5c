"""The kinds of key that sign a deed: P-256, and RSA-3072 for banks whose tools know nothing else.

Both sign a SHA-256 digest of 32 bytes: ECDSA as DER (RFC 3279), RSA by PKCS#1 v1.5 (RFC 8017 8.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

SIZE = 32
RSA_BITS, MOST_RSA_BITS = 3072, 4096
PREHASHED = utils.Prehashed(hashes.SHA256())
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""DigestInfo of SHA-256 without its digest (RFC 8017 9.2): what a module signs with the bare CKM_RSA_PKCS."""
SignKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Kind:
    """`name`: as on the command line. `algorithm`: as CMS calls a signature of it over SHA-256."""

    name: str
    algorithm: str
    make: Callable[[], SignKey]

    def __str__(self) -> str:
        return self.name


P256 = Kind("p-256", "sha256_ecdsa", lambda: ec.generate_private_key(ec.SECP256R1()))
RSA3072 = Kind("rsa-3072", "sha256_rsa", lambda: rsa.generate_private_key(65537, RSA_BITS))
KINDS = {one.name: one for one in (P256, RSA3072)}


def kind_of(public: object) -> Kind | None:
    """The kind of a public key; None for one that signs no deed: another curve, too short, too long."""
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1":
        return P256
    if isinstance(public, rsa.RSAPublicKey) and RSA_BITS <= public.key_size <= MOST_RSA_BITS:
        return RSA3072
    return None


def checked(digest: bytes) -> bytes:
    """The digest, if it is one. ValueError."""
    if len(digest) != SIZE:
        raise ValueError("a SHA-256 digest has 32 bytes")
    return digest


def sign(key: SignKey, digest: bytes) -> bytes:
    """One signature with a loaded key. ValueError for what is no digest."""
    checked(digest)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, padding.PKCS1v15(), PREHASHED)
    return key.sign(digest, ec.ECDSA(PREHASHED))


def holds(public: Any, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` is that key's over exactly `digest`."""
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, digest, padding.PKCS1v15(), PREHASHED)
        else:
            public.verify(signature, digest, ec.ECDSA(PREHASHED))
    except InvalidSignature:
        return False
    return True


def longest(public: object) -> int:
    """Bytes of the longest signature of this key."""
    return public.key_size // 8 if isinstance(public, rsa.RSAPublicKey) else 72
