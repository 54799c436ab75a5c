"""The interview: its media segments, its questions, its identity steps, what was shown and what was signed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from identity.provider import Level, Outcome
from notary.models.base import Base, key, one_of


class Phase(StrEnum):
    CONSENT = "consent"
    IDENTITY = "identity"
    ENVIRONMENT = "environment"
    PRIVATE_TALK = "private_talk"
    NOTICE = "notice"
    INQUIRY = "inquiry"
    DOCUMENT = "document_review"
    SIGNING = "signing"
    CLOSING = "closing"


class Interview(Base):
    __tablename__ = "interviews"
    id: Mapped[UUID] = key()
    """Also the media room's name."""
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    notary_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    number: Mapped[int] = mapped_column(default=1)
    phase: Mapped[Phase] = mapped_column(one_of(Phase), default=Phase.CONSENT)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    ended: Mapped[str] = mapped_column(default="")
    """Code of the reason for which it ended before it was complete."""
    locked: Mapped[str] = mapped_column(default="")
    """Why signing is locked; empty when it is not (the table for a broken call)."""
    interruptions: Mapped[int] = mapped_column(default=0)
    interrupted_s: Mapped[float] = mapped_column(default=0.0)
    screen: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    """What the applicant's page shows now: kind and what it needs."""
    turn: Mapped[int] = mapped_column(default=0)
    """Counts every change that a page must see; both pages poll it with ETag."""
    seen_segments: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    """The last segment known of each leg: another one is a new connection."""
    identity_since: Mapped[datetime]
    """Identity steps before this moment count no more."""
    suspended_at: Mapped[datetime | None] = mapped_column(default=None)
    again: Mapped[str] = mapped_column(default="")
    """What must be repeated before it goes on: `look` one identity step, `all` every one."""
    manifest: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    manifest_sha256: Mapped[str] = mapped_column(default="")
    manifest_seal: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    __table_args__ = (UniqueConstraint("case_id", "number"),)


class Moment(Base):
    """Something that happened in an interview, with its media time: the timeline and the phase index (D08)."""

    __tablename__ = "moments"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    kind: Mapped[str]
    text: Mapped[str] = mapped_column(default="", repr=False)
    by: Mapped[str]
    media_time: Mapped[float | None] = mapped_column(default=None)
    """Seconds since the first recorded packet of the interview."""
    at: Mapped[datetime]


class Answer(Base):
    """An answer to one question; an edit is a new version, the old one stays (E02)."""

    __tablename__ = "answers"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    question: Mapped[str]
    asked: Mapped[str] = mapped_column(repr=False)
    version: Mapped[int] = mapped_column(default=1)
    text: Mapped[str] = mapped_column(repr=False)
    choice: Mapped[str] = mapped_column(default="")
    omitted: Mapped[str] = mapped_column(default="")
    """Reason for not asking (C16)."""
    media_time: Mapped[float]
    by: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("interview_id", "question", "version"),)


class StepResult(StrEnum):
    CONFIRMED = "confirmed"
    WAIVED = "waived"
    FAILED = "failed"


class IdentityStep(Base):
    """One of the four steps of 五不准 (B02), as the notary decided it."""

    __tablename__ = "identity_steps"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    step: Mapped[str]
    result: Mapped[StepResult] = mapped_column(one_of(StepResult))
    reason: Mapped[str] = mapped_column(default="", repr=False)
    detail: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    media_time: Mapped[float]
    by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("step IN ('look', 'talk', 'cross', 'device')", name="four"),
        CheckConstraint("result <> 'waived' OR reason <> ''", name="waiver_has_reason"),
    )


class Snapshot(Base):
    """A frame taken from the received picture, with its time-code (D06)."""

    __tablename__ = "snapshots"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    kind: Mapped[str]
    leg: Mapped[str]
    sha256: Mapped[str]
    object_key: Mapped[str]
    media_time: Mapped[float]
    at: Mapped[datetime]


class FaceCheck(Base):
    """What both engines said of one comparison: advice, never a decision (B07). No template is kept (B13)."""

    __tablename__ = "face_checks"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    results: Mapped[list[Any]] = mapped_column(default_factory=list)
    """For each engine: engine, model_sha256, threshold, score, band; last the notes, or why none ran."""
    frames: Mapped[list[Any]] = mapped_column(default_factory=list)
    """SHA-256 and media time of the snapshots that were compared."""
    advice: Mapped[str]
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None] = mapped_column(default=None)
    decision: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="", repr=False)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    media_time: Mapped[float | None] = mapped_column(default=None)


