"""What the register says of a deed: by number and code, or by the file itself. Misses cost and tell the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.errors import Refusal
from notary.models import Bank, Case, Deed, Delivery, Notice, Number, Office, Person, Review, Standing, Verification
from notary.office import filing, keeping, limits, noticing, renewing
from notary.parts import Parts
from signing.verdict import Verdict
from signing.verify import Trust, examine, verify

MOST_HASHES = 50
"""Files that anybody may ask about at once. ours"""


class NoMatch(Refusal):
    """Number and code open nothing together; which of the two is wrong is not told (I01)."""

    code, status = "verify.no-match", 404

    def title(self) -> str:
        return _("编号和核验码对不上。")

    def meaning(self) -> str:
        return _("这不等于公证书是假的：也可能是抄错了。请照公证书右下角再输一次，或者直接选公证书文件。")


@dataclass(frozen=True)
class Answer:
    """`verdict`: valid, corrected, revoked, under_review, changed, unknown. `facts`: the little that may be told."""

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
    """Raises NoMatch (counted), TooMany. The code alone (a scanned QR) is enough: it carries 44 random bits.

    Every miss is three statements that touch no deed: a code that is right beside a wrong number reads no more than one
    that nobody has.
    """
    door, who = _door("verify", address, bank)
    limits.refuse_if_spent(db, door, who, now)
    fits = Deed.code == _typed(code).upper()
    if number.strip():
        fits = sa.and_(fits, sa.func.translate(Deed.number, "() ", "（）") == _plain(number))
    deed = db.scalar(sa.select(Deed).where(fits))
    if deed is None:
        limits.count(db, door, who, now)
        raise NoMatch
    return _answer(db, deed, way, now, bank)


def _door(name: str, address: str, bank: Bank | None) -> tuple[str, str]:
    """At which limit, and whose: a bank's misses are its own, wherever it asks from."""
    return (f"bank-{name}", str(bank.id)) if bank is not None else (name, address)


def _typed(text: str) -> str:
    """Without blanks, and without what PostgreSQL cannot keep."""
    return "".join(text.replace("\x00", "\ufffd").split())


def _plain(number: str) -> str:
    return _typed(number).replace("(", "（").replace(")", "）")


def by_file(
    db: Session, parts: Parts, data: bytes, address: str, now: datetime, *, bank: Bank | None = None, way: str = "file"
) -> Answer:
    """The whole file against the register, and the steps of the machine beside it. Raises TooMany.

    A file that the register does not know is judged twice, which costs a second of a child process; so uploads have a
    limit of their own, right or wrong.
    """
    door, who = _door("verify", address, bank)
    reading, _who = _door("upload", address, bank)
    limits.refuse_if_spent(db, door, who, now)
    limits.refuse_if_spent(db, reading, who, now)
    limits.count(db, reading, who, now)
    sha256 = hashlib.sha256(data).hexdigest()
    deed = renewing.with_hash(db, sha256) or _about(db, sha256)
    judge = verify if deed is None else examine
    trust = Trust.from_pem(parts.seal.public().trust_pem)
    machine = judge(data, trust, known=keeping.known(parts, trust))
    if deed is not None:
        return replace(_answer(db, deed, way, now, bank, machine.sha256), machine=machine.json())
    limits.count(db, door, who, now)
    return Answer(*_not_registered(db, data, machine, way), machine=machine.json())


def _about(db: Session, sha256: str) -> Deed | None:
    """The deed that a notice is about: who asks by the notice is told how that deed stands."""
    notice = noticing.with_hash(db, sha256)
    return db.scalar(sa.select(Deed).where(Deed.case_id == notice.case_id)) if notice else None


def _not_registered(
    db: Session, data: bytes, machine: Verdict, way: str
) -> tuple[str, str, dict[str, Any], tuple[str, ...]]:
    """What a file is that is no deed of the register, byte for byte.

    Every deed of ours is in the register by its hash, so a signed file that is not there was changed, or is somebody
    else's. One without any signature we cannot judge: a scan, a photograph, a file of another kind.
    """
    reasons = tuple(reason.zh if filing.language() == "zh" else reason.en for reason in machine.reasons)
    if b"/ByteRange" not in data or machine.verdict == "unknown":
        return "unknown", way, {}, (_("文件里没有电子签名，可能是扫描件、照片或别的文件。"), *reasons)
    if machine.verdict == "valid":
        return "unknown", way, {}, (_("签名成立，但登记里没有这一份：它没有正式出具。"),)
    known = _named_inside(db, data)
    told = {"number": known.number, "standing": str(known.standing)} if known is not None else {}
    return "changed", way, told, reasons or (_("这份文件不在我们的登记里"),)


