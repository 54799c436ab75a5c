"""`make up`: embedded PostgreSQL, schema, first people, and every process of the office under one supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from identity import child as faces
from identity.errors import IdentityError
from notary import secrets
from notary.database import engine_of, migrate, sessions_of
from notary.office import draining, staff
from notary.parts import utc_now
from notary.postgres import EmbeddedPostgres, PostgresFailed, die_with_parent
from notary.processes import Child, children_of
from notary.register import grant_reading
from notary.settings import CHECKOUT, Settings

APP, READER = "yuanzheng", "yuanzheng_seal"
DRAINED_LOOK_S = 2.0
FIRST_OFFICE = "山城示例公证处"


def up(settings: Settings) -> int:
    """Runs until a signal comes; a part that dies is started again, one that keeps dying ends the run."""
    settings.home.mkdir(parents=True, exist_ok=True)
    secrets.make_missing(settings.home)
    server = None
    try:
        if not settings.database_url or _is_embedded(settings):
            server = EmbeddedPostgres(settings.home / "postgres", secrets.read(settings.home, "database_password"))
            server.start()
            prepare(settings, server)
        settings = Settings.from_env({**os.environ, "HOME_DIR": str(settings.home)})
        migrate(settings.database_url)
        if server:
            with sa.create_engine(settings.database_url).begin() as db:
                grant_reading(db, READER)
        make_keys(settings)
        engines = faces.engines_standing()  # every model file by its SHA-256, and the office's own thresholds
        faces.close()
        print("faces: " + ", ".join(f"{name} from {one['thresholds']['default']:g}" for name, one in engines.items()))
        print_links(settings, None)
        return supervise(children_of(settings), settings, _drains(settings))
    except (PostgresFailed, IdentityError) as failed:
        print(f"up: {failed}", file=sys.stderr)
        return 1
    finally:
        if server:
            server.stop()


def _is_embedded(settings: Settings) -> bool:
    kept = settings.home / "secrets" / "database_url"
    return "DATABASE_URL" not in os.environ and kept.exists()


def prepare(settings: Settings, server: EmbeddedPostgres) -> None:
    """Two roles and one database on the embedded server; safe to run at every start."""
    home = settings.home
    password, reading = secrets.read(home, "database_password"), secrets.read(home, "seal_database_password")
    with sa.create_engine(server.url(), isolation_level="AUTOCOMMIT").connect() as db:
        for role, secret in ((APP, password), (READER, reading)):
            if not db.scalar(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": role}):
                db.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD '{secret}'"))
        if not db.scalar(sa.text("SELECT 1 FROM pg_database WHERE datname = :d"), {"d": APP}):
            db.execute(sa.text(f"CREATE DATABASE {APP} OWNER {APP}"))
    for name, url in (
        ("database_url", server.url(APP, password, APP)),
        ("seal_database_url", server.url(READER, reading, APP)),
    ):
        path = home / "secrets" / name
        path.unlink(missing_ok=True)
        secrets.write_new(path, url)


def make_keys(settings: Settings) -> None:
    """A trial's own test authority, once; in production the office installs its keys itself."""
    from signing.keys import complete_status, make_authority

    settings.under("run").mkdir(exist_ok=True)
    if not settings.trial:
        return
    passphrase = secrets.read(settings.home, "seal_passphrase").encode()
    if settings.under("keys").exists():
        complete_status(settings.under("keys"), passphrase)
    else:
        make_authority(settings.under("keys"), passphrase, FIRST_OFFICE, base_url=f"{settings.base_url}/pki")


def give_notaries_keys(settings: Settings) -> None:
    """Every notary of a trial gets a signing key; seal prints the code that binds the first passkey to it."""
    from notary.seal.client import SealClient
    from notary.seal.refusals import SealError

    client = SealClient(settings.under("run", "seal.sock"))
    engine = engine_of(settings.database_url, pool_size=1)
    with sessions_of(engine)() as db:
        notaries = [(str(one.id), one.name) for one in staff.notaries(db)]
    engine.dispose()
    for notary_id, name in notaries:
        with contextlib.suppress(SealError):  # has one already
            client.add_notary(notary_id, name)


