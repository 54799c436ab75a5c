"""What a matter is made of: the shapes of rules/matters and rules/questions. `rules.py` reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from notary.shape import Words

PARTY = frozenset({
    "party_name", "party_sex", "party_birth", "party_id_type", "party_id_number", "party_address",
    "sign_date", "office", "notary", "date", "number",
})  # fmt: skip
"""Placeholders filled from the party, the office and the day; the rest are the matter's fields."""
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class When:
    """True when the field was answered with one of these values."""

    field: str
    among: tuple[str, ...]

    def holds(self, filed: Mapping[str, str]) -> bool:
        return filed.get(self.field, "") in self.among


@dataclass(frozen=True, slots=True)
class Clock:
    """Working days from acceptance; 0 is the same day."""

    days: int
    text: Words
    source: str


@dataclass(frozen=True, slots=True)
class Fee:
    """`fen` per deed (100 fen are one yuan) and what is said about it (A14)."""

    fen: int
    per: Words
    basis: Words
    covers: Words
    reduction_percent: int
    reduction: Words
    refund: Words
    source: str


@dataclass(frozen=True, slots=True)
class Step:
    title: Words
    text: Words


@dataclass(frozen=True, slots=True)
class Material:
    """A paper to hand in. `promise`: a signed promise may stand in for it (A15)."""

    key: str
    title: Words
    about: Words
    where: Words
    mandatory: bool
    accepts: tuple[Literal["photo", "pdf"], ...]
    promise: bool = False
    role: Literal["", "id-front", "id-back"] = ""
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a choice: what is stored, what is offered, what stands in the deed."""

    value: str
    label: Words
    text: Words


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the application form. `after` names a date field that this one must follow."""

    key: str
    section: str
    type: Literal["text", "long", "date", "money", "choice", "bank", "phone", "id-number"]
    label: Words
    hint: Words
    required: bool
    requirement: str
    options: tuple[Option, ...] = ()
    when: When | None = None
    after: str = ""

    def __post_init__(self) -> None:
        if (self.type == "choice") != bool(self.options):
            raise ValueError(f"{self.key}: options belong to a choice, and a choice has options")


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: Words


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the applicant declares when filing; an answer in `blocks` ends it with `refusal` (A08)."""

    key: str
    ask: Words
    kind: Literal["yesno"]
    blocks: tuple[Literal["yes", "no"], ...]
    refusal: Words
    source: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the notary reads aloud. An answer in `blocks` stops signing, one in `alerts` is pointed out."""

    key: str
    order: int
    short: Words
    ask: Words
    kind: Literal["text", "yesno"]
    source: str
    blocks: tuple[Literal["yes", "no"], ...] = ()
    alerts: tuple[Literal["yes", "no"], ...] = ()
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets the deed. With `consent` only after the applicant agreed to purpose and data (I05)."""

    key: str
    kind: Literal["party", "bank", "phone"]
    title: Words
    consent: bool
    mandatory: bool = False
    field: str = ""
    purpose: Words | None = None
    data: Words | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A trigger that takes the matter off the screen and onto paper (F04)."""

    key: str
    words: Words
    source: str


@dataclass(frozen=True, slots=True)
class Remote:
    enabled: bool
    source: str
    paper: tuple[Paper, ...] = ()


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: Words
    when: When | None = None


@dataclass(frozen=True, slots=True)
class DeedText:
    """The certification 证词 and the instrument that is signed."""

    certification: Words
    instrument: Words
    signer: Words
    paragraphs: tuple[Paragraph, ...]
    addressee: Words | None = None

    def texts(self) -> tuple[Words, ...]:
        return (
            self.certification,
            self.instrument,
            *([self.addressee] if self.addressee else []),
            *(p.text for p in self.paragraphs),
        )

    def chosen(self, filed: Mapping[str, str]) -> tuple[Words, ...]:
        """The instrument's paragraphs that this application calls for."""
        return tuple(p.text for p in self.paragraphs if p.when is None or p.when.holds(filed))


@dataclass(frozen=True, slots=True)
class Matter:
    """A notarial matter, complete: `fields`, `declarations` and `questions` include those common to all.

    `digest`: SHA-256 (hex) over every file that this matter rests on; a case keeps its own.
    """

    key: str
    source: str
    in_force: date
    title: Words
    deed_title: Words
    summary: Words
    lead: Words
    audience: Words
    warning: Words
    group: Literal["general", "finance", "property", "family", "foreign"]
    serial_class: str
    retention: Literal["short", "long", "permanent"]
    session_minutes: tuple[int, ...]
    conditions: tuple[Words, ...]
    impossible: tuple[Words, ...]
    clock: Clock
    fee: Fee
    steps: tuple[Step, ...]
    materials: tuple[Material, ...]
    sections: tuple[Section, ...]
    fields: tuple[Field, ...]
    declarations: tuple[Declaration, ...]
    questions: tuple[Question, ...]
    effects: tuple[Words, ...]
    options: tuple[Step, ...]
    recipients: tuple[Recipient, ...]
    remote: Remote
    deed: DeedText
    digest: str = ""

    def field(self, key: str) -> Field:
        return next(f for f in self.fields if f.key == key)

    def fields_for(self, filed: Mapping[str, str]) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.when is None or f.when.holds(filed))

    def materials_for(self, filed: Mapping[str, str]) -> tuple[Material, ...]:
        return tuple(m for m in self.materials if m.when is None or m.when.holds(filed))

    def material(self, key: str) -> Material:
        return next(m for m in self.materials if m.key == key)


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with each {placeholder} replaced once; braces in values stay. KeyError: no value."""
    return PLACEHOLDER.sub(lambda found: values[found.group(1)], text)
