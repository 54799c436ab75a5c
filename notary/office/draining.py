"""A media worker that is to be replaced takes no new room, finishes those it has, ends, and stays down until it is taken up."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import NotFound
from notary.ledger import SYSTEM, Actor
from notary.media import rooms_held
from notary.models import Interview, MediaRoom, MediaWorker
from notary.office.operating import DRAINED, workers
from notary.parts import Parts, parts_from
from notary.settings import Settings
from webrtc.client import MediaError
from webrtc.errors import NoSuchRoom

NEVER_CAME = timedelta(minutes=1)
"""After so long a room without an interview belongs to a transaction that failed."""


def drain(db: Session, parts: Parts, number: int, by: Actor, now: datetime) -> None:
    """No room is pinned to the worker from now on; with its last one it ends. Raises NotFound."""
    worker = _locked(db, parts, number)
    if worker.draining_since is None:
        worker.draining_since, worker.draining_by = now, by.name or str(by.role)
        ledger.append(db, "media.draining", by, now, worker=number, rooms=rooms_held(db).get(number, 0))
    _tell_to_end(db, parts, worker)


def take_up(db: Session, parts: Parts, number: int, by: Actor, now: datetime) -> None:
    """It takes rooms again; if it has ended, its supervisor starts it. Raises NotFound."""
    worker = _locked(db, parts, number)
    if worker.draining_since is not None:
        ledger.append(db, "media.taken-up", by, now, worker=number)
    worker.draining_since, worker.draining_by = None, ""
    with suppress(MediaError):  # one that is down knows of no drain
        parts.media.each[number].drain(on=False)


def take_up_all(db: Session, now: datetime) -> None:
    """At the office's own start every worker is new: none drains any more."""
    for number in db.scalars(sa.select(MediaWorker.number).where(MediaWorker.draining_since.is_not(None))):
        ledger.append(db, "media.taken-up", SYSTEM, now, worker=number, why="start")
    db.execute(sa.update(MediaWorker).values(draining_since=None, draining_by=""))


def drains(db: Session, number: int) -> bool:
    query = sa.select(MediaWorker.draining_since).where(MediaWorker.number == number)
    return db.scalar(query) is not None


def see_off(parts: Parts) -> None:
    """Workers that drain and hold no room any more are told to end. Safe to run again: one that is told twice ends once."""
    with parts.db.begin() as db:
        for worker in parts.media.locked(db):
            if worker.draining_since is not None and worker.number in parts.media.each:
                _tell_to_end(db, parts, worker)


def clear(parts: Parts) -> None:
    """Closes rooms whose interview is over or was never committed, so that no worker waits for them."""
    with parts.db() as db:
        query = (
            sa.select(MediaRoom.room, MediaRoom.worker)
            .outerjoin(Interview, Interview.id == MediaRoom.room)
            .where(MediaRoom.closed_at.is_(None), MediaRoom.pinned_at < parts.clock() - NEVER_CAME)
            .where(sa.or_(Interview.id.is_(None), Interview.closed_at.is_not(None)))
        )
        left = [(room, worker) for room, worker in db.execute(query)]
    for room, worker in left:
        _close(parts, room, worker)


def _close(parts: Parts, room: UUID, worker: int) -> None:
    try:
        parts.media.close_room(str(room))
    except NoSuchRoom:  # its worker has ended since; what was recorded is in the store
        parts.media.forget(room)
    except MediaError:
        if worker not in parts.media.each:
            parts.media.forget(room)


def _locked(db: Session, parts: Parts, number: int) -> MediaWorker:
    found = {one.number: one for one in parts.media.locked(db)}
    if number not in found or number not in parts.media.each:
        raise NotFound
    return found[number]


def _tell_to_end(db: Session, parts: Parts, worker: MediaWorker) -> None:
    """Only one without rooms is told: a worker that died and came back must wait for the browsers of those it had."""
    if not rooms_held(db).get(worker.number):
        with suppress(MediaError):  # it has ended, or is told at the next look
            parts.media.each[worker.number].drain()


def main(settings: Settings, number: int | None, *, wait: bool, back: bool) -> int:
    """`python -m notary drain`: exit 0 when it is done, 64 for a worker that there is not."""
    parts = parts_from(settings)
    if number is not None:
        try:
            with parts.db.begin() as db:
                if back:
                    take_up(db, parts, number, SYSTEM, parts.clock())
                else:
                    drain(db, parts, number, SYSTEM, parts.clock())
        except NotFound:
            print(f"drain: there is no media worker {number}; there are {len(parts.media.each)}", file=sys.stderr)
            return 64
    while True:
        with parts.db() as db:
            seen = workers(db, parts)
        asked = seen[number - 1] if number and wait else None
        if asked is None or asked.draining_since is None or asked.state == DRAINED:
            break
        time.sleep(1)
    for one in seen:
        print(f"media worker {one.number}: {one.state}, {one.rooms} rooms")
    return 0
