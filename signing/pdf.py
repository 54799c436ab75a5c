"""PDF as our deeds are written, and no other: classic indexes, one revision behind another, nothing between
(ISO 32000-1 7.3, 7.5).

Viewers repair what is broken and look for what is hidden; a verifier must not. Every revision after the first
is objects, index and trailer without a byte between them, so nothing can stand in a file that no rule sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from signing import packed
from signing.pdfvalue import BadPdf, Ref, Stream, value_at

MOST_REVISIONS, MOST_OBJECTS, LONGEST = 64, 20_000, 400_000
"""A deed has some hundred objects; one object without its stream is at most LONGEST bytes. So a crafted file of any
size is read, or refused, in about the time of a genuine one. ours"""
HEADER = re.compile(rb"(\d{1,7}) 0 obj[\0\t\n\f\r ]+")
STREAM = re.compile(rb"[\0\t\n\f\r ]*stream\r?\n")
END_STREAM = re.compile(rb"\r?\n?endstream[\0\t\n\f\r ]+endobj\n")
END = re.compile(rb"[\0\t\n\f\r ]*endobj\n")
SECTION = re.compile(rb"(\d{1,7}) (\d{1,7})\n")
ENTRY = re.compile(rb"(\d{10}) (\d{5}) ([nf])(?: \n|\r\n| \r)")
TRAILER = re.compile(rb"trailer[\0\t\n\f\r ]+")
START = re.compile(rb"[\0\t\n\f\r ]*startxref\n(\d{1,10})\n%%EOF(\n?)")
TAIL = re.compile(rb"startxref\n(\d{1,10})\n%%EOF\n?\Z")


@dataclass(frozen=True)
class Revision:
    """`start`, `end`: its bytes in the file. `places`: offset of each object that it writes, by number.

    Where its index is compressed, `index` is that index's own number, and `inside` tells which objects lie in streams.
    """

    start: int
    end: int
    places: dict[int, int]
    trailer: dict[str, Any]
    index: int = 0
    inside: packed.Inside = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    data: bytes
    revisions: tuple[Revision, ...]
    _read: dict[int, tuple[int, Any, int]] = field(default_factory=dict, repr=False)
    """Objects read so far, by offset; nobody changes what `get` gives him."""
    _unpacked: dict[int, bytes] = field(default_factory=dict, repr=False)

    def get(self, ref: Any, revision: int = -1) -> Any:
        """What a reference points to as of a revision (from 0; -1: the last); anything else is itself."""
        if not isinstance(ref, Ref):
            return ref
        upto = len(self.revisions) if revision < 0 else revision + 1
        for one in reversed(self.revisions[:upto]):
            if ref.number in one.places:
                return self.object_at(one.places[ref.number], ref.number)[0]
            if ref.number in one.inside:
                return self._inside(one, ref.number)
        raise BadPdf("a reference to nothing")

    def _inside(self, one: Revision, number: int) -> Any:
        """From a stream of objects, which the same revision wrote."""
        home, place = one.inside[number]
        at = one.places[home]
        held = self.object_at(at, home)[0]

        def unpacked() -> bytes:
            if at not in self._unpacked:
                self._unpacked[at] = held.inflated()
            return self._unpacked[at]

        return packed.value(held, unpacked, number, place)

    def object_at(self, at: int, number: int) -> tuple[Any, int]:
        """-> (value, offset behind `endobj`)."""
        if at not in self._read:
            self._read[at] = _object_at(self.data, at)
        found, value, end = self._read[at]
        if found != number:
            raise BadPdf("two numbers for one object")
        return value, end

    @cached_property
    def root(self) -> Ref:
        return self.revisions[-1].trailer["Root"]

    def catalogue(self, revision: int = -1) -> dict[str, Any]:
        return self.get(self.root, revision)

    def is_new(self, number: int, revision: int) -> bool:
        return not any(number in r.places or number in r.inside for r in self.revisions[:revision])


def _object_at(data: bytes, at: int) -> tuple[int, Any, int]:
    """-> (number, value, offset behind `endobj`)."""
    head = HEADER.match(data, at)
    if head is None:
        raise BadPdf("no such object there")
    value, length = value_at(data[head.end() : head.end() + LONGEST], 0, 0)
    end = head.end() + length
    if stream := STREAM.match(data, end):
        size = value.get("Length") if isinstance(value, dict) else None
        if type(size) is not int or not 0 <= size <= len(data):
            raise BadPdf("a stream of unknown length")
        raw = data[stream.end() : stream.end() + size]
        close = END_STREAM.match(data, stream.end() + size)
        value = Stream(value, raw)
    else:
        close = END.match(data, end)
    if close is None:
        raise BadPdf("an object does not end")
    return int(head[1]), value, close.end()


def read(data: bytes, *, compressed: bool = False) -> File:
    """Every revision, oldest first. BadPdf where something stands between, behind or twice.

    `compressed`: its index may be a stream, in every revision or in none; ours never is.
    """
    tail = TAIL.search(data, max(0, len(data) - 40))
    if tail is None or not data.startswith((b"%PDF-1.", b"%PDF-2.")):
        raise BadPdf("no PDF, or cut off")
    found: list[Revision] = []
    at: int | None = int(tail[1])
    while at is not None:
        if len(found) >= MOST_REVISIONS:
            raise BadPdf("too many revisions")
        one = _compressed(data, at) if compressed and data[at : at + 1] != b"x" else _index(data, at)
        if found and bool(found[0].index) != bool(one.index):
            raise BadPdf("an index of two kinds")
        found.append(one)
        trailer = one.trailer
        before = trailer.get("Prev")
        if before is not None and (type(before) is not int or not 0 < before < at):
            raise BadPdf("an index before that is none")
        at = before
    found.reverse()
    file = File(data, _joined(found))
    if file.revisions[-1].end != len(data):
        raise BadPdf("bytes behind the last revision")
    for no, revision in enumerate(file.revisions):
        _check_revision(file, no, revision, found[no].start)
    return file


def _joined(found: list[Revision]) -> tuple[Revision, ...]:
    """Each begins where the one before ends; until here `start` held the place of its index."""
    starts = [0, *(r.end for r in found[:-1])]
    return tuple(replace(r, start=s) for s, r in zip(starts, found, strict=True))


def _index(data: bytes, at: int) -> Revision:
    """A revision by its index; `start` is the index's place until all are known."""
    if data[at : at + 5] != b"xref\n":
        raise BadPdf("no index there")
    places: dict[int, int] = {}
    here = at + 5
    while section := SECTION.match(data, here):
        first, count, here = int(section[1]), int(section[2]), section.end()
        if len(places) + count > MOST_OBJECTS:
            raise BadPdf("too many objects")
        for number in range(first, first + count):
            entry = ENTRY.match(data, here)
            if entry is None or number in places:
                raise BadPdf("a line of the index")
            here = entry.end()
            free = entry[3] == b"f"
            if free != (number == 0) or entry[2] != (b"65535" if free else b"00000"):
                raise BadPdf("a freed object")
            if not free:
                places[number] = int(entry[1])
    word = TRAILER.match(data, here)
    if word is None:
        raise BadPdf("no trailer")
    trailer, length = value_at(data[word.end() : word.end() + LONGEST], 0, 0)
    here = word.end() + length
    if not isinstance(trailer, dict):
        raise BadPdf("no end of a revision")
    return _ended(data, here, Revision(at, 0, places, trailer))


