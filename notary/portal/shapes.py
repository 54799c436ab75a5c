"""What the bank API takes and gives. The OpenAPI document is made from these, and nothing else goes in or out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{64}$")]
Standing = Literal["valid", "under_review", "corrected", "revoked"]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VerificationIn(Closed):
    """Either number and code as printed on the deed, or the SHA-256 of the whole file, reckoned by the caller."""

    number: str | None = Field(None, max_length=200, description="As printed, e.g. （2026）渝示证字第1号")
    code: str | None = Field(None, max_length=200, description="The short code under the QR")
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_way(self) -> VerificationIn:
        if (self.sha256 is None) == (self.number is None or self.code is None):
            raise ValueError("give number and code, or sha256")
        return self


class Words(Closed):
    zh: str
    en: str


class Happened(Closed):
    what: Literal["issued", "under_review", "upheld", "revoked", "corrected"]
    at: str


class NoticeOut(Closed):
    """The sealed paper of a decision about the deed; anybody with the code reads it at /v/CODE/notices/ID.pdf."""

    id: str
    kind: Literal["correction", "revocation"]
    number: str
    sha256: str
    issued_on: str


class Facts(Closed):
    """The little that may be told. A changed file has number and standing at most, an unknown one nothing."""

    number: str | None = None
    code: str | None = None
    matter: Words | None = None
    issued_on: str | None = Field(None, description="Date of issue, in the office's time zone")
    office: Words | None = None
    notary: Words | None = None
    person: str | None = Field(None, description="The first character of the applicant's name; the rest is stars")
    standing: Standing | None = None
    standing_at: str | None = None
    sha256: str | None = Field(None, description="Of the file that was asked about, or of the newest one")
    test: bool | None = Field(None, description="Made with test keys: no legal force")
    asked_at: str | None = None
    asked: str | None = Field(None, description="The office's number for this verification")
    history: list[Happened] | None = None
    notices: list[NoticeOut] | None = None


class VerificationOut(Closed):
    verdict: Literal["valid", "corrected", "revoked", "under_review", "changed", "unknown"]
    way: Literal["api", "api-file", "hash"]
    facts: Facts
    reasons: list[str]
    machine: dict[str, object] = Field(description="By file: the report of `signing verify --json`; otherwise empty")
    receipt: str | None = Field(description="Signed by the office: a JWS, see keys.json, use receipt")


class DeedOut(Closed):
    number: str
    code: str
    sha256: str
    standing: Standing
    standing_at: str
    issued_at: str
    received_at: str | None = Field(description="When this bank said that it has the file")
    file: str = Field(description="Where the PDF is, for the same key")


class EventOut(Closed):
    seq: int = Field(description="Ask on with after=seq")
    type: Literal["deed.issued", "deed.under_review", "deed.valid", "deed.revoked", "deed.corrected"] = Field(
        description="deed.valid: upheld after a review"
    )
    at: str
    number: str
    code: str
    sha256: str


class EventsIn(Closed):
    after: int = Field(0, ge=0, le=2**62)


class EventsOut(Closed):
    events: list[EventOut]
    next: int


class Revocation(Closed):
    """One line of the revocation feed."""

    seq: int = Field(description="Line of the ledger; ask on with after=seq")
    log_index: int = Field(description="Place in the public log, from 0")
    type: Literal["deed.under_review", "deed.valid", "deed.revoked", "deed.corrected"]
    at: str
    number: str
    files: list[str] = Field(description="SHA-256 of every file that the deed ever had, the newest first")


class RevocationsEnd(Closed):
    """The last line: a JWS whose claims hold `after`, `next`, `lines` and the `sha256` of all lines before it."""

    next: int
    more: bool = Field(description="Ask on at once")
    receipt: str | None


CODES = (
    "refused", "login-needed", "not-found", "bad-input", "verify.no-match", "case.not-yet",
    "too-large", "too-many", "key.at-work", "key.other-request", "unavailable",
)  # fmt: skip
"""What a refusal of the API can be; a test holds that there is no other."""


class Problem(Closed):
    """RFC 9457. `title` and `detail` are words for people, in the language that Accept-Language asks for."""

    type: str = Field(description="/problems/ and the code")
    title: str
    status: int
    detail: str
    code: Literal[CODES]  # type: ignore[valid-type]
    fields: dict[str, str] | None = Field(None, description="bad-input: what is wrong with which field")
    unmet: list[str] | None = Field(None, description="case.not-yet: what is missing")
    retry_after: int | None = Field(None, description="too-many: seconds to wait, as in Retry-After")


class BatchLine(Closed):
    """One line of a batch's answer: a verdict, or the problem that a single call would have had."""

    line: int
    verdict: Literal["valid", "corrected", "revoked", "under_review"] | None = None
    facts: Facts | None = None
    reasons: list[str] | None = None
    problem: Problem | None = None


class BatchEnd(Closed):
    """The last line: a JWS whose claims hold `lines` and the `sha256` of all lines before it."""

    receipt: str | None
