"""Reads rules/ once into frozen dataclasses: no wording, number or limit of law stands in Python."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any, Literal

from notary import matters
from notary.matters import Declaration, Field, Material, Matter, Paragraph, Question, Section
from notary.shape import BadRules, Words, build

RULES = Path(__file__).resolve().parent.parent / "rules"
COMMON = ("questions/common.toml", "questions/filing.toml", "wording/notices.toml", "wording/refusals.toml")


@dataclass(frozen=True, slots=True)
class CommonQuestions:
    source: str
    in_force: date
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Filing:
    source: str
    in_force: date
    sections: tuple[Section, ...]
    fields: tuple[Field, ...]
    declarations: tuple[Declaration, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person is told, and the words of agreeing or declining."""

    key: str
    requirement: str
    title: Words
    acknowledge: Words
    paragraphs: tuple[Words, ...]
    source: str
    decline: Words | None = None


@dataclass(frozen=True, slots=True)
class PrivacyItem:
    """Purpose, need, effect and retention of one kind of data (K01)."""

    key: str
    item: Words
    purpose: Words
    need: Words
    effect: Words
    retention: Words
    source: str


@dataclass(frozen=True, slots=True)
class Notices:
    source: str
    in_force: date
    notices: tuple[Notice, ...]
    privacy: tuple[PrivacyItem, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """Why the office does not act, ends, or stops an interview; `lost`: what ended by itself, nobody's to choose.
    `plain` is what the applicant reads."""

    key: str
    kind: Literal["refusal", "termination", "stop", "lost"]
    law: Words
    plain: Words
    source: str
    then: tuple[Literal["refuse", "rebook", "on-site", "verify", "withdraw"], ...] = ()


@dataclass(frozen=True, slots=True)
class Refusals:
    source: str
    in_force: date
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The one table for a broken call; milliseconds and seconds as the names say."""

    challenge_face_gone_ms: int
    lock_face_gone_ms: int
    new_leg_locks: bool
    suspend_media_gone_ms: int
    identity_again_media_gone_ms: int
    end_interruptions: int
    end_interrupted_s: int
    gap_entry_ms: int
    source: str


@dataclass(frozen=True, slots=True)
class IdentityLimits:
    failures_before_human: int
    attempts_per_day: int
    valid_hours: int
    source: str


@dataclass(frozen=True, slots=True)
class ChallengeLimits:
    """Windows of one action; `slow`: for the elderly, which the console offers from `slow_age` years on."""

    window_ms: int
    slow_window_ms: int
    slow_age: int
    source: str


@dataclass(frozen=True, slots=True)
class Retention:
    """Years; 0 is for ever."""

    recording: int
    short: int
    long: int
    permanent: int
    source: str


@dataclass(frozen=True, slots=True)
class Hours:
    """When the office is open, in its own zone. `days`: ISO weekdays."""

    days: tuple[int, ...]
    opens: time
    closes: time
    same_day_until: time
    slot_minutes: int
    source: str


@dataclass(frozen=True, slots=True)
class SessionLimits:
    max_minutes: int
    min_height: int
    min_kbit: int
    hold_place_minutes: int
    link_hours: int
    reminder_hours: int
    reminder_minutes: int
    cancel_minutes: int
    free_space_factor: int
    parties: int
    source: str


@dataclass(frozen=True, slots=True)
class ClockRules:
    default_days: int
    alerts_percent: tuple[int, ...]
    acceptance_notice_hours: int
    six_months: int
    source: str


@dataclass(frozen=True, slots=True)
class Alternative:
    key: str
    title: Words
    text: Words


@dataclass(frozen=True, slots=True)
class Profile:
    key: str
    source: str
    in_force: date
    title: Words
    matters: tuple[str, ...]
    zone: str
    call: CallLimits
    identity: IdentityLimits
    challenge: ChallengeLimits
    retention: Retention
    hours: Hours
    session: SessionLimits
    clock: ClockRules
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class Holiday:
    name: Words
    from_: date
    to: date


@dataclass(frozen=True, slots=True)
class Makeup:
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Year:
    """Holidays and worked weekend days; `provisional` 暂定 until the State Council's notice is out."""

    year: int
    provisional: bool
    source: str
    in_force: date
    holidays: tuple[Holiday, ...]
    makeup: Makeup


@dataclass(frozen=True, slots=True)
class GuideOption:
    value: str
    label: Words


@dataclass(frozen=True, slots=True)
class GuideQuestion:
    key: str
    ask: Words
    options: tuple[GuideOption, ...]


@dataclass(frozen=True, slots=True)
class GuideRule:
    when: dict[str, str]
    channel: Literal["video", "visit", "home", "consulate", "call"]
    title: Words
    why: Words
    source: str
    matter: str = ""


@dataclass(frozen=True, slots=True)
class Guide:
    source: str
    in_force: date
    questions: tuple[GuideQuestion, ...]
    rules: tuple[GuideRule, ...]

    def next(self, answers: Mapping[str, str]) -> GuideQuestion | GuideRule:
        """The first rule that no answer contradicts, or the first question that it still needs."""
        for rule in self.rules:
            if any(key in answers and answers[key] != want for key, want in rule.when.items()):
                continue
            for key in rule.when:
                if key not in answers:
                    return next(q for q in self.questions if q.key == key)
            return rule
        raise BadRules(f"guide.toml: no rule for {dict(answers)}")


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything under rules/. `files`: bytes by relative path, so that a case's set can be stored."""

    matters: dict[str, Matter]
    profile: Profile
    notices: dict[str, Notice]
    privacy: tuple[PrivacyItem, ...]
    grounds: dict[str, Ground]
    years: dict[int, Year]
    guide: Guide
    digest: str
    files: dict[str, bytes] = field(repr=False)

    def matter(self, key: str) -> Matter:
        """KeyError for a matter that nobody wrote; whether it is open remotely says `open_remotely`."""
        return self.matters[key]

    def open_remotely(self, key: str) -> bool:
        return key in self.profile.matters and key in self.matters and self.matters[key].remote.enabled

    def kinds(self, kind: str) -> tuple[Ground, ...]:
        return tuple(g for g in self.grounds.values() if g.kind == kind)

    def set_of(self, matter: str) -> dict[str, bytes]:
        """The files that a case of this matter rests on; their digest is `matter(key).digest`."""
        return {name: self.files[name] for name in _resting_on(matter, self.profile.key)}


def read(folder: Path = RULES) -> Rules:
    """Reads and checks all rules. Raises BadRules naming file and key."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.toml"))}
    tables = {name: _parse(name, data) for name, data in files.items()}
    common = build(CommonQuestions, _table(tables, COMMON[0]), COMMON[0])
    filing = build(Filing, _table(tables, COMMON[1]), COMMON[1])
    notices = build(Notices, _table(tables, COMMON[2]), COMMON[2])
    refusals = build(Refusals, _table(tables, COMMON[3]), COMMON[3])
    profile = build(Profile, _table(tables, "profiles/cn-domestic.toml"), "profiles/cn-domestic.toml")
    found: dict[str, Matter] = {}
    for name, table in tables.items():
        if name.startswith("matters/"):
            own = build(Matter, table, name)
            if f"matters/{own.key}.toml" != name:
                raise BadRules(f"{name}: key is {own.key!r}, not the file's name")
            whole = _whole(own, common, filing)
            _check_matter(whole, name)
            found[own.key] = replace(whole, digest=_digest({n: files[n] for n in _resting_on(own.key, profile.key)}))
    if missing := sorted(set(profile.matters) - found.keys()):
        raise BadRules(f"profiles/{profile.key}.toml: matters: nobody wrote {', '.join(missing)}")
    years = {y.year: y for y in (build(Year, t, n) for n, t in tables.items() if n.startswith("calendar/"))}
    guide = build(Guide, _table(tables, "guide.toml"), "guide.toml")
    _check_guide(guide, found)
    return Rules(
        matters=found,
        profile=profile,
        notices=_by_key(notices.notices, COMMON[2]),
        privacy=tuple(_by_key(notices.privacy, COMMON[2]).values()),
        grounds=_by_key(refusals.grounds, COMMON[3]),
        years=years,
        guide=guide,
        digest=_digest(files),
        files=files,
    )


@cache
def rules() -> Rules:
    """The shipped rules, read at the first call; one set per process, since a running office has one law."""
    return read()


def _parse(name: str, data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRules(f"{name}: {error}") from error


def _table(tables: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in tables:
        raise BadRules(f"{name}: the file is missing")
    return tables[name]


def _resting_on(matter: str, profile: str) -> tuple[str, ...]:
    return (f"matters/{matter}.toml", f"profiles/{profile}.toml", *COMMON)


def _digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over `path NUL sha256-hex LF`, paths sorted."""
    lines = (f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _whole(own: Matter, common: CommonQuestions, filing: Filing) -> Matter:
    return replace(
        own,
        sections=(*filing.sections, *own.sections),
        fields=(*filing.fields, *own.fields),
        declarations=(*filing.declarations, *own.declarations),
        questions=tuple(sorted((*common.questions, *own.questions), key=lambda q: q.order)),
    )


def _by_key(things: Iterable[Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for thing in things:
        if thing.key in found:
            raise BadRules(f"{where}: the key {thing.key!r} stands twice")
        found[thing.key] = thing
    return found


def _check_matter(matter: Matter, where: str) -> None:
    fields = _by_key(matter.fields, f"{where}: fields")
    sections = _by_key(matter.sections, f"{where}: sections")
    for many, name in (
        (matter.materials, "materials"), (matter.declarations, "declarations"),
        (matter.questions, "questions"), (matter.recipients, "recipients"),
    ):  # fmt: skip
        _by_key(many, f"{where}: {name}")
    known = matters.PARTY | fields.keys()
    for text in matter.deed.texts():
        marks = [set(matters.PLACEHOLDER.findall(one)) for one in (text.zh, text.en)]
        if unknown := sorted((marks[0] | marks[1]) - known):
            raise BadRules(f"{where}: deed: nobody fills {{{'}, {'.join(unknown)}}}")
        if marks[0] != marks[1]:
            raise BadRules(f"{where}: deed: Chinese and English name other facts in {text.zh[:20]!r}")
    conditional: tuple[Field | Material | Question | Paragraph, ...]
    conditional = (*matter.fields, *matter.materials, *matter.questions, *matter.deed.paragraphs)
    for when in filter(None, (one.when for one in conditional)):
        target = fields.get(when.field)
        if target is None or not set(when.among) <= {o.value for o in target.options}:
            raise BadRules(f"{where}: when: {when.field} among {when.among} can never hold")
    for entry in matter.fields:
        if entry.section not in sections:
            raise BadRules(f"{where}: fields.{entry.key}: there is no section {entry.section!r}")
        if entry.after and (entry.after not in fields or fields[entry.after].type != "date"):
            raise BadRules(f"{where}: fields.{entry.key}: after: {entry.after!r} is no date field")
    for recipient in matter.recipients:
        if recipient.field and recipient.field not in fields:
            raise BadRules(f"{where}: recipients.{recipient.key}: there is no field {recipient.field!r}")
        if recipient.consent and not (recipient.purpose and recipient.data):
            raise BadRules(f"{where}: recipients.{recipient.key}: consent needs purpose and data")


def _check_guide(guide: Guide, found: Mapping[str, Matter]) -> None:
    asked = {q.key: {o.value for o in q.options} for q in guide.questions}
    for number, rule in enumerate(guide.rules):
        for key, value in rule.when.items():
            if value not in asked.get(key, ()):
                raise BadRules(f"guide.toml: rules[{number}].when: {key} is never {value!r}")
        if (rule.channel == "video") != (rule.matter in found):
            raise BadRules(f"guide.toml: rules[{number}]: video leads to a matter, and only video does")
