"""What a certificate of an office says of its key: what it is for, by whom, until when (RFC 5280, 3161, 6960, 9336)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID as Access
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

from signing import kinds, path

ARC = "2.25.270934868114163917405911713362713842127"
"""ITU-T X.667: an arc from a UUID, free for anybody."""
NOTARY, OFFICE, STAMP, STATUS, TRUST = (f"{ARC}.{n}" for n in range(1, 6))
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""id-kp-documentSigning, RFC 9336. emailProtection stands beside it, or poppler and NSS do not trust it."""
ROLES = {"notary": NOTARY, "seal": OFFICE, "tsu": STAMP, "status": STATUS, "trust": TRUST}
KEY_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
LEAF_DAYS, UNIT_DAYS, ISSUING_DAYS, ROOT_DAYS = 730, 3650 - 30, 10 * 365, 20 * 365
"""Terms. A stamp unit's is long: a deed's last stamp holds as long as the unit's certificate. ours"""


class BadCertificate(ValueError):
    """A certificate that is not for what it is to be used for; the message says what is missing."""


def name_of(office: str, common: str, serial: str | None = None) -> x509.Name:
    parts = [(NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, office), (NameOID.COMMON_NAME, common)]
    if serial:
        parts.append((NameOID.SERIAL_NUMBER, serial))
    return x509.Name([x509.NameAttribute(oid, value[:64]) for oid, value in parts])


def common_name(role: str, name: str, *, test: bool) -> str:
    """`name`: the office's for its seal, the notary's for a notary, else unused."""
    said = {
        NOTARY: f"{name} 公证员", OFFICE: f"{name} 电子印章", STAMP: "Time-stamp unit 时间戳", STATUS: "Status 状态服务",
        TRUST: "Trust bundle 信任资料",
    }[role]  # fmt: skip
    return f"{said} TEST" if test else said


def subject(root: x509.Certificate, role: str, name: str | None = None, notary_id: str | None = None) -> x509.Name:
    """The name of a new leaf of the office whose root this is. `name`, `notary_id`: of a notary."""
    office = str(root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
    common = common_name(role, name or office, test=is_test(root))
    return name_of(office, common, serial=notary_id if role == NOTARY else None)


def base_url_of(issuing: x509.Certificate) -> str:
    points = issuing.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return str(points[0].full_name[0].value).rsplit("/", 1)[0]  # type: ignore[index]


def is_test(root: x509.Certificate) -> bool:
    """A root of the built-in authority says TEST in its own name, so no setting can hide it (H14)."""
    return any(str(one.value).startswith("TEST ") for one in root.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def certificate(
    subject: x509.Name,
    key: Any,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    now: datetime,
    days: int,
    *,
    url: str,
    ca: int | None = None,
    role: str | None = None,
) -> x509.Certificate:
    """`key`: anything with a `public_key()`. `ca`: path length, None for a leaf. `role`: the leaf's policy."""
    usage = dict.fromkeys(KEY_USES, False)
    usage |= {"key_cert_sign": True, "crl_sign": True} if ca is not None else {"digital_signature": True}
    if ca is None:
        usage["content_commitment"] = True
    begin = now.replace(microsecond=0) - timedelta(minutes=5)
    new = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca is not None, path_length=ca), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        aki = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski)
        crl = x509.UniformResourceIdentifier(f"{url}/{'root' if ca is not None or role == TRUST else 'issuing'}.crl")
        new = new.add_extension(aki, critical=False).add_extension(
            x509.CRLDistributionPoints([x509.DistributionPoint([crl], None, None, None)]), critical=False
        )
        policy = role or "2.5.29.32.0"  # anyPolicy for the issuing authority
        new = new.add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(policy), None)]),
            critical=False,
        )
    if role == STATUS:
        # who answers for others is believed without an answer of his own (RFC 6960 4.2.2.2.1)
        new = new.add_extension(x509.OCSPNoCheck(), critical=False)
        new = new.add_extension(x509.ExtendedKeyUsage([Usage.OCSP_SIGNING]), critical=False)
    elif role not in (None, TRUST):
        ocsp = x509.AccessDescription(Access.OCSP, x509.UniformResourceIdentifier(f"{url}/ocsp"))
        new = new.add_extension(x509.AuthorityInformationAccess([ocsp]), critical=False)
        kinds = [Usage.TIME_STAMPING] if role == STAMP else [DOCUMENT_SIGNING, Usage.EMAIL_PROTECTION]
        new = new.add_extension(x509.ExtendedKeyUsage(kinds), critical=role == STAMP)
    return new.sign(issuer_key, hashes.SHA384())


def check(chain: Sequence[x509.Certificate], role: str, at: datetime) -> None:
    """The chain's leaf is for `role`, all through, and its end is not past at `at`. BadCertificate.

    Signatures and names of the chain are for `path.build`.
    """
    leaf = chain[0]
    if len(chain) < 2 or not path.allows(tuple(chain), role):
        raise BadCertificate("its certificate is not for this use: its policy is another, or an authority's forbids it")
    if kinds.kind_of(leaf.public_key()) is None:
        raise BadCertificate("its key is neither P-256 nor RSA-3072")
    if leaf.not_valid_after_utc < at:
        raise BadCertificate(f"it ended on {leaf.not_valid_after_utc:%F}")
    try:
        basic = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as missing:
        raise BadCertificate(f"it says nothing of {missing.oid._name}") from None
    if basic.ca or usage.key_cert_sign or not usage.digital_signature:
        raise BadCertificate("it is an authority's, or may not sign data")
    if role in (NOTARY, OFFICE) and not usage.content_commitment:
        raise BadCertificate("it may not commit to contents (non-repudiation)")
    wanted = {STAMP: {Usage.TIME_STAMPING}, STATUS: {Usage.OCSP_SIGNING}}.get(
        role, {DOCUMENT_SIGNING, Usage.EMAIL_PROTECTION}
    )
    said = set(extended.value)
    if (role == STAMP and (said != wanted or not extended.critical)) or not wanted <= said:
        raise BadCertificate(
            f"its extended usage lacks {', '.join(sorted(o.dotted_string for o in wanted))}, or is wider"
        )
    named = {type(one.value) for one in leaf.extensions}
    needs: set[Any] = {x509.OCSPNoCheck} if role == STATUS else {x509.AuthorityInformationAccess}
    if not needs <= named:
        raise BadCertificate("it names no status service, or a responder's is not free of being asked about itself")
