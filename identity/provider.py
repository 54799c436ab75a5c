"""
Who says that a person is whom the card names, how much that word is worth, and what nobody looked at. PURE.

A source answers a `Claim` with a `Word`. `Word.unchecked` is all of `Check` that the source did not look at, so that a
page can say "not checked" and never "passed" (requirement B05). No word passes or fails anybody: the notary decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Protocol

from identity import cn_card, names, sides


class Check(StrEnum):
    """What can be looked at, from the paper alone to the person."""

    FORM = "form"
    """The number is one that could have been given out: check digit, region, a day of birth."""
    AGREEMENT = "agreement"
    """Both sides of the card, the number, the birth date and the sex agree with each other and with the claim."""
    HOLDER = "holder"
    """A register outside has this name with this number."""
    CARD = "card"
    """This very card is in force there: issued, not lost, not replaced."""
    PORTRAIT = "portrait"
    """The picture that the register keeps was compared with the person."""


class Level(StrEnum):
    """What stands behind a word, the weakest first."""

    ASSISTED = "assisted"
    """A machine of ours looked at the card's own picture; nobody outside was asked."""
    ENTERED = "entered"
    """A person of the office asked outside and wrote down the answer with its receipt."""
    SIGNED = "signed"
    """The answer came from the source itself and bears its signature."""


class Outcome(StrEnum):
    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_FOUND = "not-found"
    NO_ANSWER = "no-answer"


@dataclass(frozen=True, repr=False)
class Claim:
    """What is asked about. `number`: 18 characters (GB 11643); days as YYYY.MM.DD, `valid_to` also 长期, or empty."""

    name: str
    number: str
    valid_from: str = ""
    valid_to: str = ""


@dataclass(frozen=True, repr=False)
class Word:
    """One source's answer. `why`: keys of what did not agree, or why there is no answer; `raw`: the answer as it came."""

    source: str
    level: Level
    outcome: Outcome
    checked: tuple[Check, ...] = ()
    why: tuple[str, ...] = ()
    reference: str = ""
    raw: bytes = b""

    @property
    def unchecked(self) -> tuple[Check, ...]:
        return unchecked(self.checked)


class IdentityProvider(Protocol):
    """A source that a program can ask. It never raises for want of an answer: that is Outcome.NO_ANSWER."""

    @property
    def source(self) -> str: ...

    def ask(self, claim: Claim, question: str) -> Word:
        """`question` names the question for ever: asked again under it, the source answers the same once."""
        ...


def unchecked(checked: tuple[Check, ...] | list[str]) -> tuple[Check, ...]:
    """What is left of `Check`, in its order."""
    return tuple(one for one in Check if one not in checked)


def from_card(claim: Claim, front: Mapping[str, Any], back: Mapping[str, Any], today: date) -> Word:
    """The word of `local`: what the card's own pictures (as `documents.Reading.as_json` gives them; empty where there
    is none) say about the claim. `why` holds the keys of `cn_card`'s checks that do not hold, `name` and `number`."""
    checks = cn_card.front_checks({"number": claim.number, "birth": "", "sex": ""})
    looked = [Check.FORM]
    if front.get("number") or back.get("valid_to"):
        looked.append(Check.AGREEMENT)
        checks |= {key: held for key, held in front.get("checks", {}).items() if held is not None}
        checks |= {key: held for key, held in back.get("checks", {}).items() if held is not None}
        for key, said in (("name", claim.name), ("number", claim.number)):
            if front.get(key):
                checks[key] = names.same(str(front[key]), said)
        checks |= sides.checks_of(front, back)
        if back.get("valid_to"):
            checks |= cn_card.back_checks({key: str(back.get(key, "")) for key in ("valid_from", "valid_to")}, today)
    why = tuple(sorted(key for key, held in checks.items() if held is False))
    return Word("local", Level.ASSISTED, Outcome.DIFFERS if why else Outcome.AGREES, tuple(looked), why)
