"""A case, its people, its papers, and what was done with them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from notary.lifecycle import State
from notary.models.base import Base, key, one_of


class Channel(StrEnum):
    WEB = "web"
    PHONE = "phone"


class Case(Base):
    __tablename__ = "cases"
    id: Mapped[UUID] = key()
    office_id: Mapped[UUID] = mapped_column(ForeignKey("offices.id"), index=True)
    reference: Mapped[str] = mapped_column(unique=True)
    """What people say on the phone, e.g. 2026-远-0317."""
    matter: Mapped[str]
    profile: Mapped[str]
    rules_digest: Mapped[str]
    """SHA-256 of the set of rules that the case was filed under."""
    channel: Mapped[Channel] = mapped_column(one_of(Channel), default=Channel.WEB)
    applicant_id: Mapped[UUID | None] = mapped_column(ForeignKey("applicants.id"), default=None, index=True)
    locale: Mapped[str] = mapped_column(default="zh")
    filed: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    """The form's fields by key, as given."""
    care: Mapped[list[Any]] = mapped_column(default_factory=list)
    """Care that the applicant declared, e.g. elder, hearing (S-B14)."""
    data_key: Mapped[bytes] = mapped_column(LargeBinary, repr=False)
    """The case's AES-256-GCM key, wrapped by the storage key."""
    notary_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    approver_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    code: Mapped[str] = mapped_column(unique=True, repr=False)
    """Status code that the applicant may type instead of logging in (G11)."""
    wanted_by: Mapped[datetime | None] = mapped_column(default=None)
    """The bank's deadline, if there is one: it puts the case at the head of the queue."""
    due: Mapped[datetime | None] = mapped_column(default=None)
    """End of the last working day, 公证法 art. 30."""
    asap_at: Mapped[datetime | None] = mapped_column(default=None)
    """Since when the applicant waits for the next free notary."""
    approved_on: Mapped[date | None] = mapped_column(default=None)
    """Date of approval in the office's zone: the deed's date (公证法 art. 32)."""
    created_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None] = mapped_column(default=None)
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)
    state: Mapped[State] = mapped_column(one_of(State), init=False, default=State.DRAFT)
    """Only office/step.py writes it."""
    version: Mapped[int] = mapped_column(init=False)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (SQLAlchemy's attribute)
    __table_args__ = (
        CheckConstraint("approver_id IS NULL OR approver_id <> notary_id", name="approver_is_another"),
        Index("ix_cases_state_office_id", "state", "office_id"),
    )


class Party(Base):
    __tablename__ = "parties"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    role: Mapped[str] = mapped_column(default="applicant")
    name: Mapped[str] = mapped_column(default="", repr=False)
    name_en: Mapped[str] = mapped_column(default="", repr=False)
    sex: Mapped[str] = mapped_column(default="")
    birth: Mapped[date | None] = mapped_column(default=None, repr=False)
    id_type: Mapped[str] = mapped_column(default="cn_id")
    id_number: Mapped[str] = mapped_column(default="", repr=False)
    address: Mapped[str] = mapped_column(default="", repr=False)
    phone: Mapped[str] = mapped_column(default="", repr=False)
    confirmed: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    """What the machine read from the card beside what the applicant confirmed."""


class Exhibit(Base):
    """One paper of the case: a write-once object, hashed before it was encrypted."""

    __tablename__ = "exhibits"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    material: Mapped[str]
    name: Mapped[str] = mapped_column(repr=False)
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    """Of the stored (re-encoded) plaintext."""
    original_sha256: Mapped[str]
    object_key: Mapped[str]
    pages: Mapped[int] = mapped_column(default=1)
    read: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    """What the machine read, and its checks."""
    read_at: Mapped[datetime | None] = mapped_column(default=None)
    added_at: Mapped[datetime]
    added_by: Mapped[str]
    withdrawn_at: Mapped[datetime | None] = mapped_column(default=None)


class Event(Base):
    """One line of the ledger; `seq` has no gaps, rows are never changed (a trigger refuses)."""

    __tablename__ = "events"
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    office_id: Mapped[UUID | None] = mapped_column(default=None)
    case_id: Mapped[UUID | None] = mapped_column(default=None, index=True)
    kind: Mapped[str]
    actor: Mapped[str]
    role: Mapped[str]
    at: Mapped[datetime]
    payload: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    salt: Mapped[bytes] = mapped_column(LargeBinary, repr=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    """Canonical JSON without personal data: kind, time, case, salted commitment to actor and payload."""
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """RFC 9162 §2.1.1."""
    __table_args__ = (Index("ix_events_kind_seq", "kind", "seq"),)


class Series(Base):
    """Deed numbers of one office, year and class: a locked row, never a sequence (sequences leave gaps)."""

    __tablename__ = "series"
    id: Mapped[UUID] = key()
    office_id: Mapped[UUID] = mapped_column(ForeignKey("offices.id"))
    year: Mapped[int]
    letter: Mapped[str]
    last: Mapped[int] = mapped_column(default=0)
    __table_args__ = (UniqueConstraint("office_id", "year", "letter"),)
