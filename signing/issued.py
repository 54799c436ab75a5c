"""Which certificates an authority issued, and which it took back: its book and its revocation lists.

The book is one small file, written whole, so that a responder in another process reads either the old or the
new one. It names no people: serial numbers and times only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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

REASONS = {
    "key-compromise": x509.ReasonFlags.key_compromise,
    "ca-compromise": x509.ReasonFlags.ca_compromise,
    "affiliation-changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation": x509.ReasonFlags.cessation_of_operation,
}


@dataclass(frozen=True)
class Gone:
    """`at`: when it was taken back. `lost_since`: since when its key may have been another's (RFC 5280 5.3.2)."""

    at: datetime
    reason: str = ""
    lost_since: datetime | None = None

    @property
    def since(self) -> datetime:
        """Nothing signed from then on holds."""
        return self.at if self.lost_since is None else min(self.at, self.lost_since)


Entry = datetime | Gone | None
Book = Mapping[int, Entry]
"""Serial number -> since when revoked, or how; None: good."""


def gone(entry: Entry) -> Gone | None:
    return Gone(entry) if isinstance(entry, datetime) else entry


def book_of(folder: Path) -> Path:
    return folder / "certificates.json"


def read(folder: Path) -> Book:
    """Empty where nothing was issued yet. ValueError for a damaged file: nobody may be good by accident."""
    try:
        raw = book_of(folder).read_bytes()
    except FileNotFoundError:
        return {}
    try:
        return {int(serial, 16): _entry(said) for serial, said in json.loads(raw).items()}
    except (AttributeError, KeyError, TypeError) as wrong:
        raise ValueError(f"{book_of(folder).name}: damaged") from wrong


def _entry(said: Any) -> Entry:
    if said is None:
        return None
    if isinstance(said, str):
        return datetime.fromisoformat(said)
    lost = said.get("lost_since")
    return Gone(datetime.fromisoformat(said["at"]), said["reason"], datetime.fromisoformat(lost) if lost else None)


def note(folder: Path, cert: x509.Certificate) -> None:
    """Enters a new certificate as good. One that stands there already is left as it is."""
    book = dict(read(folder))
    book.setdefault(cert.serial_number, None)
    _write(folder, book)


def revoke(folder: Path, serial: int, at: datetime, reason: str = "", lost_since: datetime | None = None) -> None:
    """KeyError where no such certificate was issued. An earlier revocation stays; what is lost since earlier counts."""
    book = dict(read(folder))
    before = gone(book[serial])
    if reason and reason not in REASONS:
        raise ValueError(f"a reason is one of {', '.join(REASONS)}")
    if before is not None:
        at, reason = min(at, before.at), reason or before.reason
        lost = [one for one in (lost_since, before.lost_since) if one is not None]
        lost_since = min(lost) if lost else None
    book[serial] = Gone(at, reason, lost_since) if reason or lost_since else at
    _write(folder, book)


def make_list(issuer: x509.Certificate, key: Any, book: Book, now: datetime) -> bytes:
    """A complete CRL (RFC 5280 5), DER. `key`: the issuer's."""
    begin = now.replace(microsecond=0)
    number = int(begin.timestamp())
    new = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
    new = new.last_update(begin).next_update(begin + LASTS).add_extension(x509.CRLNumber(number), critical=False)
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    new = new.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    for serial, entry in sorted(book.items(), key=lambda item: item[0]):
        if (how := gone(entry)) is not None:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(how.at.replace(microsecond=0))
            if how.reason:
                one = one.add_extension(x509.CRLReason(REASONS[how.reason]), critical=False)
            if how.lost_since is not None:
                lost = x509.InvalidityDate(how.lost_since.astimezone(UTC).replace(microsecond=0, tzinfo=None))
                one = one.add_extension(lost, critical=False)
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
    said = {f"{serial:x}": _spelt(entry) for serial, entry in sorted(book.items(), key=lambda item: item[0])}
    write_whole(book_of(folder), json.dumps(said, indent=1).encode(), 0o644)


def _spelt(entry: Entry) -> Any:
    if not isinstance(entry, Gone):
        return None if entry is None else entry.astimezone(UTC).isoformat()
    lost = entry.lost_since
    return {
        "at": entry.at.astimezone(UTC).isoformat(), "reason": entry.reason,
        "lost_since": lost.astimezone(UTC).isoformat() if lost else None,
    }  # fmt: skip
