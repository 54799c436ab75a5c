"""The office, its staff, applicants, banks, and how each comes in."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from notary.lifecycle import Role
from notary.models.base import Base, key, one_of


class Office(Base):
    __tablename__ = "offices"
    id: Mapped[UUID] = key()
    name: Mapped[str]
    name_en: Mapped[str]
    word: Mapped[str]
    """The office's word in a deed number, e.g. 渝示."""
    address: Mapped[str]
    phone: Mapped[str]
    zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    """IANA zone: dates of approval, numbers' years and working days are reckoned in it."""


class Person(Base):
    """A member of the staff, or the test deployment's own people."""

    __tablename__ = "people"
    id: Mapped[UUID] = key()
    office_id: Mapped[UUID] = mapped_column(ForeignKey("offices.id"))
    role: Mapped[Role] = mapped_column(one_of(Role))
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_en: Mapped[str] = mapped_column(default="")
    id_number: Mapped[str] = mapped_column(default="", repr=False)
    """Own identity number, compared with every party's before acceptance (公证法 art. 23)."""
    skills: Mapped[list[Any]] = mapped_column(default_factory=list)
    """Matters that this notary takes."""
    password_hash: Mapped[str] = mapped_column(default="", repr=False)
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary, default=None, repr=False)
    """Encrypted under the storage key; set once the first code was right."""
    totp_last: Mapped[int] = mapped_column(default=0)
    """The last time step that was used: a code serves once (RFC 6238 §5.2)."""
    disabled_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]


class Passkey(Base):
    __tablename__ = "passkeys"
    id: Mapped[UUID] = key()
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(default=0)
    label: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class Applicant(Base):
    """Whoever proved a phone number; people of cases are `Party` rows."""

    __tablename__ = "applicants"
    id: Mapped[UUID] = key()
    phone: Mapped[str] = mapped_column(unique=True, repr=False)
    """E.164."""
    locale: Mapped[str] = mapped_column(default="zh")
    created_at: Mapped[datetime]


class Bank(Base):
    __tablename__ = "banks"
    id: Mapped[UUID] = key()
    office_id: Mapped[UUID] = mapped_column(ForeignKey("offices.id"))
    name: Mapped[str]
    name_en: Mapped[str] = mapped_column(default="", server_default="")
    api_key_hash: Mapped[str] = mapped_column(unique=True, repr=False)
    former_key_hash: Mapped[str | None] = mapped_column(default=None, unique=True, repr=False)
    """The key before, which opens too until `former_key_until`."""
    former_key_until: Mapped[datetime | None] = mapped_column(default=None)
    webhook_url: Mapped[str] = mapped_column(default="")
    disabled_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]


class BankCertificate(Base):
    """A bank's own TLS certificate. While a bank has any that was not removed, its key opens only together with one."""

    __tablename__ = "bank_certificates"
    id: Mapped[UUID] = key()
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("banks.id"), index=True)
    sha256: Mapped[str]
    """Of the DER."""
    subject: Mapped[str]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    added_at: Mapped[datetime]
    removed_at: Mapped[datetime | None] = mapped_column(default=None)


class LinkPurpose(StrEnum):
    ENROL = "enrol"
    CASE = "case"
    TICKET = "ticket"


class Link(Base):
    """A one-time link; only the token's hash is kept."""

    __tablename__ = "links"
    id: Mapped[UUID] = key()
    token_hash: Mapped[str] = mapped_column(unique=True, repr=False)
    purpose: Mapped[LinkPurpose] = mapped_column(one_of(LinkPurpose))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    subject: Mapped[str] = mapped_column(default="")
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None] = mapped_column(default=None)


class CodePurpose(StrEnum):
    LOGIN = "login"
    SIGN = "sign"


class Code(Base):
    """A one-time code sent to a phone: six digits, ten minutes, five tries, one use."""

    __tablename__ = "codes"
    id: Mapped[UUID] = key()
    purpose: Mapped[CodePurpose] = mapped_column(one_of(CodePurpose))
    phone: Mapped[str] = mapped_column(repr=False)
    bound_to: Mapped[str] = mapped_column(default="")
    """What the code is for, e.g. a document's SHA-256; it serves nothing else."""
    code_hash: Mapped[str] = mapped_column(repr=False)
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None] = mapped_column(default=None)
    __table_args__ = (
        CheckConstraint("tries >= 0 AND tries <= 5", name="five_tries"),
        Index("ix_codes_phone_sent_at", "phone", "sent_at"),
    )


class Login(Base):
    """One browser that came in; kept on the server, so that it can be shut from here."""

    __tablename__ = "logins"
    id: Mapped[UUID] = key()
    token_hash: Mapped[str] = mapped_column(unique=True, repr=False)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None, index=True)
    applicant_id: Mapped[UUID | None] = mapped_column(ForeignKey("applicants.id"), default=None, index=True)
    stage: Mapped[str] = mapped_column(default="in")
    """`totp` after the password, `in` after the second factor."""
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary, default=None, repr=False)
    """The WebAuthn challenge that this browser was last given."""
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    __table_args__ = (
        CheckConstraint("num_nonnulls(person_id, applicant_id) = 1", name="one_owner"),
        CheckConstraint("stage IN ('totp', 'in')", name="stage"),
    )


class Failure(Base):
    """A wrong password, code, link or number: counted per subject and per address, for limits."""

    __tablename__ = "failures"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    door: Mapped[str]
    subject_hash: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (Index("ix_failures_door_subject_hash_at", "door", "subject_hash", "at"),)


class Pace(Base):
    """How far one subject has used up what it may ask at a door: its requests are paid for until `free_at` (GCRA)."""

    __tablename__ = "paces"
    door: Mapped[str] = mapped_column(primary_key=True)
    subject_hash: Mapped[str] = mapped_column(primary_key=True)
    free_at: Mapped[datetime]


class Recovery(Base):
    """A lost second factor: one person asks, another agrees; neither is the one who lost it."""

    __tablename__ = "recoveries"
    id: Mapped[UUID] = key()
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    agreed_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    reason: Mapped[str]
    asked_at: Mapped[datetime]
    agreed_at: Mapped[datetime | None] = mapped_column(default=None)
    __table_args__ = (
        CheckConstraint("asked_by <> person_id", name="not_by_loser"),
        CheckConstraint("agreed_by <> person_id AND agreed_by <> asked_by", name="two_persons"),
    )


class MessageState(StrEnum):
    WAITING = "waiting"
    SHOWN = "shown"
    SENT = "sent"
    FAILED = "failed"


class Message(Base):
    """A text message, written in the transaction that caused it. SHOWN: put on the outbox page, sent to nobody."""

    __tablename__ = "messages"
    id: Mapped[UUID] = key()
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("offices.id"), default=None)
    case_id: Mapped[UUID | None] = mapped_column(default=None, index=True)
    to: Mapped[str] = mapped_column(repr=False)
    text: Mapped[str] = mapped_column(repr=False)
    state: Mapped[MessageState] = mapped_column(one_of(MessageState), default=MessageState.WAITING)
    why: Mapped[str] = mapped_column(default="")
    code_id: Mapped[UUID | None] = mapped_column(ForeignKey("codes.id"), default=None, index=True)
    """The one-time code that stands in the text, until it is used or expires and is blanked."""
    once: Mapped[str | None] = mapped_column(default=None, unique=True)
    """What a message is of which there may be only one, e.g. the reminder of one appointment."""
    at: Mapped[datetime]
    done_at: Mapped[datetime | None] = mapped_column(default=None)
