"""Which certificates an authority issued, and which it took back: its book and its revocation lists.

The book is one small file, written whole, so that a responder in another process reads either the old or the
new one. It names no people: serial numbers and times only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form

from signing.keyfile import write_whole

LASTS = timedelta(days=366)
"""A list's term. The root is offline, so its list is renewed by hand once a year. ours"""
RENEWED = timedelta(days=90)
"""So long before its end a list is written anew. ours"""

Book = Mapping[int, datetime | None]
"""Serial number -> since when revoked; None: good."""


def book_of(folder: Path) -> Path:
    return folder / "certificates.json"


def read(folder: Path) -> Book:
    """Empty where nothing was issued yet. ValueError for a damaged file: nobody may be good by accident."""
    try:
        raw = book_of(folder).read_bytes()
    except FileNotFoundError:
        return {}
    return {int(s, 16): None if at is None else datetime.fromisoformat(at) for s, at in json.loads(raw).items()}


def note(folder: Path, cert: x509.Certificate) -> None:
    """Enters a new certificate as good. One that stands there already is left as it is."""
    book = dict(read(folder))
    book.setdefault(cert.serial_number, None)
    _write(folder, book)


def revoke(folder: Path, serial: int, at: datetime) -> None:
    """KeyError where no such certificate was issued. An earlier revocation stays."""
    book = dict(read(folder))
    before = book[serial]
    book[serial] = at if before is None else min(at, before)
    _write(folder, book)


def make_list(issuer: x509.Certificate, key: Any, book: Book, now: datetime) -> bytes:
    """A complete CRL (RFC 5280 5), DER. `key`: the issuer's."""
    begin = now.replace(microsecond=0)
    number = int(begin.timestamp())
    new = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
    new = new.last_update(begin).next_update(begin + LASTS).add_extension(x509.CRLNumber(number), critical=False)
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    new = new.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    for serial, since in sorted(book.items()):
        if since is not None:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since.replace(microsecond=0))
            new = new.add_revoked_certificate(one.build())
    return new.sign(key, hashes.SHA384()).public_bytes(form.Encoding.DER)


def write_list(
    path: Path, issuer: x509.Certificate, key: Any, book: Book, now: datetime, *, always: bool = False
) -> None:
    """Writes the list where it is missing or ends soon, or `always`."""
    if not always and path.exists():
        held = x509.load_der_x509_crl(path.read_bytes())
        if held.next_update_utc is not None and held.next_update_utc > now + RENEWED:
            return
    write_whole(path, make_list(issuer, key, book, now), 0o644)


def _write(folder: Path, book: Book) -> None:
    said = {f"{s:x}": None if at is None else at.astimezone(UTC).isoformat() for s, at in sorted(book.items())}
    write_whole(book_of(folder), json.dumps(said, indent=1).encode(), 0o644)
