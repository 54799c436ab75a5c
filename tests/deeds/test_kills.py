"""SIGKILL at any moment between number and deed: none twice, none missing without a void entry, all issued whole.

A kill counts only when it leaves the job's work undone and the number reserved. Moments are drawn over the length
that the job had in this very run, thickly around its commit. A seed that failed is run again with SEED=...
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import deed_world
import pytest
import sqlalchemy as sa
from deed_world import close, office

from notary.models import Deed, Number, NumberState, Series
from notary.office import auditing, issuing, publishing
from signing import render
from signing.monitor import Seen, look
from signing.tiles import in_folder
from signing.verify import Trust, examine

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "100"))
SEED = int(os.environ.get("SEED", "20261124"))
RENDERING, ISSUING, ROUND_COMMIT = 8, 45, 12
"""Tries a number: of the job that renders, of the job that issues, and of these the last ones."""


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """`worker(world, job, number, after)` -> how the job ended, and after how many seconds."""
    body = tmp_path_factory.mktemp("warm") / "body.pdf"
    facts = json.loads((ROOT / "signing" / "examples" / "facts.json").read_text())
    for one in facts["instrument"]["signatures"]:
        one["bound_to"] = "0" * 64
    body.write_bytes(render.deed(facts))
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "killed_worker.py"), str(deed_world.ANCHOR), str(body)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert json.loads(process.stdout.readline())["ready"]

    def do(world, job, number, after):
        asked = {
            "home": str(world.home), "url": world.settings.database_url, "job": job, "number": str(number),
            "ahead": world.clock.ahead.total_seconds(), "after": after,
        }  # fmt: skip
        process.stdin.write(json.dumps(asked) + "\n")
        return SimpleNamespace(**json.loads(process.stdout.readline()))

    yield do
    process.stdin.close()
    process.wait(20)


class Tally:
    """Counts the kills that fell between reserve and commit, by job and tenth of the job's length.

    A job that issues has two lengths: the seal makes the deed once, and hands out the same one ever after. A length is
    the shortest seen, so that a slow moment of the machine does not let a deed through before its turn.
    """

    def __init__(self, worker):
        self.worker, self.chance = worker, random.Random(SEED)
        self.kills, self.late, self.length, self.begun = Counter(), 0, {}, set()

    def run(self, world, job, number, after):
        kind = f"{job} again" if number in self.begun else job
        self.begun |= {number} if job == "issue-deed" else set()
        done = self.worker(world, job, number, after and after * self.length[kind])
        if done.ended != "killed":
            assert done.ended == 0
            self.length[kind] = min(done.seconds, self.length.get(kind, done.seconds))
        return kind, done.ended == "killed"

    def known(self, job, number):
        return (f"{job} again" if number in self.begun else job) in self.length

    def let_through(self, world, job, number):
        self.run(world, job, number, None)

    def kill(self, world, job, number, earliest=0.0, latest=0.9):
        """One try, at a moment between two shares of the job's length. It counts if the job died with its work undone,
        the number as reserved as before."""
        assert not done(world, job, number)
        after = self.chance.uniform(earliest, latest)
        kind, died = self.run(world, job, number, after)
        still = not done(world, job, number)
        check(world)
        self.kills[kind, min(9, int(10 * after))] += died and still
        self.late += died and not still

    @property
    def total(self):
        return sum(self.kills.values())


def done(world, job, number):
    """Whether the job's own commit stands: nothing is left for it to do. A number is reserved until the last of them."""
    with world.parts.db() as db:
        row = db.get_one(Number, number)
    assert row.state in (NumberState.RESERVED, NumberState.ISSUED)
    return row.state == NumberState.ISSUED if job == "issue-deed" else bool(row.body_sha256)


@contextmanager
def life(template, name):
    made = office(template, name)
    try:
        yield made
    finally:
        close(made)


