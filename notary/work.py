"""The worker: takes jobs from the queue until told to stop, and takes over those of a worker that died."""

from __future__ import annotations

import asyncio
import logging

import procrastinate

from notary import jobs
from notary.database import JOBS_SCHEMA, libpq
from notary.parts import parts_from
from notary.settings import Settings

CONCURRENCY = 4
DEAD_AFTER = 15.0
"""Seconds without a heartbeat after which a worker's jobs are taken over."""


def work(settings: Settings) -> int:
    logging.basicConfig(level=logging.WARNING)
    jobs.load()
    jobs.use(parts_from(settings))
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
    return 0


async def _rescue(queue: procrastinate.App) -> int:
    """Puts the jobs of dead workers back into the queue; returns how many."""
    count = 0
    for job in await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
        await queue.job_manager.retry_job(job)
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
    from notary.office import issuing

    issuing.finish(jobs.here())


@jobs.queue.periodic(cron="20 3 * * *")
@jobs.queue.task(name="renew-stamps", queueing_lock="renew-stamps")
def renew_stamps(timestamp: int) -> None:
    """Deeds whose archive stamp is a year old get a new one."""
    from notary.office import renewing

    renewing.enqueue_due(jobs.here())
