"""Revocation status for a deed: ask OCSP and lists, check every answer before use, try the next address.

What goes into a deed can never be taken out again, so an answer that fails any check is as good as none, and
"revoked" stops everything.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID as Access

from signing import evidence
from signing.evidence import BadEvidence, Evidence, Revoked, Word
from signing.path import Path
from signing.stamp import clock
from signing.token import DRIFT

LARGEST_OCSP, LARGEST_LIST = 20_000, 1_000_000
STALE = timedelta(hours=24)
"""An answer without our nonce may have been made for somebody else; so old it may be at most. ours"""


class NoStatus(Exception):
    """Nobody gave a word that can be used; the message says what each one did."""


class Status(Protocol):
    def gather(self, paths: Sequence[Path]) -> Evidence:
        """A good word for every certificate below the roots, with all certificates. Raises NoStatus, Revoked."""

    def news(self, paths: Sequence[Path]) -> Evidence:
        """Today's word on each leaf, good or revoked, as far as anybody gives one. Never raises."""

    def lists(self, paths: Sequence[Path]) -> Evidence:
        """Today's list of every authority above a leaf, whomever it names, as far as anybody gives one. Never raises."""


def request(cert: x509.Certificate, issuer: x509.Certificate, nonce: bytes) -> bytes:
    """OCSPRequest, DER. SHA-1 only names the issuer here; it is what every responder understands (RFC 5019)."""
    new = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, hashes.SHA1())  # noqa: S303
    return new.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(form.Encoding.DER)


def accept(
    answer: bytes, cert: x509.Certificate, issuer: x509.Certificate, nonce: bytes, now: datetime, *, ours: bool
) -> tuple[ocsp.OCSPResponse, Word]:
    """An answer, good or not, that is about this certificate and of this moment. BadEvidence.

    `ours`: our own service, which must repeat the nonce; others may leave it out and are believed for STALE.
    """
    read, word = evidence.read_ocsp(answer, cert, issuer)
    said = [e.value.nonce for e in read.extensions if isinstance(e.value, x509.OCSPNonce)]
    if said not in ([nonce], []) or (ours and not said):
        raise BadEvidence("nonce is not ours")
    _check_moment(word, now)
    if not said and word.issued < now - STALE:
        raise BadEvidence("an old answer without our nonce")
    return read, word


def accept_list(
    answer: bytes, cert: x509.Certificate, issuer: x509.Certificate, now: datetime, *, anybody: bool = False
) -> bytes:
    """A list of this moment that does not name the certificate, or with `anybody` may. BadEvidence, Revoked."""
    word = evidence.read_list(answer, cert, issuer)
    _check_moment(word, now)
    if not anybody:
        _refuse_revoked(cert, word)
    return answer


def _refuse_revoked(cert: x509.Certificate, word: Word) -> None:
    if word.revoked is not None:
        raise Revoked(f"serial {cert.serial_number:x} is revoked since {word.revoked:%Y-%m-%dT%H:%M:%SZ}")


def _check_moment(word: Word, now: datetime) -> None:
    if word.issued > now + DRIFT:
        raise BadEvidence("made in the future")
    if word.until < now:
        raise BadEvidence("no longer current")


@dataclass(frozen=True)
class HttpStatus:
    """Asks each of `urls` (our own services, from the settings), then the addresses in the certificate.

    `timeout`: seconds per address, the whole exchange.
    """

    urls: tuple[str, ...] = ()
    timeout: float = 5.0
    now: Callable[[], datetime] = field(default=clock)

    def gather(self, paths: Sequence[Path]) -> Evidence:
        return _gather(paths, self._ocsp, self._list)

    def news(self, paths: Sequence[Path]) -> Evidence:
        return _news(paths, self._ocsp)

    def lists(self, paths: Sequence[Path]) -> Evidence:
        return _lists(paths, lambda cert, issuer: self._list(cert, issuer, anybody=True))

    def _ocsp(self, cert: x509.Certificate, issuer: x509.Certificate) -> tuple[ocsp.OCSPResponse, Word]:
        from signing.fetch import NoAnswer, exchange

        said = []
        own = [(f"{u.rstrip('/')}/ocsp", True) for u in self.urls]
        for url, ours in [*own, *((u, False) for u in ocsp_addresses(cert))]:
            nonce = secrets.token_bytes(16)
            kinds = ("application/ocsp-request", "application/ocsp-response")
            try:
                wire = request(cert, issuer, nonce)
                answer = exchange(url, wire, *kinds, limit=LARGEST_OCSP, seconds=self.timeout)
                return accept(answer, cert, issuer, nonce, self.now(), ours=ours)
            except (NoAnswer, BadEvidence) as wrong:
                said.append(f"{url}: {wrong}")
        raise NoStatus("; ".join(said) or "no OCSP service is named")

    def _list(self, cert: x509.Certificate, issuer: x509.Certificate, *, anybody: bool = False) -> bytes:
        from signing.fetch import NoAnswer, exchange

        said = []
        named = list_addresses(cert)
        own = [f"{u.rstrip('/')}/{n.rsplit('/', 1)[-1]}" for u in self.urls for n in named]
        for url in [*own, *named]:
            try:
                answer = exchange(url, None, "", "application/pkix-crl", limit=LARGEST_LIST, seconds=self.timeout)
                return accept_list(answer, cert, issuer, self.now(), anybody=anybody)
            except (NoAnswer, BadEvidence) as wrong:
                said.append(f"{url}: {wrong}")
        raise NoStatus("; ".join(said) or "no revocation list is named")


