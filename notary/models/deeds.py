"""From draft to deed: findings, drafts, numbers, deeds, deliveries, reviews, verifications."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from notary.models.base import Base, key, one_of


class Draft(Base):
    """A version of the certification text; edits show to the approver as a diff from the template (G04)."""

    __tablename__ = "drafts"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    version: Mapped[int] = mapped_column(default=1)
    template: Mapped[str] = mapped_column(repr=False)
    """What the wording gives for these facts, untouched."""
    text: Mapped[str] = mapped_column(repr=False)
    translation: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    """For use abroad (H06): `language`, `title`, `translator`, `text`; empty where none is wanted."""
    findings: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    """Review finding by point of 规则 art. 23."""
    by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("case_id", "version"),)


class Remark(Base):
    """What a person wrote when the case went on, back, or out of the normal way."""

    __tablename__ = "remarks"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    kind: Mapped[str]
    ground: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(repr=False)
    by: Mapped[str]
    at: Mapped[datetime]


class NumberState(StrEnum):
    RESERVED = "reserved"
    ISSUED = "issued"
    VOID = "void"


class Number(Base):
    """Every number of a series is a row: reserved, issued, or void with a reason. None is missing, none twice."""

    __tablename__ = "numbers"
    id: Mapped[UUID] = key()
    series_id: Mapped[UUID] = mapped_column(ForeignKey("series.id"))
    n: Mapped[int]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    text: Mapped[str] = mapped_column(unique=True)
    state: Mapped[NumberState] = mapped_column(one_of(NumberState), default=NumberState.RESERVED)
    approved_on: Mapped[date]
    facts: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    body_sha256: Mapped[str] = mapped_column(default="")
    body_key: Mapped[str] = mapped_column(default="")
    activation: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    why_void: Mapped[str] = mapped_column(default="")
    reserved_at: Mapped[datetime]
    done_at: Mapped[datetime | None] = mapped_column(default=None)
    __table_args__ = (
        UniqueConstraint("series_id", "n"),
        CheckConstraint("n > 0", name="from_one"),
        CheckConstraint("state <> 'void' OR why_void <> ''", name="void_has_reason"),
    )


class Standing(StrEnum):
    VALID = "valid"
    UNDER_REVIEW = "under_review"
    CORRECTED = "corrected"
    REVOKED = "revoked"


class Deed(Base):
    """An issued 公证书. Its whole-file SHA-256 is what makes one changed byte show."""

    __tablename__ = "deeds"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), unique=True)
    number_id: Mapped[UUID] = mapped_column(ForeignKey("numbers.id"), unique=True)
    number: Mapped[str] = mapped_column(unique=True)
    code: Mapped[str] = mapped_column(unique=True)
    """Short code of more than 40 random bits, printed under the QR."""
    sha256: Mapped[str] = mapped_column(unique=True)
    object_key: Mapped[str]
    pages: Mapped[int]
    issued_at: Mapped[datetime]
    standing: Mapped[Standing] = mapped_column(one_of(Standing), default=Standing.VALID)
    standing_at: Mapped[datetime]
    why: Mapped[str] = mapped_column(default="")
    renewed_at: Mapped[datetime | None] = mapped_column(default=None)
    """When its archive stamp was last renewed; `sha256` and `object_key` are of the file from then."""


class FormerFile(Base):
    """A deed's file as it was before a renewal of its archive stamp: no longer handed out, still genuine."""

    __tablename__ = "former_files"
    id: Mapped[UUID] = key()
    deed_id: Mapped[UUID] = mapped_column(ForeignKey("deeds.id"), index=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    object_key: Mapped[str]
    replaced_at: Mapped[datetime]


class DeliveryState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    RECEIVED = "received"
    FAILED = "failed"


class Delivery(Base):
    """One copy to one recipient, with its receipt (H10)."""

    __tablename__ = "deliveries"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    recipient: Mapped[str]
    kind: Mapped[str]
    bank_id: Mapped[UUID | None] = mapped_column(ForeignKey("banks.id"), default=None)
    to: Mapped[str] = mapped_column(default="", repr=False)
    state: Mapped[DeliveryState] = mapped_column(one_of(DeliveryState), default=DeliveryState.WAITING)
    tries: Mapped[int] = mapped_column(default=0)
    why: Mapped[str] = mapped_column(default="")
    token_hash: Mapped[str] = mapped_column(default="", repr=False)
    receipt: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    sent_at: Mapped[datetime | None] = mapped_column(default=None)
    received_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    """Since when the applicant lets this bank fetch the deed no more (PIPL art. 15)."""
    __table_args__ = (UniqueConstraint("case_id", "recipient"),)


class Review(Base):
    """复查: opened by a notary who did not handle the case, decided by an approver who did not open it."""

    __tablename__ = "reviews"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    opened_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    reason: Mapped[str] = mapped_column(repr=False)
    opened_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(default="")
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    decision: Mapped[str] = mapped_column(default="", repr=False)
    corrections: Mapped[list[Any]] = mapped_column(default_factory=list, repr=False)
    """Of a correction: words of the deed and what they are to be, `{"stands", "reads"}` each."""
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    __table_args__ = (CheckConstraint("decided_by <> opened_by", name="two_persons"),)


class NoticeKind(StrEnum):
    CORRECTION = "correction"
    REVOCATION = "revocation"


class Notice(Base):
    """The sealed paper of a decision (补正公证书, 撤销公证书决定书). Its number is of a series of its own and never void:
    the decision stands whether the paper is signed today or tomorrow. Who opened the review signs it.
    """

    __tablename__ = "notices"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    review_id: Mapped[UUID] = mapped_column(ForeignKey("reviews.id"), unique=True)
    kind: Mapped[NoticeKind] = mapped_column(one_of(NoticeKind))
    series_id: Mapped[UUID] = mapped_column(ForeignKey("series.id"))
    n: Mapped[int]
    text: Mapped[str] = mapped_column(unique=True)
    decided_on: Mapped[date]
    facts: Mapped[dict[str, Any]] = mapped_column(repr=False)
    body_sha256: Mapped[str] = mapped_column(default="")
    body_key: Mapped[str] = mapped_column(default="")
    activation: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    sha256: Mapped[str | None] = mapped_column(default=None, unique=True)
    object_key: Mapped[str] = mapped_column(default="")
    sealed_at: Mapped[datetime | None] = mapped_column(default=None)
    __table_args__ = (UniqueConstraint("series_id", "n"), CheckConstraint("n > 0", name="from_one"))


class Verification(Base):
    """Who asked about a deed, and what was answered (I07)."""

    __tablename__ = "verifications"
    id: Mapped[UUID] = key()
    deed_id: Mapped[UUID] = mapped_column(ForeignKey("deeds.id"), index=True)
    bank_id: Mapped[UUID | None] = mapped_column(ForeignKey("banks.id"), default=None)
    way: Mapped[str]
    verdict: Mapped[str]
    at: Mapped[datetime]


class KeptAnswer(Base):
    """What a bank was answered to a request that carried a key, for a day: asked again, it gets the same bytes."""

    __tablename__ = "kept_answers"
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("banks.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    status: Mapped[int]
    mimetype: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary, repr=False)
    at: Mapped[datetime]
    __table_args__ = (Index("ix_kept_answers_at", "at"),)


class Signed(Base):
    """A signed file of the case that is no deed: minutes, manifest."""

    __tablename__ = "signed_files"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    kind: Mapped[str]
    sha256: Mapped[str]
    object_key: Mapped[str]
    key_id: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]
    __table_args__ = (Index("ix_signed_files_kind", "kind"),)
