"""A secret in n shares of which any k give it back and fewer say nothing (Shamir, "How to share a secret", CACM 22 (11), 1979).

Byte by byte over GF(2^8) with the polynomial of AES (FIPS 197 4.2), coefficients from the system's random source, no tables, no
branch on a secret. It runs on an offline machine a few times in twenty years, so it is written to be read, not to be fast.
A share is one line that can be typed from paper:

    yuanzheng-share/1 SET K N I BYTES CHECK

SET names what the shares are of, BYTES is hexadecimal, CHECK is the first eight digits of SHA-256 over all before it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST = 16
LINE = re.compile(r"yuanzheng-share/1 ([0-9a-f]{16}) (\d{1,2}) (\d{1,2}) (\d{1,2}) ([0-9a-f]+) ([0-9a-f]{8})")


class BadShares(ValueError):
    """Shares that do not give a secret; the message says which and why, never a byte of one."""


@dataclass(frozen=True)
class Share:
    """Share `i` of `n`, of which `k` are needed. `of`: the set's name, 16 hexadecimal digits."""

    of: str
    k: int
    n: int
    i: int
    bytes: bytes = field(repr=False)

    def line(self) -> str:
        text = f"yuanzheng-share/1 {self.of} {self.k} {self.n} {self.i} {self.bytes.hex()}"
        return f"{text} {_check(text)}"


def parse(text: str) -> Share:
    """The first share in a text, line breaks within its bytes allowed. BadShares."""
    start = text.find("yuanzheng-share/1")
    parts = text[start:].lower().split() if start >= 0 else []
    # between the four numbers and the check, whatever was broken or grouped belongs together
    for end in range(7, len(parts) + 1):
        line = " ".join([*parts[:5], "".join(parts[5 : end - 1]), parts[end - 1]])
        if (found := LINE.fullmatch(line)) and _check(line.rsplit(" ", 1)[0]) == found[6]:
            return Share(found[1], int(found[2]), int(found[3]), int(found[4]), bytes.fromhex(found[5]))
    raise BadShares("no share in it, or a letter of it is wrong")


def split(secret: bytes, k: int, n: int, of: str) -> list[Share]:
    """n shares of which any k give the secret back. `of`: 16 hexadecimal digits."""
    if not 2 <= k <= n <= MOST:
        raise ValueError(f"between 2 and {MOST} shares, of which at least 2 are needed")
    random = [secrets.token_bytes(len(secret)) for _ in range(k - 1)]
    polynomials = list(zip(secret, *random, strict=True))
    return [Share(of, k, n, i, bytes(_value(p, i) for p in polynomials)) for i in range(1, n + 1)]


def join(shares: Iterable[Share]) -> bytes:
    """The secret. BadShares for too few, for one twice, and for those of different sets.

    Shares that were changed on purpose give another secret: whoever uses it must see that (a key file then does not open).
    """
    given = list(shares)
    if not given:
        raise BadShares("no share was given")
    first = given[0]
    if any((one.of, one.k, one.n, len(one.bytes)) != (first.of, first.k, first.n, len(first.bytes)) for one in given):
        raise BadShares("the shares are of different sets")
    if len({one.i for one in given}) != len(given) or not all(1 <= one.i <= first.n for one in given):
        raise BadShares("a share was given twice")
    if len(given) < first.k:
        raise BadShares(f"{first.k} shares are needed, {len(given)} were given")
    chosen = given[: first.k]
    secret = bytearray(len(first.bytes))
    for one in chosen:
        weight = 1
        for other in chosen:
            if other is not one:
                weight = times(weight, times(other.i, inverse(other.i ^ one.i)))
        for at, byte in enumerate(one.bytes):
            secret[at] ^= times(byte, weight)
    return bytes(secret)


def times(a: int, b: int) -> int:
    """Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    product = 0
    for _ in range(8):
        product ^= -(b & 1) & a
        a = (a << 1) ^ (-(a >> 7) & 0x11B)
        b >>= 1
    return product


def inverse(a: int) -> int:
    """a^254: every a but 0 has a^255 = 1. 254 is 11111110 in binary."""
    power = 1
    for _ in range(7):
        power = times(times(power, power), a)
    return times(power, power)


def _value(polynomial: tuple[int, ...], x: int) -> int:
    """Horner; the secret's byte is the constant term."""
    total = 0
    for coefficient in reversed(polynomial):
        total = times(total, x) ^ coefficient
    return total


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