@dataclass(frozen=True)
class LocalStatus:
    """A responder in this process, for throw-away authorities. Its answers are checked like any other's."""

    responder: Any
    now: Callable[[], datetime] = field(default=clock)

    def gather(self, paths: Sequence[Path]) -> Evidence:
        return _gather(paths, self._ocsp, self._list)

    def news(self, paths: Sequence[Path]) -> Evidence:
        return _news(paths, self._ocsp)

    def lists(self, paths: Sequence[Path]) -> Evidence:
        return _lists(paths, self._any_list)

    def _any_list(self, cert: x509.Certificate, issuer: x509.Certificate) -> bytes:
        for raw in self.responder.lists().values():
            with contextlib.suppress(BadEvidence):
                return accept_list(raw, cert, issuer, self.now(), anybody=True)
        raise NoStatus("nobody gives a list")

    def _ocsp(self, cert: x509.Certificate, issuer: x509.Certificate) -> tuple[ocsp.OCSPResponse, Word]:
        nonce = secrets.token_bytes(16)
        try:
            answer = self.responder.respond(request(cert, issuer, nonce))
            return accept(answer, cert, issuer, nonce, self.now(), ours=True)
        except BadEvidence as wrong:
            raise NoStatus(str(wrong)) from None

    def _list(self, cert: x509.Certificate, issuer: x509.Certificate) -> bytes:
        try:
            return accept_list(self.responder.lists()["root"], cert, issuer, self.now())
        except BadEvidence as wrong:
            raise NoStatus(str(wrong)) from None


Ask = Callable[[x509.Certificate, x509.Certificate], tuple[ocsp.OCSPResponse, Word]]


def _gather(paths: Sequence[Path], by_ocsp: Ask, by_list: Callable[..., bytes]) -> Evidence:
    """OCSP for a certificate that names a service, else a list; each certificate once, issuers last."""
    certs: dict[bytes, None] = {}
    answers: dict[bytes, bytes] = {}
    lists: dict[bytes, bytes] = {}
    pairs = {cert: issuer for path in paths for cert, issuer in pairwise(path)}
    for cert, issuer in pairs.items():
        raw = _der(cert)
        if ocsp_addresses(cert):
            answer, word = by_ocsp(cert, issuer)
            _refuse_revoked(cert, word)
            answers[raw] = answer.public_bytes(form.Encoding.DER)
            inside = {_der(c) for c in answer.certificates}
            certs |= dict.fromkeys((raw, *sorted(inside)))
        else:
            lists[raw] = by_list(cert, issuer)
            certs[raw] = None
    certs |= dict.fromkeys(_der(path[-1]) for path in paths)
    return Evidence(tuple(certs), tuple(answers.values()), tuple(dict.fromkeys(lists.values())))


def _news(paths: Sequence[Path], by_ocsp: Ask) -> Evidence:
    found = Evidence()
    for leaf, issuer, *_ in paths:
        with contextlib.suppress(NoStatus):
            answer, _word = by_ocsp(leaf, issuer)
            inside = tuple(_der(c) for c in answer.certificates)
            found = found.with_(Evidence(inside, (answer.public_bytes(form.Encoding.DER),)))
    return found


def _lists(paths: Sequence[Path], by_list: Callable[[x509.Certificate, x509.Certificate], bytes]) -> Evidence:
    """One list an issuer: whoever of its certificates asks gets the same."""
    found: dict[x509.Certificate, bytes] = {}
    for path in paths:
        for cert, issuer in pairwise(path):
            if issuer not in found:
                with contextlib.suppress(NoStatus):
                    found[issuer] = by_list(cert, issuer)
    return Evidence(crls=tuple(found.values()))


def ocsp_addresses(cert: x509.Certificate) -> list[str]:
    try:
        found = cert.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    places = [d.access_location for d in found if d.access_method == Access.OCSP]
    return [p.value for p in places if isinstance(p, x509.UniformResourceIdentifier)]


def list_addresses(cert: x509.Certificate) -> list[str]:
    try:
        found = cert.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    places = [n for point in found for n in point.full_name or []]
    return [p.value for p in places if isinstance(p, x509.UniformResourceIdentifier)]


def _der(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(form.Encoding.DER)
