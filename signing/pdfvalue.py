"""Values of a PDF, strictly (ISO 32000-1 7.3): no comments, no repair, no key twice, strings as bytes."""

from __future__ import annotations

import re
import zlib
from typing import Any, NamedTuple

DEEPEST = 24
INFLATED = 8_000_000
"""Largest inflated stream in bytes, so that a bomb stays a bombshell."""
DIGITS = 15
"""Of an integer at most: what every reader holds exactly. ours"""
SPACE = re.compile(rb"[\0\t\n\f\r ]*")
NAME = re.compile(rb"/([^\0\t\n\f\r ()<>\[\]{}/%]*)")
NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)")
REFERENCE = re.compile(rb"(\d{1,7})[\0\t\n\f\r ]+0[\0\t\n\f\r ]+R(?![A-Za-z0-9])")
WORD = re.compile(rb"true|false|null")
HEX = re.compile(rb"<([0-9A-Fa-f]*)>")
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
OCTAL = re.compile(rb"[0-7]{1,3}")


class BadPdf(ValueError):
    """Not a PDF as we write it."""


class Name(str):
    """A name without its slash, as it is spelt; a key never has a #-escape, or two keys could be one."""

    __slots__ = ()


class Ref(NamedTuple):
    """An indirect reference; generation is always 0."""

    number: int


class Stream(NamedTuple):
    head: dict[str, Any]
    raw: bytes

    def inflated(self) -> bytes:
        """Its data. BadPdf for any filter but Flate and for more than INFLATED bytes."""
        kind = self.head.get("Filter")
        if kind is None:
            return self.raw
        if kind != "FlateDecode" or "DecodeParms" in self.head:
            raise BadPdf("a filter that we do not use")
        job = zlib.decompressobj()
        try:
            data = job.decompress(self.raw, INFLATED)
        except zlib.error:
            raise BadPdf("a damaged stream") from None
        if not job.eof or job.unconsumed_tail or job.unused_data:
            raise BadPdf("a stream that is cut off, too large, or goes on")
        return data


def value_at(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """One value from `at` -> (value, offset behind it). Comments are refused; strings are bytes."""
    if depth > DEEPEST:
        raise BadPdf("too deep")
    at = SPACE.match(data, at).end()  # type: ignore[union-attr] # matches the empty string
    two = data[at : at + 2]
    if two == b"<<":
        return _dictionary(data, at + 2, depth)
    if two[:1] == b"[":
        return _array(data, at + 1, depth)
    if two[:1] == b"(":
        return _string(data, at + 1)
    if found := NAME.match(data, at):
        return Name(found[1].decode("latin-1")), found.end()
    if found := HEX.match(data, at):
        return bytes.fromhex((found[1] + b"0" * (len(found[1]) % 2)).decode("ascii")), found.end()
    if found := REFERENCE.match(data, at):
        return Ref(int(found[1])), found.end()
    if found := NUMBER.match(data, at):
        if len(found[0]) > (3 * DIGITS if b"." in found[0] else DIGITS):
            raise BadPdf("a number too long to be held exactly")
        return (float(found[0]) if b"." in found[0] else int(found[0])), found.end()
    if found := WORD.match(data, at):
        return {b"true": True, b"false": False, b"null": None}[found[0]], found.end()
    raise BadPdf("not a value")


def _dictionary(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while True:
        at = SPACE.match(data, at).end()  # type: ignore[union-attr]
        if data[at : at + 2] == b">>":
            return found, at + 2
        key, at = value_at(data, at, depth + 1)
        if not isinstance(key, Name) or "#" in key or key in found:
            raise BadPdf("a key that is no name, is escaped, or stands twice")
        found[str(key)], at = value_at(data, at, depth + 1)


def _array(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while True:
        at = SPACE.match(data, at).end()  # type: ignore[union-attr]
        if data[at : at + 1] == b"]":
            return found, at + 1
        value, at = value_at(data, at, depth + 1)
        found.append(value)


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """A literal string with balanced brackets and escapes (7.3.4.2)."""
    out, open_brackets = bytearray(), 1
    while at < len(data):
        char = data[at : at + 1]
        at += 1
        if char == b"\\":
            octal = OCTAL.match(data, at)
            if octal:
                out.append(int(octal[0], 8) & 0xFF)
                at = octal.end()
                continue
            char = data[at : at + 1]
            at += 1
            out += ESCAPES.get(char, char)
            continue
        open_brackets += {b"(": 1, b")": -1}.get(char, 0)
        if not open_brackets:
            return bytes(out), at
        out += char
    raise BadPdf("a string without end")
