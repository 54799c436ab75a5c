"""The bank's door for programs: ask about a deed, fetch the own copy, say that it came, follow what happened.

The key in `X-API-Key` is the only authority here; refusals are problem+json (RFC 9457). The description that programs
read is `/api/v1/openapi.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from apiflask import APIBlueprint
from flask import Response, request
from flask_babel import gettext as _
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from notary.errors import BadInput, NotAllowed, NotFound, Refusal
from notary.lifecycle import Role
from notary.models import Bank, Case, Deed, Delivery, Event, Standing
from notary.office import delivering, feed, issuing, limits, once, publishing, receipts, verifying
from notary.portal.describing import SECURITY
from notary.portal.doors import actor, address, only, parts, visitor
from notary.portal.problems import problem_of, response_of
from notary.portal.shapes import DeedOut, EventOut, EventsIn, EventsOut, VerificationIn, VerificationOut

bank = APIBlueprint("bank", __name__, url_prefix="/api/v1", tag="Deeds")
MOST_EVENTS = 200
MOST_LINES = 1000
KEY = re.compile(r"[!-~]{1,255}")
TOLD = ("deed.issued", "deed.under_review", "deed.valid", "deed.revoked", "deed.corrected")


@bank.before_request
def paced() -> None:
    """Every request is one, a line of a batch one more. Raises TooMany."""
    _pace(1)


def _pace(weight: int) -> None:
    now = parts().clock()
    with parts().db.begin() as db:
        db.execute(sa.text("SET LOCAL synchronous_commit = off"))  # after a power cut a few requests are forgotten
        limits.keep_pace(db, "bank-address", address(), now, weight)
        limits.keep_pace(db, "bank", str(this_bank().id), now, weight)


@bank.post("/verifications")
@bank.output(VerificationOut)
@bank.doc(
    summary="Is this deed real, unchanged and in force?", security=SECURITY, responses=[401, 404, 409, 413, 422],
    description="JSON with number and code or with sha256; or the file itself as multipart/form-data, field `file`. "
    "Every miss by number, code or sha256 is the same 404.",
)  # fmt: skip
@only(Role.BANK)
def verify() -> Response:
    upload = _upload() if request.mimetype == "multipart/form-data" else None
    given = _given() if upload is None else VerificationIn.model_construct()

    def work(db: Session, asker: Bank, now: datetime) -> Response:
        if upload is not None:
            found = verifying.by_file(db, parts(), upload, address(), now, bank=asker, way="api-file")
        else:
            found = _found(db, given, asker, now)
        receipt = receipts.signed(parts(), claims_of(found), now)
        return said(VerificationOut.model_validate(found.json() | {"receipt": receipt}))

    return answered_once(work, request.get_data() if upload is None else upload)


def _found(db: Session, given: VerificationIn, asker: Bank, now: datetime) -> verifying.Answer:
    """Raises NoMatch, TooMany."""
    if given.sha256:
        return verifying.by_hash(db, given.sha256, address(), now, bank=asker)
    return verifying.by_code(db, given.number or "", given.code or "", address(), now, bank=asker, way="api")


def answered_once(work: Callable[[Session, Bank, datetime], Response], body: bytes) -> Response:
    """What `work` answers, in one transaction; under an Idempotency-Key what it answered before, byte for byte.

    A miss is an answer too: it is counted, and kept. Every other refusal has changed nothing and is not kept.
    """
    now, asker, key = parts().clock(), this_bank(), _key()
    asked = hashlib.sha256(f"{request.method} {request.path}\n".encode() + body).hexdigest()
    with parts().db() as db:
        if key and (kept := once.take(db, asker, key, asked, now)):
            return Response(kept.body, kept.status, {"Idempotent-Replayed": "true"}, mimetype=kept.mimetype)
        try:
            reply = work(db, asker, now)
        except verifying.NoMatch as miss:
            reply = response_of(miss)
        if key:
            once.keep(db, asker, key, asked, reply.status_code, reply.mimetype or "", reply.get_data(), now)
        db.commit()
    return reply


def _key() -> str:
    """The request's Idempotency-Key, or nothing. Raises BadInput."""
    key = request.headers.get("Idempotency-Key", "")
    if "Idempotency-Key" in request.headers and not KEY.fullmatch(key):
        raise BadInput({"Idempotency-Key": _("要 1 到 255 个可见的 ASCII 字符。")})
    return key


