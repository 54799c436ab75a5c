"""Starts seal: open keys, journal and socket, sign one trial deed, drop privilege, answer."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509

from notary.seal import process
from notary.seal.cases import CaseReader
from notary.seal.journal import Journal
from notary.seal.people import People
from notary.seal.vault import Keys, Shown, Vault
from signing import keys as signing_keys
from signing.ceremony import TRANSCRIPT
from signing.evidence import Revoked
from signing.keyfile import BadKeyFile
from signing.places import chain_in, place
from signing.profile import NOTARY, OFFICE, ROLES
from signing.stamp import NoStamp, Stamper
from signing.status import NoStatus, Status


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def serve(
    *,
    folder: Path,
    passphrase: bytes,
    socket: Path,
    cases: CaseReader,
    stamper: Stamper,
    status: Status,
    test_keys: bool,
    rp_id: str = "localhost",
    origin: str = "http://localhost:8000",
    user: str = "nobody",
    socket_mode: int = 0o600,
    socket_group: int | None = None,
    console: Callable[[str], None] = say,
    now: Callable[[], float] = time.time,
    stop: threading.Event | None = None,
    ready: threading.Event | None = None,
) -> None:
    """Runs until `stop`. `folder`: an authority of `signing.keys` plus seal's own `journal/`, made here.

    `user`: whom to become when started as root. BadKeyFile, BadJournal, BlockingIOError (another seal runs on
    this folder) before anything listens.
    """
    own = folder / "journal"
    own.mkdir(mode=0o700, exist_ok=True)
    (own / "spool").mkdir(mode=0o700, exist_ok=True)
    alone = os.open(own / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until the process ends
    vault = open_vault(
        folder,
        passphrase,
        cases,
        stamper,
        status,
        test_keys=test_keys,
        rp_id=rp_id,
        origin=origin,
        console=console,
        now=now,
    )
    warm_up(stamper, status, vault.keys.office.chain)
    door = process.Door(socket, vault, mode=socket_mode, group=socket_group)
    if os.geteuid() == 0:
        hand_over(folder, socket, user, whole=test_keys)
        process.drop(user)
    vault.journal.write("start", now())
    if ready is not None:
        ready.set()
    try:
        process.run(door, stop)
    finally:
        vault.journal.close()
        os.close(alone)


def open_vault(
    folder: Path,
    passphrase: bytes,
    cases: CaseReader,
    stamper: Stamper,
    status: Status,
    *,
    test_keys: bool,
    rp_id: str,
    origin: str,
    console: Callable[[str], None],
    now: Callable[[], float] = time.time,
) -> Vault:
    """Everything loaded, nothing listening."""
    journal = Journal(folder / "journal" / "seal.jsonl")
    keys = Keys(
        office=signing_keys.load_turns(place(folder, OFFICE), passphrase),
        notaries=signing_keys.load_notaries(folder, passphrase),
        attest=signing_keys.load_attest(folder, passphrase),
        root_pem=signing_keys.root_pem(folder),
        beside=tuple(beside(folder)),
        ceremony=ceremony_of(folder),
    )

    def new_notary(notary_id: str, name: str, given: bytes | None) -> signing_keys.Turns:
        secret = passphrase if test_keys and given is None else given or b""
        if not (folder / "notaries" / f"{notary_id}.pem").exists():  # there after a run that died right here
            signing_keys.issue_notary(folder, secret, notary_id, name)
        return signing_keys.load_turns(place(folder, NOTARY, notary_id), secret)

    return Vault(
        keys=keys,
        journal=journal,
        people=People(journal, rp_id, origin, now),
        cases=cases,
        stamper=stamper,
        status=status,
        spool=folder / "journal" / "spool",
        test_keys=test_keys,
        console=console,
        new_notary=new_notary,
        now=now,
    )


def beside(folder: Path) -> Iterator[Shown]:
    """Certificates of keys that other processes open, and of the key that signs trust bundles; no key is read."""
    for use in ("tsu", "status"):
        for path in place(folder, ROLES[use]).held:
            yield Shown(use, "", chain_in(path)[0])
    with contextlib.suppress(BadKeyFile):  # an authority made before there were trust bundles
        yield Shown("trust", "", chain_in(folder / "attest" / "trust-bundle.pem")[0])


def ceremony_of(folder: Path) -> str | None:
    """SHA-256 of the transcript, where the keys were made in a ceremony."""
    path = folder / TRANSCRIPT
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def warm_up(stamper: Stamper, status: Status, chain: tuple[x509.Certificate, ...]) -> None:
    """Signs and verifies the shipped example with a throw-away authority: afterwards every import and font
    is in.

    A home of mode 0700 cannot be entered after the drop, so nothing may be loaded later.
    """
    import codecs
    import zoneinfo

    import signing
    from signing import facts, render, specimen
    from signing.lint import lint

    example = facts.read((Path(signing.__file__).parent / "examples" / "facts.json").read_bytes())
    problems = lint(render.deed(specimen.vary(example, 1)))
    if problems:
        raise RuntimeError(f"the shipped example cannot be signed: {problems[0]}")
    zoneinfo.ZoneInfo("Asia/Shanghai")
    for codec in ("hex", "ascii", "latin-1", "idna"):
        codecs.lookup(codec)
    with contextlib.suppress(NoStamp):  # an authority that is down now may be up at the first deed
        stamper.stamp(bytes(32))
    with contextlib.suppress(NoStatus, Revoked):
        status.gather([chain])


def hand_over(folder: Path, socket: Path, user: str, *, whole: bool) -> None:
    """Journal, spool and socket become `user`'s; with test keys the keys too, so that notaries can be added.

    An office's own keys stay root's: they are in memory, and nothing on disk can be read any more.
    """
    import pwd

    who = pwd.getpwnam(user)
    mine = folder if whole else folder / "journal"
    for path in [mine, *mine.rglob("*")]:
        if not {"tsu", "status"} & {*path.relative_to(folder).parts}:  # other processes' keys
            os.chown(path, who.pw_uid, who.pw_gid, follow_symlinks=False)
    os.chown(socket, who.pw_uid, -1)
