"""What every test may use: a throw-away PostgreSQL, an office with its people, and a fixed time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from notary.database import engine_of, migrate, sessions_of
from notary.media import Workers
from notary.messenger import OutboxMessenger
from notary.office import staff
from notary.parts import Parts
from notary.postgres import EmbeddedPostgres
from notary.seal.client import SealClient
from notary.settings import Settings
from storage.local import Store

ALONE = ("webrtc", "demo")
"""Folders of tests with live pictures and sound: whatever runs beside them takes frames from them."""

UNHURRIED = (
    "test_webrtc_answer.py",
    "test_webrtc_arrivals.py",
    "test_webrtc_compose.py",
    "test_webrtc_dtls.py",
    "test_webrtc_h264.py",
    "test_webrtc_ice.py",
    "test_webrtc_protocol.py",
    "test_webrtc_streams.py",
)
"""Their neighbours that are given their times."""


LONGEST = (
    "test_kills.py",
    "test_flips.py",
    "test_fuzz_portal.py",
    "test_deed_look.py",
    "test_journey_look.py",
    "test_room_look.py",
)
"""Begun first, so that neither core waits for the other at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in ALONE and item.path.name not in UNHURRIED:
            item.add_marker("alone")
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
"""A Tuesday, twelve o'clock in Beijing."""


@dataclass
class Clock:
    """Stands still until a test moves it."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the whole run, with a migrated template database."""
    with tempfile.TemporaryDirectory(prefix="yz-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder, "throw-away")
        server.start()
        try:
            with sa.create_engine(server.url(), isolation_level="AUTOCOMMIT").connect() as db:
                db.execute(sa.text("ALTER SYSTEM SET fsync = off"))  # speed; durability has tests of its own
                db.execute(sa.text("SELECT pg_reload_conf()"))
                db.execute(sa.text("CREATE DATABASE blank"))
            migrate(server.url(database="blank"))
            yield server
        finally:
            server.stop()


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """URL of a migrated database of this test's own."""
    name = f"t{os.urandom(6).hex()}"
    with sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT").connect() as db:
        db.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE blank"))
    yield postgres.url(database=name)
    with sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT").connect() as db:
        db.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=database,
        secret_key="s" * 40,
        storage_key=b"\x07" * 32,
        base_url="http://localhost",
    )


@pytest.fixture
def parts(settings: Settings, clock: Clock) -> Iterator[Parts]:
    engine = engine_of(settings.database_url)
    made = Parts(
        settings=settings, engine=engine, db=sessions_of(engine), messenger=OutboxMessenger(),
        store=Store(settings.under("store")),
        media=Workers(settings.media_sockets, sessions_of(engine), clock),
        seal=SealClient(settings.under("run", "seal.sock")), clock=clock,
    )  # fmt: skip
    with made.db.begin() as db:
        staff.first_run(db, clock())
    yield made
    engine.dispose()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A Chromium without camera and microphone."""
    from tests.looking import running_chromium

    with running_chromium() as browser:
        yield browser
