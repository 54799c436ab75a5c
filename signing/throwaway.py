"""An authority that lives in memory and dies with the process: for trial signatures, benchmarks and
vectors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from signing.keys import NOTARY, OFFICE, STAMP, FileSigner, certificate, name_of
from signing.stamp import LocalStamper
from signing.tsa import StampUnit

URL = "http://localhost:8000/pki"


@dataclass(frozen=True, eq=False)
class Throwaway:
    office: str
    root: x509.Certificate
    issuing: x509.Certificate
    _issuing_key: Any
    seal: FileSigner
    stamper: LocalStamper

    @lru_cache(maxsize=256)  # noqa: B019 - the few authorities of a process live as long as it does
    def notary(self, name: str, notary_id: str | None = None) -> FileSigner:
        subject = name_of(self.office, f"{name} 公证员 TEST", serial=notary_id)
        return self._leaf(subject, NOTARY)

    def _leaf(self, subject: x509.Name, role: str) -> FileSigner:
        return _leaf(subject, role, self.issuing, self._issuing_key, self.root)


@cache
def authority(office: str) -> Throwaway:
    """Root, issuing authority, seal and stamp unit for one office's name, new in every process."""
    now = datetime.now(UTC)
    root_key, issuing_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    root = certificate(name_of(office, "THROW-AWAY Root"), root_key, None, root_key, now, 3650, ca=1, url=URL)
    issuing_name = name_of(office, "THROW-AWAY Issuing")
    issuing = certificate(issuing_name, issuing_key, root, root_key, now, 3600, ca=0, url=URL)
    seal = _leaf(name_of(office, f"{office} 电子印章 TEST"), OFFICE, issuing, issuing_key, root)
    unit = StampUnit(_leaf(name_of(office, "THROW-AWAY Time-stamp unit"), STAMP, issuing, issuing_key, root))
    return Throwaway(office, root, issuing, issuing_key, seal, LocalStamper(unit, (root,)))


def _leaf(subject: x509.Name, role: str, issuing: x509.Certificate, by: Any, root: x509.Certificate) -> FileSigner:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = certificate(subject, key, issuing, by, datetime.now(UTC), 730, role=role, url=URL)
    return FileSigner((leaf, issuing, root), key)
