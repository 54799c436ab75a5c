"""RFC 3161 time stamps: ask, check before use, try the next authority.

A token goes into a deed only after imprint, nonce, signature, chain and time were checked here; an answer
that fails any of them is as good as none.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from signing import asn1_repair

asn1_repair.apply()
DRIFT = timedelta(minutes=5)
"""How far a token's time may lie from our own clock. ours"""
LIMIT = 64_000
HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class NoStamp(Exception):
    """No authority gave a token that passes; the message says what each one did."""


class BadToken(Exception):
    """A token that proves nothing, with the reason."""


@dataclass(frozen=True)
class Token:
    """A checked token. `der`: CMS ContentInfo. `time`: aware UTC."""

    der: bytes
    time: datetime
    signer: x509.Certificate
    path: frozenset[bytes]
    """Certificates of the validated chain, DER, root included."""


class Stamper(Protocol):
    def stamp(self, digest: bytes) -> Token:
        """Token over a SHA-256 digest. Raises NoStamp."""


class Reply(core.Sequence):  # type: ignore[misc] # asn1crypto has no types
    """TimeStampResp, RFC 3161 2.4.2; `asn1crypto` forgets that a refusal carries no token."""

    _fields: ClassVar = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


def request(digest: bytes, nonce: int) -> bytes:
    """TimeStampReq, RFC 3161 2.4.1, certificates asked for."""
    imprint = tsp.MessageImprint(
        {"hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}), "hashed_message": digest}
    )
    wire: bytes = tsp.TimeStampReq(
        {"version": 1, "message_imprint": imprint, "nonce": core.Integer(nonce), "cert_req": True}
    ).dump()
    return wire


def accept(answer: bytes, digest: bytes, nonce: int | None, roots: Sequence[x509.Certificate], now: datetime) -> Token:
    """A TimeStampResp -> its token, checked as RFC 3161 2.2 tells a client to. BadToken otherwise."""
    if len(answer) > LIMIT:
        raise BadToken("answer too large")
    try:
        reply = Reply.load(answer, strict=True)
        status = reply["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise BadToken(f"refused: {status}")
        token = reply["time_stamp_token"].dump()
    except (ValueError, TypeError, KeyError) as wrong:
        raise BadToken(f"no answer by RFC 3161: {type(wrong).__name__}") from None
    return check(token, digest, roots, now, nonce=nonce)


def check(
    token: bytes,
    digest: bytes,
    roots: Sequence[x509.Certificate],
    now: datetime,
    *,
    nonce: int | None = None,
    near: bool = True,
) -> Token:
    """Checks one token (CMS ContentInfo, DER) over a SHA-256 digest. BadToken with the reason.

    `near`: its time lies within DRIFT of `now`; without it only the future is refused.
    """
    try:
        return _check(token, digest, roots, now, nonce, near)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as wrong:
        raise BadToken(f"unreadable token: {type(wrong).__name__}") from None


def _check(
    token: bytes,
    digest: bytes,
    roots: Sequence[x509.Certificate],
    now: datetime,
    nonce: int | None,
    near: bool,
) -> Token:
    info = cms.ContentInfo.load(token, strict=True)
    if info["content_type"].native != "signed_data":
        raise BadToken("no signed data")
    signed = info["content"]
    inner = signed["encap_content_info"]
    if inner["content_type"].native != "tst_info" or len(signed["signer_infos"]) != 1:
        raise BadToken("no single time-stamp signature")
    content: bytes = inner["content"].parsed.dump()
    tst = tsp.TSTInfo.load(content, strict=True)
    imprint = tst["message_imprint"]
    if imprint["hash_algorithm"]["algorithm"].native != "sha256" or imprint["hashed_message"].native != digest:
        raise BadToken("imprint is of something else")
    if nonce is not None and tst["nonce"].native != nonce:
        raise BadToken("nonce is not ours")
    at: datetime = tst["gen_time"].native.astimezone(UTC)
    if at > now + DRIFT or (near and at < now - DRIFT):
        raise BadToken(f"time {at:%Y-%m-%dT%H:%M:%SZ} is off our clock")
    signer = signed["signer_infos"][0]
    leaf, others = _certificates(signed, signer)
    _check_signature(signer, content, leaf)
    path = _check_chain(leaf, others, roots, at if not near else now)
    return Token(token, at, leaf, path)


def _certificates(signed: Any, signer: Any) -> tuple[x509.Certificate, list[x509.Certificate]]:
    loaded = [x509.load_der_x509_certificate(c.chosen.dump()) for c in signed["certificates"]]
    sid = signer["sid"].chosen
    for cert in loaded:
        if cert.serial_number == sid["serial_number"].native and cert.issuer.public_bytes() == sid["issuer"].dump():
            return cert, [c for c in loaded if c is not cert]
    raise BadToken("its signer's certificate is not inside")


def _check_signature(signer: Any, content: bytes, leaf: x509.Certificate) -> None:
    attrs = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
    name = signer["digest_algorithm"]["algorithm"].native
    if name not in HASHES:
        raise BadToken(f"digest {name} is not accepted")
    if attrs["content_type"][0].native != "tst_info":
        raise BadToken("signed content type is another")
    if attrs["message_digest"][0].native != hashlib.new(name, content).digest():
        raise BadToken("signed digest is another")
    if signer["version"].native != "v1":
        raise BadToken("version is another")
    # ESSCertIDv2 (RFC 5816) binds the certificate; v1 would bind it by SHA-1
    first = attrs["signing_certificate_v2"][0]["certs"][0]
    by = first["hash_algorithm"]["algorithm"].native
    if by not in HASHES or first["cert_hash"].native != leaf.fingerprint(HASHES[by]()):
        raise BadToken("bound to another certificate")
    data = signer["signed_attrs"].untag().dump()
    value = signer["signature"].native
    algorithm = HASHES[name]()
    key = leaf.public_key()
    said = signer["signature_algorithm"]["algorithm"].native
    if said not in (
        (f"{name}_ecdsa",) if isinstance(key, ec.EllipticCurvePublicKey) else (f"{name}_rsa", "rsassa_pkcs1v15")
    ):
        raise BadToken("names another signature algorithm")
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(value, data, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
            key.verify(value, data, padding.PKCS1v15(), algorithm)
        else:
            raise BadToken("kind or size of key is not accepted")
    except InvalidSignature:
        raise BadToken("signature is wrong") from None


def _check_chain(
    leaf: x509.Certificate, others: list[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime
) -> frozenset[bytes]:
    from pyhanko_certvalidator import CertificateValidator, ValidationContext
    from pyhanko_certvalidator.errors import PathError, ValidationError

    def foreign(cert: x509.Certificate) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(cert.public_bytes(form.Encoding.DER))

    context = ValidationContext(
        trust_roots=[foreign(r) for r in roots],
        moment=at,
        allow_fetching=False,
        revocation_mode="soft-fail",
        weak_hash_algos={"md2", "md5", "sha1"},
    )
    validator = CertificateValidator(foreign(leaf), [foreign(c) for c in others], validation_context=context)
    if not roots:
        raise BadToken("no root to build a chain to")
    try:
        # RFC 3161 2.3: timeStamping is the only purpose; the whole usage must be said
        path = asyncio.run(
            validator.async_validate_usage({"digital_signature"}, {"time_stamping"}, extended_optional=False)
        )
    except (PathError, ValidationError) as wrong:
        raise BadToken(f"chain: {str(wrong)[:200]}") from None
    return frozenset(c.dump() for c in path)


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class HttpStamper:
    """Asks each address in turn; the first token that passes is taken.

    `urls`: http(s) addresses from the settings, never from users. `timeout`: seconds per address.
    """

    urls: tuple[str, ...]
    roots: tuple[x509.Certificate, ...]
    timeout: float = 5.0
    now: Callable[[], datetime] = field(default=clock)

    def stamp(self, digest: bytes) -> Token:
        import httpx

        said = []
        for url in self.urls:
            nonce = secrets.randbits(63) | 1 << 62
            try:
                with httpx.Client(timeout=self.timeout, follow_redirects=False, trust_env=False) as http:
                    answer = self._post(http, url, request(digest, nonce))
                return accept(answer, digest, nonce, self.roots, self.now())
            except (BadToken, httpx.HTTPError, OSError) as wrong:
                said.append(f"{url}: {str(wrong) or type(wrong).__name__}")
        raise NoStamp("; ".join(said) or "no time-stamp authority is named")

    def _post(self, http: Any, url: str, body: bytes) -> bytes:
        """No more than LIMIT bytes, within the time limit as a whole: a slow one may not hold us for ever."""
        end = self.now() + timedelta(seconds=self.timeout)
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        with http.stream("POST", url, content=body, headers=headers) as reply:
            if reply.status_code != 200:
                raise BadToken(f"HTTP {reply.status_code}")
            if reply.headers.get("content-type", "").split(";")[0].strip() != "application/timestamp-reply":
                raise BadToken("not a time-stamp reply")
            got = b""
            for piece in reply.iter_raw():
                got += piece
                if len(got) > LIMIT or self.now() > end:
                    raise BadToken("answer too large or too slow")
        return got


@dataclass(frozen=True)
class LocalStamper:
    """A stamp unit in this process, for throw-away authorities. Its tokens are checked like any other's."""

    unit: Any
    roots: tuple[x509.Certificate, ...]
    now: Callable[[], datetime] = field(default=clock)

    def stamp(self, digest: bytes) -> Token:
        nonce = secrets.randbits(63) | 1 << 62
        try:
            return accept(self.unit.respond(request(digest, nonce)), digest, nonce, self.roots, self.now())
        except BadToken as wrong:
            raise NoStamp(str(wrong)) from None
