"""The making of an office's authority before witnesses: one run, one transcript, and a root that no single person can use.

The root's key file is encrypted under 32 random bytes that nobody sees whole; k of n custodians give them back by their shares.
What follows the ceremony uses the root twice: for a list once a year, for a new issuing authority once in ten.
"""

from __future__ import annotations

import hashlib
import itertools
import platform
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from signing import issued, keys, kinds, path, places, profile, shares
from signing.keyfile import BadKeyFile, read_key, sync_folder, write_key, write_whole

TRANSCRIPT, ADDRESS = "ceremony.txt", "base_url"


@dataclass(frozen=True)
class Plan:
    """`custodians`: names, one share each; `needed`: how many of them open the root."""

    office: str
    base_url: str
    custodians: tuple[str, ...]
    needed: int = 3
    kind: kinds.Kind = kinds.P256
    rehearsal: bool = False


@dataclass
class Transcript:
    """What was done and what came of it, one numbered line each. No secret ever stands in it."""

    lines: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        self.lines.append(f"{len(self.lines) + 1:02} {words}")

    def raw(self) -> bytes:
        return ("\n".join(self.lines) + "\n").encode()


def hold(folder: Path, passphrase: bytes, plan: Plan, now: datetime | None = None) -> str:
    """The whole ceremony into `folder`, which must not be there -> SHA-256 of the transcript, hexadecimal.

    root/      the root's key under the shared secret, its certificate, its book: taken to a safe
    shares/    one file a custodian: handed out, then destroyed here
    keys/      the office's keys, lists and the transcript: what `seal` opens
    """
    if folder.exists():
        raise FileExistsError(17, "is there already; a ceremony begins with nothing", str(folder))
    now = now or datetime.now(UTC)
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)  # of a run that was broken off
    building.mkdir(mode=0o700, parents=True)
    told, secret = Transcript(), secrets.token_bytes(32)
    _opening(told, plan, now)
    own, office = building / "root", building / "keys"
    keys.make_authority(
        office, passphrase, plan.office, base_url=plan.base_url, now=now, kind=plan.kind,
        root_passphrase=_spelt(secret), test=plan.rehearsal,
    )  # fmt: skip
    own.mkdir(mode=0o700)
    (office / "root.pem").rename(own / "root.pem")
    write_whole(own / "trust.pem", keys.root_pem(office), 0o644)
    write_whole(own / ADDRESS, plan.base_url.encode() + b"\n", 0o644)
    issuing = places.chain_in(office / "issuing.pem")
    trust = places.chain_in(office / "attest" / "trust-bundle.pem")
    for cert in (issuing[0], trust[0]):
        issued.note(own, cert)
    _certificates(told, office, issuing, trust)
    given = shares.split(secret, plan.needed, len(plan.custodians), set_of(issuing[-1]))
    (building / "shares").mkdir(mode=0o700)
    for name, share in zip(plan.custodians, given, strict=True):
        write_whole(building / "shares" / f"share-{share.i}.txt", _sheet(plan, name, share).encode())
        told.say(f"share {share.i} of {share.n} written for {name}")
    _prove(told, own, given)
    for name in ("root", "issuing"):
        found = x509.load_der_x509_crl((office / f"{name}.crl").read_bytes())
        told.say(f"list of {name}: empty, from {_day(found.last_update_utc)} to {_day(found.next_update_utc)}")
    told.say("end; the SHA-256 of this file is the line for the public log")
    for where in (office, own):
        write_whole(where / TRANSCRIPT, told.raw(), 0o644)
    sync_folder(building)
    building.rename(folder)
    sync_folder(folder.parent)
    return hashlib.sha256(told.raw()).hexdigest()


