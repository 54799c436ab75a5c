"""How the media workers do, for whoever runs the machine: the page at the desk, `/metrics`, and `python -m notary drain`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary.media import rooms_held
from notary.models import Case, Interview, MediaRoom, MediaWorker, Person
from notary.office.hearing import LEGS
from notary.parts import Parts
from webrtc.client import MediaError
from webrtc.health import FROZEN_S

UP, DRAINING, DRAINED, AWAY = "up", "draining", "drained", "away"


@dataclass(frozen=True)
class WorkerSeen:
    """One media worker. `rooms`: pinned to it; `health`: empty while it is down."""

    number: int
    rooms: int
    draining_since: datetime | None
    draining_by: str
    health: dict[str, Any]

    @property
    def state(self) -> str:
        """UP, DRAINING, DRAINED or AWAY; one that died while it drained is away until its rooms are finished."""
        if not self.health:
            return DRAINED if self.draining_since and not self.rooms else AWAY
        return DRAINING if self.draining_since else UP


@dataclass(frozen=True)
class PartySeen:
    """One party of a room; loss is a share, `delay_ms` the round trip."""

    leg: str
    connected: bool
    frozen: bool
    loss: float
    delay_ms: float


@dataclass(frozen=True)
class RoomSeen:
    reference: str
    notary: Person
    opened_at: datetime
    worker: int
    parties: tuple[PartySeen, ...]
    """Empty where no worker answers for the room."""
    recording: bool


def workers(db: Session, parts: Parts) -> list[WorkerSeen]:
    """Every worker by number, asked now."""
    held = rooms_held(db)
    rows = {one.number: one for one in db.scalars(sa.select(MediaWorker))}
    found = []
    for number, client in parts.media.each.items():
        row = rows.get(number)
        try:
            health = client.health()
        except MediaError:
            health = {}
        since, by = (row.draining_since, row.draining_by) if row else (None, "")
        found.append(WorkerSeen(number, held.get(number, 0), since, by, health))
    return found


def rooms(db: Session, parts: Parts, office_id: UUID) -> list[RoomSeen]:
    """The office's open interviews, the oldest first."""
    query = (
        sa.select(MediaRoom.room, MediaRoom.worker, Interview.opened_at, Case.reference, Person)
        .join(Interview, Interview.id == MediaRoom.room)
        .join(Case, Case.id == Interview.case_id)
        .join(Person, Person.id == Interview.notary_id)
        .where(MediaRoom.closed_at.is_(None), Interview.closed_at.is_(None), Case.office_id == office_id)
        .order_by(Interview.opened_at)
    )
    return [_room(parts, *row) for row in db.execute(query)]


def _room(parts: Parts, room: UUID, worker: int, opened_at: datetime, reference: str, notary: Person) -> RoomSeen:
    try:
        status = parts.media.status(str(room))
    except MediaError:
        return RoomSeen(reference, notary, opened_at, worker, (), False)
    parties = tuple(_party(leg, status["legs"].get(leg, {})) for leg in LEGS)
    return RoomSeen(reference, notary, opened_at, worker, parties, bool(status["recorder"]["ok"]))


def _party(leg: str, said: dict[str, Any]) -> PartySeen:
    connected = bool(said.get("connected"))
    ages = said.get("ages", {}).values()
    frozen = connected and any(age is None or age > FROZEN_S for age in ages)
    loss = max(said.get("loss_up", 0.0), said.get("loss_down", 0.0))
    return PartySeen(leg, connected, frozen, loss, said.get("rtt", 0.0) * 1000)


def jobs_by_state(db: Session) -> dict[str, int]:
    """How many jobs the queue knows in each state."""
    query = sa.text("SELECT CAST(status AS text), count(*) FROM procrastinate_jobs GROUP BY status")
    return dict(db.execute(query).tuples().all())
