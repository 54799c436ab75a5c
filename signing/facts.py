"""Facts of a deed or a notice and data of minutes: read, check against the schema, say in words what is wrong.

The schemas live in `signing/schema/` (shown under `docs/formats/`), so that a bank's machine with nothing but
`signing/` can check as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from signing.wording import NOTICE

HERE = Path(__file__).parent
LIMIT = 4_000_000
"""Largest facts in bytes. Strokes of thirty signers stay far below."""


@dataclass(eq=False)
class BadFacts(Exception):
    """The data cannot be used. `problems`: one plain sentence each, safe to show."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.problems)


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads((HERE / "schema" / f"{name}.schema.json").read_text("utf-8"))
    return Draft202012Validator(schema)


def read(raw: bytes) -> dict[str, Any]:
    """JSON bytes -> checked facts. BadFacts: not UTF-8, not JSON, a name twice, too large."""
    data = load_json(raw)
    check(data)
    return data


def load_json(raw: bytes) -> dict[str, Any]:
    """Strict JSON object. A name given twice is refused: two readers could take different ones."""

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise ValueError("a name stands twice in one object")
        return out

    if len(raw) > LIMIT:
        raise BadFacts((f"larger than {LIMIT} bytes",))
    try:
        data = json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        raise BadFacts((f"not JSON: {wrong}",)) from None
    if not isinstance(data, dict):
        raise BadFacts(("not a JSON object",))
    return data


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def check(facts: Mapping[str, Any]) -> None:
    """Facts of a deed or of a notice about one. Raises BadFacts naming every problem: shape first, then what a
    schema cannot say.
    """
    if facts.get("format") == NOTICE:
        check_notice(facts)
    else:
        check_deed(facts)


def check_deed(facts: Mapping[str, Any]) -> None:
    """As `check`, for a deed alone."""
    _check_shape("facts", facts)
    problems = list(_bad_dates(facts))
    parties = {p["name"] for p in facts["parties"]}
    problems += [
        f"instrument.signatures: {s['party']} signs but is no party"
        for s in facts["instrument"]["signatures"]
        if s["party"] not in parties
    ]
    bound = {s["bound_to"] for s in facts["instrument"]["signatures"] if "bound_to" in s}
    if len(bound) > 1:  # F08: all parties sign identical bytes
        problems.append("instrument.signatures: signed over different bytes")
    problems += _bad_zone(facts)
    evidence = facts.get("attachments", {}).get("evidence", {})
    if "files" in evidence and hashlib.sha256(manifest(evidence["files"])).hexdigest() != evidence["sha256"]:
        problems.append("attachments.evidence: its list and its hash are not of the same evidence")
    if problems:
        raise BadFacts(tuple(problems))


def check_notice(facts: Mapping[str, Any]) -> None:
    """As `check`, for a correction or a revocation (规则 art. 63)."""
    _check_shape("notice", facts)
    problems = list(_bad_dates(facts)) + _bad_zone(facts)
    if ("corrections" in facts) != (facts["kind"] == "correction"):
        problems.append("corrections: a correction has some, a revocation has none")
    if not problems and facts["issued_on"] < facts["concerns"]["issued_on"]:
        problems.append("issued_on: before the deed that it is about")
    if problems:
        raise BadFacts(tuple(problems))


def check_minutes(data: Mapping[str, Any]) -> None:
    """As `check`, for minutes (requirements E01–E05)."""
    _check_shape("minutes", data)
    problems = list(_bad_dates(data)) + _bad_zone(data)
    if not problems:
        span = (datetime.fromisoformat(data["started_at"]), datetime.fromisoformat(data["ended_at"]))
        if span[0] > span[1]:
            problems.append("ended_at: before started_at")
        for i, gap in enumerate(data["interruptions"]):
            begin, end = datetime.fromisoformat(gap["from"]), datetime.fromisoformat(gap["to"])
            if not span[0] <= begin <= end <= span[1]:
                problems.append(f"interruptions.{i}: not inside the interview")
    if problems:
        raise BadFacts(tuple(problems))


def _check_shape(name: str, data: Mapping[str, Any]) -> None:
    try:
        canonical(data)
    except (TypeError, ValueError, RecursionError):
        raise BadFacts(("not plain JSON in Unicode text",)) from None
    errors = sorted(_validator(name).iter_errors(data), key=lambda e: [str(p) for p in e.absolute_path])
    if errors:
        raise BadFacts(tuple(_words(e) for e in errors[:20]))


def _words(error: Any) -> str:
    """One error of jsonschema as a sentence, without echoing the value: it may be somebody's ID number."""
    at = ".".join(str(p) for p in error.absolute_path) or "facts"
    limit = error.validator_value
    said = {
        "const": f"must be {limit!r}",
        "enum": f"must be one of {limit}",
        "type": f"must be of type {limit}",
        "minLength": "must not be empty",
        "maxLength": f"longer than {limit} characters",
        "pattern": "not in the expected form",
        "minItems": f"needs at least {limit}",
        "maxItems": f"more than {limit}",
        "minimum": f"below {limit}",
        "maximum": f"above {limit}",
        "anyOf": "needs an answer with its media time, or the reason for leaving it out",
    }
    if error.validator == "required":
        missing = [n for n in limit if n not in error.instance]
        return f"{at}: missing {', '.join(missing)}"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        return f"{at}: unknown {', '.join(sorted(str(n) for n in error.instance if n not in known))[:200]}"
    return f"{at}: {said.get(error.validator, f'breaks the rule {error.validator}')}"


DATES = {"issued_on", "birth", "drawn_on"}
TIMES = {"signed_at", "started_at", "ended_at", "from", "to"}


def _bad_dates(node: Any, at: str = "") -> list[str]:
    """The pattern lets 2026-02-30 through; the calendar does not."""
    found: list[str] = []
    if isinstance(node, Mapping):
        for key, value in node.items():
            here = f"{at}.{key}" if at else str(key)
            try:
                if key in DATES:
                    date.fromisoformat(value)
                elif key in TIMES:
                    datetime.fromisoformat(value)
                else:
                    found += _bad_dates(value, here)
            except (TypeError, ValueError):
                found.append(f"{here}: no such date")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            found += _bad_dates(value, f"{at}.{i}")
    return found


def _bad_zone(data: Mapping[str, Any]) -> list[str]:
    try:
        ZoneInfo(data.get("time_zone", "Asia/Shanghai"))
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return ["time_zone: no such zone"]
    return []


def manifest(files: Sequence[Mapping[str, Any]]) -> bytes:
    """`manifest.json` of an evidence bundle, from its list; the one byte form that the deed's hash is of."""
    listed = {"format": "yuanzheng-bundle/1", "files": list(files)}
    return json.dumps(listed, ensure_ascii=False, sort_keys=True, indent=1).encode()


def canonical(data: Mapping[str, Any]) -> bytes:
    """The one byte form that is embedded and hashed: UTF-8, sorted names, no spaces."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
