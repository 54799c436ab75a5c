"""From a certificate to a trusted root, at one point in time (RFC 5280 6, without name constraints and policy
mapping, which no chain of ours uses; a critical extension that we do not know refuses the chain).

Whether one of them was revoked is for `signing.evidence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

LONGEST = 6
LARGEST = 20_000
BUDGET = 24
"""Signatures that are checked for one chain: many look-alike issuers shall not cost for ever. ours"""
KNOWN = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
}
ANY_POLICY = "2.5.29.32.0"
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
ALGORITHMS = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    SignatureAlgorithmOID.RSA_WITH_SHA256,
    SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithmOID.RSA_WITH_SHA512,
}
"""What a certificate, an answer and a list may be signed with: one rule for every container of a deed."""
Path = tuple[x509.Certificate, ...]
"""Leaf first, trusted root last."""


class BadPath(ValueError):
    """No chain to a root; the message says why not."""


class Expired(BadPath):
    """There is a chain, but not at that time."""


@lru_cache(maxsize=512)  # at most 10 MB; the same certificates stand in every deed of an office
def load(raw: bytes) -> x509.Certificate:
    """A certificate all of whose parts can be read, at most LARGEST bytes. ValueError: parts are read lazily, and
    a damaged one would else surface anywhere."""
    if len(raw) > LARGEST:
        raise ValueError("a certificate that is too large")
    try:
        cert = x509.load_der_x509_certificate(raw)
        _ = (cert.subject, cert.issuer, cert.serial_number, cert.not_valid_before_utc, cert.not_valid_after_utc)
        _ = (cert.public_key(), cert.extensions, cert.signature_hash_algorithm, cert.version)
        if cert.serial_number <= 0:
            raise ValueError("serial number")  # RFC 5280 4.1.2.2
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension) as wrong:
        raise ValueError(f"a certificate that cannot be read: {type(wrong).__name__}") from None
    return cert


def build(leaf: x509.Certificate, others: Iterable[x509.Certificate], roots: Sequence[x509.Certificate]) -> Path:
    """The chain by names and signatures alone; call `check_times` next. BadPath.

    Two trusted roots with one key give the one that was named first.
    """
    _check_one(leaf)
    budget = [BUDGET]
    found = _climb((leaf,), tuple(others), tuple(roots), budget)
    if found is None:
        raise BadPath("no chain to a trusted root")
    return found


def check_times(path: Path, at: datetime) -> None:
    """Every certificate of the chain is within its validity. Expired otherwise."""
    for cert in path:
        if not cert.not_valid_before_utc <= at <= cert.not_valid_after_utc:
            raise Expired(
                f"{_common_name(cert)} is valid from {cert.not_valid_before_utc:%F} to {cert.not_valid_after_utc:%F}"
            )


def policies(cert: x509.Certificate | x509.CertificateSigningRequest) -> frozenset[str]:
    """OIDs of the certificate's policies, dotted."""
    try:
        found = cert.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(p.policy_identifier.dotted_string for p in found)


def allows(path: Path, policy: str) -> bool:
    """The leaf is for exactly `policy`, and every authority above it but the root may say so (RFC 5280 6.1)."""
    return policies(path[0]) == {policy} and all(policies(c) & {policy, ANY_POLICY} for c in path[1:-1])


def too_short_to_sign(leaf: x509.Certificate) -> bool:
    """A deed's signers are to last: RSA from 3072 bits (as strong as P-256, NIST SP 800-57 part 1 5.6.1)."""
    key = leaf.public_key()
    return isinstance(key, rsa.RSAPublicKey) and key.key_size < 3072


def uses(cert: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    """Extended key usage; empty where it is not said."""
    try:
        return frozenset(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return frozenset()


def _climb(path: Path, others: Path, roots: Path, budget: list[int]) -> Path | None:
    top = path[-1]
    if top in roots:
        return path
    for root in roots:
        if _issued(top, root, len(path) - 1, budget):
            return (*path, root)
    if len(path) >= LONGEST:
        return None
    for cert in others:
        if cert not in path and _issued(top, cert, len(path) - 1, budget):
            _check_one(cert)
            found = _climb((*path, cert), others, roots, budget)
            if found is not None:
                return found
    return None


def _issued(cert: x509.Certificate, by: x509.Certificate, below: int, budget: list[int]) -> bool:
    """`below`: authorities between `by` and the leaf."""
    if cert.issuer != by.subject or budget[0] <= 0:
        return False
    if not _is_authority(by, below):
        return False
    budget[0] -= 1
    return signed_by(cert, by)


@lru_cache(maxsize=1024)  # the same few authorities stand above every deed of an office
def signed_by(cert: x509.Certificate, by: x509.Certificate) -> bool:
    """Names and signature alone."""
    if cert.signature_algorithm_oid not in ALGORITHMS:
        return False
    try:
        cert.verify_directly_issued_by(by)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_authority(cert: x509.Certificate, below: int) -> bool:
    try:
        basic = cert.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    fits = basic.path_length is None or basic.path_length >= below
    return basic.ca and fits and usage.key_cert_sign


def _check_one(cert: x509.Certificate) -> None:
    """Sizes of keys and critical extensions."""
    key = cert.public_key()
    strong = (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES)) or (
        isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 8192
    )
    if not strong:
        raise BadPath(f"{_common_name(cert)}: kind or size of key is not accepted")
    if any(e.critical and e.oid not in KNOWN for e in cert.extensions):
        raise BadPath(f"{_common_name(cert)}: a critical extension is not known")


def _common_name(cert: x509.Certificate) -> str:
    found = cert.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else "a certificate"
