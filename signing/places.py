"""Where the keys of an office lie under its folder, and how far each is.

    office.pem                the key that signs, with its chain
    office.pem.asked          a key whose certificate was asked for
    office.pem.next           the one that takes over on the day on which its certificate begins

and the same for `notaries/ID.pem`, `tsu/tsu.pem` and `status/ocsp.pem`. `former/` keeps the chains of those that were
retired, never a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from signing.keyfile import BadKeyFile
from signing.profile import NOTARY, OFFICE, STAMP, STATUS

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FILES = {OFFICE: "office.pem", STAMP: "tsu/tsu.pem", STATUS: "status/ocsp.pem"}


@dataclass(frozen=True)
class Place:
    """`role`: a policy of `profile`. `path`: of the key that signs."""

    role: str
    path: Path

    @property
    def asked(self) -> Path:
        return self.path.with_name(f"{self.path.name}.asked")

    @property
    def next(self) -> Path:
        return self.path.with_name(f"{self.path.name}.next")

    @property
    def held(self) -> list[Path]:
        """The files of keys that sign or will, those that are there."""
        return [path for path in (self.path, self.next) if path.exists()]


def place(folder: Path, role: str, notary_id: str | None = None) -> Place:
    """ValueError for what is no notary's id."""
    if role != NOTARY:
        return Place(role, folder / FILES[role])
    if not NAME.fullmatch(notary_id or ""):
        raise ValueError("a notary's id has letters, digits, dot, dash, underscore")
    return Place(role, folder / "notaries" / f"{notary_id}.pem")


def places(folder: Path) -> Iterator[Place]:
    """Those where a key lies."""
    for role, name in FILES.items():
        if (folder / name).exists():
            yield Place(role, folder / name)
    for path in sorted((folder / "notaries").glob("*.pem")):
        yield Place(NOTARY, path)


def chain_in(path: Path) -> tuple[x509.Certificate, ...]:
    """The chain of a key's file, leaf first, without opening the key. BadKeyFile."""
    try:
        raw = path.read_bytes()
        return tuple(x509.load_pem_x509_certificates(raw))
    except OSError as wrong:
        raise BadKeyFile(f"{path.name}: {wrong.strerror}") from None
    except ValueError:
        raise BadKeyFile(f"{path.name}: damaged, or without certificates") from None
