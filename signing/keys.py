"""Keys that sign: one office seal, one key per notary, and attest keys that can never make a deed.

The test authority is P-384 root -> P-384 issuing -> P-256 or RSA-3072 leaves. An office's own authority comes as the
same files. A leaf says by certificate policy what it is for, so that a notary's key cannot pass for the seal.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from signing import issued, kinds
from signing.keyfile import BadKeyFile, named_in_module, read_key, sync_folder, write_key, write_whole
from signing.path import policies
from signing.places import Place, place, places
from signing.profile import (
    ISSUING_DAYS,
    LEAF_DAYS,
    NOTARY,
    OFFICE,
    ROOT_DAYS,
    STAMP,
    STATUS,
    TRUST,
    UNIT_DAYS,
    base_url_of,
    certificate,
    is_test,
    name_of,
    subject,
)

AUTHORITIES = {
    True: ("TEST Root 测试根（无法律效力）", "TEST Issuing 测试签发（无法律效力）"),
    False: ("Root 根证书", "Issuing 签发证书"),
}
PURPOSES = ("manifest", "minutes", "checkpoint", "webhook", "receipt", "trust-bundle")


class Signer(Protocol):
    """A key somewhere (file, PKCS#11, remote) and its chain."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Leaf first, root last."""

    def sign(self, digest: bytes) -> bytes:
        """Over a SHA-256 digest of 32 bytes, by the leaf's kind (`signing.kinds`). OSError if a device fails."""


@dataclass(frozen=True)
class FileSigner:
    """A loaded key: loading costs scrypt and for RSA a prime check once, signing 20 µs (RSA-3072: 700 µs)."""

    chain: tuple[x509.Certificate, ...]
    _key: kinds.SignKey = field(repr=False)

    def sign(self, digest: bytes) -> bytes:
        return kinds.sign(self._key, digest)


class KeyEnded(Exception):
    """No key of a place may sign at that time: the last certificate is over, or the first has not begun."""


@dataclass(frozen=True)
class Turns:
    """The keys of one place, in the order in which they take over from each other."""

    signers: tuple[Signer, ...]

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Of the first."""
        return self.signers[0].chain

    def at(self, now: datetime) -> Signer:
        """Of those whose certificate has begun and is not over, the one that began last. KeyEnded."""
        leaves = [(one.chain[0].not_valid_before_utc, no, one) for no, one in enumerate(self.signers)]
        good = [(b, no, one) for b, no, one in leaves if b <= now <= one.chain[0].not_valid_after_utc]
        if good:
            return max(good, key=lambda found: found[:2])[2]
        last = self.signers[-1].chain[0]
        raise KeyEnded(
            f"the certificate is valid from {last.not_valid_before_utc:%F} to {last.not_valid_after_utc:%F} only"
        )


@dataclass(frozen=True)
class AttestKey:
    """Ed25519 for one purpose. It has no certificate, so no deed can be made with it."""

    purpose: str
    _key: ed25519.Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """32 bytes, RFC 8032."""
        return self._key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return key_id(self.public)

    def sign(self, payload: bytes) -> bytes:
        """64 bytes over exactly `payload`; one key per purpose keeps purposes apart."""
        return self._key.sign(payload)


def key_id(public: bytes) -> str:
    """First 16 hex digits of SHA-256 over the raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def attested(public: bytes, payload: bytes, signature: bytes) -> bool:
    """Whether `signature` is that key's over exactly `payload`."""
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, payload)
    except (InvalidSignature, ValueError):
        return False
    return True


# ---- the test authority