def _compressed(data: bytes, at: int) -> Revision:
    number, stream, here = _object_at(data, at)
    places, inside, trailer = packed.index(stream, MOST_OBJECTS)
    if places.get(number, at) != at or number in inside or not number:
        raise BadPdf("an index that is another object")
    return _ended(data, here, Revision(at, 0, places, trailer, number, inside))


def _ended(data: bytes, here: int, one: Revision) -> Revision:
    start = START.match(data, here)
    if start is None or int(start[1]) != one.start:
        raise BadPdf("no end of a revision")
    if not isinstance(one.trailer.get("Root"), Ref) or set(one.trailer) - {"Size", "Root", "Info", "ID", "Prev"}:
        raise BadPdf("another trailer")
    return replace(one, end=start.end())


def _check_revision(file: File, no: int, one: Revision, index: int) -> None:
    """Its objects lie in it; in later ones they touch each other from the first byte to the index."""
    at = one.start
    for number, place in sorted(one.places.items(), key=lambda item: item[1]):
        if number == one.index:
            continue  # the index itself
        if not one.start <= place < index or (no and place != at):
            raise BadPdf("an object of another revision, or bytes between objects")
        if no:
            at = file.object_at(place, number)[1]
    if no and at != index:
        raise BadPdf("bytes between objects and index")
