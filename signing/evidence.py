"""Was a certificate good at a point in time? Judged by OCSP answers and lists that somebody kept (RFC 6960,
RFC 5280 5; ETSI EN 319 102-1 5.2.5). Nothing is fetched here.

A good word counts if it was still current at that time. A revocation at or before that time always counts, one
after it never: what was signed before stays signed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing import der
from signing.path import ALGORITHMS, Path, load, signed_by, uses

OLDEST = timedelta(hours=24)
"""An OCSP answer about a leaf was made at most so long before the time that it speaks for. ours"""
MOST, LARGEST = 64, 1_000_000
"""Items of one kind that are looked at; bytes of one; what is more is ignored, so nobody is kept busy. ours"""
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)
"""What the library raises, some of it late, for bytes that are no answer or list."""


class BadEvidence(ValueError):
    """An answer or list that proves nothing, with the reason."""


class Revoked(Exception):
    """A certificate of the chain was revoked at or before the time in question."""


class NoEvidence(Exception):
    """Nothing says whether a certificate was good at that time."""


@dataclass(frozen=True)
class Word:
    """What one answer or list says of one certificate. Times are aware UTC."""

    issued: datetime
    until: datetime
    revoked: datetime | None
    is_list: bool


@dataclass(frozen=True)
class Evidence:
    """DER of certificates, OCSP responses and CRLs, each once, in the order in which they stand in a file."""

    certs: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()

    def with_(self, other: Evidence) -> Evidence:
        """Both, what stands in both once."""
        pairs = ((self.certs, other.certs), (self.ocsps, other.ocsps), (self.crls, other.crls))
        return Evidence(*(tuple(dict.fromkeys((*mine, *yours))) for mine, yours in pairs))


Kept = Sequence[tuple[Evidence, datetime]]
"""What was kept, and the time at which something vouches that it was there: nothing made later counts."""


def words_on(cert: x509.Certificate, issuer: x509.Certificate, kept: Kept) -> list[Word]:
    """Everything genuine in `kept` about `cert` that was made before the time that vouches for it."""
    found = []
    for part, before in kept:
        others = certificates(part.certs)
        for kind, items in ((_ocsp_word, part.ocsps), (_list_word, part.crls)):
            for raw in items[:MOST]:
                if len(raw) > LARGEST:
                    continue
                try:
                    word = kind(raw, cert, issuer, others)
                except BadEvidence:
                    continue
                if word.issued <= before:
                    found.append(word)
    return found


def judge(path: Path, at: datetime, kept: Kept) -> datetime:
    """Every certificate of the chain but the root was good at `at`; -> when the oldest word was given on which
    this rests. Raises Revoked, NoEvidence.
    """
    oldest = max((before for _, before in kept), default=at)
    for no, (cert, issuer) in enumerate(pairwise(path)):
        words = words_on(cert, issuer, kept)
        gone = [w.revoked for w in words if w.revoked is not None and w.revoked <= at]
        if gone:
            raise Revoked(f"{_name(cert)} was revoked on {min(gone):%Y-%m-%dT%H:%M:%SZ}")
        good = [w.issued for w in words if w.until >= at and (no or w.is_list or w.issued >= at - OLDEST)]
        if not good:
            raise NoEvidence(f"nothing says whether {_name(cert)} was revoked before {at:%Y-%m-%dT%H:%M:%SZ}")
        oldest = min(oldest, max(good))
    return oldest


def certificates(raws: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """Those that can be read, MOST at the most."""
    found = []
    for raw in list(raws)[:MOST]:
        with contextlib.suppress(ValueError):
            found.append(load(raw))
    return tuple(found)


def read_ocsp(
    raw: bytes, cert: x509.Certificate, issuer: x509.Certificate, others: Sequence[x509.Certificate] = ()
) -> tuple[ocsp.OCSPResponse, Word]:
    """An answer about exactly this certificate, signed by its issuer or by whom he delegated. BadEvidence."""
    try:
        return ocsp.load_der_ocsp_response(raw), _ocsp_word(raw, cert, issuer, others)
    except BadEvidence:
        raise
    except UNREADABLE:
        raise BadEvidence("no OCSP answer") from None


def _ocsp_word(
    raw: bytes, cert: x509.Certificate, issuer: x509.Certificate, others: Sequence[x509.Certificate]
) -> Word:
    try:
        bare, carried = _split(raw)
        return _word_of(ocsp.load_der_ocsp_response(bare), cert, issuer, (*carried, *others))
    except UNREADABLE as wrong:
        raise BadEvidence(str(wrong) or "no OCSP answer") from None


def _split(raw: bytes) -> tuple[bytes, tuple[x509.Certificate, ...]]:
    """An answer without the certificates that it carries, and those of them that can be read.

    Nothing signs that list, and whoever strips a stamp may change it: one that is damaged vouches for nobody, but
    makes no answer worthless either.
    """
    status, *held = der.read(raw)
    if not held:
        return raw, ()
    kind, octets = held[0].the(der.SEQUENCE).children(der.OID, der.OCTETS)
    signed, algorithm, value, *more = der.read(octets.body)
    if value.tag != der.BIT_STRING or value.body[:1] != b"\0":
        raise BadEvidence("a signature that is no whole number of bytes")
    basic = der.wrap(der.SEQUENCE, signed.raw, algorithm.raw, value.raw)
    inner = der.wrap(der.SEQUENCE, kind.raw, der.wrap(der.OCTETS, basic))
    carried = certificates(c.raw for c in more[0].the(der.SEQUENCE)) if more else ()
    return der.wrap(der.SEQUENCE, status.raw, der.wrap(held[0].tag, inner)), carried


def _word_of(
    answer: ocsp.OCSPResponse, cert: x509.Certificate, issuer: x509.Certificate, others: Sequence[x509.Certificate]
) -> Word:
    if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise BadEvidence(f"refused: {answer.response_status.name.lower()}")
    found = [s for s in answer.responses if s.serial_number == cert.serial_number]
    if len(found) != 1 or len(list(answer.responses)) != 1:
        raise BadEvidence("speaks of another certificate")
    one = found[0]
    if not isinstance(one.hash_algorithm, hashes.SHA1 | hashes.SHA256 | hashes.SHA384):
        raise BadEvidence("names its certificate by another digest")
    if (one.issuer_name_hash, one.issuer_key_hash) != names_of(issuer, one.hash_algorithm):
        raise BadEvidence("speaks of another issuer's certificate")
    if one.certificate_status == ocsp.OCSPCertStatus.UNKNOWN:
        raise BadEvidence("the responder does not know this certificate")
    if one.next_update_utc is None or not one.this_update_utc <= one.next_update_utc:
        raise BadEvidence("does not say until when it holds")
    _check_responder(answer, issuer, others)
    issued = max(one.this_update_utc, answer.produced_at_utc)
    return Word(issued, one.next_update_utc, one.revocation_time_utc, is_list=False)


def names_of(issuer: x509.Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """How OCSP names an issuer: digest of its name, digest of its key (RFC 6960 4.1.1)."""
    return _digest(algorithm, issuer.subject.public_bytes()), _digest(algorithm, _key_bits(issuer))


def read_list(raw: bytes, cert: x509.Certificate, issuer: x509.Certificate) -> Word:
    """A complete, direct list of this certificate's issuer. BadEvidence."""
    found = _list_of(raw, issuer)
    entry = found.get_revoked_certificate_by_serial_number(cert.serial_number)
    when = None if entry is None else _since(entry)
    assert found.next_update_utc is not None
    return Word(found.last_update_utc, found.next_update_utc, when, is_list=True)