def _drains(settings: Settings) -> Callable[[Child], bool]:
    """Whether a child is a media worker that drains. A new start takes every worker up."""
    sessions = sessions_of(engine_of(settings.database_url, pool_size=1))
    with sessions.begin() as db:
        draining.take_up_all(db, datetime.now(UTC))

    def drains(child: Child) -> bool:
        if not child.media_worker:
            return False
        try:
            with sessions() as db:
                return draining.drains(db, child.media_worker)
        except sa.exc.OperationalError:  # without the register nobody knows, and nothing is changed
            return child.process is None

    return drains


def supervise(children: list[Child], settings: Settings, drains: Callable[[Child], bool]) -> int:
    """Starts the children, restarts the fallen, stops them all, in reverse, on SIGINT or SIGTERM.

    A media worker that `drains` ends with 0 when it has finished, and is started again when it drains no more.
    """
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    for child in children:
        _start(child, settings)
    if not wait_for(lambda: settings.under("run", "seal.sock").exists() or stopping, 60):
        print("up: seal did not come up", file=sys.stderr)
    elif settings.trial and not stopping:
        give_notaries_keys(settings)
    wait_for(lambda: answers(settings.port) or stopping, 30)
    print(f"\nReady: {settings.base_url}\n", flush=True)
    code, looked = 0, time.monotonic()
    while not stopping:
        time.sleep(0.2)
        look = time.monotonic() - looked > DRAINED_LOOK_S
        looked = time.monotonic() if look else looked
        for child in children:
            if child.process is None:
                if look and not drains(child) and not stopping:
                    print(f"up: {child.name} is taken up again", file=sys.stderr)
                    _start(child, settings)
            elif child.process.poll() == 0 and not stopping and drains(child):
                print(f"up: {child.name} has drained and stays down", file=sys.stderr)
                child.process = None
            elif child.process.poll() is not None and not stopping:
                now = time.monotonic()
                child.falls = [at for at in child.falls if now - at < 60] + [now]
                print(
                    f"up: {child.name} ended with {child.process.returncode}; starting it again",
                    file=sys.stderr,
                )
                if len(child.falls) > 5:
                    print(f"up: {child.name} fell six times within a minute; giving up", file=sys.stderr)
                    stopping, code = True, 1
                    break
                time.sleep(0.2 * len(child.falls))
                _start(child, settings)
    for child in reversed(children):
        _stop(child)
    return code


def wait_for(ready: Callable[[], bool], seconds: float) -> bool:
    """Asks five times a second; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _start(child: Child, settings: Settings) -> None:
    environ = {
        **os.environ,
        "HOME_DIR": str(settings.home),
        "PORT": str(settings.port),
        "PYTHONUNBUFFERED": "1",
        **child.environ,
    }
    child.process = subprocess.Popen(
        child.command, cwd=CHECKOUT, env=environ, preexec_fn=_child, stdin=subprocess.DEVNULL
    )


def _child() -> None:
    os.setsid()
    die_with_parent(signal.SIGTERM)


def _stop(child: Child) -> None:
    if child.process is None or child.process.poll() is not None:
        return
    child.process.terminate()
    try:
        child.process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def print_links(settings: Settings, login: str | None) -> int:
    """Prints a fresh one-time link for everybody who has not enrolled yet, or for `login` alone."""
    now = utc_now()
    engine = engine_of(settings.database_url, pool_size=1)
    with sessions_of(engine).begin() as db:
        staff.first_run(db, now)
        people = [p for p in staff.not_enrolled(db) if login in (None, p.login)]
        links = [(p, staff.enrolment_link(db, p, now)) for p in people]
    engine.dispose()
    if login and not links:
        print(f"people: nobody called {login!r} is waiting to enrol", file=sys.stderr)
        return 1
    if links:
        print("\nOne-time links to set a password and a second factor (7 days, one use):\n")
        for person, token in links:
            print(f"  {person.role:10} {person.login:10} {settings.base_url}/staff/enrol/{token}")
    if settings.trial:
        print(f"\nText messages are shown, not sent: {settings.base_url}/outbox", flush=True)
    return 0
