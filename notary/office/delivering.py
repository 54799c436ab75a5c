"""Copies to those who may have one: the applicant, the bank named in the case, the borrower; each with a receipt."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import NotFound, NotPossible
from notary.jobs import enqueue, job
from notary.ledger import SYSTEM, Actor
from notary.lifecycle import Act, Need, State
from notary.models import Bank, Case, Deed, Delivery, DeliveryState
from notary.office import doors, filing, messages
from notary.office.needs import check
from notary.office.step import advance
from notary.parts import Parts

LINK_LIFE = timedelta(days=30)


def prepare(db: Session, parts: Parts, case: Case, deed: Deed, now: datetime) -> None:
    """One row a recipient, only for those agreed to (I05); what goes out is sent by a job."""
    agreed = filing.agreed_recipients(db, case)
    for one in filing.matter_of(case).recipients:
        if one.consent and not agreed.get(one.key):
            continue
        if one.kind == "party":
            to, bank_id = filing.party_of(db, case).phone, None
        elif one.kind == "bank":
            bank = filing.bank_named(db, str(case.filed.get(one.field, "")))
            if bank is None:
                continue
            to, bank_id = bank.name, bank.id
        else:
            raw = str(case.filed.get(one.field, ""))
            if not raw:
                continue
            to, bank_id = doors.phone_of(raw), None
        row = Delivery(case_id=case.id, recipient=one.key, kind=one.kind, to=to, bank_id=bank_id)
        db.add(row)
        db.flush()
        enqueue(db, "deliver-deed", delivery_id=str(row.id))
    ledger.append(db, "deed.issued", SYSTEM, now, case_id=case.id, office_id=case.office_id, sha256=deed.sha256)


@job("deliver-deed", attempts=10)
def deliver(parts: Parts, delivery_id: str) -> None:
    """Sends one copy. A bank that does not answer is tried again with growing pauses; the state says so."""
    now = parts.clock()
    with parts.db() as db:
        row = db.get_one(Delivery, UUID(delivery_id))
        if row.state in (DeliveryState.SENT, DeliveryState.RECEIVED):
            return
        case = db.get_one(Case, row.case_id)
        deed = db.scalars(sa.select(Deed).where(Deed.case_id == case.id)).one()
        bank = db.get(Bank, row.bank_id) if row.bank_id else None
    if row.kind == "bank" and bank is not None:
        _push(parts, row, case, deed, bank, now)
        return
    with parts.db.begin() as db:
        row = db.get_one(Delivery, UUID(delivery_id), with_for_update=True)
        token = doors.token_urlsafe()
        row.token_hash, row.state, row.sent_at, row.tries = (
            doors.token_hash(token),
            DeliveryState.SENT,
            now,
            row.tries + 1,
        )
        url = f"{parts.settings.base_url}/d/{token}"

        def say() -> str:
            if row.kind == "party":
                return _(
                    "公证书 %(number)s 办好了，请点开下载：%(url)s 查询码 %(code)s。",
                    number=deed.number,
                    url=url,
                    code=case.code,
                )
            return _("担保人已同意展期，公证书 %(number)s 的副本在这里：%(url)s", number=deed.number, url=url)

        messages.tell(db, case, row.to, say, now)


def event_of(deed: Deed, kind: str, at: datetime) -> dict[str, Any]:
    """The body of a webhook: what happened to which deed; the bank fetches the file by its API key."""
    return {
        "type": f"deed.{kind}",
        "timestamp": at.isoformat(),
        "data": {"number": deed.number, "code": deed.code, "sha256": deed.sha256, "standing": str(deed.standing)},
    }


def _push(parts: Parts, row: Delivery, case: Case, deed: Deed, bank: Bank, now: datetime) -> None:
    if not bank.webhook_url:
        with parts.db.begin() as db:
            waiting = db.get_one(Delivery, row.id, with_for_update=True)
            waiting.state, waiting.why = DeliveryState.WAITING, "no-webhook"
        return
    try:
        receipt = post_event(parts, bank, str(row.id), event_of(deed, "issued", deed.issued_at), now)
        state, why = DeliveryState.SENT, ""
        received = isinstance(receipt.get("receipt"), str) and bool(receipt["receipt"])
    except OSError as error:
        receipt, state, why, received = {}, DeliveryState.FAILED, str(error), False
    with parts.db.begin() as db:
        changed = db.get_one(Delivery, row.id, with_for_update=True)
        changed.state, changed.why, changed.tries = state, why[:300], changed.tries + 1
        changed.sent_at, changed.receipt = (now if state == DeliveryState.SENT else None), receipt
        if received:
            mark_received(db, changed, SYSTEM, now)
    if state == DeliveryState.FAILED:
        raise OSError(why)  # the queue tries again


def post_event(parts: Parts, bank: Bank, event_id: str, event: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Posts one signed event (Standard Webhooks, Ed25519 `v1a`); returns the bank's JSON answer. Raises OSError."""
    refuse_inner(parts, bank.webhook_url)
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    stamp = str(int(now.timestamp()))
    sealed = parts.seal.attest("webhook", f"{event_id}.{stamp}.{body}".encode())
    headers = {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1a," + base64.b64encode(sealed.signature).decode(),
    }
    try:
        answer = httpx.post(
            bank.webhook_url, content=body.encode(), headers=headers, timeout=10, follow_redirects=False
        )
        answer.raise_for_status()
        said = answer.json() if answer.content else {}
    except (httpx.HTTPError, ValueError) as error:
        raise OSError(f"webhook: {type(error).__name__}") from error
    return said if isinstance(said, dict) else {}