def said(told: BaseModel) -> Response:
    """Exactly what the document describes: what is not known is left out, and nothing else can slip in."""
    text = json.dumps(told.model_dump(mode="json", exclude_unset=True), ensure_ascii=False, separators=(",", ":"))
    return Response(text + "\n", mimetype="application/json")


def claims_of(found: verifying.Answer) -> dict[str, Any]:
    told: dict[str, Any] = {name: found.facts[name] for name in ("number", "sha256", "asked") if name in found.facts}
    return {"verdict": found.verdict, "way": found.way, **told}


@bank.post("/verifications/batch")
@bank.doc(
    summary="Up to 1,000 deeds at once, one JSON object a line", security=SECURITY, responses=[200, 401, 409, 413, 422],
    description="NDJSON in, NDJSON out, in the same order: each line number and code, or sha256. A line that opens nothing has the "
    "same problem as the single call. All lines are one transaction. The last line is the office's receipt over all lines before it.",
)  # fmt: skip
@only(Role.BANK)
def verify_batch() -> Response:
    lines = _lines()
    _pace(len(lines))

    def work(db: Session, asker: Bank, now: datetime) -> Response:
        told = []
        for number, line in enumerate(lines, 1):
            try:
                told.append({"line": number, **_one_of_many(db, line, asker, now)})
            except Refusal as no:
                told.append({"line": number, "problem": problem_of(no)})
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told)
        claims = {"lines": len(told), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        text += json.dumps({"receipt": receipts.signed(parts(), claims, now)}) + "\n"
        return Response(text, mimetype="application/x-ndjson")

    return answered_once(work, request.get_data())


def _lines() -> list[str]:
    """Raises BadInput naming what a batch may be."""
    text = request.get_data()
    try:
        lines = [one for one in text.decode().split("\n") if one.strip()]
    except UnicodeDecodeError:
        raise BadInput({"body": _("请用 UTF-8。")}) from None
    if not 1 <= len(lines) <= MOST_LINES:
        raise BadInput({"body": _("一次 1 到 %(n)d 行，每行一个 JSON。", n=MOST_LINES)})
    return lines


def _one_of_many(db: Session, line: str, asker: Bank, now: datetime) -> dict[str, Any]:
    """One line's answer without the machine's report. Raises Refusal."""
    try:
        given = VerificationIn.model_validate_json(line)
    except ValidationError as bad:
        raise BadInput({"line": bad.errors()[0]["msg"]}) from bad
    found = _found(db, given, asker, now)
    return {"verdict": found.verdict, "facts": found.facts, "reasons": list(found.reasons)}


def _given() -> VerificationIn:
    try:
        return VerificationIn.model_validate(request.get_json(silent=True) or {})
    except ValidationError as bad:
        wrong = {".".join(str(at) for at in one["loc"]) or "body": one["msg"] for one in bad.errors()}
        raise BadInput(wrong) from bad


def _upload() -> bytes:
    upload = request.files.get("file")
    data = upload.read() if upload is not None else b""
    if not data:
        raise BadInput({"file": _("请先选一个文件。")})
    return data


@bank.get("/deeds/<code>")
@bank.output(DeedOut)
@bank.doc(summary="A deed that was delivered to this bank", security=SECURITY, responses=[401, 404])
@only(Role.BANK)
def deed(code: str) -> Response:
    with parts().db() as db:
        found, delivery, _case = own(db, code)
    return said(told(found, delivery))


def told(found: Deed, delivery: Delivery) -> DeedOut:
    return DeedOut(
        number=found.number, code=found.code, sha256=found.sha256, standing=Standing(found.standing).value,
        standing_at=found.standing_at.isoformat(), issued_at=found.issued_at.isoformat(),
        received_at=delivery.received_at.isoformat() if delivery.received_at else None,
        file=f"{parts().settings.base_url}/api/v1/deeds/{found.code}/file",
    )  # fmt: skip


@bank.get("/deeds/<code>/file")
@bank.doc(summary="Its PDF, byte for byte as sealed", security=SECURITY, responses=[200, 401, 404])
@only(Role.BANK)
def file(code: str) -> Response:
    with parts().db() as db:
        found, _delivery, case = own(db, code)
    data = issuing.deed_bytes(parts(), case, found)
    head = {"Content-Disposition": f'attachment; filename="deed-{found.code}.pdf"', "ETag": f'"{found.sha256}"'}
    return Response(data, mimetype="application/pdf", headers=head)


@bank.get("/deeds/<code>/log-proof")
@bank.doc(summary="That its issue stands in the public log", security=SECURITY, responses=[200, 401, 404, 409])
@only(Role.BANK)
def log_proof(code: str) -> Response:
    """yuanzheng-log-proof/1, docs/formats/log.md; 409 while the line cannot be published."""
    with parts().db() as db:
        _found, _delivery, case = own(db, code)
        return Response(publishing.proof_of(db, parts(), case), mimetype="application/json")


@bank.post("/deeds/<code>/receipt")
@bank.output(DeedOut)
@bank.doc(summary="This bank has the file (receipt, H10)", security=SECURITY, responses=[401, 404, 409, 422])
@only(Role.BANK)
def receipt(code: str) -> Response:
    """Said twice, it changes nothing."""

    def work(db: Session, _asker: Bank, now: datetime) -> Response:
        found, delivery, _case = own(db, code)
        delivering.mark_received(db, delivery, actor(), now)
        return said(told(found, delivery))

    return answered_once(work, b"")


@bank.get("/events")
@bank.input(EventsIn, location="query")
@bank.output(EventsOut)
@bank.doc(summary="What happened to this bank's deeds, oldest first", security=SECURITY, responses=[401])
@only(Role.BANK)
def events(query_data: EventsIn) -> Response:
    with parts().db() as db:
        rows = db.execute(
            sa.select(Event, Deed)
            .join(Deed, Deed.case_id == Event.case_id)
            .join(Delivery, sa.and_(Delivery.case_id == Event.case_id, Delivery.bank_id == this_bank().id))
            .where(Event.kind.in_(TOLD), Event.seq > query_data.after, Delivery.ended_at.is_(None))
            .order_by(Event.seq)
            .limit(MOST_EVENTS)
        ).all()
    found = [
        EventOut.model_validate(
            {
                "seq": event.seq, "type": event.kind, "at": event.at.isoformat(), "number": deed.number,
                "code": deed.code, "sha256": deed.sha256,
            }
        )
        for event, deed in rows
    ]  # fmt: skip
    return said(EventsOut(events=found, next=found[-1].seq if found else query_data.after))


@bank.get("/revocations")
@bank.input(EventsIn, location="query")
@bank.doc(
    summary="Every deed of this office that was doubted, upheld, revoked or corrected", security=SECURITY,
    responses=[200, 401],
    description="NDJSON, oldest first, up to 500 lines behind line `after` of the log, whoever holds the deed; no personal "
    "data. The last line says where to go on and is the office's receipt over all lines before it. The ETag holds while "
    "nothing has happened.",
)  # fmt: skip
@only(Role.BANK)
def revocations(query_data: EventsIn) -> Response:
    after = query_data.after
    with parts().db() as db:
        found = feed.page(db, this_bank().office_id, after)
    text = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in found.entries)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    reply = Response(mimetype="application/x-ndjson", headers={"Cache-Control": "private, no-cache"})
    reply.set_etag(f"{after}.{found.next}.{sha256[:32]}", weak=True)
    if reply.get_etag()[0] in request.if_none_match.as_set(include_weak=True):
        reply.status_code = 304
        return reply
    claims = {"after": after, "next": found.next, "lines": len(found.entries), "sha256": sha256}
    receipt = receipts.signed(parts(), claims, parts().clock())
    reply.set_data(text + json.dumps({"next": found.next, "more": found.more, "receipt": receipt}) + "\n")
    return reply


def own(db: Session, code: str) -> tuple[Deed, Delivery, Case]:
    """A deed of this bank that its applicant lets it have; another bank's is not told from one that does not exist. Raises NotFound."""
    row = db.execute(
        sa.select(Deed, Delivery, Case)
        .join(Delivery, Delivery.case_id == Deed.case_id)
        .join(Case, Case.id == Deed.case_id)
        .where(Deed.code == code.strip().upper(), Delivery.bank_id == this_bank().id, Delivery.ended_at.is_(None))
    ).one_or_none()
    if row is None:
        raise NotFound(_("没有送给贵行的这份公证书。"))
    return row[0], row[1], row[2]


def this_bank() -> Bank:
    found = visitor().bank
    if found is None:
        raise NotAllowed
    return found
