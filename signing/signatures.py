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
from signing.profile import DOCUMENT_SIGNING, NOTARY, OFFICE
from signing.shape import Signed
from signing.token import Token
from signing.verdict import Refused, Signature

# ---- stamps


def document_stamps(case: Case) -> str:
    """Arithmetic of all first; then each unit at the time of the next stamp, the last one's now."""
    for one in case.shape.stamps:
        got = _token(case, one.der, _digest("sha256", one, case.data), "document stamp")
        value = cms.read(one.der, cms.TST_INFO).signature
        if value != cms.one_spelling(got.signer.public_key(), value):
            raise Refused("stamp.wrong", "时间戳不成立", "the document stamp is written in another spelling")
        if not {*got.others} <= {*case.pool}:
            # nothing signs this list, so nothing may stand in it that the stamp does not cover elsewhere
            raise Refused("stamp.extra", "时间戳中夹带了别的证书", "the document stamp carries other certificates")
        case.stamps.append(got)
    case.times = [s.time for s in case.stamps]
    if case.times != sorted(case.times):
        raise Refused("stamp.order", "时间戳的先后不对", "the time stamps are out of order")
    case.kept = tuple(zip(case.shape.kept, case.times, strict=True))
    if case.known is not None:  # what was learnt since
        case.kept = (*case.kept, (case.known.evidence, case.known.made_at))
    for stamp, after in pairwise(case.stamps):
        _check_unit(case, stamp, after.time, "document stamp")
    # of the last one nothing newer is known than what it covers: good as of then, and not expired by now
    _check_unit(case, case.stamps[-1], case.stamps[-1].time, "last document stamp")
    _check_valid(case.stamps[-1], case.now, "last document stamp")
    _check_sunset(case, case.stamps[-1].signer, case.now, "the last document stamp", "存档时间戳", late=True)
    return ", ".join(map(utc, case.times))


def _token(case: Case, raw: bytes, digest: bytes, what: str) -> Token:
    try:
        return token.check(raw, digest, case.roots.stamps, case.now, others=case.pool, fresh=False)
    except token.ForeignToken as wrong:
        raise Refused(
            "trust.stamp", "时间戳不是由受信任的机构签发", f"the {what} is not from a trusted authority ({wrong})"
        ) from None
    except token.BadToken as wrong:
        raise Refused("stamp.wrong", "时间戳不成立", f"the {what} does not hold ({wrong})") from None


def _check_unit(case: Case, one: Token, at: datetime, what: str) -> None:
    """Somebody had the stamp at `at`: then its unit must still have been good."""
    _check_valid(one, at, what)
    _check_sunset(case, one.signer, at, f"the {what}", "时间戳", late=True)
    _check_status(case, one.path, at, f"the {what}'s unit", "时间戳机构")


def _check_sunset(case: Case, cert: x509.Certificate, at: datetime, what: str, zh: str, *, late: bool) -> None:
    """`late`: a stamp that was to be renewed before its algorithm ended; a signature made after the end never holds."""
    ended = case.known.ended(cert, at) if case.known is not None else None
    if ended is not None:
        raise Refused(
            "algorithm.ended",
            f"{zh}所用算法（{ended}）当时已不再可靠" + ("，请向出具机构索取续加后的文件" if late else ""),
            f"{what} rests on {ended}, which was no longer good by then"
            + ("; ask the office for the renewed file" if late else ""),
            cannot_tell=late,
        )


def _check_valid(one: Token, at: datetime, what: str) -> None:
    try:
        path.check_times(one.path, at)
    except path.Expired as wrong:
        raise Refused(
            "stamp.expired",
            "存档时间戳已过期而未续加，请向出具机构索取续加后的文件",
            f"the {what} has expired and was not renewed in time ({wrong}); ask the office for the renewed file",
            cannot_tell=True,
        ) from None


