"""The media workers of this machine, and which of them holds which room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from notary.models.base import Base


class MediaWorker(Base):
    """One media process. Its row is what an opening and a drain lock, so that neither overlooks the other."""

    __tablename__ = "media_workers"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    draining_since: Mapped[datetime | None] = mapped_column(default=None)
    draining_by: Mapped[str] = mapped_column(default="")


class MediaRoom(Base):
    """A room is pinned to one worker before it opens there."""

    __tablename__ = "media_rooms"
    room: Mapped[UUID] = mapped_column(primary_key=True)
    """The interview's id. No foreign key: the room stands before the interview is committed."""
    worker: Mapped[int] = mapped_column(ForeignKey("media_workers.number"))
    pinned_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    __table_args__ = (Index("ix_media_rooms_live", "worker", postgresql_where=text("closed_at IS NULL")),)