def _named_inside(db: Session, data: bytes) -> Deed | None:
    """The deed that a changed file still names by number and code; its holder had the paper, so nothing is guessed."""
    from signing.body import BadBody, inside

    try:
        facts = inside(data).facts
        named = str(facts["number"]), str(facts["code"])
    except (BadBody, KeyError, TypeError):
        return None
    return db.scalar(sa.select(Deed).where(Deed.number == named[0], Deed.code == named[1]))


def by_hash(db: Session, sha256: str, address: str, now: datetime, *, bank: Bank | None = None) -> Answer:
    """By the fingerprint that the browser or the bank reckoned itself; the file stays there. Raises NoMatch, TooMany."""
    door, who = _door("verify", address, bank)
    limits.refuse_if_spent(db, door, who, now)
    asked = sha256.strip().lower()
    deed = renewing.with_hash(db, asked) or _about(db, asked)
    if deed is None:
        limits.count(db, door, who, now)
        raise NoMatch
    return _answer(db, deed, "hash", now, bank, asked)


def notice_of(db: Session, code: str, notice_id: UUID, address: str, now: datetime) -> tuple[Case, Notice]:
    """A sealed notice by its deed's code. Raises NoMatch (counted), TooMany."""
    limits.refuse_if_spent(db, "verify", address, now)
    deed = db.scalar(sa.select(Deed).where(Deed.code == "".join(code.split()).upper()))
    notice = db.get(Notice, notice_id)
    if deed is None or notice is None or notice.case_id != deed.case_id or notice.sha256 is None:
        limits.count(db, "verify", address, now)
        db.commit()
        raise NoMatch
    return db.get_one(Case, deed.case_id), notice


def by_hashes(db: Session, hashes: Sequence[str], address: str, now: datetime) -> list[Answer | None]:
    """Up to MOST_HASHES fingerprints at once, None for one that nobody registered; counted as one request of many.

    A fingerprint is 256 bits: nobody guesses one, so a miss is none of the misses that run out. Raises TooMany.
    """
    if len(hashes) > MOST_HASHES:
        raise ValueError("too many at once")
    limits.refuse_if_spent(db, "many", address, now)
    limits.count(db, "many", address, now)
    known = [(renewing.with_hash(db, sha256) or _about(db, sha256), sha256) for sha256 in hashes]
    return [_answer(db, deed, "hash", now, None, sha256) if deed else None for deed, sha256 in known]


def _answer(db: Session, deed: Deed, way: str, now: datetime, bank: Bank | None, sha256: str = "") -> Answer:
    """`sha256`: of the file that was asked about, which may be one from before a renewal."""
    case = db.get_one(Case, deed.case_id)
    verdict = word_of(deed)
    asked = Verification(deed_id=deed.id, bank_id=bank.id if bank else None, way=way, verdict=verdict, at=now)
    db.add(asked)
    db.flush()
    matter = filing.matter_of(case)
    office, notary = db.get_one(Office, case.office_id), db.get_one(Person, case.notary_id)
    facts: dict[str, Any] = {
        "number": deed.number,
        "code": deed.code,
        "matter": {"zh": matter.deed_title.zh, "en": matter.deed_title.en},
        "issued_on": (case.approved_on or deed.issued_at.date()).isoformat(),
        "office": {"zh": office.name, "en": office.name_en},
        "notary": {"zh": notary.name, "en": notary.name_en or notary.name},
        "person": masked_name(filing.party_of(db, case).name),
        "standing": str(deed.standing),
        "standing_at": deed.standing_at.isoformat(),
        "sha256": sha256 or deed.sha256,
        "test": trial_of(db, deed),
        "asked_at": now.isoformat(),
        "asked": f"V-{now:%Y-%m%d}-{asked.id.hex[:8].upper()}",
        "history": history(db, deed),
        "notices": [
            {
                "id": str(one.id), "kind": str(one.kind), "number": one.text, "sha256": one.sha256,
                "issued_on": one.decided_on.isoformat(),
            }
            for one in noticing.sealed_of(db, deed)
        ],
    }  # fmt: skip
    told = deed.standing in (Standing.REVOKED, Standing.CORRECTED) and deed.why
    return Answer(verdict, way, facts, (deed.why,) if told else ())


def word_of(deed: Deed) -> str:
    return str(deed.standing)


def history(db: Session, deed: Deed) -> list[dict[str, str]]:
    """What happened to a deed since it was issued: issued, under_review, upheld, corrected, revoked, each with its time."""
    found = [{"what": "issued", "at": deed.issued_at.isoformat()}]
    for review in db.scalars(sa.select(Review).where(Review.case_id == deed.case_id).order_by(Review.opened_at)):
        found.append({"what": "under_review", "at": review.opened_at.isoformat()})
        if review.decided_at is not None:
            found.append({"what": review.outcome, "at": review.decided_at.isoformat()})
    return found


def trial_of(db: Session, deed: Deed) -> bool:
    """Whether the deed carries the TEST mark; it is a fact of that deed, not of today's setting."""
    return bool(db.get_one(Number, deed.number_id).facts.get("test"))


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