@lru_cache(maxsize=64)  # one list of the root stands in every deed of a year
def _list_of(raw: bytes, issuer: x509.Certificate) -> x509.CertificateRevocationList:
    try:
        found = x509.load_der_x509_crl(raw)
        if found.issuer != issuer.subject:
            raise BadEvidence("a list of somebody else")
        signed = found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        odd = [e.oid for e in found.extensions if e.critical]
    except BadEvidence:
        raise
    except (*UNREADABLE, x509.ExtensionNotFound):
        raise BadEvidence("no list") from None
    if not signed or not usage.crl_sign or odd:
        raise BadEvidence("a list signed by somebody else, of a part, or indirect")
    if found.signature_algorithm_oid not in ALGORITHMS or found.next_update_utc is None:
        raise BadEvidence("a list with a weak digest or without end")
    return found


def _list_word(raw: bytes, cert: x509.Certificate, issuer: x509.Certificate, _others: object) -> Word:
    return read_list(raw, cert, issuer)


def _since(entry: x509.RevokedCertificate) -> datetime:
    """The invalidity date where the list says that the key was lost earlier (RFC 5280 5.3.2)."""
    try:
        said = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except (x509.ExtensionNotFound, ValueError):
        return entry.revocation_date_utc
    return min(said, entry.revocation_date_utc)


def _check_responder(answer: ocsp.OCSPResponse, issuer: x509.Certificate, others: Sequence[x509.Certificate]) -> None:
    """RFC 6960 4.2.2.2: the issuer himself, or a certificate that he signed for this use and said `nocheck` of."""
    for cert in (issuer, *others):
        if answer.responder_name not in (None, cert.subject):
            continue
        if answer.responder_key_hash not in (None, _digest(hashes.SHA1(), _key_bits(cert))):  # noqa: S303 - a name only
            continue
        if cert != issuer:
            try:
                cert.extensions.get_extension_for_class(x509.OCSPNoCheck)
            except (ValueError, x509.ExtensionNotFound):
                continue
            if not signed_by(cert, issuer):
                continue
            inside = cert.not_valid_before_utc <= answer.produced_at_utc <= cert.not_valid_after_utc
            if ExtendedKeyUsageOID.OCSP_SIGNING not in uses(cert) or not inside:
                continue
        if _signed_by(answer, cert):
            return
    raise BadEvidence("not signed by who may speak for the issuer")


def _signed_by(answer: ocsp.OCSPResponse, cert: x509.Certificate) -> bool:
    key, algorithm = cert.public_key(), answer.signature_hash_algorithm
    if algorithm is None or answer.signature_algorithm_oid not in ALGORITHMS:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _key_bits(cert: x509.Certificate) -> bytes:
    """The BIT STRING of the public key without its header (RFC 6960 4.1.1)."""
    key = cert.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(form.Encoding.X962, form.PublicFormat.UncompressedPoint)
    return key.public_bytes(form.Encoding.DER, form.PublicFormat.PKCS1)


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    made = hashes.Hash(algorithm)
    made.update(data)
    return made.finalize()


def _name(cert: x509.Certificate) -> str:
    found = cert.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else "a certificate"
