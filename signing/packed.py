"""A compressed index and objects that lie in streams (ISO 32000-1 7.5.7, 7.5.8), as other writers make them.

Only `foreign` reads these, and only what the notary signed may hold objects in streams.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from signing.pdfvalue import BadPdf, Stream, value_at

KEYS = {"Type", "Index", "W", "Filter", "DecodeParms", "Length"}
PAIRS = re.compile(rb"[\0\t\n\f\r ]*(\d{1,10})[\0\t\n\f\r ]+(\d{1,10})")
LONGEST = 400_000
UP = 2
"""The filter of a row that says what was added to the row above (PNG, 9.2)."""
Places = dict[int, int]
Inside = dict[int, tuple[int, int]]
"""Number of an object -> number of the stream that holds it, and its place there."""


def index(stream: Any, most: int) -> tuple[Places, Inside, dict[str, Any]]:
    """A cross-reference stream -> offsets, objects in streams, and what stands for a trailer. BadPdf."""
    if not isinstance(stream, Stream) or stream.head.get("Type") != "XRef":
        raise BadPdf("no index there")
    head = stream.head
    widths, size = head["W"], head["Size"]
    spans = head.get("Index", [0, size])
    if not all(type(n) is int and n >= 0 for n in (*widths, size, *spans)) or len(widths) != 3 or max(widths) > 8:
        raise BadPdf("an index of another form")
    rows = _rows(stream, sum(widths))
    counts = list(zip(spans[::2], spans[1::2], strict=True))
    if sum(count for _, count in counts) > most or sum(count for _, count in counts) * sum(widths) != len(rows):
        raise BadPdf("too many objects, or too few lines")
    places: Places = {}
    inside: Inside = {}
    at = 0
    for first, count in counts:
        for number in range(first, first + count):
            fields = []
            for width in widths:
                fields.append(int.from_bytes(rows[at : at + width], "big"))
                at += width
            kind = fields[0] if widths[0] else 1
            if (
                number in places
                or number in inside
                or (kind == 0) != (number == 0)
                or kind > 2
                or (kind == 1 and fields[2])
            ):
                raise BadPdf("a line of the index")
            if kind == 1:
                places[number] = fields[1]
            elif kind == 2:
                inside[number] = (fields[1], fields[2])
    return places, inside, {k: v for k, v in head.items() if k not in KEYS}


def _rows(stream: Stream, width: int) -> bytes:
    """Its data, without the predictor that most writers put before it (ISO 32000-1 7.4.4.4)."""
    head = {k: v for k, v in stream.head.items() if k != "DecodeParms"}
    data = Stream(head, stream.raw).inflated()
    told = stream.head.get("DecodeParms")
    if told is None or told.get("Predictor", 1) == 1:
        return data
    if type(told["Predictor"]) is not int or told["Predictor"] < 10 or told.get("Columns", 1) != width:
        raise BadPdf("a filter that we do not use")
    if len(data) % (width + 1):
        raise BadPdf("half a line of the index")
    out, above = bytearray(), bytes(width)
    for at in range(0, len(data), width + 1):
        kind, row = data[at], data[at + 1 : at + 1 + width]
        if kind not in (0, UP):
            raise BadPdf("a filter that we do not use")
        above = bytes((a + b) & 0xFF for a, b in zip(above, row, strict=True)) if kind == UP else row
        out += above
    return bytes(out)


def value(held: Any, unpacked: Callable[[], bytes], number: int, place: int) -> Any:
    """The object `number` that stands at `place` in an object stream. `unpacked`: its data. BadPdf."""
    if not isinstance(held, Stream) or held.head.get("Type") != "ObjStm" or "Extends" in held.head:
        raise BadPdf("no stream of objects")
    data, first = unpacked(), held.head["First"]
    if type(first) is not int or not 0 <= first <= len(data):
        raise BadPdf("no stream of objects")
    pairs = PAIRS.findall(data[:first])
    if place >= len(pairs) or int(pairs[place][0]) != number:
        raise BadPdf("no such object there")
    at = first + int(pairs[place][1])
    return value_at(data[at : at + LONGEST], 0, 0)[0]
