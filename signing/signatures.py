"""The steps that judge stamps and signatures.

Each signature is judged at the time of its trusted stamp, with the revocation data in the file, and each stamp at the
time of the next one: so a deed outlives its certificates (ETSI EN 319 102-1 5.5, 5.6).
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from signing import cms, evidence, path, token
from signing.case import Case, attribute, utc
from signing.profile import DOCUMENT_SIGNING, NOTARY, OFFICE, STAMP, STATUS
from signing.shape import Signed
from signing.token import Token
from signing.verdict import Refused, Signature

ROLES = {NOTARY, OFFICE, STAMP, STATUS}
# ---- stamps


def document_stamps(case: Case) -> str:
    """Arithmetic of all first; then each unit at the time of the next stamp, the last one's now."""
    for one in case.shape.stamps:
        got = _token(case, one.der, _digest("sha256", one, case.data), "document-stamp")
        value = cms.read(one.der, cms.TST_INFO).signature
        if value != cms.one_spelling(got.signer.public_key(), value):
            _other_spelling(case)
        if not {*got.others} <= {*case.pool}:
            # nothing signs this list, so nothing may stand in it that the stamp does not cover elsewhere
            raise Refused("stamp.extra")
        case.stamps.append(got)
    case.times = [s.time for s in case.stamps]
    if case.times != sorted(case.times):
        raise Refused("stamp.order")
    case.kept = tuple(zip(case.shape.kept, case.times, strict=True))
    if case.known is not None:  # what was learnt since
        case.kept = (*case.kept, (case.known.evidence, case.known.made_at))
    for stamp, after in pairwise(case.stamps):
        _check_unit(case, stamp, after.time, "document-stamp")
    # of the last one nothing newer is known than what it covers: good as of then, and not expired by now
    _check_unit(case, case.stamps[-1], case.stamps[-1].time, "last-stamp")
    _check_valid(case.stamps[-1], case.now, "last-stamp")
    _check_sunset(case, case.stamps[-1].signer, case.now, "last-stamp", late=True)
    return ", ".join(map(utc, case.times))


def _other_spelling(case: Case) -> None:
    """Our house writes the lower of the two values; authorities that stamp for others give either."""
    if case.ours:
        raise Refused("stamp.wrong", who="document-stamp", why="its value is written in another spelling")
    case.remark("stamp.spelling")


def _token(case: Case, raw: bytes, digest: bytes, what: str) -> Token:
    try:
        return token.check(raw, digest, case.roots.stamps, case.now, others=case.pool, fresh=False)
    except token.ForeignToken as wrong:
        raise Refused("trust.stamp", who=what, why=str(wrong)) from None
    except token.BadToken as wrong:
        raise Refused("stamp.wrong", who=what, why=str(wrong)) from None


def _check_unit(case: Case, one: Token, at: datetime, what: str) -> None:
    """Somebody had the stamp at `at`: then its unit must still have been good."""
    _check_valid(one, at, what)
    _check_sunset(case, one.signer, at, what, late=True)
    _check_status(case, one.path, at, f"{what}-unit")


def _check_sunset(case: Case, cert: x509.Certificate, at: datetime, who: str, *, late: bool) -> None:
    """`late`: a stamp that was to be renewed before its algorithm ended; a signature made after the end never holds."""
    ended = case.known.ended(cert, at) if case.known is not None else None
    if ended is not None:
        raise Refused("algorithm.ended" if late else "algorithm.over", who=who, why=ended)


def _check_valid(one: Token, at: datetime, what: str) -> None:
    try:
        path.check_times(one.path, at)
    except path.Expired as wrong:
        raise Refused("stamp.expired", who=what, why=str(wrong)) from None


def _check_status(case: Case, chain: path.Path, at: datetime, who: str) -> None:
    try:
        case.words.append(evidence.judge(chain, at, case.kept))
    except evidence.Revoked as wrong:
        raise Refused("trust.revoked", who=who, why=str(wrong)) from None
    except evidence.NoEvidence as wrong:
        raise Refused("status.missing", who=who, why=str(wrong)) from None


# ---- signatures


def notary(case: Case) -> str:
    return _signature(case, case.shape.notary, NOTARY, "notary")


def office(case: Case) -> str:
    return _signature(case, case.shape.office, OFFICE, "office")


def _signature(case: Case, one: Signed, role: str, plain: Any) -> str:
    """What needs nothing but the file first, whether the certificate was good then last: the last may be unknown."""
    try:
        held = cms.read(one.der, cms.DATA)
        held.check(_digest(held.hash_name, one, case.data))
    except cms.BadSignature:
        raise Refused("signature.wrong", who=plain) from None
    except cms.BadContainer as wrong:
        raise Refused("shape.other", why=f"the {plain}'s container: {wrong}") from None
    if held.hash_name != "sha256":
        raise Refused("signature.weak", who=plain)
    assert held.token is not None
    got = _token(case, held.token, cms.digest_of("sha256", held.signature), f"{plain}-stamp")
    chain = _chain(case, held, got.time, plain)
    if not _may(case, chain, role) or DOCUMENT_SIGNING not in path.uses(held.leaf) or not _commits(held.leaf):
        raise Refused("role.other", who=plain)
    if path.too_short_to_sign(held.leaf):
        raise Refused("signature.weak", who=plain)
    if any(held.leaf.public_key() == other.public_key() or held.leaf.subject == other.subject for other in case.leaves):
        raise Refused("role.same")
    case.times.insert(len(case.leaves), got.time)
    case.leaves.append(held.leaf)
    said = attribute(held.leaf.subject, NameOID.COMMON_NAME)
    print_ = held.leaf.fingerprint(hashes.SHA256()).hex()
    issuer = attribute(held.leaf.issuer, NameOID.COMMON_NAME)
    case.signers.append(Signature(plain, said, issuer, print_, utc(got.time)))
    _check_sunset(case, held.leaf, got.time, plain, late=False)
    _check_status(case, chain, got.time, plain)
    _check_unit(case, got, case.stamps[0].time, f"{plain}-stamp")
    return f"{said}, {utc(got.time)}"


def _chain(case: Case, held: cms.Container, at: datetime, plain: str) -> path.Path:
    try:
        chain = path.build(held.leaf, (*held.others, *case.pool), case.roots.signers)
        path.check_times(chain, at)
    except path.Expired as wrong:
        raise Refused("trust.expired", who=plain, why=str(wrong)) from None
    except path.BadPath:
        raise Refused("trust.foreign", who=plain) from None
    return chain


def _may(case: Case, chain: path.Path, role: str) -> bool:
    """By policy. Another office's certificates may name none of ours: then field and key usage tell, and we say so."""
    if case.ours or path.policies(chain[0]) & ROLES:
        return path.allows(chain, role)
    case.remark("role.unnamed")
    return True


def _commits(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return usage.content_commitment and not usage.key_cert_sign


def _digest(name: str, one: Signed, data: bytes) -> bytes:
    return cms.digest_of(name, *one.pieces(data))
