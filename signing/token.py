"""One RFC 3161 time stamp, checked: what it stamps, who made it, when. Needs `cryptography` alone.

Whether the stamp unit was revoked is judged by whoever knows at what time to ask (`signing.evidence`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing import cms, der, path
from signing.cms import BadContainer
from signing.der import BadDer, Node

DRIFT = timedelta(minutes=5)
"""How far a token's time may lie from our own clock. ours"""
COARSEST = timedelta(seconds=60)
"""Stamps that say of themselves that they are less accurate are not taken; saying nothing is allowed. ours"""


class BadToken(Exception):
    """A token that proves nothing, with the reason."""


class ForeignToken(BadToken):
    """Its signer has no chain to a trusted root, or is no time-stamp unit."""


@dataclass(frozen=True)
class Token:
    """A checked token. `der`: CMS ContentInfo. `time`: aware UTC. `path`: the unit's chain, leaf first.

    `others`: what it carries beside its signer's certificate; nothing signs this list.
    """

    der: bytes
    time: datetime
    path: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...]

    @property
    def signer(self) -> x509.Certificate:
        return self.path[0]


def check(
    token: bytes,
    digest: bytes,
    roots: Sequence[x509.Certificate],
    now: datetime,
    *,
    others: Iterable[x509.Certificate] = (),
    nonce: int | None = None,
    fresh: bool = True,
) -> Token:
    """Checks one token (CMS ContentInfo, DER) over a SHA-256 digest. BadToken with the reason.

    `fresh`: its time lies within DRIFT of `now`; without it only the future is refused. Its chain is valid at its own
    time; who relies on it later asks `path.check_times` for that later time too.
    `others`: certificates that may stand between unit and root.
    """
    try:
        held = cms.read(token, cms.TST_INFO)
        assert held.content is not None
        made = _info(held.content, digest, nonce)
        held.check(cms.digest_of(held.hash_name, held.content))
    except BadContainer as wrong:
        raise BadToken(str(wrong)) from None
    except (BadDer, StopIteration, ValueError) as wrong:
        raise BadToken(f"unreadable: {str(wrong) or type(wrong).__name__}") from None
    if made > now + DRIFT or (fresh and made < now - DRIFT):
        raise BadToken(f"time {made:%Y-%m-%dT%H:%M:%SZ} is off our clock")
    chain = _chain(held.leaf, (*held.others, *others), roots)
    try:
        path.check_times(chain, made)
    except path.Expired as wrong:
        raise BadToken(f"chain: {wrong}") from None
    return Token(token, made, chain, held.others)


def _info(content: bytes, digest: bytes, nonce: int | None) -> datetime:
    """TSTInfo (RFC 3161 2.4.2) -> its time. BadToken for another imprint, nonce or too coarse a clock."""
    version, policy, imprint, serial, time, *rest = list(der.read(content))
    if version.integer() != 1 or policy.tag != der.OID or serial.tag != der.INTEGER:
        raise BadToken("not a time stamp of version 1")
    algorithm, stamped = imprint.children(der.SEQUENCE, der.OCTETS)
    if cms.hash_of(algorithm) != "sha256" or stamped.body != digest:
        raise BadToken("imprint is of something else")
    if rest and rest[0].tag == der.SEQUENCE and _accuracy(rest.pop(0)) > COARSEST:
        raise BadToken("its clock is too coarse")
    if rest and rest[0].tag == der.BOOLEAN:
        rest.pop(0)
    said = rest.pop(0).integer() if rest and rest[0].tag == der.INTEGER else None
    if nonce is not None and said != nonce:
        raise BadToken("nonce is not ours")
    if [r.tag for r in rest] not in ([], [0xA0], [0xA1], [0xA0, 0xA1]):
        raise BadToken("more inside than a time stamp")
    return time.time().astimezone(UTC)


def _accuracy(node: Node) -> timedelta:
    units = {der.INTEGER: timedelta(seconds=1), 0x80: timedelta(milliseconds=1), 0x81: timedelta(microseconds=1)}
    total = timedelta()
    for part in node:
        if part.tag not in units or not 0 <= part.integer() < 10**6:
            raise BadToken("accuracy cannot be read")
        total += units[part.tag] * part.integer()
    return total


def _chain(leaf: x509.Certificate, others: Iterable[x509.Certificate], roots: Sequence[x509.Certificate]) -> path.Path:
    """RFC 3161 2.3: timeStamping is the only extended usage, critical, and the key may sign nothing but data."""
    try:
        found = path.build(leaf, others, roots)
        extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except path.BadPath as wrong:
        raise ForeignToken(f"chain: {wrong}") from None
    except (x509.ExtensionNotFound, ValueError):
        raise ForeignToken("chain: its signer is no time-stamp unit") from None
    only = set(extended.value) == {ExtendedKeyUsageOID.TIME_STAMPING} and extended.critical
    if not only or not (usage.digital_signature or usage.content_commitment) or usage.key_cert_sign:
        raise ForeignToken("chain: its signer is no time-stamp unit")
    return found
