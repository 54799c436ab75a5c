"""The bank's door for programs: ask about a deed, fetch the own copy, say that it came, follow what happened.

The key in `X-API-Key` is the only authority here; refusals are problem+json (RFC 9457). The description that programs
read is `/api/v1/openapi.json`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from apiflask import APIBlueprint
from flask import request
from flask_babel import gettext as _
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput, NotAllowed, NotFound, Refusal
from notary.lifecycle import Role
from notary.models import Bank, Case, Deed, Delivery, Event, Standing
from notary.office import delivering, issuing, publishing, receipts, verifying
from notary.portal.doors import actor, address, only, parts, visitor

bank = APIBlueprint("bank", __name__, url_prefix="/api/v1", tag="Deeds")
MOST_EVENTS = 200
MOST_LINES = 1000
TOLD = ("deed.issued", "deed.under_review", "deed.valid", "deed.corrected", "deed.revoked")
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{64}$")]
SECURITY = ["ApiKey"]


class VerificationIn(BaseModel):
    """Either number and code as printed on the deed, or the SHA-256 of the whole file, reckoned by the caller."""

    model_config = ConfigDict(extra="forbid")
    number: str | None = Field(None, max_length=80, description="As printed, e.g. （2026）渝示证字第1号")
    code: str | None = Field(None, max_length=40, description="The short code under the QR")
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_way(self) -> VerificationIn:
        if (self.sha256 is None) == (self.number is None or self.code is None):
            raise ValueError("give number and code, or sha256")
        return self


class VerificationOut(BaseModel):
    verdict: Literal["valid", "corrected", "revoked", "under_review", "changed", "unknown"]
    way: str
    facts: dict[str, Any]
    reasons: list[str]
    machine: dict[str, Any]
    receipt: str | None = Field(description="Signed by the office: a JWS, see keys.json, use receipt")


class DeedOut(BaseModel):
    number: str
    code: str
    sha256: str
    standing: Literal["valid", "under_review", "corrected", "revoked"]
    standing_at: str
    issued_at: str
    received_at: str | None = Field(description="When this bank said that it has the file")
    file: str = Field(description="Where the PDF is, for the same key")


class EventOut(BaseModel):
    seq: int = Field(description="Ask on with after=seq")
    type: str = Field(description="deed.issued, deed.under_review, deed.valid (upheld), deed.corrected, deed.revoked")
    at: str
    number: str
    code: str
    sha256: str


class EventsIn(BaseModel):
    after: int = Field(0, ge=0)


class EventsOut(BaseModel):
    events: list[EventOut]
    next: int


@bank.post("/verifications")
@bank.output(VerificationOut)
@bank.doc(
    summary="Is this deed real, unchanged and in force?", security=SECURITY, responses=[401, 404, 422, 429],
    description="JSON with number and code or with sha256; or the file itself as multipart/form-data, field `file`. "
    "Every miss by number, code or sha256 is the same 404.",
)  # fmt: skip
@only(Role.BANK)
def verify() -> dict[str, Any]:
    now, asker = parts().clock(), this_bank()
    with parts().db() as db:
        try:
            if request.mimetype == "multipart/form-data":
                found = verifying.by_file(db, parts(), _upload(), address(), now, bank=asker, way="api-file")
            else:
                given = _given()
                if given.sha256:
                    found = verifying.by_hash(db, given.sha256, address(), now, bank=asker)
                else:
                    found = verifying.by_code(
                        db, given.number or "", given.code or "", address(), now, bank=asker, way="api"
                    )
        except verifying.NoMatch:
            db.commit()  # the miss is counted
            raise
        db.commit()
    return found.json() | {"receipt": receipts.signed(parts(), claims_of(found), now)}


def claims_of(found: verifying.Answer) -> dict[str, Any]:
    told: dict[str, Any] = {name: found.facts[name] for name in ("number", "sha256", "asked") if name in found.facts}
    return {"verdict": found.verdict, "way": found.way, **told}


@bank.post("/verifications/batch")
@bank.doc(
    summary="Up to 1,000 deeds at once, one JSON object a line", security=SECURITY, responses=[200, 401, 413, 422],
    description="NDJSON in, NDJSON out, in the same order: each line number and code, or sha256. A line that opens nothing has the "
    "same problem as the single call. The last line is the office's receipt over all lines before it.",
)  # fmt: skip
@only(Role.BANK)
def verify_batch() -> AnyResponse:
    now, asker, lines = parts().clock(), this_bank(), _lines()
    told = []
    for number, line in enumerate(lines, 1):
        try:
            told.append({"line": number, **_one_of_many(line, asker, now)})
        except Refusal as no:
            told.append({"line": number, "problem": {"code": no.code, "title": no.title(), "status": no.status}})
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told)
    claims = {"lines": len(told), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    text += json.dumps({"receipt": receipts.signed(parts(), claims, now)}) + "\n"
    return AnyResponse(text, mimetype="application/x-ndjson")


def _lines() -> list[str]:
    """Raises BadInput naming what a batch may be."""
    text = request.get_data(cache=False, as_text=False)
    try:
        lines = [one for one in text.decode().split("\n") if one.strip()]
    except UnicodeDecodeError:
        raise BadInput({"body": _("请用 UTF-8。")}) from None
    if not 1 <= len(lines) <= MOST_LINES:
        raise BadInput({"body": _("一次 1 到 %(n)d 行，每行一个 JSON。", n=MOST_LINES)})
    return lines


def _one_of_many(line: str, asker: Bank, now: datetime) -> dict[str, Any]:
    """One line's answer without the machine's report. Each line is a transaction of its own. Raises Refusal."""
    try:
        given = VerificationIn.model_validate_json(line)
    except ValidationError as bad:
        raise BadInput({"line": bad.errors()[0]["msg"]}) from bad
    with parts().db() as db:
        try:
            if given.sha256:
                found = verifying.by_hash(db, given.sha256, address(), now, bank=asker)
            else:
                found = verifying.by_code(
                    db, given.number or "", given.code or "", address(), now, bank=asker, way="api"
                )
        finally:
            db.commit()  # a miss is counted too
    return {"verdict": found.verdict, "facts": found.facts, "reasons": list(found.reasons)}


def describe(spec: dict[str, Any]) -> dict[str, Any]:
    """Adds to the OpenAPI document that a verification takes JSON or a file; the framework knows one kind a route."""
    file = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
    spec["paths"]["/api/v1/verifications"]["post"]["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": VerificationIn.model_json_schema()}, "multipart/form-data": {"schema": file}
        },
    }  # fmt: skip
    spec["paths"]["/api/v1/verifications/batch"]["post"]["requestBody"] = {
        "required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}
    }  # fmt: skip
    return spec


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
def deed(code: str) -> DeedOut:
    with parts().db() as db:
        found, delivery, _case = own(db, code)
        return told(found, delivery)


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
def file(code: str) -> AnyResponse:
    with parts().db() as db:
        found, _delivery, case = own(db, code)
    data = issuing.deed_bytes(parts(), case, found)
    head = {"Content-Disposition": f'attachment; filename="deed-{found.code}.pdf"', "ETag": f'"{found.sha256}"'}
    return AnyResponse(data, mimetype="application/pdf", headers=head)


@bank.get("/deeds/<code>/log-proof")
@bank.doc(summary="That its issue stands in the public log", security=SECURITY, responses=[200, 401, 404, 409])
@only(Role.BANK)
def log_proof(code: str) -> AnyResponse:
    """yuanzheng-log-proof/1, docs/formats/log.md; 409 while the line cannot be published."""
    with parts().db() as db:
        _found, _delivery, case = own(db, code)
        return AnyResponse(publishing.proof_of(db, parts(), case), mimetype="application/json")


@bank.post("/deeds/<code>/receipt")
@bank.output(DeedOut)
@bank.doc(summary="This bank has the file (receipt, H10)", security=SECURITY, responses=[401, 404])
@only(Role.BANK)
def receipt(code: str) -> DeedOut:
    """Said twice, it changes nothing."""
    with parts().db.begin() as db:
        found, delivery, _case = own(db, code)
        delivering.mark_received(db, delivery, actor(), parts().clock())
        return told(found, delivery)


@bank.get("/events")
@bank.input(EventsIn, location="query")
@bank.output(EventsOut)
@bank.doc(summary="What happened to this bank's deeds, oldest first", security=SECURITY, responses=[401])
@only(Role.BANK)
def events(query_data: EventsIn) -> EventsOut:
    with parts().db() as db:
        rows = db.execute(
            sa.select(Event, Deed)
            .join(Deed, Deed.case_id == Event.case_id)
            .join(Delivery, sa.and_(Delivery.case_id == Event.case_id, Delivery.bank_id == this_bank().id))
            .where(Event.kind.in_(TOLD), Event.seq > query_data.after)
            .order_by(Event.seq)
            .limit(MOST_EVENTS)
        ).all()
    found = [
        EventOut(
            seq=event.seq, type=event.kind, at=event.at.isoformat(), number=deed.number, code=deed.code,
            sha256=deed.sha256,
        )
        for event, deed in rows
    ]  # fmt: skip
    return EventsOut(events=found, next=found[-1].seq if found else query_data.after)


def own(db: Session, code: str) -> tuple[Deed, Delivery, Case]:
    """A deed of this bank; another bank's is not told from one that does not exist. Raises NotFound."""
    row = db.execute(
        sa.select(Deed, Delivery, Case)
        .join(Delivery, Delivery.case_id == Deed.case_id)
        .join(Case, Case.id == Deed.case_id)
        .where(Deed.code == code.strip().upper(), Delivery.bank_id == this_bank().id)
    ).one_or_none()
    if row is None:
        raise NotFound(_("没有送给贵行的这份公证书。"))
    return row[0], row[1], row[2]


def this_bank() -> Bank:
    found = visitor().bank
    if found is None:
        raise NotAllowed
    return found