def make_authority(
    folder: Path,
    passphrase: bytes,
    office: str,
    *,
    base_url: str = "http://localhost:8000/pki",
    now: datetime | None = None,
    kind: kinds.Kind = kinds.P256,
    root_passphrase: bytes | None = None,
    test: bool = True,
) -> None:
    """Root, issuing authority, office seal, time-stamp unit, attest keys, in `folder` (0700), all or nothing.

    `base_url`: where OCSP and CRLs are told to be; validators look at embedded answers only if one is named.
    `root_passphrase`: of the root's key, where it is another than that of all others. `test`: the names say TEST.
    FileExistsError if `folder` is there. Notaries come by `issue_notary`, or by a request of theirs.
    """
    if folder.exists():
        raise FileExistsError(folder)
    now = now or datetime.now(UTC)
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)  # of a run that was killed: nothing in it was ever used
    building.mkdir(mode=0o700, parents=True)
    root_key, issuing_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    root_name, issuing_name = (name_of(office, common) for common in AUTHORITIES[test])
    root = certificate(root_name, root_key, None, root_key, now, ROOT_DAYS, ca=1, url=base_url)
    issuing = certificate(issuing_name, issuing_key, root, root_key, now, ISSUING_DAYS, ca=0, url=base_url)
    root_secret = root_passphrase or passphrase
    write_key(building / "root.pem", root_key, root_secret, [root])
    write_key(building / "issuing.pem", issuing_key, passphrase, [issuing, root])
    write_whole(building / "trust.pem", root.public_bytes(form.Encoding.PEM), 0o644)
    for role, days in ((OFFICE, LEAF_DAYS), (STAMP, UNIT_DAYS)):
        key, where = kind.make(), place(building, role).path
        leaf = certificate(subject(root, role), key, issuing, issuing_key, now, days, role=role, url=base_url)
        where.parent.mkdir(mode=0o700, exist_ok=True)
        write_key(where, key, passphrase, [leaf, issuing, root])
        issued.note(building, leaf)
    (building / "attest").mkdir(mode=0o700)
    for purpose in PURPOSES:
        write_key(building / "attest" / f"{purpose}.pem", ed25519.Ed25519PrivateKey.generate(), passphrase)
    (building / "notaries").mkdir(mode=0o700)
    complete_status(building, passphrase, now=now, root_passphrase=root_secret, kind=kind)
    sync_folder(building)
    building.rename(folder)
    sync_folder(folder.parent)


def issue_notary(
    folder: Path,
    passphrase: bytes,
    notary_id: str,
    name: str,
    *,
    now: datetime | None = None,
    kind: kinds.Kind = kinds.P256,
) -> x509.Certificate:
    """A key and certificate for one notary. FileExistsError if that notary has one."""
    path = place(folder, NOTARY, notary_id).path
    issuing_key, chain = read_key(folder / "issuing.pem", passphrase)
    key = kind.make()
    url = base_url_of(chain[0])
    whom = subject(chain[-1], NOTARY, name, notary_id)
    leaf = certificate(whom, key, chain[0], issuing_key, now or datetime.now(UTC), LEAF_DAYS, role=NOTARY, url=url)
    issued.note(folder, leaf)  # before it can sign: the responder answers "unknown" for what is not noted
    write_key(path, key, passphrase, [leaf, *chain])
    return leaf


def complete_status(
    folder: Path,
    passphrase: bytes,
    *,
    now: datetime | None = None,
    root_passphrase: bytes | None = None,
    kind: kinds.Kind = kinds.P256,
) -> None:
    """The responder's key, the certificate of the trust bundle's key, and both revocation lists, where missing or soon
    to end. Safe to call at every start, where the root's key is at hand.

    An authority made before there was a responder gets its certificates noted from their files.
    """
    now = now or datetime.now(UTC)
    issuing_key, chain = read_key(folder / "issuing.pem", passphrase)
    own = folder / "status"
    own.mkdir(mode=0o700, exist_ok=True)
    days = (chain[0].not_valid_after_utc - now).days - 1
    if not (own / "ocsp.pem").exists():
        key, name, url = kind.make(), subject(chain[-1], STATUS), base_url_of(chain[0])
        leaf = certificate(name, key, chain[0], issuing_key, now, days, role=STATUS, url=url)
        write_key(own / "ocsp.pem", key, passphrase, [leaf, *chain])
    if not issued.book_of(folder).exists():
        for path in [folder / "office.pem", folder / "tsu" / "tsu.pem", *(folder / "notaries").glob("*.pem")]:
            issued.note(folder, x509.load_pem_x509_certificates(path.read_bytes())[0])
    root_key, root_chain = read_key(folder / "root.pem", root_passphrase or passphrase)
    certify_trust(folder, passphrase, root_chain[0], root_key, now, days)
    issued.write_list(folder / "root.crl", root_chain[0], root_key, {}, now)
    issued.write_list(folder / "issuing.crl", chain[0], issuing_key, issued.read(folder), now)


def renew_list(folder: Path, passphrase: bytes, now: datetime) -> None:
    """The issuing authority's list anew; the root's is its custodians' (`ceremony.new_list`)."""
    issuing_key, chain = read_key(folder / "issuing.pem", passphrase)
    issued.write_list(folder / "issuing.crl", chain[0], issuing_key, issued.read(folder), now, always=True)


