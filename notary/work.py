"""The worker: takes jobs from the queue until told to stop, and takes over those of a worker that died."""

from __future__ import annotations

import asyncio
import logging
import threading

import procrastinate
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from notary import jobs
from notary.database import JOBS_SCHEMA, libpq
from notary.office.watching import Watchman
from notary.parts import parts_from
from notary.settings import Settings

CONCURRENCY = 4
DEAD_AFTER = 15.0
"""Seconds without a heartbeat after which a worker's jobs are taken over."""


def work(settings: Settings) -> int:
    logging.basicConfig(level=logging.WARNING)
    jobs.load()
    parts = parts_from(settings)
    jobs.use(parts)
    watchman = Watchman(parts)
    threading.Thread(target=watchman.run, name="watchman", daemon=True).start()
    connector = procrastinate.PsycopgConnector(
        conninfo=libpq(settings.database_url),
        kwargs={"options": f"-c search_path=public,{JOBS_SCHEMA} -c timezone=UTC"},
    )
    with jobs.queue.replace_connector(connector) as queue:
        queue.run_worker(
            concurrency=CONCURRENCY,
            fetch_job_polling_interval=2.0,
            update_heartbeat_interval=5.0,
            stalled_worker_timeout=DEAD_AFTER,
            delete_jobs="never",
        )
    watchman.stop()
    return 0


async def _rescue(queue: procrastinate.App) -> int:
    """Puts the jobs of dead workers back into the queue; returns how many.

    A round that comes by the clock has a twin waiting in its place already: it is let go, and holds back no other.
    """
    count = 0
    for job in await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
        try:
            await queue.job_manager.retry_job(job)
        except UniqueViolation:
            await queue.job_manager.finish_job(job, Status.ABORTED, delete_job=False)
        count += 1
    return count


@jobs.queue.periodic(cron="* * * * * */5")
@jobs.queue.task(name="rescue-jobs", pass_context=True, queueing_lock="rescue-jobs")
async def rescue(context: procrastinate.JobContext, timestamp: int) -> None:
    await _rescue(context.app)
    await asyncio.sleep(0)


@jobs.queue.periodic(cron="* * * * *")
@jobs.queue.task(name="finish-deeds", queueing_lock="finish-deeds")
def finish_deeds(timestamp: int) -> None:
    """Deeds whose job is gone go on; numbers that can no longer be issued are voided."""
    from notary.office import issuing, noticing

    issuing.finish(jobs.here())
    noticing.finish(jobs.here())


@jobs.queue.periodic(cron="* * * * * */5")
@jobs.queue.task(name="watch-rooms", queueing_lock="watch-rooms", lock="watch-rooms")
def watch_rooms(timestamp: int) -> None:
    """Rooms that nobody polls any more are suspended and ended as the table for a broken call says."""
    from notary.office import breaking

    breaking.watch_all(jobs.here())


@jobs.queue.periodic(cron="* * * * * */5")
@jobs.queue.task(name="watch-workers", queueing_lock="watch-workers")
def watch_workers(timestamp: int) -> None:
    """Media workers that drain end with their last room; rooms whose interview came to nothing take no place."""
    from notary.office import draining

    draining.clear(jobs.here())
    draining.see_off(jobs.here())


@jobs.queue.periodic(cron="* * * * *")
@jobs.queue.task(name="send-reminders", queueing_lock="send-reminders")
def send_reminders(timestamp: int) -> None:
    """Before appointments, and to ask for a rating."""
    from notary.office import reminding

    reminding.remind(jobs.here())


@jobs.queue.periodic(cron="* * * * *")
@jobs.queue.task(name="blank-codes", queueing_lock="blank-codes")
def blank_codes(timestamp: int) -> None:
    """One-time codes that expired stay readable nowhere."""
    from notary.office import messages

    messages.blank_expired(jobs.here())


@jobs.queue.periodic(cron="0 * * * *")
@jobs.queue.task(name="tidy-queue", pass_context=True, queueing_lock="tidy-queue")
async def tidy(context: procrastinate.JobContext, timestamp: int) -> None:
    """What was done two days ago leaves the queue; the ledger says what happened. What failed stays to be seen."""
    await context.app.job_manager.delete_old_jobs(nb_hours=48)


@jobs.queue.periodic(cron="10 * * * *")
@jobs.queue.task(name="forget-answers", queueing_lock="forget-answers")
def forget_answers(timestamp: int) -> None:
    """What a bank was answered under a key is kept for a day, a failed try for half an hour."""
    from notary.office import limits, once

    parts = jobs.here()
    with parts.db.begin() as db:
        once.forget_old(db, parts.clock())
        limits.forget_old(db, parts.clock())


@jobs.queue.periodic(cron="20 3 * * *")
@jobs.queue.task(name="renew-stamps", queueing_lock="renew-stamps")
def renew_stamps(timestamp: int) -> None:
    """Deeds whose archive stamp is a year old get a new one."""
    from notary.office import renewing

    renewing.enqueue_due(jobs.here())
