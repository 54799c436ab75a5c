"""What a verification ends in: one word, one sentence, reasons, numbered steps
(`docs/formats/verdict.schema.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Word = Literal["valid", "invalid", "unknown"]
Outcome = Literal["passed", "failed", "cannot tell", "not done"]
EXIT: Mapping[str, int] = {"valid": 0, "invalid": 1, "unknown": 2}
WORDS: Mapping[str, Any] = json.loads((Path(__file__).parent / "words.json").read_text("utf-8"))
"""Every word of a verdict, once for all editions of the verifier. Of each reason also whether it makes a file invalid or
keeps us from telling, and the nearest sub-indication of ETSI EN 319 102-1 5.1.3: those are made for one signature; where
we judge the whole document they are the nearest word, not the norm's own."""
STEPS: tuple[str, ...] = tuple(one["en"] for one in WORDS["steps"])
ETSI: Mapping[str, str] = {code: told["etsi"] for code, told in WORDS["reasons"].items()}


@dataclass(frozen=True)
class Reason:
    """`code` is stable and documented in `docs/formats/README.md`; the words are safe to show. `etsi`: `ETSI`'s."""

    code: str
    zh: str
    en: str
    etsi: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "etsi", ETSI[self.code])


@dataclass(frozen=True)
class Remark:
    """What is worth knowing about a file that harms no rule. `code` is stable and documented beside the reasons."""

    code: str
    zh: str
    en: str


def reason(code: str, *, who: str = "", why: str = "") -> Reason:
    """`who`: key into the words for those who may be meant. `why`: detail, in English."""
    told = WORDS["reasons"][code]
    named = WORDS["who"][who] if who else {"zh": "", "en": ""}
    return Reason(code, *(told[lang].format(who=named[lang], why=why) for lang in ("zh", "en")))


def remark(code: str, *, why: str = "") -> Remark:
    return Remark(code, *(WORDS["remarks"][code][lang].format(why=why) for lang in ("zh", "en")))


class Refused(Exception):
    """A step failed. `cannot_tell`: nothing is wrong with the file, we only cannot say."""

    def __init__(self, code: str, *, who: str = "", why: str = "") -> None:
        self.reason = reason(code, who=who, why=why)
        self.why = why
        self.cannot_tell = WORDS["reasons"][code]["verdict"] == "unknown"
        super().__init__(self.reason.en)


@dataclass(frozen=True)
class Step:
    no: int
    name: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class Signature:
    """One who signed. `stamped_at`: RFC 3339, from the time stamp, never from the signer's own clock."""

    role: Literal["notary", "office"]
    name: str
    issuer: str
    certificate_sha256: str
    stamped_at: str


@dataclass(frozen=True)
class Verdict:
    """By the file alone: whether the deed was revoked since is for the register to say.

    `kind`: deed, or the notice (correction, revocation) about the deed whose number is `concerns`.
    `stamped_at`: the notary's time stamp. `archived_at`: the last document stamp; it is renewed about once a year.
    `known_at`: when the last word on a certificate was given that this rests on, or the date of the trust bundle that was
    given; later news is not in them.
    """

    verdict: Word
    sentence: Mapping[str, str]
    reasons: tuple[Reason, ...]
    steps: tuple[Step, ...]
    sha256: str
    size: int
    checked_at: str
    test: bool | None = None
    number: str | None = None
    office: str | None = None
    issued_on: str | None = None
    kind: Literal["deed", "correction", "revocation"] | None = None
    concerns: str | None = None
    stamped_at: str | None = None
    archived_at: str | None = None
    known_at: str | None = None
    signers: tuple[Signature, ...] = ()
    remarks: tuple[Remark, ...] = ()
    format: str = field(default="yuanzheng-verdict/1")

    @property
    def exit_code(self) -> int:
        return EXIT[self.verdict]

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"sentence": dict(self.sentence)}


def from_json(data: Mapping[str, Any]) -> Verdict:
    """The inverse of `Verdict.json`; KeyError or TypeError where it is not one."""
    plain = dict(data)
    plain["reasons"] = tuple(Reason(**r) for r in data["reasons"])
    plain["steps"] = tuple(Step(**s) for s in data["steps"])
    plain["signers"] = tuple(Signature(**s) for s in data["signers"])
    plain["remarks"] = tuple(Remark(**r) for r in data.get("remarks", ()))  # older ones have none
    return Verdict(**plain)


def sentence(
    word: Word, reason: Reason | None, found: Mapping[str, Any], known_at: str | None = None
) -> dict[str, str]:
    """The answer first, for somebody at a counter. `known_at`: date of the trust bundle that was given."""
    said = WORDS["sentences"]

    def words(lang: str) -> str:
        if word != "valid":
            assert reason is not None
            return str(said[word][lang].format(reason=getattr(reason, lang)))
        kind = str(found.get("kind", "valid-without-facts"))
        first = said[kind][lang].format(**found) + (said["test"][lang] if found.get("test") else "")
        if known_at is not None:
            first = said["as-known"][lang].format(first=first.removeprefix("Valid: "), on=known_at[:10])
        return str(first + said["alone" if kind in ("deed", "valid-without-facts") else "unchanged"][lang])

    return {lang: words(lang) for lang in ("zh", "en")}