def certify_trust(
    folder: Path, passphrase: bytes, root: x509.Certificate, root_key: Any, now: datetime, days: int
) -> None:
    """The root itself names the key that signs trust bundles, so that a lost issuing key forges none.

    It is Ed25519, which no deed is signed with.
    """
    path = folder / "attest" / "trust-bundle.pem"
    key, chain = read_key(path, passphrase)
    if not chain:
        url = base_url_of(read_key(folder / "issuing.pem", passphrase)[1][0])
        leaf = certificate(subject(root, TRUST), key, root, root_key, now, days, role=TRUST, url=url)
        write_whole(path, path.read_bytes() + b"".join(c.public_bytes(form.Encoding.PEM) for c in (leaf, root)))


def revoke(
    folder: Path,
    passphrase: bytes,
    serial: int,
    *,
    at: datetime | None = None,
    reason: str = "",
    lost_since: datetime | None = None,
) -> None:
    """Takes a leaf's certificate back from `at` on: the responder says so at once, the list from now on.

    What was signed before stays signed; `lost_since`: where the key may have been another's since an earlier time, what
    was signed since then does not. KeyError where no such certificate was issued.
    """
    at = at or datetime.now(UTC)
    issued.revoke(folder, serial, at, reason, lost_since)
    issuing_key, chain = read_key(folder / "issuing.pem", passphrase)
    issued.write_list(folder / "issuing.crl", chain[0], issuing_key, issued.read(folder), at, always=True)


# ---- loading


def load_office(folder: Path, passphrase: bytes) -> Signer:
    return _load(folder / "office.pem", passphrase, OFFICE)


def load_notary(folder: Path, passphrase: bytes, notary_id: str) -> Signer:
    return _load(place(folder, NOTARY, notary_id).path, passphrase, NOTARY)


def load_notaries(folder: Path, passphrase: bytes) -> dict[str, Turns]:
    """By the notaries' ids."""
    found = [one for one in places(folder) if one.role == NOTARY]
    return {one.path.stem: load_turns(one, passphrase) for one in found}


def load_turns(where: Place, passphrase: bytes) -> Turns:
    """The key that signs and, where one waits, the one that takes over."""
    return Turns(tuple(_load(path, passphrase, where.role) for path in where.held or [where.path]))


def load_stamp_unit(folder: Path, passphrase: bytes) -> Signer:
    """`folder`: the time-stamp unit's own (`tsu/`), which holds no other key."""
    return _load(folder / "tsu.pem", passphrase, STAMP)


def load_stamp_units(folder: Path, passphrase: bytes) -> Turns:
    return load_turns(Place(STAMP, folder / "tsu.pem"), passphrase)


def load_attest(folder: Path, passphrase: bytes) -> dict[str, AttestKey]:
    out = {}
    for purpose in PURPOSES:
        key, _ = read_key(folder / "attest" / f"{purpose}.pem", passphrase)
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise BadKeyFile(f"{purpose}: an attest key is Ed25519")
        out[purpose] = AttestKey(purpose, key)
    return out


def root_pem(folder: Path) -> bytes:
    """The root certificate alone, for whoever verifies."""
    return (folder / "trust.pem").read_bytes()


def authorities(folder: Path) -> tuple[x509.Certificate, ...]:
    """What stands above the office's leaf, without the root: who stamps or verifies may need it to build a chain."""
    return tuple(x509.load_pem_x509_certificates((folder / "office.pem").read_bytes())[1:-1])


def is_test_authority(folder: Path) -> bool:
    """True for an authority of `make_authority`."""
    return is_test(x509.load_pem_x509_certificate(root_pem(folder)))


def _load(path: Path, passphrase: bytes, role: str) -> Signer:
    """A key file, or a file whose first line names a key in a hardware module and whose rest is the chain."""
    if found := named_in_module(path):
        from signing.hsm import BadToken, open_key

        uri, chain = found
        _check_use(path, chain, role)
        try:
            return open_key(uri, chain)
        except (BadToken, OSError) as wrong:
            raise BadKeyFile(f"{path.name}: {wrong}") from wrong
    key, chain = read_key(path, passphrase)
    if kinds.kind_of(key.public_key()) is None:
        raise BadKeyFile(f"{path.name}: expected a P-256 or RSA-3072 key")
    _check_use(path, chain, role)
    return FileSigner(chain, key)


def _check_use(path: Path, chain: tuple[x509.Certificate, ...], role: str) -> None:
    if len(chain) < 2 or role not in policies(chain[0]):
        raise BadKeyFile(f"{path.name}: its certificate is not for this use")
