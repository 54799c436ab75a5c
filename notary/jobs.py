"""procrastinate's tasks. A job is enqueued in the transaction that wants it, and every job is safe to run twice."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable
from typing import Any

import procrastinate
import sqlalchemy as sa
from procrastinate import RetryStrategy
from procrastinate.manager import JobManager
from sqlalchemy.orm import Session

from notary.parts import Parts

queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
_written = JobManager(procrastinate.SyncPsycopgConnector())
Work = Callable[..., None]
_parts: Parts | None = None


def use(parts: Parts) -> None:
    """Tells this worker process what its jobs work with."""
    global _parts
    _parts = parts


def here() -> Parts:
    """What this worker's jobs work with."""
    if _parts is None:
        raise RuntimeError("a job ran outside a worker")
    return _parts


def pending(db: Session, name: str, **arguments: Any) -> bool:
    """Whether such a job waits or runs, so that a watchman adds no second one."""
    query = sa.text(
        "SELECT EXISTS (SELECT 1 FROM procrastinate_jobs "
        "WHERE task_name = :name AND status IN ('todo', 'doing') AND args = cast(:args AS jsonb))"
    )
    return bool(db.scalar(query, {"name": name, "args": json.dumps(arguments)}))


def job(name: str, *, attempts: int = 5) -> Callable[[Work], Work]:
    """Registers `work(parts, **arguments)` under `name`; retried with growing pauses, then left as failed."""

    def register(work: Work) -> Work:
        @queue.task(name=name, retry=RetryStrategy(max_attempts=attempts, exponential_wait=3))
        def run(**arguments: Any) -> None:
            work(here(), **arguments)

        return work

    return register


def enqueue(db: Session, name: str, **arguments: Any) -> None:
    """Puts a job into the queue in `db`'s own transaction: it exists if and only if that commits."""
    deferrer = queue.tasks[name].configure(connection=db.connection().connection.driver_connection)
    deferrer.job_manager = _written  # in a worker the queue's own connector speaks to asynchronous connections only
    deferrer.defer(**arguments)


def load() -> None:
    """Imports every verb of the office: importing is what registers jobs here and needs in `office/needs.py`."""
    import notary.office

    for found in pkgutil.iter_modules(notary.office.__path__):
        importlib.import_module(f"notary.office.{found.name}")
