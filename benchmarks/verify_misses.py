"""
Whether time tells one miss from another: number and code that nobody has, beside a right one, of a reserved number …

    python benchmarks/verify_misses.py [--rounds N]

One process, one connection, the real application over a throw-away PostgreSQL; the kinds of a miss take turns in an order
that is drawn anew each round, so that whatever else the machine does falls on all of them alike. Printed for page and API:
median, 95th percentile and mean of each kind in microseconds, the largest Welch t of any kind against the first, and the
share of pairs in which a kind was slower than the first (0.5: time tells nothing). A second line of every kind, asked under
the name "again", shows how large t becomes by chance.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "bank"))

import sqlalchemy as sa
from bank_world import BankWorld
from test_bank_misses import misses

from notary.database import engine_of, migrate, sessions_of
from notary.media import Workers
from notary.messenger import OutboxMessenger
from notary.models import Failure
from notary.office import limits, staff
from notary.parts import Parts
from notary.postgres import EmbeddedPostgres
from notary.seal.client import SealClient
from notary.settings import Settings
from storage.local import Store
from tests.conftest import NOON, Clock


def parts_of(folder, url):
    settings = Settings(
        home=folder, database_url=url, secret_key="s" * 40, storage_key=b"\x07" * 32, base_url="http://localhost"
    )
    engine = engine_of(url, pool_size=2)
    made = Parts(
        settings=settings, engine=engine, db=sessions_of(engine), messenger=OutboxMessenger(), store=Store(folder / "store"),
        media=Workers([folder / "media.sock"], sessions_of(engine), Clock()), seal=SealClient(folder / "seal.sock"), clock=Clock(),
    )  # fmt: skip
    with made.db.begin() as db:
        staff.first_run(db, NOON)
    return made


def measured(world, ask, kinds, rounds, rng):
    """Seconds of every kind, `rounds` times, warm after 20."""
    took = {name: [] for name in kinds}
    for number in range(rounds + 20):
        if number % 10 == 0:
            with world.parts.db.begin() as db:
                db.execute(sa.delete(Failure))
        for name in rng.sample(list(kinds), len(kinds)):
            begun = time.perf_counter()
            ask(*kinds[name])
            ended = time.perf_counter()
            if number >= 20:
                took[name].append(ended - begun)
    return took


def welch(one, two):
    spread = statistics.variance(one) / len(one) + statistics.variance(two) / len(two)
    return (statistics.fmean(one) - statistics.fmean(two)) / spread**0.5


def slower(one, two):
    """How often `one` took longer than `two`, of all pairs."""
    ordered = sorted([(seconds, 1) for seconds in one] + [(seconds, 0) for seconds in two])
    before = wins = 0
    for _seconds, mine in ordered:
        if mine:
            wins += before
        else:
            before += 1
    return wins / (len(one) * len(two))


def tell(title, took):
    first, *rest = took
    print(f"\n{title}: {len(took[first])} of each kind, microseconds")
    print(f"{'':34}{'median':>9}{'p95':>9}{'mean':>9}{'t':>8}{'slower':>8}")
    for name in (first, *rest):
        mine = took[name]
        cut = sorted(mine)[int(len(mine) * 0.95)]
        t, share = (welch(mine, took[first]), slower(mine, took[first])) if name != first else (0.0, 0.5)
        figures = (statistics.median(mine) * 1e6, cut * 1e6, statistics.fmean(mine) * 1e6)
        print(f"{name:34}" + "".join(f"{one:9.0f}" for one in figures) + f"{t:8.2f}{share:8.3f}")
    largest = max(abs(welch(took[name], took[first])) for name in rest if name != "again")
    print(f"largest |t| {largest:.2f}; by chance alone (again) {abs(welch(took['again'], took[first])):.2f}")


@contextmanager
def bank_office(name, *, fast=False):
    """(an office with a bank and its deeds, its folder) on a throw-away PostgreSQL; `fast`: nothing waits for the disk."""
    with tempfile.TemporaryDirectory(prefix=f"yz-{name}-", ignore_cleanup_errors=True) as where:
        folder = Path(where)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder, "throw-away")
        server.start()
        try:
            with sa.create_engine(server.url(), isolation_level="AUTOCOMMIT").connect() as db:
                if fast:
                    db.execute(sa.text("ALTER SYSTEM SET fsync = off"))
                    db.execute(sa.text("SELECT pg_reload_conf()"))
                db.execute(sa.text(f"CREATE DATABASE {name}"))
            migrate(server.url(database=name))
            world = BankWorld(parts_of(folder / "office", server.url(database=name)))
            yield world, folder
            world.parts.engine.dispose()
        finally:
            server.stop()


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rounds", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=20261125)
    given = asked.parse_args()
    limits.ALLOWED.update({"verify": 10**6, "bank-verify": 10**6})
    limits.PACES.update(dict.fromkeys(limits.PACES, limits.Rate(limits.WINDOW * 0, limits.WINDOW)))
    with bank_office("misses", fast=True) as (world, _folder):
        kinds = misses(world)
        first = next(iter(kinds))
        kinds = {first: kinds[first], "again": kinds[first], **kinds}
        ways = {
            "page": lambda n, c: world.http.post("/verify", data={"number": n, "code": c}),
            "API": lambda n, c: world.post("/verifications", json={"number": n, "code": c}),
        }
        for title, ask in ways.items():
            assert {ask(*typed).status_code for typed in kinds.values()} == {404}
            tell(title, measured(world, ask, kinds, given.rounds, random.Random(given.seed)))


if __name__ == "__main__":
    main()
