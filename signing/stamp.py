"""RFC 3161 time stamps: ask, check before use, try the next authority.

A token goes into a deed only after imprint, nonce, signature, chain, accuracy and time were checked here; an
answer that fails any of them is as good as none.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography import x509

from signing import der
from signing.cms import NULLS
from signing.der import BadDer
from signing.token import BadToken, Token, check

LIMIT = 64_000
SHA256 = der.wrap(der.SEQUENCE, der.wrap(der.OID, der.oid("2.16.840.1.101.3.4.2.1")), NULLS)
GRANTED = (0, 1)
"""granted, grantedWithMods; RFC 3161 2.4.2."""


class NoStamp(Exception):
    """No authority gave a token that passes; the message says what each one did."""


class Stamper(Protocol):
    def stamp(self, digest: bytes) -> Token:
        """Token over a SHA-256 digest. Raises NoStamp."""


def request(digest: bytes, nonce: int) -> bytes:
    """TimeStampReq, RFC 3161 2.4.1, certificates asked for."""
    imprint = der.wrap(der.SEQUENCE, SHA256, der.wrap(der.OCTETS, digest))
    number = der.wrap(der.INTEGER, nonce.to_bytes(nonce.bit_length() // 8 + 1, "big"))
    version, with_certificates = der.wrap(der.INTEGER, b"\x01"), der.wrap(der.BOOLEAN, b"\xff")
    return der.wrap(der.SEQUENCE, version, imprint, number, with_certificates)


def accept(
    answer: bytes,
    digest: bytes,
    nonce: int | None,
    roots: Sequence[x509.Certificate],
    now: datetime,
    others: Sequence[x509.Certificate] = (),
) -> Token:
    """A TimeStampResp -> its token, checked as RFC 3161 2.2 tells a client to. BadToken otherwise."""
    if len(answer) > LIMIT:
        raise BadToken("answer too large")
    try:
        status, *rest = list(der.read(answer))
        word = next(iter(status)).integer()
    except (BadDer, StopIteration, ValueError, IndexError):
        raise BadToken("no answer by RFC 3161") from None
    if word not in GRANTED:
        raise BadToken(f"refused: status {word}")
    if len(rest) != 1:
        raise BadToken("no answer by RFC 3161")
    return check(rest[0].raw, digest, roots, now, nonce=nonce, others=others)


def clock() -> datetime:
    return datetime.now(UTC)


def new_nonce() -> int:
    return secrets.randbits(63) | 1 << 62


@dataclass(frozen=True)
class HttpStamper:
    """Asks each address in turn; the first token that passes is taken.

    `urls`: http(s) addresses from the settings, never from users. `others`: authorities between a unit and its
    root that a unit may leave out. `timeout`: seconds per address, the whole exchange.
    """

    urls: tuple[str, ...]
    roots: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...] = ()
    timeout: float = 5.0
    now: Callable[[], datetime] = field(default=clock)

    def stamp(self, digest: bytes) -> Token:
        from signing.fetch import NoAnswer, exchange

        said = []
        kinds = ("application/timestamp-query", "application/timestamp-reply")
        for url in self.urls:
            nonce = new_nonce()
            try:
                answer = exchange(url, request(digest, nonce), *kinds, limit=LIMIT, seconds=self.timeout)
                return accept(answer, digest, nonce, self.roots, self.now(), self.others)
            except (BadToken, NoAnswer) as wrong:
                said.append(f"{url}: {wrong}")
        raise NoStamp("; ".join(said) or "no time-stamp authority is named")


@dataclass(frozen=True)
class LocalStamper:
    """A stamp unit in this process, for throw-away authorities. Its tokens are checked like any other's."""

    unit: Any
    roots: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...] = ()
    now: Callable[[], datetime] = field(default=clock)

    def stamp(self, digest: bytes) -> Token:
        nonce = new_nonce()
        try:
            answer = self.unit.respond(request(digest, nonce))
            return accept(answer, digest, nonce, self.roots, self.now(), (*self.others, *self.unit.signer.chain[1:]))
        except BadToken as wrong:
            raise NoStamp(str(wrong)) from None
