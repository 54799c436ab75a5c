"""Signature containers as we accept them: one signer, his certificate inside, nothing unsigned beside
(RFC 5652 5; ETSI EN 319 122-1 5; RFC 5816).

What no signature covers (versions, algorithm lists, identifiers, certificates) must be spelt exactly as it
follows from what is covered; otherwise a flipped bit there would make another file with the same verdict.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from signing import der, path
from signing.der import Node

SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
DATA = der.oid("1.2.840.113549.1.7.1")
TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
STAMP_TOKEN = der.oid("1.2.840.113549.1.9.16.2.14")
NULLS = b"\x05\x00"
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_HASH_OIDS = {
    der.oid("2.16.840.1.101.3.4.2.1"): "sha256",
    der.oid("2.16.840.1.101.3.4.2.2"): "sha384",
    der.oid("2.16.840.1.101.3.4.2.3"): "sha512",
}
_SIGNATURES = {
    "sha256": (der.oid("1.2.840.10045.4.3.2"), der.oid("1.2.840.113549.1.1.11")),
    "sha384": (der.oid("1.2.840.10045.4.3.3"), der.oid("1.2.840.113549.1.1.12")),
    "sha512": (der.oid("1.2.840.10045.4.3.4"), der.oid("1.2.840.113549.1.1.13")),
}
_RSA = der.oid("1.2.840.113549.1.1.1")


class BadContainer(ValueError):
    """A container that we would not write, with the reason."""


class BadSignature(BadContainer):
    """The arithmetic fails: what was signed is something else."""


@dataclass(frozen=True)
class Container:
    """`content`: what is inside (a time stamp's TSTInfo), None for a detached signature. `message_digest`: what the
    signer says that it is. `signed`: what the signature is over. `token`: the signature time stamp, DER, or None."""

    content: bytes | None
    leaf: x509.Certificate
    others: tuple[x509.Certificate, ...]
    hash_name: str
    message_digest: bytes
    signed: bytes
    algorithm: bytes
    signature: bytes
    token: bytes | None

    def check(self, digest: bytes) -> None:
        """`digest`: `hash_name` over the content. BadSignature, BadContainer."""
        if self.message_digest != digest:
            raise BadSignature("signed digest is another")
        _check_arithmetic(self)


def hash_of(algorithm: Node) -> str:
    """Name of a digest's AlgorithmIdentifier; parameters absent or NULL. BadContainer for any but SHA-2."""
    first = next(iter(algorithm))
    name = _HASH_OIDS.get(first.body, "")
    if not name or first.tag != der.OID or algorithm.raw not in _spellings(first.raw):
        raise BadContainer("digest is not accepted")
    return name


def read(raw: bytes, kind: bytes) -> Container:
    """`kind`: TST_INFO or DATA. Raises BadContainer; nothing is trusted yet, call `check`."""
    try:
        return _read(raw, kind)
    except BadContainer:
        raise
    except (ValueError, StopIteration, IndexError, KeyError) as wrong:
        raise BadContainer(f"unreadable: {str(wrong) or type(wrong).__name__}") from None


def _read(raw: bytes, kind: bytes) -> Container:
    outer, held = der.read(raw).children(der.OID, 0xA0)
    if outer.body != SIGNED_DATA:
        raise BadContainer("no signed data")
    parts = list(held.the(der.SEQUENCE))
    if [p.tag for p in parts] != [der.INTEGER, der.SET, der.SEQUENCE, 0xA0, der.SET]:
        raise BadContainer("more or less inside than one signer and certificates")
    version, digests, inner, certificates, signers = parts
    stamp = kind == TST_INFO
    content = list(inner)
    tags = [der.OID, 0xA0] if stamp else [der.OID]
    if [c.tag for c in content] != tags or content[0].body != kind:
        raise BadContainer("signed content is another")
    if version.integer() != (3 if stamp else 1):
        raise BadContainer("version is another")
    info = list(signers.the(der.SEQUENCE))
    tags = [der.INTEGER, der.SEQUENCE, der.SEQUENCE, 0xA0, der.SEQUENCE, der.OCTETS]
    if [i.tag for i in info] != (tags if stamp else [*tags, 0xA1]):
        raise BadContainer("other attributes than a signature of ours")
    if info[0].integer() != 1:
        raise BadContainer("version is another")
    name = hash_of(info[2])
    if digests.the(der.SEQUENCE).raw != info[2].raw:
        raise BadContainer("two digest algorithms")
    leaf, others = _certificates(certificates, info[1])
    attributes = _attributes(info[3])
    if attributes[CONTENT_TYPE].the(der.OID).body != kind:
        raise BadContainer("signed content type is another")
    _check_binding(attributes[SIGNING_CERTIFICATE_V2], leaf)
    token = None
    if not stamp:
        unsigned = _attributes(info[6])
        if set(unsigned) != {STAMP_TOKEN}:
            raise BadContainer("other unsigned attributes than one time stamp")
        token = unsigned[STAMP_TOKEN].the(der.SEQUENCE).raw
    return Container(
        content=content[1].the(der.OCTETS).body if stamp else None,
        leaf=leaf,
        others=others,
        hash_name=name,
        message_digest=attributes[MESSAGE_DIGEST].the(der.OCTETS).body,
        signed=der.wrap(der.SET, info[3].body),
        algorithm=info[4].raw,
        signature=info[5].body,
        token=token,
    )


def _certificates(held: Node, sid: Node) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """The signer's by issuer and serial (RFC 5652 5.3), spelt as in the certificate; the others each once."""
    raws = [c.raw for c in held]
    if len(set(raws)) != len(raws) or len(raws) > 8:
        raise BadContainer("too many certificates, or one twice")
    found = [path.load(r) for r in raws]
    for cert in found:
        serial = cert.serial_number
        size = serial.bit_length() // 8 + 1
        number = der.wrap(der.INTEGER, serial.to_bytes(size, "big", signed=True))
        if sid.raw == der.wrap(der.SEQUENCE, cert.issuer.public_bytes(), number):
            return cert, tuple(c for c in found if c is not cert)
    raise BadContainer("its signer's certificate is not inside")


def _attributes(held: Node) -> dict[bytes, Node]:
    found: dict[bytes, Node] = {}
    for one in held:
        if one.tag != der.SEQUENCE:
            raise BadContainer("an attribute that is none")
        kind, values = one.children(der.OID, der.SET)
        if kind.body in found:
            raise BadContainer("an attribute stands twice")
        found[kind.body] = values
    return found


def _check_binding(values: Node, leaf: x509.Certificate) -> None:
    """ESSCertIDv2 (RFC 5035): SHA-256 unless said. The first names the signer's certificate."""
    first = next(iter(next(iter(values.the(der.SEQUENCE)))))
    parts = list(first)
    name = hash_of(parts.pop(0)) if parts[0].tag == der.SEQUENCE else "sha256"
    if parts[0].tag != der.OCTETS or parts[0].body != leaf.fingerprint(HASHES[name]):
        raise BadContainer("bound to another certificate")


def _check_arithmetic(one: Container) -> None:
    key = one.leaf.public_key()
    by_ec, by_rsa = (der.wrap(der.OID, o) for o in _SIGNATURES[one.hash_name])
    algorithm = HASHES[one.hash_name]
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and one.algorithm == der.wrap(der.SEQUENCE, by_ec):
            key.verify(one.signature, one.signed, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and one.algorithm in (
            der.wrap(der.SEQUENCE, by_rsa, NULLS),
            der.wrap(der.SEQUENCE, der.wrap(der.OID, _RSA), NULLS),
        ):
            key.verify(one.signature, one.signed, padding.PKCS1v15(), algorithm)
        else:
            raise BadContainer("kind of key or algorithm is not accepted")
    except InvalidSignature:
        raise BadSignature("signature is wrong") from None


def _spellings(oid: bytes) -> tuple[bytes, bytes]:
    return der.wrap(der.SEQUENCE, oid), der.wrap(der.SEQUENCE, oid, NULLS)


def one_spelling(key: object, value: bytes) -> bytes:
    """Of the two values s and n - s that make one ECDSA signature (r, s), the lower; others are left as they are."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return value
    r, s = utils.decode_dss_signature(value)
    return utils.encode_dss_signature(r, min(s, key.curve.group_order - s))


def digest_of(name: str, *pieces: bytes | memoryview) -> bytes:
    """Digest over `pieces` one after another."""
    made = hashlib.new(name)
    for piece in pieces:
        made.update(piece)
    return made.digest()
