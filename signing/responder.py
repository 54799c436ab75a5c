"""A small status service: OCSP answers (RFC 6960) with a key of its own, and the authority's two lists.

For trying out and for tests; an office with an authority of its own runs it beside the time-stamp service. It
answers from the authority's book at every request, so a revocation holds at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.x509 import ocsp

from signing import issued, kinds
from signing.evidence import names_of
from signing.keyfile import BadKeyFile, read_key
from signing.path import policies
from signing.places import Place
from signing.profile import STATUS
from signing.stamp import clock

LARGEST = 4_000
LASTS = timedelta(hours=1)
"""How long an answer holds. Signatures made within it rest on it. ours"""
LISTS = re.compile(r"/(?:[a-z0-9-]+/)*(root|issuing)\.crl")


@dataclass(frozen=True)
class Responder:
    """`book`: serial number -> since when revoked, read anew for every answer. `lists`: CRL by name."""

    cert: x509.Certificate
    issuer: x509.Certificate
    book: Callable[[], issued.Book]
    lists: Callable[[], Mapping[str, bytes]]
    _key: kinds.SignKey = field(repr=False)
    now: Callable[[], datetime] = field(default=clock)
    later: tuple[tuple[x509.Certificate, kinds.SignKey], ...] = field(default=(), repr=False)
    """Who speaks from the day on which the own certificate begins."""

    def respond(self, query: bytes) -> bytes:
        """OCSPRequest -> OCSPResponse, always an answer, also to rubbish. One certificate a request."""
        try:
            asked = ocsp.load_der_ocsp_request(query)
            name, key, algorithm = asked.issuer_name_hash, asked.issuer_key_hash, asked.hash_algorithm
            nonces = [e.value for e in asked.extensions if isinstance(e.value, x509.OCSPNonce)]
        except (ValueError, NotImplementedError, TypeError):
            return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if any(not 1 <= len(n.nonce) <= 32 for n in nonces):  # RFC 9654 2.1
            return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if (name, key) != names_of(self.issuer, algorithm):
            return _refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        begin = self.now().replace(microsecond=0)
        status, since, reason = self._word(asked.serial_number)
        cert, signing_key = self._speaker(begin)
        new = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=name,
            issuer_key_hash=key,
            serial_number=asked.serial_number,
            algorithm=algorithm,
            cert_status=status,
            this_update=begin,
            next_update=begin + LASTS,
            revocation_time=since,
            revocation_reason=reason,
        )
        new = new.responder_id(ocsp.OCSPResponderEncoding.HASH, cert).certificates([cert])
        for nonce in nonces:
            new = new.add_extension(nonce, critical=False)
        return new.sign(signing_key, hashes.SHA256()).public_bytes(form.Encoding.DER)

    def _speaker(self, now: datetime) -> tuple[x509.Certificate, kinds.SignKey]:
        begun = [one for one in ((self.cert, self._key), *self.later) if one[0].not_valid_before_utc <= now]
        return max(begun or [(self.cert, self._key)], key=lambda one: one[0].not_valid_before_utc)

    def _word(self, serial: int) -> tuple[ocsp.OCSPCertStatus, datetime | None, x509.ReasonFlags | None]:
        """Where the key was lost before it was taken back, the earlier time is said: an answer has no other place for it
        that verifiers read."""
        book = self.book()
        if serial not in book:
            return ocsp.OCSPCertStatus.UNKNOWN, None, None
        how = issued.gone(book[serial])
        if how is None:
            return ocsp.OCSPCertStatus.GOOD, None, None
        return ocsp.OCSPCertStatus.REVOKED, how.since.replace(microsecond=0), issued.REASONS.get(how.reason)


def load(folder: Path, authority: Path, passphrase: bytes) -> Responder:
    """`folder`: the responder's own (`status/`), which holds no other key. `authority`: where book and lists are."""
    found = []
    for path in Place(STATUS, folder / "ocsp.pem").held or [folder / "ocsp.pem"]:
        key, chain = read_key(path, passphrase)
        if kinds.kind_of(key.public_key()) is None or len(chain) < 2 or policies(chain[0]) != {STATUS}:
            raise BadKeyFile(f"{path.name}: its certificate is not for this use")
        found.append((chain[0], key, chain[1]))

    def lists() -> Mapping[str, bytes]:
        return {name: (authority / f"{name}.crl").read_bytes() for name in ("root", "issuing")}

    (cert, key, issuer), later = found[0], tuple(one[:2] for one in found[1:])
    return Responder(cert, issuer, lambda: issued.read(authority), lists, key, later=later)


def _refusal(why: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(why).public_bytes(form.Encoding.DER)


def server(responder: Responder, port: int = 0, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A bound HTTP server (RFC 6960 appendix A); the caller runs `serve_forever`. Port 0 takes a free one.

    POST to any path that ends in /ocsp; GET of root.crl and issuing.crl.
    """

    class Door(BaseHTTPRequestHandler):
        timeout = 10  # seconds a silent client may hold a thread

        def do_POST(self) -> None:
            try:
                size = int(self.headers.get("Content-Length", ""))
            except ValueError:
                size = -1
            if not self.path.endswith("/ocsp") or not 0 < size <= LARGEST:
                self.send_error(413 if size > LARGEST else 404)
                return
            if self.headers.get("Content-Type", "") != "application/ocsp-request":
                self.send_error(415)
                return
            self._say("application/ocsp-response", responder.respond(self.rfile.read(size)))

        def do_GET(self) -> None:
            wanted = LISTS.fullmatch(self.path)
            if wanted is None:
                self.send_error(404)
                return
            self._say("application/pkix-crl", responder.lists()[wanted[1]])

        def _say(self, kind: str, answer: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Silent: several requests a deed."""

    return ThreadingHTTPServer((host, port), Door)
