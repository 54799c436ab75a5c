"""The child's side: `python -m identity.inmate`. One job after another from stdin; gone when stdin ends or stays idle."""

import os
import select
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from typing import Any

from identity import cage, wire
from identity.errors import IdentityError

IDLE_SECONDS = 180.0

Answer = tuple[dict[str, Any], list[bytes]]


def _compare(head: dict[str, Any], blobs: list[bytes]) -> Answer:
    from identity.comparison import compare
    from identity.pictures import decode

    seen = compare(decode(blobs[0]), [decode(blob) for blob in blobs[1:]], tuple(head["engines"]))
    return seen.as_json(), []


def _read(head: dict[str, Any], blobs: list[bytes]) -> Answer:
    from identity.documents import read
    from identity.pictures import decode

    today = date.fromisoformat(head["today"]) if head["today"] else None
    return read(decode(blobs[0]), today).as_json(), []


def _portrait(_: dict[str, Any], blobs: list[bytes]) -> Answer:
    from identity.faces import portrait
    from identity.pictures import decode, encode_jpeg

    return {}, [encode_jpeg(portrait(decode(blobs[0])))]


def _engines(_: dict[str, Any], __: list[bytes]) -> Answer:
    from identity import engines, weights
    from identity.errors import NoEngine

    for each in (weights.YUNET, weights.OCR_FIND, weights.OCR_READ, weights.FACE_MESH, weights.IRIS):
        weights.verified(each)
    standing = {}
    for name in engines.NAMES:
        try:
            engine = engines.engine(name)
        except NoEngine:
            continue
        standing[name] = {
            "version": engine.version,
            "model_sha256": engine.model_sha256,
            "thresholds": dict(engine.thresholds),
        }
    return standing, []


_observer: Any = None
_known: "OrderedDict[str, Any]" = OrderedDict()
MOST_KNOWN = 64


def _observe(head: dict[str, Any], blobs: list[bytes]) -> Answer:
    """The signals of frames of a challenge. What the observer holds of the person goes with this process."""
    global _observer
    from identity.errors import Unreadable
    from identity.observer import Observer
    from identity.pictures import decode
    from identity.signals import Signals

    if head["begin"] or _observer is None:
        _observer = Observer()
    seen = []
    for blob, at in zip(blobs, head["at"], strict=True):
        try:
            image = decode(blob)
        except Unreadable:
            seen.append(Signals(at, 0))
            continue
        seen.append(_observer.observe(image, at, ahead=head["ahead"][0] <= at <= head["ahead"][1]))
    return {"signals": [one.as_json() for one in seen]}, []


def _same(head: dict[str, Any], blobs: list[bytes]) -> Answer:
    """Is the frame (first blob) the person of the accepted frames (the rest, or, where they were given before, `key`)?"""
    from identity.accepted import Accepted
    from identity.pictures import decode

    key = head["key"]
    if len(blobs) > 1:
        _known[key] = Accepted([decode(blob) for blob in blobs[1:]])
    if key not in _known:
        return {"known": False}, []
    _known.move_to_end(key)
    while len(_known) > MOST_KNOWN:
        _known.popitem(last=False)
    return {"known": True, **_known[key].look(decode(blobs[0])).as_json()}, []


JOBS: dict[str, Callable[[dict[str, Any], list[bytes]], Answer]] = {
    "compare": _compare,
    "read": _read,
    "portrait": _portrait,
    "observe": _observe,
    "same": _same,
    "engines": _engines,
}


def answer(head: dict[str, Any], blobs: list[bytes]) -> Answer:
    """A refusal goes back by its class and key; any other failure by class and place only: its text may hold what
    was read from a card."""
    try:
        told, made = JOBS[head["job"]](head, blobs)
    except IdentityError as refusal:
        return {"refused": type(refusal).__name__, "words": str(refusal)}, []
    except Exception as failure:  # noqa: BLE001 - whatever a native library raises, the office hears of it
        at = traceback.extract_tb(failure.__traceback__)[-1]
        return {"failed": f"{type(failure).__name__} in {os.path.basename(at.filename)}:{at.lineno}"}, []  # noqa: PTH119
    return {"told": told}, made


def main() -> int:
    # Libraries print; only we write to the office.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    source = os.fdopen(0, "rb", buffering=0)
    cage.close()
    while select.select([source], [], [], IDLE_SECONDS)[0]:
        asked = wire.read(_Whole(source))
        if asked is None:
            return 0
        cage.next_job()
        wire.write(out, *answer(*asked))
    return 0


class _Whole:
    """Reads of exactly `count` bytes from an unbuffered stream, so that `select` tells the truth about it."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, count: int) -> bytes:
        parts, missing = [], count
        while missing and (part := self._source.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


if __name__ == "__main__":
    sys.exit(main())
