"""DER, and nothing laxer: what a signature container may be spelt in (X.690 8, 10, 11).

Parsers are usually lax; an outer length that reaches into padding zeros was read as the same container. Here
every length is minimal, every element lies inside its parent, and the whole tree is walked before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

INTEGER, BIT_STRING, OCTETS, NULL, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31
BOOLEAN, GENERALIZED_TIME = 0x01, 0x18
DEEPEST = 40
TIME = re.compile(r"[0-9]{14}(\.[0-9]{1,6})?Z")


class BadDer(ValueError):
    """Not the DER that was expected."""


@dataclass(frozen=True, slots=True)
class Node:
    """One element. `raw`: with its header. `body`: without."""

    tag: int
    raw: bytes
    body: bytes

    def __iter__(self) -> Iterator[Node]:
        """Children, where it is constructed. BadDer otherwise."""
        if not self.tag & 0x20:
            raise BadDer("a primitive element has no children")
        at = 0
        while at < len(self.body):
            child, at = _one(self.body, at)
            yield child

    def children(self, *tags: int) -> list[Node]:
        """Exactly these children. BadDer otherwise."""
        found = list(self)
        if tuple(c.tag for c in found) != tags:
            raise BadDer("other children than expected")
        return found

    def the(self, tag: int) -> Node:
        """Its only child, of this tag."""
        return self.children(tag)[0]

    def integer(self) -> int:
        """INTEGER, also under an implicit tag; minimal (X.690 8.3.2)."""
        body = self.body
        if not body or (len(body) > 1 and (body[0], body[1] & 0x80) in ((0, 0), (0xFF, 0x80))):
            raise BadDer("an integer that is not minimal")
        return int.from_bytes(body, "big", signed=True)

    def time(self) -> datetime:
        """GeneralizedTime in UTC, with or without a fraction (RFC 3161 2.4.2)."""
        text = self.body.decode("ascii")
        if self.tag != GENERALIZED_TIME or TIME.fullmatch(text) is None:
            raise BadDer("no time in UTC")
        form = "%Y%m%d%H%M%S.%fZ" if "." in text else "%Y%m%d%H%M%SZ"
        return datetime.strptime(text, form).replace(tzinfo=UTC)


def read(raw: bytes, tag: int = SEQUENCE) -> Node:
    """The one element of `tag` that `raw` is, all of its inside checked. BadDer."""
    if end_of(raw) != len(raw) or raw[0] != tag:
        raise BadDer("another element, or bytes behind it")
    return _one(raw, 0)[0]


def end_of(raw: bytes) -> int:
    """Where the first element of `raw` ends; what follows may be padding. All of its inside is checked."""
    return _walk(raw, 0, len(raw), 0)


def oid(dotted: str) -> bytes:
    """The body of an OBJECT IDENTIFIER (X.690 8.19)."""
    first, second, *others = (int(n) for n in dotted.split("."))
    out = b""
    for arc in (first * 40 + second, *others):
        piece = [arc & 0x7F]
        while arc := arc >> 7:
            piece.append(arc & 0x7F | 0x80)
        out += bytes(reversed(piece))
    return out


def wrap(tag: int, *bodies: bytes) -> bytes:
    """An element of `tag` around `bodies`."""
    body = b"".join(bodies)
    size = len(body)
    if size < 128:
        return bytes((tag, size)) + body
    count = (size.bit_length() + 7) // 8
    return bytes((tag, 0x80 | count)) + size.to_bytes(count, "big") + body


def _header(raw: bytes, at: int, limit: int) -> tuple[int, int]:
    """-> (start, end) of the body. No tag above 30, no indefinite length, at most three bytes of length."""
    if at + 2 > limit or raw[at] == 0 or raw[at] & 0x1F == 0x1F:
        raise BadDer("an element's header")
    size, start = raw[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(raw[start : start + count], "big"), start + count
        if not 1 <= count <= 3 or size < 0x80 or size >> (8 * (count - 1)) == 0:
            raise BadDer("a length that is not minimal")
    if start + size > limit:
        raise BadDer("an element longer than its parent")
    return start, start + size


def _one(raw: bytes, at: int) -> tuple[Node, int]:
    start, end = _header(raw, at, len(raw))
    return Node(raw[at], raw[at:end], raw[start:end]), end


def _walk(raw: bytes, at: int, limit: int, depth: int) -> int:
    if depth > DEEPEST:
        raise BadDer("too deep")
    start, end = _header(raw, at, limit)
    while raw[at] & 0x20 and start < end:
        start = _walk(raw, start, end, depth + 1)
    return end
