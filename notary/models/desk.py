"""The desk: slots and the queue, tickets, declarations, consents, receipts."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from notary.models.base import Base, key, one_of


class Slot(Base):
    """Half an hour of one notary that a case has taken. Free time is reckoned, taken time is a row."""

    __tablename__ = "slots"
    id: Mapped[UUID] = key()
    notary_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    """The applicant's own IANA zone, shown beside Beijing's."""
    made_at: Mapped[datetime | None] = mapped_column(default=None)
    """When it was booked: a reminder that was due before then is not sent."""
    given_up_at: Mapped[datetime | None] = mapped_column(default=None)
    why: Mapped[str] = mapped_column(default="")
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="order"),
        Index(
            "uq_slots_notary_starts",
            "notary_id",
            "starts_at",
            unique=True,
            postgresql_where=text("given_up_at IS NULL"),
        ),
        Index("uq_slots_case", "case_id", unique=True, postgresql_where=text("given_up_at IS NULL")),
    )


class TicketState(StrEnum):
    OPEN = "open"
    DONE = "done"


class Ticket(Base):
    """Somebody asked to be called, or called: one owner, one deadline, one outcome (M04, M08)."""

    __tablename__ = "tickets"
    id: Mapped[UUID] = key()
    office_id: Mapped[UUID] = mapped_column(ForeignKey("offices.id"))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"), default=None)
    phone: Mapped[str] = mapped_column(repr=False)
    name: Mapped[str] = mapped_column(default="", repr=False)
    matter: Mapped[str] = mapped_column(default="")
    page: Mapped[str] = mapped_column(default="")
    about: Mapped[str] = mapped_column(default="", repr=False)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    state: Mapped[TicketState] = mapped_column(one_of(TicketState), default=TicketState.OPEN)
    outcome: Mapped[str] = mapped_column(default="")
    due: Mapped[datetime]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(default=None)


class Recusal(Base):
    """A notary's declaration where only the name equals a party's: related or not, and why (公证法 art. 23)."""

    __tablename__ = "recusals"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    notary_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    related: Mapped[bool]
    text: Mapped[str]
    at: Mapped[datetime]


class ConsentKind(StrEnum):
    RECORDING = "recording"
    FACE = "face"
    NOTICE = "notice"
    LIABILITY = "liability"
    RECIPIENT = "recipient"


class Consent(Base):
    """One consent, given or refused, with the exact words shown; withdrawal is a later row's `given = false`."""

    __tablename__ = "consents"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    kind: Mapped[ConsentKind] = mapped_column(one_of(ConsentKind))
    about: Mapped[str] = mapped_column(default="")
    """For a recipient: its key in the matter."""
    given: Mapped[bool]
    words: Mapped[str] = mapped_column(repr=False)
    manner: Mapped[str] = mapped_column(default="ticked")
    media_time: Mapped[float | None] = mapped_column(default=None)
    at: Mapped[datetime]


class Gap(Base):
    """One thing missing when a case was sent back: all of them are named at once (A10)."""

    __tablename__ = "gaps"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    round: Mapped[int]
    item: Mapped[str]
    """`field:KEY`, `material:KEY`, or `other`."""
    words: Mapped[str] = mapped_column(repr=False)
    missed_before: Mapped[bool] = mapped_column(default=False)
    """The first return could have named it: a quality flag."""
    at: Mapped[datetime]


class Payment(Base):
    """A fee paid at the office and what was handed out for it."""

    __tablename__ = "payments"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    fen: Mapped[int]
    receipt: Mapped[str] = mapped_column(unique=True)
    manner: Mapped[str]
    taken_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    __table_args__ = (CheckConstraint("fen >= 0", name="not_negative"),)


class DeviceCheck(Base):
    __tablename__ = "device_checks"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"), default=None, index=True)
    results: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    passed: Mapped[bool]
    at: Mapped[datetime]


class Rating(Base):
    __tablename__ = "ratings"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    moment: Mapped[str]
    stars: Mapped[int]
    text: Mapped[str] = mapped_column(default="", repr=False)
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("stars BETWEEN 1 AND 5", name="one_to_five"),
        CheckConstraint("moment IN ('interview', 'delivery')", name="moment"),
        UniqueConstraint("case_id", "moment"),
    )


class Assessment(Base):
    """The office's written assessment before faces are processed by machine (PIPL art. 55, 56). Rows are only added."""

    __tablename__ = "assessments"
    id: Mapped[UUID] = key()
    office_id: Mapped[UUID] = mapped_column(ForeignKey("offices.id"), index=True)
    owner: Mapped[str]
    """Who answers for it."""
    held_on: Mapped[date]
    purpose: Mapped[str]
    """Whether purpose and manner are lawful, legitimate and necessary."""
    risks: Mapped[str]
    """What it may do to people, and what may go wrong."""
    measures: Mapped[str]
    """What is done about it, and whether that is enough."""
    filed_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    filed_at: Mapped[datetime]
