"""SIGKILL at any moment between number and deed: none twice, none missing without a void entry, all issued valid."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import deed_world
import pytest
import sqlalchemy as sa

from notary.models import Deed, Number, NumberState, Series
from notary.office import issuing
from signing.verify import Trust, verify

KILLS = int(os.environ.get("KILLS", "30"))
LONGEST = 2.5
"""Seconds of an undisturbed issue, and a little: kills fall all over it."""


@pytest.fixture
def warm(world):
    command = [
        sys.executable, str(Path(__file__).parent / "killed_worker.py"), str(world.home), world.settings.database_url,
        str(world.clock.ahead.total_seconds()), str(deed_world.ANCHOR),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert json.loads(process.stdout.readline())["ready"]

    def do(job, number, after):
        process.stdin.write(json.dumps({"job": job, "number": str(number), "after": after}) + "\n")
        return json.loads(process.stdout.readline())["ended"]

    yield do
    process.stdin.close()
    process.terminate()
    process.wait(20)


@pytest.mark.slow
@pytest.mark.req("H02")
@pytest.mark.timeout(1800)
def test_whatever_dies_no_number_is_lost_or_used_twice_and_every_deed_is_whole(world, warm):
    """Two cases through approval, voids, and issue; each job is killed again and again before it may end."""
    chance, killed = random.Random(20261124), 0
    for case_id in world.case_ids:
        world.draft_and_propose(case_id)

    def reserve(case_id):
        assert world.approve(case_id).status_code == 200
        with world.parts.db() as db:
            return issuing.reserved(db, world.case(case_id)).id

    def disturb(job, number, times):
        nonlocal killed
        for _n in range(times):
            killed += warm(job, number, chance.uniform(0, LONGEST)) == "killed"
        assert warm(job, number, None) == 0

    rendering = KILLS // 3 // (2 * len(world.case_ids))
    for case_id in world.case_ids:
        first = reserve(case_id)
        disturb("render-body", first, rendering)
        assert world.browser("chenjing").form(f"/desk/cases/{case_id}/void", reason="换一个编号再来").status_code == 303
        assert warm("render-body", first, None) == 0  # a late run of a voided number does nothing
        world.draft_and_propose(case_id)
        disturb("render-body", reserve(case_id), rendering)
    assert world.seal(*world.case_ids).status_code == 200
    for at, case_id in enumerate(world.case_ids):
        with world.parts.db() as db:
            number = issuing.reserved(db, world.case(case_id)).id
        left = len(world.case_ids) - at
        while killed < KILLS - (left - 1) * (KILLS // 3):
            ended = warm("issue-deed", number, chance.uniform(0, LONGEST))
            killed += ended == "killed"
            if world.case(case_id).state == "issued" and ended == 0:
                break
            check(world)
        assert warm("issue-deed", number, None) == 0
    while killed < KILLS:  # a deed that stands is not made again, whatever dies in the attempt
        killed += warm("issue-deed", number, chance.uniform(0, 0.05)) == "killed"
    check(world, finished=True)
    assert killed >= KILLS


def check(world, *, finished=False):
    trust = Trust.from_pem(world.parts.seal.public().trust_pem)
    with world.parts.db() as db:
        last = db.scalars(sa.select(Series)).one().last
        rows = db.scalars(sa.select(Number).order_by(Number.n)).all()
        deeds = {deed.number_id: deed for deed in db.scalars(sa.select(Deed))}
    assert [row.n for row in rows] == list(range(1, last + 1))
    for row in rows:
        assert (row.state == NumberState.ISSUED) == (row.id in deeds)
        assert row.state != NumberState.VOID or row.why_void
    if finished:
        assert len(deeds) == len(world.case_ids)
        for deed in deeds.values():
            data = issuing.deed_bytes(world.parts, world.case(deed.case_id), deed)
            verdict = verify(data, trust)
            assert (verdict.verdict, verdict.number) == ("valid", deed.number)
            assert world.case(deed.case_id).state == "issued"
        assert not [row for row in rows if row.state == NumberState.RESERVED]
