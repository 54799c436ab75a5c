"""An authority that lives in memory and dies with the process: for trial signatures, benchmarks and
vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from signing import issued, kinds
from signing.keys import FileSigner
from signing.profile import NOTARY, OFFICE, STAMP, STATUS, certificate, name_of
from signing.responder import Responder
from signing.stamp import LocalStamper
from signing.status import LocalStatus
from signing.tsa import StampUnit

URL = "http://localhost:8000/pki"


@dataclass(frozen=True, eq=False)
class Throwaway:
    """`book`: serial number -> since when revoked; tests write into it."""

    office: str
    root: x509.Certificate
    issuing: x509.Certificate
    _root_key: Any = field(repr=False)
    _issuing_key: Any = field(repr=False)
    book: dict[int, datetime | None]
    seal: FileSigner
    stamper: LocalStamper
    status: LocalStatus
    kind: kinds.Kind = kinds.P256

    @lru_cache(maxsize=256)  # noqa: B019 - the few authorities of a process live as long as it does
    def notary(self, name: str, notary_id: str | None = None) -> FileSigner:
        subject = name_of(self.office, f"{name} 公证员 TEST", serial=notary_id)
        return _leaf(subject, NOTARY, (self.issuing, self.root), self._issuing_key, self.book, kind=self.kind)

    def new_list(self, now: datetime) -> bytes:
        """The root's revocation list of another day."""
        return issued.make_list(self.root, self._root_key, {}, now)


@cache
def authority(office: str, kind: kinds.Kind = kinds.P256) -> Throwaway:
    """Root, issuing authority, seal, stamp unit and responder for one office's name, new in every process."""
    now = datetime.now(UTC)
    root_key, issuing_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    root = certificate(name_of(office, "THROW-AWAY Root"), root_key, None, root_key, now, 3650, ca=1, url=URL)
    issuing_name = name_of(office, "THROW-AWAY Issuing")
    issuing = certificate(issuing_name, issuing_key, root, root_key, now, 3600, ca=0, url=URL)
    above: tuple[x509.Certificate, ...] = (issuing, root)
    book: dict[int, datetime | None] = {}
    seal = _leaf(name_of(office, f"{office} 电子印章 TEST"), OFFICE, above, issuing_key, book, kind=kind)
    unit = StampUnit(_leaf(name_of(office, "THROW-AWAY Time-stamp unit"), STAMP, above, issuing_key, book, 3500, kind))
    speaker_key = kind.make()
    name = name_of(office, "THROW-AWAY Status")
    speaker = certificate(name, speaker_key, issuing, issuing_key, now, 3500, role=STATUS, url=URL)
    lists = {"root": issued.make_list(root, root_key, {}, now)}
    responder = Responder(speaker, issuing, lambda: book, lambda: lists, speaker_key)
    stamper, status = LocalStamper(unit, (root,)), LocalStatus(responder)
    return Throwaway(office, root, issuing, root_key, issuing_key, book, seal, stamper, status, kind)


def _leaf(
    subject: x509.Name,
    role: str,
    above: tuple[x509.Certificate, ...],
    by: Any,
    book: dict[int, datetime | None],
    days: int = 730,
    kind: kinds.Kind = kinds.P256,
) -> FileSigner:
    key = kind.make()
    leaf = certificate(subject, key, above[0], by, datetime.now(UTC), days, role=role, url=URL)
    book[leaf.serial_number] = None
    return FileSigner((leaf, *above), key)


def of_kind(office: str, kind: kinds.Kind) -> Throwaway:
    """`authority`, whose cache takes a default that is spelt out for another call."""
    return authority(office) if kind is kinds.P256 else authority(office, kind)