@pytest.mark.slow
@pytest.mark.req("H02")
@pytest.mark.timeout(1800 + 3 * KILLS)
def test_whatever_dies_no_number_is_lost_or_used_twice_and_every_deed_is_whole(template, worker):
    """Cases go through approval, void, approval and issue; each job is killed again and again before it may end."""
    tally, began, lives, deeds = Tally(worker), time.monotonic(), 0, 0
    while tally.total < KILLS:
        lives += 1
        with life(template, f"kills_{lives}") as world:
            deeds += live(world, tally)
    kinds = sorted(tally.length)
    shares = {kind: [tally.kills[kind, tenth] for tenth in range(10)] for kind in kinds}
    print(
        f"\nkills between reserve and commit: {tally.total}, seed {SEED}, {deeds} deeds in {lives} offices, "
        f"{tally.late} more after the commit, {time.monotonic() - began:.0f} s",
        *(f"{kind}: {tally.length[kind]:.2f} s, by tenths {shares[kind]}" for kind in kinds), sep="\n",
    )  # fmt: skip


def live(world, tally):
    """One office from two drafts to two deeds, with as many deaths as its numbers bear; returns its deeds."""
    seen = Seen()
    watch(world, seen)

    def reserve(case_id):
        world.draft_and_propose(case_id)
        assert world.approve(case_id).status_code == 200
        with world.parts.db() as db:
            return issuing.reserved(db, world.case(case_id)).id

    def render_it(number):
        for _n in range(RENDERING if tally.known("render-body", number) else 0):
            if not done(world, "render-body", number):
                tally.kill(world, "render-body", number)
        if not done(world, "render-body", number):
            tally.let_through(world, "render-body", number)

    def issue_it(number):
        """Deaths before the commit, then a few closely around it, until the deed stands."""
        for n in range(ISSUING):
            if tally.total < KILLS and tally.known("issue-deed", number) and not done(world, "issue-deed", number):
                near = n >= ISSUING - ROUND_COMMIT
                tally.kill(world, "issue-deed", number, *((0.85, 1.25) if near else (0.0, 0.9)))
        if not done(world, "issue-deed", number):
            tally.let_through(world, "issue-deed", number)
        assert tally.worker(world, "issue-deed", number, None).ended == 0  # a deed that stands is not made again

    given_up = reserve(world.case_ids[0])
    render_it(given_up)
    reply = world.browser("chenjing").form(f"/desk/cases/{world.case_ids[0]}/void", reason="换一个编号再来")
    assert reply.status_code == 303
    assert tally.worker(world, "render-body", given_up, None).ended == 0  # a late run of a voided number does nothing
    numbers = [reserve(case_id) for case_id in world.case_ids]
    for number in numbers:
        render_it(number)
    assert world.seal(*world.case_ids).status_code == 200
    for number in numbers:
        issue_it(number)
    check(world, finished=True)
    watch(world, seen)
    return len(numbers)


def watch(world, seen):
    """The log, published and looked at by a monitor that remembers: what was published is a prefix of what is; and an
    auditor with the database and the files finds that every row, deed and recording is what the ledger was told."""
    assert publishing.publish(world.parts) > 0
    known = [publishing.verifier(world.parts)]
    assert look(seen, in_folder(publishing.folder(world.parts)), known, 0, world.parts.clock()) == []
    with world.parts.db() as db:
        assert auditing.faults(db, world.parts) == []


def check(world, *, finished=False):
    """What must hold at every moment, read from the tables; and of a finished office, from the files too."""
    with world.parts.db() as db:
        last = db.scalars(sa.select(Series)).one().last
        rows = db.scalars(sa.select(Number).order_by(Number.n)).all()
        deeds = {deed.number_id: deed for deed in db.scalars(sa.select(Deed))}
    assert [row.n for row in rows] == list(range(1, last + 1))
    for row in rows:
        assert (row.state == NumberState.ISSUED) == (row.id in deeds)
        assert row.state != NumberState.VOID or row.why_void
    for deed in deeds.values():
        assert world.case(deed.case_id).state == "issued"
    if finished:
        trust = Trust.from_pem(world.parts.seal.public().trust_pem)
        assert len(deeds) == len(world.case_ids)
        for deed in deeds.values():
            verdict = examine(issuing.deed_bytes(world.parts, world.case(deed.case_id), deed), trust)
            assert (verdict.verdict, verdict.number) == ("valid", deed.number)
        assert not [row for row in rows if row.state == NumberState.RESERVED]