def _opening(told: Transcript, plan: Plan, now: datetime) -> None:
    from cryptography import __version__
    from cryptography.hazmat.backends.openssl import backend

    told.say(f"ceremony of {plan.office}, {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    if plan.rehearsal:
        told.say("REHEARSAL: every certificate says TEST, and nothing made here is used")
    told.say(f"program: SHA-256 over the sources of signing/ {program()}")
    told.say(f"Python {platform.python_version()}, cryptography {__version__}, {backend.openssl_version_text()}")
    told.say(f"{plan.needed} of {len(plan.custodians)} custodians open the root: {', '.join(plan.custodians)}")
    told.say(f"keys that sign are {plan.kind}; lists and answers are told to be at {plan.base_url}")


def _certificates(told: Transcript, office: Path, issuing: path.Path, trust: path.Path) -> None:
    """Every certificate is read back from its file, checked as a verifier would, and named."""
    root = issuing[-1]
    for name, cert in (("root", root), ("issuing authority", issuing[0])):
        told.say(f"{name}: {describe(cert)}")
    for where in places.places(office):
        chain = places.chain_in(where.path)
        path.build(chain[0], chain[1:], (root,))
        profile.check(chain, where.role, chain[0].not_valid_before_utc)
        told.say(f"{where.path.relative_to(office)}: {describe(chain[0])}")
    if not path.signed_by(trust[0], root) or path.policies(trust[0]) != {profile.TRUST}:
        raise BadKeyFile("the trust bundle's key was not named by the root")
    told.say(f"trust bundles, named by the root itself: {describe(trust[0])}")
    told.say(f"attest keys: {', '.join(keys.PURPOSES)}")


def _prove(told: Transcript, own: Path, given: Sequence[shares.Share]) -> None:
    """Every choice of custodians gives the one secret, and it opens the root's file."""
    k = given[0].k
    found = {shares.join(chosen) for chosen in itertools.combinations(given, k)}
    if len(found) != 1:
        raise shares.BadShares("two choices of shares give two secrets")
    read_key(own / "root.pem", _spelt(found.pop()))
    told.say(f"each of the {len(list(itertools.combinations(given, k)))} choices of {k} shares opens the root's key")


def _sheet(plan: Plan, name: str, share: shares.Share) -> str:
    grouped = share.line()
    return (
        f"{plan.office}\nShare {share.i} of {share.n} for {name}. {share.k} of them together open the root's key.\n"
        f"Keep it apart from the others and from the root's folder. Tell nobody.\n\n{grouped}\n"
    )


# ---- using the root


def open_root(own: Path, given: Iterable[shares.Share]) -> tuple[Any, x509.Certificate]:
    """The root's key by the custodians' shares. BadShares, BadKeyFile."""
    chosen = list(given)
    root = places.chain_in(own / "root.pem")[0]
    if any(one.of != set_of(root) for one in chosen):
        raise shares.BadShares("a share is of another root")
    try:
        return read_key(own / "root.pem", _spelt(shares.join(chosen)))[0], root
    except BadKeyFile:
        raise shares.BadShares("these shares do not open the root's key: one of them was changed") from None


def new_list(own: Path, key: Any, root: x509.Certificate, now: datetime) -> bytes:
    """The root's list anew, for the next year, with what its book says is revoked. DER, also written to `root.crl`."""
    issued.write_list(own / "root.crl", root, key, issued.read(own), now, always=True)
    return (own / "root.crl").read_bytes()


def new_issuing(own: Path, key: Any, root: x509.Certificate, passphrase: bytes, now: datetime) -> Path:
    """Another issuing authority under the same root -> its file in the root's folder, to be carried to the office."""
    made = ec.generate_private_key(ec.SECP384R1())
    office = str(root.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)[0].value)
    name = profile.name_of(office, f"{keys.AUTHORITIES[profile.is_test(root)][1]} {now.year}")
    days = min(profile.ISSUING_DAYS, (root.not_valid_after_utc - now).days - 1)
    cert = profile.certificate(name, made, root, key, now, days, ca=0, url=(own / ADDRESS).read_text().strip())
    issued.note(own, cert)
    target = own / f"issuing-{now.year}.pem"
    write_key(target, made, passphrase, [cert, root])
    return target


def set_of(root: x509.Certificate) -> str:
    return root.fingerprint(hashes.SHA256()).hex()[:16]


def describe(cert: x509.Certificate) -> str:
    """A certificate in one line: name, days, serial number, fingerprint."""
    days = f"{_day(cert.not_valid_before_utc)} to {_day(cert.not_valid_after_utc)}"
    print_ = cert.fingerprint(hashes.SHA256()).hex()
    return f"{cert.subject.rfc4514_string()}, {days}, serial {cert.serial_number:x}, SHA-256 {print_}"


def program() -> str:
    """SHA-256 over names and contents of the sources of signing/, so that a witness may compare programs."""
    total, here = hashlib.sha256(), Path(__file__).parent
    for source in sorted(here.glob("*.py")):
        total.update(source.name.encode() + b"\0" + hashlib.sha256(source.read_bytes()).digest())
    return total.hexdigest()


def _spelt(secret: bytes) -> bytes:
    """The passphrase of the root's file."""
    return secret.hex().encode()


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else "?"
