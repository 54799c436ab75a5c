"""Jobs: in the business transaction or not at all, and taken over when a worker dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from notary import jobs
from notary.models import Message, MessageState
from notary.office import messages

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def loaded():
    jobs.load()


def waiting(db) -> int:
    return db.scalar(sa.text("SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'send-message'"))


def test_a_job_is_there_if_and_only_if_its_transaction_commits(parts, clock):
    with parts.db() as db:
        messages.send(db, to="+8613800138000", text="lost", now=clock())
        db.rollback()
    with parts.db.begin() as db:
        assert 0 == waiting(db)
        messages.send(db, to="+8613800138000", text="kept", now=clock())
    with parts.db() as db:
        assert 1 == waiting(db)
        assert ["kept"] == list(db.scalars(sa.select(Message.text)))


def test_a_message_is_sent_once_even_if_its_job_runs_twice(parts, clock):
    with parts.db.begin() as db:
        message = messages.send(db, to="+8613800138000", text="once", now=clock())
    messages.send_message(parts, str(message.id))
    with parts.db() as db:
        first = db.get(Message, message.id).done_at
    clock.pass_by(minutes=5)
    messages.send_message(parts, str(message.id))
    with parts.db() as db:
        again = db.get(Message, message.id)

    assert MessageState.SHOWN is again.state
    assert first == again.done_at


WORKER = """
import sys, time
from notary import jobs, work
from notary.settings import Settings

@jobs.job("test-slow")
def slow(parts, mark):
    with open(mark, "a") as file:
        file.write("began\\n")
    if sys.argv[1] == "hang":
        time.sleep(60)
    with open(mark, "a") as file:
        file.write("done\\n")

work.DEAD_AFTER = 3.0
sys.exit(work.work(Settings.from_env()))
"""


@pytest.mark.slow
@pytest.mark.req("K10")
def test_a_killed_workers_job_is_taken_over(parts, settings, tmp_path):
    mark = tmp_path / "mark"
    environ = {
        **os.environ, "HOME_DIR": str(settings.home), "DATABASE_URL": settings.database_url,
        "STORAGE_KEY": settings.storage_key.hex(), "SECRET_KEY": settings.secret_key,
    }  # fmt: skip

    @jobs.job("test-slow")
    def slow(parts, mark):
        raise AssertionError("runs in the worker only")

    with parts.db.begin() as db:
        jobs.enqueue(db, "test-slow", mark=str(mark))
    first = subprocess.Popen([sys.executable, "-c", WORKER, "hang"], cwd=ROOT, env=environ)
    wait_until(mark.exists, 30)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = subprocess.Popen([sys.executable, "-c", WORKER, "go"], cwd=ROOT, env=environ)
    try:
        wait_until(lambda: "done" in mark.read_text(), 60)
    finally:
        second.terminate()
        second.wait(20)

    assert "began\nbegan\ndone\n" == mark.read_text()


def wait_until(true, seconds):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


@pytest.mark.req("K10")
def test_a_dead_workers_round_whose_twin_waits_holds_back_no_other_job(parts, settings):
    import asyncio

    import procrastinate

    from notary import work
    from notary.database import JOBS_SCHEMA, libpq

    rows = (
        ("finish-deeds", "finish-deeds", "doing"), ("finish-deeds", "finish-deeds", "todo"), ("render-body", None, "doing"),
    )  # fmt: skip
    insert = (
        "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, status, args) "
        "VALUES ('default', :task, :lock, CAST(:status AS procrastinate_job_status), '{}')"
    )
    with parts.db.begin() as db:
        for task, lock, status in rows:
            db.execute(sa.text(insert), {"task": task, "lock": lock, "status": status})

    async def all_of_it():
        connector = procrastinate.PsycopgConnector(
            conninfo=libpq(settings.database_url), kwargs={"options": f"-c search_path=public,{JOBS_SCHEMA}"}
        )
        with jobs.queue.replace_connector(connector) as queue:
            async with queue.open_async():
                return await work._rescue(queue)

    assert asyncio.run(all_of_it()) == 2
    with parts.db() as db:
        found = db.execute(sa.text("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id")).all()
    assert [tuple(one) for one in found] == [
        ("finish-deeds", "aborted"),
        ("finish-deeds", "todo"),
        ("render-body", "todo"),
    ]


def test_a_worker_that_starts_knows_every_need_before_its_first_job():
    """A check that only the web process had imported would hold back every deed that a worker issues."""
    script = "from notary import jobs; jobs.load(); from notary.office import needs; print(*sorted(needs.CHECKS))"
    fresh = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    from notary.office import needs

    assert fresh.stdout.split() == sorted(needs.CHECKS)
    assert "recording" in fresh.stdout.split()
