"""Seeded mutation of real samples. Every input follows from (seed, target, number) alone, so that it can be made again.

FUZZ=name:number runs one input; SEED, TIMES and FROM set seed, size and where to go on.
"""

import copy
import json
import os
import random
import signal
import string
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

SEED = int(os.environ.get("SEED", "20261124"))
TIMES = float(os.environ.get("TIMES", "1"))
FROM = int(os.environ.get("FROM", "0"))
ONLY = os.environ.get("FUZZ", "")
STALL = 20.0
"""Seconds that one input may take before it counts as a stall."""
NUMBERS = (0, -1, 1, 2**31, 2**32, 2**63, 2**64, -(2**63), 10**30, 1e308, -0.0, 0.1)
WORDS = (
    "", " ", "0", "-1", "1e999", "NaN", "null", "true", "99999999999999999999", "٣٤", "²", "½", "样本", "𠮷", "\u202e", "\ufeff",
    "é" * 300, "<script>alert(1)</script>", "{{7*7}}", "%s%n%(x)s", "../../etc/passwd", "'; DROP TABLE cases;--", "\r\nX: y",
    "\x01\x7f", "2026-02-30", "0000-00-00", "9999-12-31", "2026-11-24T25:61:00+99:99", "00000000-0000-0000-0000-000000000000", "A" * 5000,
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """`make(rng)` gives one input; `take(input)` must return, whatever it is. `count` in an ordinary check."""

    name: str
    count: int
    make: Callable[[random.Random], object]
    take: Callable[[object], None]


def run(target: Target) -> int:
    """Feeds the target; returns how many inputs. Each finding, one a place, says how to make its input again."""
    if ONLY:
        name, _colon, number = ONLY.partition(":")
        numbers = [int(number)] if name == target.name else []
    else:
        numbers = range(FROM, FROM + int(target.count * TIMES))
    began, found = time.monotonic(), {}
    for number in numbers:
        given = target.make(random.Random(f"{SEED}:{target.name}:{number}"))
        try:
            with bounded():
                target.take(given)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (anything at all is a finding)
            place = traceback.extract_tb(error.__traceback__)[-1]
            found.setdefault(
                (type(error), place.filename, place.lineno),
                f"{type(error).__name__}: {error!s:.300} at {place.filename}:{place.lineno}\n"
                f"again: SEED={SEED} FUZZ={target.name}:{number}\ninput: {given!r:.2000}",
            )
            if len(found) >= 10:
                break
    spent = time.monotonic() - began
    print(f"fuzz {target.name}: {len(numbers)} inputs from {FROM}, seed {SEED}, {spent:.1f} s")
    assert not found, "\n\n".join(found.values())
    return len(numbers)


@contextmanager
def bounded():
    """An input that stalls is a finding too."""

    def stalled(_signal, _frame):
        raise TimeoutError(f"one input took more than {STALL} s")

    before = signal.signal(signal.SIGALRM, stalled)
    signal.setitimer(signal.ITIMER_REAL, STALL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def spoil_bytes(rng, data, others=()):
    """One to six changes: bits, bytes, cuts, doubles, insertions, pieces of another sample."""
    out = bytearray(data)
    for _n in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(out) + 1)
        size = min(len(out) - at, rng.choice((1, 2, 4, 8, 64, 512)))
        match rng.randrange(8):
            case 0 if out:
                out[at % len(out)] ^= 1 << rng.randrange(8)
            case 1 if out:
                out[at % len(out)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = out[at : at + size] * rng.choice((1, 2, 50))
            case 4:
                out[at:at] = rng.randbytes(rng.choice((1, 2, 4, 30)))
            case 5:
                del out[at:]
            case 6 if others:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                out[at : at + size] = other[start : start + rng.choice((4, 64, 400))]
            case _:
                value = rng.choice((0, 1, 0x7F, 0x80, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
                out[at : at + 4] = value.to_bytes(4, rng.choice(("big", "little")))
    return bytes(out)


def spoil_text(rng, text, others=()):
    """As `spoil_bytes`, by lines and characters, with words that break readers."""
    if rng.random() < 0.25:
        return spoil_bytes(rng, text.encode(), [one.encode() for one in others]).decode("utf-8", "replace")
    lines = text.splitlines(keepends=True) or [""]
    for _n in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(lines)) if lines else 0
        match rng.randrange(7):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1 if lines:
                lines.insert(at, lines[at] * rng.choice((1, 2, 40)))
            case 2 if lines:
                lines[at], lines[0] = lines[0], lines[at]
            case 3 if others:
                lines.insert(at, rng.choice(rng.choice(others).splitlines(keepends=True) or [""]))
            case 4 if lines:
                parts = lines[at].split(" ")
                parts[rng.randrange(len(parts))] = rng.choice(WORDS)
                lines[at] = " ".join(parts)
            case _ if lines:
                line, where = lines[at], rng.randrange(len(lines[at]) + 1)
                middle = rng.choice((rng.choice(WORDS), rng.choice(string.printable), ""))
                lines[at] = line[:where] + middle + line[where + rng.choice((0, 1, 4)) :]
    return "".join(lines)


def any_value(rng, depth=0):
    """Some JSON value or other."""
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind == 5:
        return [any_value(rng, depth + 1) for _n in range(rng.randrange(4))]
    if kind == 6:
        return {rng.choice(WORDS)[:40]: any_value(rng, depth + 1) for _n in range(rng.randrange(4))}
    if kind == 7:
        deep = []
        for _n in range(rng.choice((3, 60))):
            deep = [deep]
        return deep
    return (rng.choice(WORDS), rng.choice(NUMBERS), None, rng.random() < 0.5, "x" * rng.choice((1, 100, 3000)))[kind]


def spoil_json(rng, value):
    """The same value with one to three places changed: replaced, dropped, doubled, renamed."""
    out = copy.deepcopy(value)
    for _n in range(rng.choice((1, 1, 2, 3))):
        places = [(None, None), *_places(out)]
        box, key = rng.choice(places)
        if box is None:
            if rng.random() < 0.05:
                out = any_value(rng)
            continue
        match rng.randrange(5):
            case 0:
                del box[key]
            case 1 if isinstance(box, dict):
                box[rng.choice(WORDS)[:40]] = box.pop(key)
            case 2 if isinstance(box, list):
                box.insert(key, copy.deepcopy(box[key]))
            case 3 if isinstance(box[key], str):
                box[key] = spoil_text(rng, box[key])
            case _:
                box[key] = any_value(rng)
    return out


def _places(value):
    found = []
    if isinstance(value, dict):
        for key in value:
            found += [(value, key), *_places(value[key])]
    elif isinstance(value, list):
        for at, one in enumerate(value):
            found += [(value, at), *_places(one)]
    return found


def json_line(rng, samples):
    """A line of JSON, changed as data or as bytes."""
    value = rng.choice(samples)
    if rng.random() < 0.7:
        return json.dumps(spoil_json(rng, value)).encode() + b"\n"
    if rng.random() < 0.02:
        return b"[" * 100_000
    return spoil_bytes(rng, json.dumps(value).encode())
