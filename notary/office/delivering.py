"""Copies to those who may have one: the applicant, the bank named in the case, the borrower; each with a receipt."""

from __future__ import annotations

import base64
import json
import socket
import ssl
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
from notary.jobs import enqueue, job, pending
from notary.ledger import SYSTEM, Actor
from notary.lifecycle import Act, Need, State
from notary.models import Bank, Case, Consent, ConsentKind, Deed, Delivery, DeliveryState
from notary.office import doors, filing, messages
from notary.office.needs import check
from notary.office.step import advance
from notary.parts import Parts

LINK_LIFE = timedelta(days=30)
PATIENCE = 10.0
"""Seconds that a bank's receiver has for its answer."""
OTHER_HOST = (62, 64)
"""OpenSSL: the certificate is another name's, or another address's (X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_)."""


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
        if row.state in (DeliveryState.SENT, DeliveryState.RECEIVED) or row.ended_at is not None:
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


class Undelivered(OSError):
    """A webhook that was not taken; `code` is kept, and its words are `why_words`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"webhook: {code}")
        self.code = code


def why_words(why: str) -> str:
    """What stands between a copy and its recipient, for the desk. `why`: what `Delivery` keeps."""
    code, _space, number = why.partition(" ")
    return {
        "no-webhook": _("这家银行没有登记收件地址，等它用接口来取。"),
        "no-answer": _("银行的收件程序没有开着，连不上。"),
        "no-such-host": _("银行登记的收件地址查不到，可能写错了。"),
        "timeout": _("银行的收件程序太慢，10 秒没有回应。"),
        "status": _("银行的收件程序说出错了（HTTP %(n)s）。", n=number),
        "redirect": _("银行的收件地址要转到别处。我们不跟着转，请银行登记新的地址。"),
        "certificate": _("银行收件地址的证书不可信，没有发出去。"),
        "other-host": _("银行收件地址的证书是别的网址的，没有发出去。"),
        "not-allowed": _("银行登记的收件地址不能用：要用 HTTPS，并且不在本机。"),
        "unreadable": _("银行的收件程序回的话我们读不懂，不知道它收没收到。"),
        "broken": _("和银行的连接中途断了，不知道它收没收到。"),
    }.get(code, why)


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
    except Undelivered as error:
        receipt, state, why, received = {}, DeliveryState.FAILED, error.code, False
    with parts.db.begin() as db:
        case = db.get_one(Case, case.id, with_for_update=True)
        changed = db.get_one(Delivery, row.id, with_for_update=True)
        changed.tries += 1
        if changed.state != DeliveryState.RECEIVED:  # by another try, or by the bank's own hand, meanwhile
            changed.state, changed.why, changed.receipt = state, why[:300], receipt
            changed.sent_at = now if state == DeliveryState.SENT else None
        if received:
            mark_received(db, changed, SYSTEM, now)
    if state == DeliveryState.FAILED:
        raise Undelivered(why)  # the queue tries again


def post_event(parts: Parts, bank: Bank, event_id: str, event: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Posts one signed event (Standard Webhooks, Ed25519 `v1a`); returns the bank's JSON answer. Raises Undelivered."""
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
            bank.webhook_url, content=body.encode(), headers=headers, timeout=PATIENCE, follow_redirects=False
        )
    except httpx.TimeoutException as slow:
        raise Undelivered("timeout") from slow
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Undelivered(_what_failed(error)) from error
    if answer.is_redirect:
        raise Undelivered("redirect")
    if not answer.is_success:
        raise Undelivered(f"status {answer.status_code}")
    try:
        said = answer.json() if answer.content else {}
    except ValueError as error:
        raise Undelivered("unreadable") from error
    return said if isinstance(said, dict) else {}


def _what_failed(error: BaseException) -> str:
    """The reason below httpx's own: the address, the certificate, or nobody there."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return "other-host" if below.verify_code in OTHER_HOST else "certificate"
        if isinstance(below, ssl.SSLError):
            return "certificate"
        if isinstance(below, socket.gaierror):
            return "no-such-host"
        below = below.__cause__ or below.__context__
    return "no-answer" if isinstance(error, httpx.ConnectError) else "broken"


def refuse_inner(parts: Parts, url: str) -> None:
    """Webhooks go out by HTTPS; in a trial the loopback is allowed too. Raises Undelivered."""
    try:
        target = urlsplit(url)
    except ValueError as error:
        raise Undelivered("not-allowed") from error
    inner = target.hostname in ("localhost", "127.0.0.1", "::1")
    if target.scheme == "https" and not inner:
        return
    if parts.settings.trial and inner and target.scheme in ("http", "https"):
        return
    raise Undelivered("not-allowed")


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
    db.execute(sa.select(Case.id).where(Case.id == case.id).with_for_update())  # the case first, as in every act
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
    if row.ended_at is not None:
        raise NotPossible(_("申请人不再让这家银行拿这份公证书。"))
    if row.state == DeliveryState.RECEIVED:
        raise NotPossible(_("对方已经收到了，不用再发。"))
    row.state, row.why = DeliveryState.WAITING, ""
    ledger.append(db, "delivery.again", by, now, case_id=case.id, office_id=case.office_id, recipient=row.recipient)
    enqueue(db, "deliver-deed", delivery_id=str(row.id))


def end_access(db: Session, case: Case, delivery_id: UUID, by: Actor, now: datetime) -> None:
    """The applicant takes back the consent to a bank's copy: from now on it fetches nothing, and nothing more is sent.

    What it has it has; that the deed is revoked it is still told. Raises NotFound, NotPossible.
    """
    row = db.get(Delivery, delivery_id, with_for_update=True)
    if row is None or row.case_id != case.id or row.kind != "bank":
        raise NotFound
    if row.ended_at is not None:
        raise NotPossible(_("已经停了。"))
    row.ended_at = now
    words = _("以后它不能再从我们这里取这份公证书，我们也不再送。已经拿到的收不回来；公证书被撤销时，我们仍会告诉它。")
    db.add(Consent(case_id=case.id, kind=ConsentKind.RECIPIENT, about=row.recipient, given=False, words=words, at=now))
    ledger.append(db, "delivery.ended", by, now, case_id=case.id, office_id=case.office_id, recipient=row.recipient)


def goes_on(db: Session, row: Delivery) -> bool:
    """Whether the queue will try again by itself."""
    return pending(db, "deliver-deed", delivery_id=str(row.id))


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
    return bool(rows) and all(row.state == DeliveryState.RECEIVED or row.ended_at is not None for row in rows)
