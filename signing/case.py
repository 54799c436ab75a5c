"""What the steps of one verification learn from each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from signing import evidence
from signing.shape import Shape
from signing.token import Token
from signing.trust import Trust
from signing.trustbundle import Known
from signing.verdict import Remark, Signature, remark


@dataclass
class Case:
    """`ours`: what the notary signed is of our format and was written here, so every rule of ours binds.
    `times`: notary's, office's, then every document stamp's."""

    data: bytes
    trust: Trust | None
    now: datetime
    bundle: bytes | None
    known: Known | None = None
    shape: Shape = field(init=False)
    roots: Trust = field(init=False)
    ours: bool = True
    remarks: list[Remark] = field(default_factory=list)
    pool: tuple[x509.Certificate, ...] = ()
    kept: evidence.Kept = ()
    stamps: list[Token] = field(default_factory=list)
    leaves: list[x509.Certificate] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    words: list[datetime] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    signers: list[Signature] = field(default_factory=list)

    def remark(self, code: str) -> None:
        """Once, however often it is met."""
        if code not in {r.code for r in self.remarks}:
            self.remarks.append(remark(code))


def utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    """The first value of a name's attribute; empty where there is none."""
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