class Challenge(Base):
    """A challenge of liveness: what was drawn, what the machine saw of it, what the notary decided (B06, B08)."""

    __tablename__ = "challenges"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    drawn: Mapped[dict[str, Any]] = mapped_column(repr=False)
    """Nonce, actions, digits, colours, window; empty where it was waived without one."""
    slow: Mapped[bool]
    left_out: Mapped[list[Any]] = mapped_column(default_factory=list, repr=False)
    """Parts that the notary took out: what, reason."""
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="waiting")
    prompts: Mapped[list[Any]] = mapped_column(default_factory=list)
    """Kind, and media time from when to when."""
    verdict: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    """`identity.liveness.Verdict`: numbers and reasons, nothing computed from who it is."""
    signs: Mapped[list[Any]] = mapped_column(default_factory=list)
    frames: Mapped[list[Any]] = mapped_column(default_factory=list)
    """SHA-256 and media time of the snapshots that are kept."""
    heard: Mapped[str] = mapped_column(default="")
    decision: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="", repr=False)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), default=None)
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    done_at: Mapped[datetime | None] = mapped_column(default=None)
    media_time: Mapped[float | None] = mapped_column(default=None)
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'done', 'broken', 'waived')", name="state"),
        CheckConstraint("heard IN ('', 'right', 'wrong')", name="heard"),
        CheckConstraint("decision IN ('', 'accepted', 'refused', 'waived')", name="decision"),
        CheckConstraint("decision <> 'waived' OR reason <> ''", name="waiver_has_reason"),
    )


class IdentityCheck(Base):
    """What a source said about a person's card, and what it did not look at (B05). Rows are added, never changed into
    another answer."""

    __tablename__ = "identity_checks"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    source: Mapped[str]
    """`local`, `authority`, or where a person asked."""
    level: Mapped[Level] = mapped_column(one_of(Level))
    claim: Mapped[dict[str, Any]] = mapped_column(repr=False)
    """name and number that were asked about; for another name or number the answer says nothing."""
    outcome: Mapped[Outcome | None] = mapped_column(one_of(Outcome), default=None)
    """None until there is one."""
    checked: Mapped[list[Any]] = mapped_column(default_factory=list)
    why: Mapped[list[Any]] = mapped_column(default_factory=list)
    reference: Mapped[str] = mapped_column(default="", repr=False)
    """Number of the receipt or of the answer."""
    answer_key: Mapped[str] = mapped_column(default="")
    """The signed answer as it came, or the picture of the receipt, in the store."""
    answer_sha256: Mapped[str] = mapped_column(default="")
    answer_type: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="", repr=False)
    """Why a third time on one day (B16)."""
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None] = mapped_column(default=None)


class Paper(Base):
    """Bytes that are shown and signed: the instrument, or the minutes. A new text is a new row."""

    __tablename__ = "papers"
    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    interview_id: Mapped[UUID | None] = mapped_column(ForeignKey("interviews.id"), default=None)
    kind: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    facts: Mapped[dict[str, Any]] = mapped_column(default_factory=dict, repr=False)
    sha256: Mapped[str]
    object_key: Mapped[str]
    pages: Mapped[int]
    made_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('instrument', 'minutes')", name="kind"),
        UniqueConstraint("case_id", "kind", "version"),
    )


class Showing(Base):
    """A page of a paper stood on the signer's screen in this interview (C14)."""

    __tablename__ = "showings"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    paper_id: Mapped[UUID] = mapped_column(ForeignKey("papers.id"))
    sha256: Mapped[str]
    page: Mapped[int]
    media_time: Mapped[float]
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("interview_id", "paper_id", "page"),)


class Signature(Base):
    """Strokes and a one-time code, both bound to the SHA-256 of the bytes that were shown (F01, F03)."""

    __tablename__ = "signatures"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    paper_id: Mapped[UUID] = mapped_column(ForeignKey("papers.id"))
    sha256: Mapped[str]
    signer: Mapped[str] = mapped_column(repr=False)
    strokes: Mapped[list[Any]] = mapped_column(repr=False)
    code_id: Mapped[UUID] = mapped_column(ForeignKey("codes.id"), unique=True)
    snapshot_id: Mapped[UUID | None] = mapped_column(ForeignKey("snapshots.id"), default=None)
    media_time: Mapped[float]
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("paper_id"),)


class ChatLine(Base):
    __tablename__ = "chat_lines"
    id: Mapped[UUID] = key()
    interview_id: Mapped[UUID] = mapped_column(ForeignKey("interviews.id"), index=True)
    speaker: Mapped[str]
    text: Mapped[str] = mapped_column(repr=False)
    media_time: Mapped[float | None] = mapped_column(default=None)
    at: Mapped[datetime]
