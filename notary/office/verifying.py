"""What the register says of a deed: by number and code, or by the file itself. Misses cost and tell the same."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.errors import Refusal
from notary.models import Bank, Case, Deed, Delivery, Number, Standing, Verification
from notary.office import filing, limits
from notary.parts import Parts
from signing.verify import Trust, verify


class NoMatch(Refusal):
    """Number and code open nothing together; which of the two is wrong is not told (I01)."""

    code, status = "verify.no-match", 404

    def title(self) -> str:
        return _("编号和核验码对不上。")

    def meaning(self) -> str:
        return _("这不等于公证书是假的：也可能是抄错了。请照公证书右下角再输一次，或者直接选公证书文件。")


@dataclass(frozen=True)
class Answer:
    """`verdict`: valid, revoked, under_review, changed, unknown. `facts`: the little that may be told."""

    verdict: str
    way: str
    facts: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    machine: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        return asdict(self)


def by_code(
    db: Session, number: str, code: str, address: str, now: datetime, *, bank: Bank | None = None, way: str = "page"
) -> Answer:
    """Raises NoMatch (counted), TooMany. The code alone (a scanned QR) is enough: it carries 44 random bits."""
    limits.refuse_if_spent(db, "verify", address, now)
    wanted = "".join(code.split()).upper()
    deed = db.scalar(sa.select(Deed).where(Deed.code == wanted))
    if deed is None or (number.strip() and _plain(number) != _plain(deed.number)):
        limits.count(db, "verify", address, now)
        raise NoMatch
    return _answer(db, deed, way, now, bank)


def _plain(number: str) -> str:
    return "".join(number.split()).replace("(", "（").replace(")", "）")


def by_file(
    db: Session, parts: Parts, data: bytes, address: str, now: datetime, *, bank: Bank | None = None, way: str = "file"
) -> Answer:
    """The whole file against the register, and where it is not there, why our rules refuse it. Raises TooMany."""
    limits.refuse_if_spent(db, "verify", address, now)
    deed = db.scalar(sa.select(Deed).where(Deed.sha256 == hashlib.sha256(data).hexdigest()))
    if deed is not None:
        return _answer(db, deed, way, now, bank)
    limits.count(db, "verify", address, now)
    verdict = verify(data, Trust.from_pem(parts.seal.root()))
    machine = verdict.json()
    reasons = tuple(reason.zh for reason in verdict.reasons)
    # every deed of ours is in the register by its hash: what is not there was changed, or is somebody else's
    word = "unknown" if verdict.verdict == "unknown" else "changed"
    return Answer(word, way, {}, reasons or (_("这份文件不在我们的登记里"),), machine)


def by_hash(db: Session, sha256: str, address: str, now: datetime, *, bank: Bank | None = None) -> Answer:
    """Raises NoMatch, TooMany."""
    limits.refuse_if_spent(db, "verify", address, now)
    deed = db.scalar(sa.select(Deed).where(Deed.sha256 == sha256.strip().lower()))
    if deed is None:
        limits.count(db, "verify", address, now)
        raise NoMatch
    return _answer(db, deed, "hash", now, bank)


def _answer(db: Session, deed: Deed, way: str, now: datetime, bank: Bank | None) -> Answer:
    case = db.get_one(Case, deed.case_id)
    verdict = {Standing.VALID: "valid", Standing.REVOKED: "revoked", Standing.UNDER_REVIEW: "under_review"}[
        deed.standing
    ]
    db.add(Verification(deed_id=deed.id, bank_id=bank.id if bank else None, way=way, verdict=verdict, at=now))
    db.flush()
    matter = filing.matter_of(case)
    return Answer(
        verdict,
        way,
        {
            "number": deed.number,
            "matter": {"zh": matter.deed_title.zh, "en": matter.deed_title.en},
            "issued_on": (case.approved_on or deed.issued_at.date()).isoformat(),
            "office": office_name(db, case),
            "person": masked_name(filing.party_of(db, case).name),
            "standing_at": deed.standing_at.isoformat(),
            "sha256": deed.sha256,
            "test": trial_of(db, deed),
        },
        (deed.why,) if deed.standing == Standing.REVOKED and deed.why else (),
    )


def trial_of(db: Session, deed: Deed) -> bool:
    """Whether the deed carries the TEST mark; it is a fact of that deed, not of today's setting."""
    return bool(db.get_one(Number, deed.number_id).facts.get("test"))


def office_name(db: Session, case: Case) -> str:
    from notary.models import Office

    return db.get_one(Office, case.office_id).name


def masked_name(name: str) -> str:
    """The first character and stars: enough for who holds the paper, nothing for who guesses."""
    return name[:1] + "*" * max(1, len(name) - 1)


def of_deed(db: Session, deed: Deed) -> list[Verification]:
    """Who asked and when, for the applicant (I07)."""
    query = sa.select(Verification).where(Verification.deed_id == deed.id).order_by(Verification.at.desc())
    return list(db.scalars(query.limit(100)))


def may_fetch(db: Session, bank: Bank, deed: Deed) -> bool:
    """A bank gets the file only of a deed that was delivered to it."""
    return (
        db.scalar(sa.select(Delivery.id).where(Delivery.case_id == deed.case_id, Delivery.bank_id == bank.id))
        is not None
    )
