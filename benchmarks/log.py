"""
What the public log costs: durable lines a second on one core, and a proof in a log of 10^8 lines.

    python benchmarks/log.py [--lines N]

Lines are ledger lines as every act writes them, one transaction and one fsync each, in an embedded PostgreSQL of this run;
server and writer are bound to one core. Then they are published: tiles and checkpoint, each file synced. The big log is one of
10^8 equal lines behind a function that answers as its static files would: proofs from it are real proofs, but no disk is read.
A proof is timed cold (its tiles are read and reckoned first) and warm (the nodes above them are held), medians of 1,000.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from notary import ledger
from notary.database import engine_of, migrate, sessions_of
from notary.models import Event
from notary.postgres import EmbeddedPostgres
from signing import merkle
from signing.note import Checkpoint, Verifier, sign
from signing.tiles import WIDTH, Tiles, in_folder, replace, write

BIG = 10**8
LEAF = merkle.leaf_hash(b"one line")
FULL = [LEAF]
for _ in range(32):
    FULL.append(merkle.node_hash(FULL[-1], FULL[-1]))


def appends(count: int) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="yz-log-") as name:
        Path(name).chmod(0o711)  # as root, the server runs as somebody else
        server = EmbeddedPostgres(Path(name) / "postgres", "secret")
        server.start()
        try:
            migrate(server.url())
            sessions = sessions_of(engine_of(server.url()))
            with sessions() as db:
                print("synchronous_commit", db.scalar(sa.text("SHOW synchronous_commit")), "fsync", end=" ")
                print(db.scalar(sa.text("SHOW fsync")))
            append(sessions, 200)
            began = time.perf_counter()
            append(sessions, count)
            took = time.perf_counter() - began
            print(f"{count} lines, one transaction each: {count / took:.0f} a second")
            publish(sessions, Path(name) / "log")
        finally:
            server.stop()


def append(sessions, count: int) -> None:
    for n in range(count):
        with sessions.begin() as db:
            ledger.append(
                db, "case.issue", ledger.SYSTEM, datetime.now(UTC), number=f"（2026）渝示证字第{n}号", sha256="0" * 64
            )


def publish(sessions, folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    name = Verifier("localhost/log", key.public_key().public_bytes_raw())
    folder.mkdir()
    began = time.perf_counter()
    with sessions() as db:
        lines = [bytes(one) for one in db.scalars(sa.select(Event.leaf).order_by(Event.seq))]
    size = write(folder, 0, lines)
    body = Checkpoint(name.name, size, Tiles(size, in_folder(folder)).root()).body()
    replace(folder / "checkpoint", sign(body, name, key.sign).encode())
    took = time.perf_counter() - began
    print(f"published {size} lines in {took:.2f} s: {size / took:.0f} a second")
    began = time.perf_counter()
    for n in range(20):
        size = write(folder, size, lines[n : n + 5])
        body = Checkpoint(name.name, size, Tiles(size, in_folder(folder)).root()).body()
        replace(folder / "checkpoint", sign(body, name, key.sign).encode())
    print(f"five more lines, published each time: {(time.perf_counter() - began) / 20 * 1000:.1f} ms a time")


def static(path: str) -> bytes:
    """A file of the log of BIG equal lines."""
    level = int(path.split("/")[1])
    return FULL[8 * level] * (int(path.rsplit("/", 1)[1]) if ".p/" in path else WIDTH)


def proofs() -> None:
    dice, cold, warm, check, size = random.Random(7), [], [], [], 0
    held = Tiles(BIG, static)
    top = held.root()
    for _ in range(1000):
        index = dice.randrange(BIG)
        for tree, times in ((Tiles(BIG, static), cold), (held, [])):
            began = time.perf_counter()
            path = tree.inclusion(index)
            times.append(1e6 * (time.perf_counter() - began))
        began = time.perf_counter()
        path = held.inclusion(index)
        warm.append(1e6 * (time.perf_counter() - began))
        began = time.perf_counter()
        assert merkle.verify_inclusion(LEAF, index, BIG, path, top)
        check.append(1e6 * (time.perf_counter() - began))
        size = max(size, 32 * len(path))
    for what, times in (("cold", cold), ("warm", warm), ("verified", check)):
        print(f"proof in {BIG:,} lines, {what}: {statistics.median(times):.0f} µs, worst {max(times):.0f}")
    print(f"largest proof: {size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=5000)
    print(f"load {os.getloadavg()[0]:.1f}")
    proofs()
    appends(parser.parse_args().lines)


if __name__ == "__main__":
    main()
