"""The append-only ledger. Its Merkle tree (RFC 9162) is the transparency log; tiles are its public view.

A line is written inside the transaction that makes it true. Sequence numbers come from a locked head,
so they have no gaps and their order is the order of commits.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary.lifecycle import Role
from notary.models import Event

LEDGER_LOCK = 0x1ED6E5
PUBLIC: dict[str, tuple[str, ...]] = {
    "case.issue": ("number", "sha256"),
    "deed.under_review": ("sha256",),
    "deed.valid": ("sha256",),
    "deed.corrected": ("sha256",),
    "deed.revoked": ("sha256",),
    "notice.issued": ("number", "about", "sha256"),
    "deed.renewed": ("number", "before", "sha256"),
    "number.voided": ("number",),
    "case.void": ("number",),
    "recording.sealed": ("manifest",),
    "key.ceremony": ("sha256",),
    "key.made": ("fingerprint", "use"),
    "key.retired": ("fingerprint", "use"),
    "key.revoked": ("fingerprint", "use", "since", "reason"),
    "trust.published": ("sha256",),
}
"""Lines whose kind and fields the public log shows; a test holds that none of them can name a person."""


@dataclass(frozen=True)
class Actor:
    """Who acts: a role, and a name for the ledger that is no phone number and no identity number."""

    role: Role
    id: UUID | None = None
    name: str = ""
    office_id: UUID | None = None

    @property
    def label(self) -> str:
        return f"{self.role}:{self.id}" if self.id else str(self.role)


SYSTEM = Actor(Role.SYSTEM)


def append(
    db: Session,
    kind: str,
    by: Actor,
    now: datetime,
    *,
    case_id: UUID | None = None,
    office_id: UUID | None = None,
    **payload: Any,
) -> Event:
    """Adds one line to the ledger in `db`'s transaction; serialised until that transaction ends."""
    db.execute(sa.text("SELECT pg_advisory_xact_lock(:k)"), {"k": LEDGER_LOCK})
    seq = (db.scalar(sa.select(sa.func.max(Event.seq))) or 0) + 1
    salt = secrets.token_bytes(16)
    leaf = leaf_of(seq, kind, now, case_id, by.label, str(by.role), payload, salt)
    event = Event(
        seq=seq,
        office_id=office_id or by.office_id,
        case_id=case_id,
        kind=kind,
        actor=by.label,
        role=str(by.role),
        at=now,
        payload=payload,
        salt=salt,
        leaf=leaf,
        leaf_hash=leaf_hash(leaf),
    )
    db.add(event)
    db.flush()
    return event


def leaf_of(
    seq: int,
    kind: str,
    at: datetime,
    case_id: UUID | None,
    actor: str,
    role: str,
    payload: Mapping[str, Any],
    salt: bytes,
) -> bytes:
    """The public leaf: canonical JSON (sorted keys, no blanks, UTF-8).

    Of what concerns a deed everybody sees the kind and the fields of `PUBLIC`; of everything else only that something was
    logged, and when. The commitment binds the whole line and hides it.
    """
    private = private_of(kind, case_id, actor, role, payload)
    leaf = {
        "seq": seq, "kind": kind if kind in PUBLIC else "office", "at": at.isoformat(),
        "commitment": hashlib.sha256(salt + private).hexdigest(),
    }  # fmt: skip
    if kind in PUBLIC:
        leaf["public"] = {name: payload[name] for name in PUBLIC[kind] if name in payload}
    return canonical(leaf)


def private_of(kind: str, case_id: UUID | None, actor: str, role: str, payload: Mapping[str, Any]) -> bytes:
    """What a commitment hides; who has it with the salt can open the commitment."""
    case = str(case_id) if case_id else None
    return canonical({"kind": kind, "case": case, "actor": actor, "role": role, "payload": payload})


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 9162 §2.1.1: SHA-256 over 0x00 and the leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def faults(db: Session) -> list[str]:
    """Every line that no longer says what was logged, by name: gaps, changed columns, changed payloads."""
    found = []
    expected = 1
    for event in db.scalars(sa.select(Event).order_by(Event.seq)):
        if event.seq != expected:
            found.append(f"events: lines {expected} to {event.seq - 1} are missing")
        expected = event.seq + 1
        leaf = leaf_of(
            event.seq, event.kind, event.at, event.case_id, event.actor, event.role, event.payload, event.salt
        )
        if leaf != bytes(event.leaf):
            found.append(f"events: line {event.seq}: its columns are not what its leaf says")
        if leaf_hash(bytes(event.leaf)) != bytes(event.leaf_hash):
            found.append(f"events: line {event.seq}: its leaf is not what its hash says")
    return found