def refuse_inner(parts: Parts, url: str) -> None:
    """Webhooks go out by HTTPS; in a trial the loopback is allowed too. Raises OSError."""
    target = urlsplit(url)
    inner = target.hostname in ("localhost", "127.0.0.1", "::1")
    if target.scheme == "https" and not inner:
        return
    if parts.settings.trial and inner and target.scheme in ("http", "https"):
        return
    raise OSError("webhook: only HTTPS addresses outside this machine")


def mark_received(db: Session, row: Delivery, by: Actor, now: datetime) -> None:
    """A recipient has its copy; when all have, the case is delivered."""
    case = db.get_one(Case, row.case_id, with_for_update=True)
    db.flush()
    db.refresh(row, with_for_update=True)
    if row.state != DeliveryState.RECEIVED:
        row.state, row.received_at = DeliveryState.RECEIVED, now
        ledger.append(db, "deed.received", by, now, case_id=case.id, office_id=case.office_id, recipient=row.recipient)
        db.flush()
        if case.state == State.ISSUED and everybody_has_it(db, case, by):
            advance(db, case, Act.DELIVER, SYSTEM, now)


def mark_collected(db: Session, case: Case, kind: str, by: Actor, now: datetime, bank_id: UUID | None = None) -> bool:
    """The recipient of that kind took the copy by itself: by login, or by API key. False when none was meant for it."""
    query = sa.select(Delivery).where(Delivery.case_id == case.id, Delivery.kind == kind)
    if bank_id is not None:
        query = query.where(Delivery.bank_id == bank_id)
    row = db.scalar(query.with_for_update())
    if row is None:
        return False
    mark_received(db, row, by, now)
    return True


def again(db: Session, case: Case, delivery_id: UUID, by: Actor, now: datetime) -> None:
    """Sends a copy once more that has not been received. Raises NotFound, NotPossible."""
    row = db.get(Delivery, delivery_id, with_for_update=True)
    if row is None or row.case_id != case.id:
        raise NotFound
    if row.state == DeliveryState.RECEIVED:
        raise NotPossible(_("对方已经收到了，不用再发。"))
    row.state, row.why = DeliveryState.WAITING, ""
    ledger.append(db, "delivery.again", by, now, case_id=case.id, office_id=case.office_id, recipient=row.recipient)
    enqueue(db, "deliver-deed", delivery_id=str(row.id))


def by_token(db: Session, token: str, now: datetime) -> tuple[Delivery, Case, Deed]:
    """The copy behind a link of a message. Raises NotFound."""
    row = db.scalar(sa.select(Delivery).where(Delivery.token_hash == doors.token_hash(token)))
    if row is None or row.sent_at is None or now - row.sent_at > LINK_LIFE:
        raise NotFound(_("这个链接过期了。请用查询码查，或打电话给我们。"))
    case = db.get_one(Case, row.case_id)
    return row, case, db.scalars(sa.select(Deed).where(Deed.case_id == case.id)).one()


def deliveries_of(db: Session, case: Case) -> list[Delivery]:
    return list(db.scalars(sa.select(Delivery).where(Delivery.case_id == case.id).order_by(Delivery.recipient)))


@check(Need.RECEIPTS)
def everybody_has_it(db: Session, case: Case, _by: Actor) -> bool:
    rows = deliveries_of(db, case)
    return bool(rows) and all(row.state == DeliveryState.RECEIVED for row in rows)
