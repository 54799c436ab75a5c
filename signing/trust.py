"""Whom a verifier trusts: roots, given from outside; nothing in a file makes itself trusted."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization as form


class BadTrust(ValueError):
    """The given roots are no certificates."""


@dataclass(frozen=True)
class Trust:
    """`signers`: roots for notary and office. `stamps`: roots for time stamps."""

    signers: tuple[x509.Certificate, ...]
    stamps: tuple[x509.Certificate, ...]

    @classmethod
    def from_pem(cls, pem: bytes) -> Trust:
        """The first certificate is the root for signers; all of them may vouch for time stamps.

        So an outside time-stamp authority's root can stand in the file and still make no notary.
        """
        try:
            found = x509.load_pem_x509_certificates(pem)
        except ValueError:
            raise BadTrust("no certificate in PEM form") from None
        return cls(signers=(found[0],), stamps=tuple(found))

    def pem(self) -> bytes:
        first = list(self.signers)
        return b"".join(c.public_bytes(form.Encoding.PEM) for c in first + [s for s in self.stamps if s not in first])
