"""Whether a file is a deed of a trusted office, unchanged: numbered steps, one verdict, never an exception.

`examine` is our own rules, in this process, with `cryptography` alone. `verify` asks pyHanko for a second opinion
on what they call valid, in a child process with limits; it can only turn `valid` into `unknown`.
Sources: ISO 32000-2 12.8; ETSI EN 319 102-1 and 319 142-1; RFC 3161, 5280, 5652, 6960.
"""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime

from signing.case import Case, utc
from signing.steps import ACTS
from signing.trust import BadTrust, Trust
from signing.trustbundle import Known
from signing.verdict import STEPS, Outcome, Reason, Refused, Step, Verdict, Word, sentence
from signing.verdict import reason as worded

__all__ = ["BadTrust", "Trust", "examine", "verify"]
LARGEST = 30_000_000


def verify(
    data: bytes,
    trust: Trust | None = None,
    *,
    bundle: bytes | None = None,
    now: datetime | None = None,
    known: Known | None = None,
) -> Verdict:
    """The verdict on one file, by the file alone, with the second opinion where pyHanko is installed.

    `trust` None: never valid, only not invalid. `bundle`: the evidence zip that came with it. `now`: aware, for
    tests. `known`: a believed trust bundle (`trustbundle.read`). The second opinion costs about two seconds, most of it the start of the child.
    """
    from signing import second

    now = now or datetime.now(UTC)
    ours = examine(data, trust, bundle=bundle, now=now, known=known)
    if ours.verdict != "valid" or trust is None or not second.installed():
        return ours
    assert ours.archived_at is not None
    said = second.ask(data, trust, datetime.fromisoformat(ours.archived_at))
    outcome: Outcome = "cannot tell" if said else "passed"
    step = Step(len(STEPS), STEPS[-1], outcome, said.en if said else "agrees")
    whole = dataclasses.replace(ours, steps=(*ours.steps[:-1], step))
    if said is None:
        return whole
    return dataclasses.replace(whole, verdict="unknown", reasons=(said,), sentence=sentence("unknown", said, {}))


def examine(
    data: bytes,
    trust: Trust | None = None,
    *,
    bundle: bytes | None = None,
    now: datetime | None = None,
    known: Known | None = None,
) -> Verdict:
    """Our own rules. Linear in the size of the file. Raises nothing but MemoryError."""
    now = now or datetime.now(UTC)
    if len(data) > LARGEST:
        return _broken(data, now, worded("file.size"))
    case = Case(data, trust, now, bundle, known)
    steps: list[Step] = []
    reason: Reason | None = None
    word: Word = "valid"
    for no, (name, act) in enumerate(zip(STEPS, ACTS, strict=False), 1):
        if word == "invalid":
            steps.append(Step(no, name, "not done"))
            continue
        outcome: Outcome
        try:
            detail = act(case)
            outcome = "not done" if detail is None else "passed"
        except Refused as refused:
            detail = refused.reason.en
            outcome = "cannot tell" if refused.cannot_tell else "failed"
            if reason is None or not refused.cannot_tell:
                reason = refused.reason
            word = "unknown" if refused.cannot_tell else "invalid"
        except MemoryError:
            raise
        except Exception as wrong:  # noqa: BLE001 - a reader of hostile bytes must not fall over whatever they are
            outcome, word = "failed", "invalid"
            reason = worded("file.unreadable")
            detail = type(wrong).__name__
        steps.append(Step(no, name, outcome, detail or ""))
    steps.append(Step(len(STEPS), STEPS[-1], "not done"))
    if word == "valid" and trust is None:
        word = "unknown"
        reason = worded("trust.not-given")
    told = _as_known(case) if word == "valid" else None
    return Verdict(
        verdict=word,
        sentence=sentence(word, reason, case.found, told),
        reasons=(reason,) if reason else (),
        steps=tuple(steps),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        checked_at=utc(now),
        signers=tuple(case.signers) if word != "invalid" else (),
        remarks=tuple(case.remarks) if word != "invalid" else (),
        stamped_at=utc(case.times[0]) if case.times and word != "invalid" else None,
        archived_at=utc(case.times[-1]) if case.stamps and word != "invalid" else None,
        known_at=told or (utc(min(case.words)) if case.words and word == "valid" else None),
        **(case.found if word != "invalid" else {}),
    )


def _as_known(case: Case) -> str | None:
    """The trust bundle's date, if it speaks of everybody on whom the verdict rests."""
    if case.known is None or not all(case.known.covers(one.path[0]) for one in case.stamps):
        return None
    return utc(case.known.made_at) if all(map(case.known.covers, case.leaves)) else None


def _broken(data: bytes, now: datetime, reason: Reason) -> Verdict:
    steps = tuple(Step(no, name, "not done") for no, name in enumerate(STEPS, 1))
    return Verdict(
        verdict="invalid",
        sentence=sentence("invalid", reason, {}),
        reasons=(reason,),
        steps=steps,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        checked_at=utc(now),
    )
