"""The banks that may be named in a case, and the key and certificates with which each asks the API."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotFound
from notary.ledger import Actor
from notary.models import Bank, BankCertificate
from notary.office import doors

OVERLAPS = (0, 7, 30)
"""Days that an old key may go on beside the new one."""


def add(db: Session, name: str, name_en: str, by: Actor, now: datetime) -> Bank:
    """A new bank. It starts with a key that nobody holds; `new_key` hands out one. Raises BadInput."""
    name, name_en = name.strip()[:80], name_en.strip()[:80]
    if len(name) < 2:
        raise BadInput({"name": _("请写银行全名。")})
    if db.scalar(sa.select(Bank.id).where(Bank.office_id == by.office_id, Bank.name == name)):
        raise BadInput({"name": _("这家银行已经在名单里。")})
    unknown = doors.new_bank_key(name)[1]
    bank = Bank(office_id=by.office_id, name=name, name_en=name_en, api_key_hash=unknown, created_at=now)  # type: ignore[arg-type]
    db.add(bank)
    db.flush()
    ledger.append(db, "bank.added", by, now, bank=str(bank.id), name=name)
    return bank


def new_key(db: Session, bank_id: UUID, by: Actor, now: datetime, keep_days: int = 0) -> tuple[Bank, str]:
    """A fresh API key; only its hash is kept. The one before stops at once, or goes on for `keep_days` (one of OVERLAPS).

    Raises NotFound, BadInput.
    """
    if keep_days not in OVERLAPS:
        raise BadInput({"keep": _("旧密钥只能马上停，或者再用 7 天、30 天。")})
    bank = bank_for(db, bank_id, by)
    key, fresh = doors.new_bank_key(bank.name)
    bank.former_key_hash = bank.api_key_hash if keep_days else None
    bank.former_key_until = now + timedelta(days=keep_days) if keep_days else None
    bank.api_key_hash = fresh
    ledger.append(db, "bank.key-made", by, now, bank=str(bank.id), keep_days=keep_days)
    return bank, key


def add_certificate(db: Session, bank_id: UUID, pem: str, by: Actor, now: datetime) -> BankCertificate:
    """From now on the bank's key opens only with this certificate, or another registered one. Raises BadInput, NotFound."""
    bank = bank_for(db, bank_id, by)
    made = _readable(pem)
    sha256 = hashlib.sha256(made.public_bytes(Encoding.DER)).hexdigest()
    if made.not_valid_after_utc <= now:
        raise BadInput({"pem": _("这张证书已经过期。")})
    if sha256 in {one.sha256 for one in certificates_of(db, bank.id)}:
        raise BadInput({"pem": _("这张证书已经登记过。")})
    row = BankCertificate(
        bank_id=bank.id, sha256=sha256, subject=made.subject.rfc4514_string()[:200], added_at=now,
        not_before=made.not_valid_before_utc, not_after=made.not_valid_after_utc,
    )  # fmt: skip
    db.add(row)
    db.flush()
    ledger.append(db, "bank.certificate-added", by, now, bank=str(bank.id), sha256=sha256)
    return row


def _readable(pem: str) -> x509.Certificate:
    """One X.509 certificate with a key that still counts: EC, Ed25519, or RSA of 2,048 bits. Raises BadInput."""
    try:
        (made,) = x509.load_pem_x509_certificates(pem.encode())
        key = made.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise BadInput({"pem": _("请贴一张 PEM 格式的证书（BEGIN CERTIFICATE），不要贴私钥。")}) from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        raise BadInput({"pem": _("RSA 密钥至少要 2048 位。")})
    return made


def remove_certificate(db: Session, certificate_id: UUID, by: Actor, now: datetime) -> None:
    """Opens nothing any more; without any left, the bank's key is enough again. Raises NotFound."""
    row = db.get(BankCertificate, certificate_id, with_for_update=True)
    if row is None or row.removed_at is not None:
        raise NotFound
    bank = bank_for(db, row.bank_id, by)
    row.removed_at = now
    ledger.append(db, "bank.certificate-removed", by, now, bank=str(bank.id), sha256=row.sha256)


def certificates_of(db: Session, bank_id: UUID) -> list[BankCertificate]:
    query = sa.select(BankCertificate).where(BankCertificate.bank_id == bank_id, BankCertificate.removed_at.is_(None))
    return list(db.scalars(query.order_by(BankCertificate.added_at)))


def set_webhook(db: Session, bank_id: UUID, url: str, by: Actor, now: datetime, *, trial: bool) -> None:
    """Where deeds are announced; empty ends that. Raises BadInput, NotFound."""
    bank, url = bank_for(db, bank_id, by), url.strip()
    if url and not may_be_called(url, trial=trial):
        raise BadInput({"url": _("要写成 https:// 开头的网址，而且不能是内部地址。")})
    bank.webhook_url = url[:400]
    ledger.append(db, "bank.webhook-set", by, now, bank=str(bank.id), host=urlsplit(url).hostname or "")


def may_be_called(url: str, *, trial: bool) -> bool:
    """HTTPS to a host outside; in a trial this very machine too, since a test bank may live there."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    host = parts.hostname or ""
    if not host or not port_fits or parts.username or parts.password or len(url) > 400:
        return False
    if trial and parts.scheme in ("http", "https") and host in ("localhost", "127.0.0.1"):
        return True
    try:
        return parts.scheme == "https" and ipaddress.ip_address(host).is_global
    except ValueError:
        return parts.scheme == "https" and "." in host and not host.endswith((".local", ".internal", ".localhost"))


def disable(db: Session, bank_id: UUID, by: Actor, now: datetime) -> None:
    """Its key opens nothing from now on, and no new case can name it. Raises NotFound."""
    bank = bank_for(db, bank_id, by)
    if bank.disabled_at is None:
        bank.disabled_at = now
        ledger.append(db, "bank.disabled", by, now, bank=str(bank.id))


def bank_for(db: Session, bank_id: UUID, by: Actor) -> Bank:
    bank = db.get(Bank, bank_id, with_for_update=True)
    if bank is None or bank.office_id != by.office_id:
        raise NotFound
    return bank


def all_banks(db: Session, office_id: UUID | None) -> list[Bank]:
    return list(db.scalars(sa.select(Bank).where(Bank.office_id == office_id).order_by(Bank.created_at, Bank.name)))


def to_choose(db: Session, office_id: UUID) -> list[Bank]:
    """The banks that an applicant may name."""
    return [one for one in all_banks(db, office_id) if one.disabled_at is None]