def _check_status(case: Case, chain: path.Path, at: datetime, who: str, zh: str) -> None:
    try:
        case.words.append(evidence.judge(chain, at, case.kept))
    except evidence.Revoked as wrong:
        raise Refused("trust.revoked", f"{zh}的证书当时已被吊销", f"{who} was revoked by then ({wrong})") from None
    except evidence.NoEvidence as wrong:
        raise Refused(
            "status.missing",
            f"文件中没有{zh}证书当时是否有效的证明",
            f"the file does not show whether {who} was good then ({wrong})",
            cannot_tell=True,
        ) from None


# ---- signatures


def notary(case: Case) -> str:
    return _signature(case, case.shape.notary, NOTARY, "notary", "公证员签名")


def office(case: Case) -> str:
    return _signature(case, case.shape.office, OFFICE, "office", "公证处印章")


def _signature(case: Case, one: Signed, role: str, plain: Any, zh: str) -> str:
    """What needs nothing but the file first, whether the certificate was good then last: the last may be unknown."""
    try:
        held = cms.read(one.der, cms.DATA)
        held.check(_digest(held.hash_name, one, case.data))
    except cms.BadSignature:
        raise Refused("signature.wrong", f"{zh}不成立，文件被改动", f"the {plain}'s signature does not hold") from None
    except cms.BadContainer as wrong:
        raise Refused("shape.other", "文件结构与出具时不同", f"the {plain}'s container: {wrong}") from None
    if held.hash_name != "sha256":
        raise Refused("signature.weak", f"{zh}所用算法不被接受", f"the {plain} signed over another digest")
    assert held.token is not None
    got = _token(case, held.token, cms.digest_of("sha256", held.signature), f"{plain}'s time stamp")
    chain = _chain(case, held, got.time, plain, zh)
    if not path.allows(chain, role) or DOCUMENT_SIGNING not in path.uses(held.leaf) or not _commits(held.leaf):
        raise Refused("role.other", f"{zh}的证书不是为此签发的", f"the certificate is not one of a {plain}")
    if path.too_short_to_sign(held.leaf):
        raise Refused("signature.weak", f"{zh}所用密钥过短", f"the {plain}'s key is too short")
    if any(held.leaf.public_key() == other.public_key() for other in case.leaves):
        raise Refused("role.same", "签名和印章出自同一密钥", "one key made both signatures")
    case.times.insert(len(case.leaves), got.time)
    case.leaves.append(held.leaf)
    said = attribute(held.leaf.subject, NameOID.COMMON_NAME)
    print_ = held.leaf.fingerprint(hashes.SHA256()).hex()
    issuer = attribute(held.leaf.issuer, NameOID.COMMON_NAME)
    case.signers.append(Signature(plain, said, issuer, print_, utc(got.time)))
    _check_sunset(case, held.leaf, got.time, f"the {plain}'s signature", zh, late=False)
    _check_status(case, chain, got.time, f"the {plain}", zh)
    _check_unit(case, got, case.stamps[0].time, f"{plain}'s time stamp")
    return f"{said}, {utc(got.time)}"


def _chain(case: Case, held: cms.Container, at: datetime, plain: str, zh: str) -> path.Path:
    try:
        chain = path.build(held.leaf, (*held.others, *case.pool), case.roots.signers)
        path.check_times(chain, at)
    except path.Expired as wrong:
        raise Refused(
            "trust.expired", f"{zh}的证书当时不在有效期内", f"the {plain}'s certificate was not valid then ({wrong})"
        ) from None
    except path.BadPath:
        raise Refused(
            "trust.foreign",
            f"{zh}不是由所信任的机构签发",
            f"the {plain}'s certificate does not come from the trusted root",
        ) from None
    return chain


def _commits(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return usage.content_commitment and not usage.key_cert_sign


def _digest(name: str, one: Signed, data: bytes) -> bytes:
    return cms.digest_of(name, *one.pieces(data))
