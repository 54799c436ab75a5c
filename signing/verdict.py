"""What a verification ends in: one word, one sentence, reasons, numbered steps
(`docs/formats/verdict.schema.json`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Word = Literal["valid", "invalid", "unknown"]
Outcome = Literal["passed", "failed", "cannot tell", "not done"]
EXIT: Mapping[str, int] = {"valid": 0, "invalid": 1, "unknown": 2}
STEPS = (
    "file: a PDF of plausible size",
    "shape: both signatures, then document stamps with long-term data, nothing beside",
    "changes: every revision holds what this house writes in it",
    "document stamps: cover every byte, from a trusted authority, each good when the next one was made",
    "notary's signature: over the certified document, right role, trusted and not revoked when it was stamped",
    "office's seal: over the notary's signature, right role, trusted and not revoked when it was stamped",
    "order of times",
    "facts: inside, and the certificates say the same",
    "pages: say what the facts say",
    "evidence bundle",
    "second opinion",
)
ETSI: Mapping[str, str] = {
    "file.not-pdf": "FORMAT_FAILURE",
    "file.size": "FORMAT_FAILURE",
    "file.unreadable": "FORMAT_FAILURE",
    "shape.other": "FORMAT_FAILURE",
    "shape.appended": "FORMAT_FAILURE",
    "shape.container": "FORMAT_FAILURE",
    "shape.padding": "FORMAT_FAILURE",
    "changes.after-seal": "SIG_CONSTRAINTS_FAILURE",
    "signature.wrong": "HASH_FAILURE",
    "signature.weak": "CRYPTO_CONSTRAINTS_FAILURE",
    "stamp.wrong": "SIG_CRYPTO_FAILURE",
    "stamp.extra": "FORMAT_FAILURE",
    "stamp.order": "TIMESTAMP_ORDER_FAILURE",
    "stamp.expired": "OUT_OF_BOUNDS_NO_POE",
    "trust.stamp": "NO_CERTIFICATE_CHAIN_FOUND",
    "trust.foreign": "NO_CERTIFICATE_CHAIN_FOUND",
    "trust.expired": "OUT_OF_BOUNDS_NOT_REVOKED",
    "trust.revoked": "REVOKED",
    "trust.not-given": "NO_CERTIFICATE_CHAIN_FOUND",
    "status.missing": "TRY_LATER",
    "algorithm.ended": "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    "role.other": "CHAIN_CONSTRAINTS_FAILURE",
    "role.same": "SIG_CONSTRAINTS_FAILURE",
    "facts.missing": "SIGNED_DATA_NOT_FOUND",
    "facts.signer": "SIG_CONSTRAINTS_FAILURE",
    "facts.disagree": "SIG_CONSTRAINTS_FAILURE",
    "bundle.other": "SIGNED_DATA_NOT_FOUND",
    "bundle.log": "SIGNED_DATA_NOT_FOUND",
    "bundle.not-named": "SIGNED_DATA_NOT_FOUND",
    "second.disagrees": "CUSTOM",
    "second.failed": "CUSTOM",
}
"""The sub-indication of ETSI EN 319 102-1 5.1.3 that is nearest to each of our reasons. Those are made for one
signature; where we judge the whole document they are the nearest word, not the norm's own."""


@dataclass(frozen=True)
class Reason:
    """`code` is stable and documented in `docs/formats/README.md`; the words are safe to show. `etsi`: `ETSI`'s."""

    code: str
    zh: str
    en: str
    etsi: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "etsi", ETSI[self.code])


class Refused(Exception):
    """A step failed. `cannot_tell`: nothing is wrong with the file, we only cannot say."""

    def __init__(self, code: str, zh: str, en: str, *, cannot_tell: bool = False) -> None:
        super().__init__(en)
        self.reason = Reason(code, zh, en)
        self.cannot_tell = cannot_tell


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
    stamped_at: str | None = None
    archived_at: str | None = None
    known_at: str | None = None
    signers: tuple[Signature, ...] = ()
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
    return Verdict(**plain)


def sentence(
    word: Word, reason: Reason | None, found: Mapping[str, Any], known_at: str | None = None
) -> dict[str, str]:
    """The answer first, for somebody at a counter. `known_at`: date of the trust bundle that was given."""
    if word == "valid":
        zh = f"有效：{found['office']}{found['number']}，出具日期 {found['issued_on']}，签名、盖章后未被改动。"
        en = (
            f"Valid: {found['number']} by {found['office']}, issued on {found['issued_on']}, "
            "unchanged since it was signed and sealed."
        )
        if known_at is not None:
            zh = f"截至 {known_at[:10]} 所知，" + zh
            en = f"Valid as known on {known_at[:10]}" + en.removeprefix("Valid")
        if found["test"]:
            zh += "这是测试件，没有法律效力。"
            en += " It is a TEST document without legal force."
        return {
            "zh": zh + "本结论只看文件本身；此后是否撤销，请向出具机构查询。",
            "en": en + " By the file alone; ask the issuing office whether it was revoked since.",
        }
    assert reason is not None
    if word == "unknown":
        return {"zh": f"无法判断：{reason.zh}。", "en": f"Cannot tell: {reason.en}."}
    return {"zh": f"无效，请勿采信：{reason.zh}。", "en": f"Not valid, do not rely on it: {reason.en}."}
