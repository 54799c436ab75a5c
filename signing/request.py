"""A certificate for a key: asked for where the key was made, issued by an authority, taken over after a look.

The key never moves. It is made in its file or inside its module, signs one request (PKCS#10, RFC 2986), and the chain that comes
back, from the office's own authority or from an outside one, is laid beside it if it is that key's and says what it must.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.x509.oid import NameOID

from signing import issued, kinds, path, profile
from signing.keyfile import BadKeyFile, named_in_module, read_key, write_key, write_whole
from signing.places import Place, chain_in
from signing.profile import NOTARY, STAMP, STATUS, BadCertificate


class BadRequest(ValueError):
    """A request that an authority does not fulfil; the message says why not."""


def ask(
    where: Place, passphrase: bytes, subject: x509.Name, *, kind: kinds.Kind = kinds.P256, module: str | None = None
) -> bytes:
    """A request, PEM, signed by the new key of `where`, which is made if it is not there yet. `module`: a PKCS#11 URI.

    Asked again before its certificate came, the same key signs the same request. BadKeyFile, BadToken, OSError.
    """
    where.asked.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not where.asked.exists():
        if module is not None:
            from signing.hsm import named

            token, name = named(module)
            if token.public(name) is None:  # else of a run that died before the next line
                token.make(name, kind)
            write_whole(where.asked, module.encode() + b"\n")
        else:
            write_key(where.asked, kind.make(), passphrase)
    key = _opened(where.asked, passphrase)
    policy = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(where.role), None)])
    new = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(policy, critical=False)
    return new.sign(key, hashes.SHA256()).public_bytes(form.Encoding.PEM)


def issue(
    authority: Path, passphrase: bytes, wanted: bytes, role: str, *, begins: datetime, days: int | None = None
) -> tuple[x509.Certificate, ...]:
    """The office's own authority answers a request -> chain, leaf first. BadRequest.

    Name and key are the request's, all else is the profile's. It is noted in the book before anybody can sign with it.
    """
    try:
        csr = x509.load_pem_x509_csr(wanted)
        proven = csr.is_signature_valid
    except (ValueError, TypeError):
        raise BadRequest("no request in PEM form") from None
    if not proven:
        raise BadRequest("whoever asks does not have the key: the request's own signature does not hold")
    if kinds.kind_of(csr.public_key()) is None:
        raise BadRequest("the key is neither P-256 nor RSA-3072")
    if path.policies(csr) != {role}:
        raise BadRequest("it was asked for another use")
    issuing_key, chain = read_key(authority / "issuing.pem", passphrase)
    subject = _subject(csr, role, chain[0])
    if days is None:
        left = (chain[0].not_valid_after_utc - begins).days - 1  # services last as long as who issues them
        days = {STAMP: min(profile.UNIT_DAYS, left), STATUS: left}.get(role, profile.LEAF_DAYS)
    leaf = profile.certificate(
        subject, csr, chain[0], issuing_key, begins, days, role=role, url=profile.base_url_of(chain[0])
    )
    if leaf.not_valid_after_utc > chain[0].not_valid_after_utc:
        raise BadRequest(f"it would outlast the issuing authority, which ends on {chain[0].not_valid_after_utc:%F}")
    if role != STATUS:
        issued.note(authority, leaf)
    return (leaf, *chain)


def _subject(csr: x509.CertificateSigningRequest, role: str, issuing: x509.Certificate) -> x509.Name:
    """The request's name, built anew. BadRequest for another office's, and for a notary without an id."""

    def said(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
        found = name.get_attributes_for_oid(oid)
        return str(found[0].value) if len(found) == 1 else ""

    office = said(csr.subject, NameOID.ORGANIZATION_NAME)
    common, serial = said(csr.subject, NameOID.COMMON_NAME), said(csr.subject, NameOID.SERIAL_NUMBER)
    if office != said(issuing.subject, NameOID.ORGANIZATION_NAME) or not common:
        raise BadRequest("it names another office, or nobody")
    if (role == NOTARY) != bool(serial):
        raise BadRequest("a notary's request names the notary's id, and no other does")
    return profile.name_of(office, common, serial or None)


def install(
    where: Place, passphrase: bytes, chain_pem: bytes, roots: tuple[x509.Certificate, ...], now: datetime | None = None
) -> Path:
    """Lays a chain beside the key that asked for it -> the file that they stand in from now on.

    Where a key signs already, the new one waits as `.next` and takes over on the day on which its certificate begins.
    `roots`: whom the office's deeds are checked against; stamp units may come from any, others from the first only.
    BadCertificate with what is wrong; FileExistsError where one waits already. Safe to repeat.
    """
    now = now or datetime.now(UTC)
    try:
        given = x509.load_pem_x509_certificates(chain_pem)
    except ValueError:
        raise BadCertificate("no certificates in PEM form") from None
    try:
        chain = path.build(given[0], given[1:], roots if where.role == STAMP else roots[:1])
        path.check_times(chain, max(now, given[0].not_valid_before_utc))
    except path.BadPath as wrong:
        raise BadCertificate(f"it does not come from the office's root ({wrong})") from None
    profile.check(chain, where.role, now)
    for held in where.held:
        if chain_in(held)[:1] == chain[:1]:  # of a run that died before the next lines
            where.asked.unlink(missing_ok=True)
            return held
    if where.next.exists():
        raise FileExistsError(0, "a key waits there already to take over", str(where.next))
    _check_key(where, passphrase, chain)
    target = where.next if where.path.exists() else where.path
    write_whole(target, where.asked.read_bytes() + b"".join(c.public_bytes(form.Encoding.PEM) for c in chain))
    where.asked.unlink()
    return target


def _check_key(where: Place, passphrase: bytes, chain: path.Path) -> None:
    """The key is asked to sign, whatever it is in: then it is the certificate's. BadCertificate, BadKeyFile."""
    digest = bytes(kinds.SIZE)
    key = _opened(where.asked, passphrase)
    if chain[0].public_key() != key.public_key():
        raise BadCertificate("it is over another key than the one that was asked for")
    if found := named_in_module(where.asked):
        from signing.hsm import open_key

        signature = open_key(found[0], chain).sign(digest)
    else:
        signature = kinds.sign(key, digest)
    if not kinds.holds(chain[0].public_key(), digest, signature):
        raise BadCertificate("the key does not sign as its certificate says")


def _opened(asked: Path, passphrase: bytes) -> Any:
    if found := named_in_module(asked):
        from signing.hsm import BadToken, named, private

        try:
            return private(*named(found[0]))
        except BadToken as wrong:
            raise BadKeyFile(f"{asked.name}: {wrong}") from wrong
    return read_key(asked, passphrase)[0]
