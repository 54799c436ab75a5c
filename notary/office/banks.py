"""The banks that may be named in a case, and the one key with which each asks the API."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotFound
from notary.ledger import Actor
from notary.models import Bank
from notary.office import doors


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


def new_key(db: Session, bank_id: UUID, by: Actor, now: datetime) -> tuple[Bank, str]:
    """A fresh API key; the one before stops at once. Only its hash is kept. Raises NotFound."""
    bank = bank_for(db, bank_id, by)
    key, bank.api_key_hash = doors.new_bank_key(bank.name)
    ledger.append(db, "bank.key-made", by, now, bank=str(bank.id))
    return bank, key


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
