"""
The media workers as one: every room at the worker that it is pinned to.

Pins are transactions of their own, committed before a worker is asked: a case's transaction that fails afterwards
leaves a pin that `office/draining.py` clears away, never a room that nobody knows. Two workers cannot write one
recording whatever stands here: the journal's lock is theirs (`webrtc/archive.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from notary.database import fresh
from notary.models import MediaRoom, MediaWorker
from webrtc.client import MediaClient, Rooms, Seen
from webrtc.errors import Busy, MediaError, NoSuchRoom, Unreachable
from webrtc.protocol import CloseRoom, OpenRoom, Request

AWAY_S = 10.0
"""Seconds without an answer from which a worker's rooms may open at another: its supervisor has had time to start it."""
FORGIVEN_S = 60.0
"""Seconds after which an old failure says nothing of a new one."""
KNOWN_AT_MOST = 2000


class Workers(Rooms):
    """`sockets`: the workers' in the order of their numbers, which begin with 1. `db`: connections for pins alone."""

    def __init__(
        self, sockets: Sequence[Path], db: sessionmaker[Session], clock: Callable[[], datetime], timeout: float = 10.0
    ) -> None:
        self.each = {number: MediaClient(path, timeout) for number, path in enumerate(sockets, 1)}
        self._db, self._clock = db, clock
        self._known: dict[UUID, int] = {}
        self._silent: dict[int, tuple[float, float]] = {}  # since when a worker has not answered, and when last not

    def call(self, request: Request, timeout: float | None = None) -> dict[str, Any]:
        """The answer of the worker that the room is pinned to. Raises NoSuchRoom where it is pinned to none."""
        room = _id_of(request.room)
        if isinstance(request, OpenRoom):
            return self._open(room, request)
        number = self._known.get(room) or self._pinned(room)
        try:
            answer = self._ask(number, request, timeout)
        except (NoSuchRoom, Unreachable):
            moved = self._pinned(room)
            if moved == number:
                raise
            answer = self._ask(moved, request, timeout)
        if isinstance(request, CloseRoom):
            self.forget(room)
        return answer

    def watch(self, room_id: str, leg: str, seconds: float, rate: float = 12.0) -> Iterator[Seen]:
        """From the worker that the room is pinned to."""
        number = self._pinned(_id_of(room_id))
        if number not in self.each:
            raise Unreachable(f"there is no media worker {number} any more")
        return self.each[number].watch(room_id, leg, seconds, rate)

    def forget(self, room: UUID) -> None:
        """The room is closed and takes no place any more."""
        self._known.pop(room, None)
        with self._db.begin() as db:
            db.execute(
                sa.update(MediaRoom)
                .where(MediaRoom.room == room, MediaRoom.closed_at.is_(None))
                .values(closed_at=self._clock())
            )

    def locked(self, db: Session) -> list[MediaWorker]:
        """Every worker's row by number, locked until `db`'s transaction ends: no room is pinned meanwhile."""
        db.execute(
            insert(MediaWorker)
            .values([{"number": number, "draining_by": ""} for number in self.each])
            .on_conflict_do_nothing()
        )
        return list(db.scalars(fresh(sa.select(MediaWorker).order_by(MediaWorker.number))))

    # where a room is

    def _pinned(self, room: UUID) -> int:
        with self._db() as db:
            number = db.scalar(sa.select(MediaRoom.worker).where(MediaRoom.room == room))
        if number is None:
            raise NoSuchRoom("the room is not open at any worker")
        return self._note(room, number)

    def _note(self, room: UUID, number: int) -> int:
        if len(self._known) > KNOWN_AT_MOST:
            self._known.clear()
        self._known[room] = number
        return number

    def _open(self, room: UUID, request: OpenRoom) -> dict[str, Any]:
        number, new = self._pin(room)
        try:
            return self._ask(number, self._beside_others(request, number))
        except Unreachable:
            if not new and not self._away(number):
                raise
            return self._move(room, number, request)

    def _pin(self, room: UUID) -> tuple[int, bool]:
        """The worker of a room, and whether it was chosen now: the fewest rooms, not draining. Raises Busy."""
        with self._db.begin() as db:
            pinned = sa.select(MediaRoom.worker).where(MediaRoom.room == room)
            if (number := db.scalar(pinned)) is not None:
                return self._note(room, number), False
            workers = self.locked(db)
            if (number := db.scalar(pinned)) is not None:  # while we waited for the lock
                return self._note(room, number), False
            if (number := self._least(db, workers)) is None:
                raise Busy("every media worker drains")
            db.add(MediaRoom(room=room, worker=number, pinned_at=self._clock()))
        return self._note(room, number), True

    def _least(self, db: Session, workers: list[MediaWorker]) -> int | None:
        held = rooms_held(db)
        free = [one.number for one in workers if one.number in self.each and one.draining_since is None]
        return min(free, key=lambda number: (self._failed_lately(number), held.get(number, 0), number), default=None)

    def _move(self, room: UUID, away: int, request: OpenRoom) -> dict[str, Any]:
        """Opens the room at another worker, and pins it there if that one has its recording.

        A worker that is not dead but stands still has the journal's lock, and the room stays with it. Raises RoomTaken.
        """
        with self._db.begin() as db:
            pin = db.scalar(fresh(sa.select(MediaRoom).where(MediaRoom.room == room)))
            if pin is None:
                raise NoSuchRoom("the room is not open at any worker")
            chosen: int | None = pin.worker  # somebody else has moved it meanwhile
            if pin.worker == away:
                others = db.scalars(sa.select(MediaWorker).where(MediaWorker.number != away))
                chosen = self._least(db, list(others))
            if chosen is None:
                raise Unreachable("the media worker does not answer, and there is no other")
            answer = self._ask(chosen, self._beside_others(request, chosen))
            pin.worker = chosen
        self._note(room, chosen)
        return answer

    def _beside_others(self, request: OpenRoom, number: int) -> OpenRoom:
        """The request with what the other workers' rooms will take of the disk that all of them share (D15)."""
        with self._db() as db:
            many = sum(count for worker, count in rooms_held(db).items() if worker != number)
        elsewhere = many * request.limits.expected_bytes
        return replace(request, limits=replace(request.limits, elsewhere_bytes=elsewhere))

    # asking one of them

    def _ask(self, number: int, request: Request, timeout: float | None = None) -> dict[str, Any]:
        if number not in self.each:
            raise Unreachable(f"there is no media worker {number} any more")
        try:
            answer = self.each[number].call(request, timeout)
        except Unreachable:
            now = time.monotonic()
            since, last = self._silent.get(number, (now, now))
            self._silent[number] = (since if now - last < FORGIVEN_S else now, now)
            raise
        except MediaError:
            self._silent.pop(number, None)
            raise
        self._silent.pop(number, None)
        return answer

    def _away(self, number: int) -> bool:
        if number not in self.each:
            return True
        since, _last = self._silent.get(number, (time.monotonic(), 0.0))
        return time.monotonic() - since >= AWAY_S

    def _failed_lately(self, number: int) -> bool:
        _since, last = self._silent.get(number, (0.0, float("-inf")))
        return time.monotonic() - last < AWAY_S


def _id_of(room: str) -> UUID:
    """Raises NoSuchRoom."""
    try:
        return UUID(room)
    except ValueError:
        raise NoSuchRoom("no room of the office has such a name") from None


def rooms_held(db: Session) -> dict[int, int]:
    """How many open rooms are pinned to each worker that has any."""
    query = sa.select(MediaRoom.worker, sa.func.count()).where(MediaRoom.closed_at.is_(None)).group_by(MediaRoom.worker)
    return dict(db.execute(query).tuples().all())
