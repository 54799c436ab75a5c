"""Filing: a draft that survives a reload, papers, declarations, and the application itself (规则 art. 17)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import calendar, ledger
from notary.database import fresh
from notary.errors import BadInput, NotFound, NotPossible
from notary.intake import Clean
from notary.ledger import Actor
from notary.lifecycle import Act, Need, State
from notary.matters import Field, Matter
from notary.models import Applicant, Bank, Case, Channel, Consent, ConsentKind, Exhibit, Office, Party
from notary.office import doors, messages, safe
from notary.office.needs import check
from notary.office.step import advance
from notary.parts import Parts
from notary.questions import contrary
from notary.rules import rules

OPEN_FOR_FILING = (State.DRAFT, State.RETURNED)
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Letters of codes that people read aloud: none that looks like another."""
MOST_EXHIBITS = 60
PARTY_FIELDS = ("name", "sex", "birth", "id_number", "address")


def new_code(letters: int) -> str:
    """A random code; each letter carries 4.95 bits."""
    return "".join(secrets.choice(CODE_LETTERS) for _n in range(letters))


def matter_of(case: Case) -> Matter:
    return rules().matters[case.matter]


def start(
    db: Session, parts: Parts, matter_key: str, by: Actor, now: datetime, *,
    applicant: Applicant | None, phone: str, locale: str = "zh", channel: Channel = Channel.WEB,
) -> Case:  # fmt: skip
    """A new draft. Raises NotFound for a matter that the profile does not hold (A04)."""
    matter = rules().matters.get(matter_key)
    if matter is None or matter_key not in rules().profile.matters or not matter.remote.enabled:
        raise NotFound(_("这件事不在远程办理的范围里。请打电话给我们，或者来公证处。"))
    office = db.scalars(sa.select(Office)).one()
    case_id = uuid4()
    case = Case(
        id=case_id, office_id=office.id, reference=_reference(db, calendar.today(now).year), matter=matter_key,
        profile=rules().profile.key, rules_digest=matter.digest, channel=channel, locale=locale,
        applicant_id=applicant.id if applicant else None, data_key=safe.new_key(parts, case_id),
        code=new_code(10), created_at=now,
    )  # fmt: skip
    db.add(case)
    db.flush()
    db.add(Party(case_id=case.id, phone=phone))
    ledger.append(db, "case.started", by, now, case_id=case.id, office_id=office.id, matter=matter_key)
    db.flush()
    return case


def _reference(db: Session, year: int) -> str:
    """Reference numbers may have gaps: they count nothing, deed numbers do."""
    for _try in range(20):
        reference = f"{year}-远-{secrets.randbelow(900_000) + 100_000}"
        if not db.scalar(sa.select(Case.id).where(Case.reference == reference)):
            return reference
    raise NotPossible(_("现在开不了新案子，请再试一次。"))


def own_case(db: Session, case_id: UUID, applicant_id: UUID | None, *, lock: bool = False) -> Case:
    """The applicant's own case; another person's is not told from one that does not exist. Raises NotFound."""
    query = sa.select(Case).where(Case.id == case_id, Case.applicant_id == applicant_id)
    case = db.scalar(fresh(query) if lock else query)
    if case is None or applicant_id is None:
        raise NotFound
    return case


def cases_of(db: Session, applicant_id: UUID) -> list[Case]:
    return list(db.scalars(sa.select(Case).where(Case.applicant_id == applicant_id).order_by(Case.created_at.desc())))


def party_of(db: Session, case: Case) -> Party:
    return db.scalars(sa.select(Party).where(Party.case_id == case.id, Party.role == "applicant")).one()


def refuse_closed(case: Case) -> None:
    if case.state not in OPEN_FOR_FILING:
        raise NotPossible(_("申请已经交了，不能再改。要改请打电话给我们。"))


def save_fields(db: Session, case: Case, form: Mapping[str, str]) -> dict[str, str]:
    """Keeps whatever was typed, right or wrong, and returns what is wrong by field. Nothing typed is lost."""
    refuse_closed(case)
    matter = matter_of(case)
    filed = {**case.filed}
    for field in matter.fields:
        if field.key in form:
            filed[field.key] = form[field.key].strip()[:2000]
    for declaration in matter.declarations:
        if (name := f"declare-{declaration.key}") in form and form[name] in ("yes", "no"):
            filed[name] = form[name]
    case.filed = filed
    case.care = [flag for flag in ("elder", "hearing", "sight", "reading") if form.get(f"care-{flag}")] or case.care
    return {key: words for key, words in problems_of(db, case).items() if key in form}


def problems_of(db: Session, case: Case) -> dict[str, str]:
    """What is still wrong or missing in the form, by field."""
    found: dict[str, str] = {}
    filed = {key: str(value) for key, value in case.filed.items()}
    matter = matter_of(case)
    for field in matter.fields_for(filed):
        value = filed.get(field.key, "")
        if not value:
            if field.required:
                found[field.key] = _("请填“%(label)s”。", label=field.label.to(language()))
            continue
        if words := _wrong(db, field, value, filed):
            found[field.key] = words
    return found


def _wrong(db: Session, field: Field, value: str, filed: Mapping[str, str]) -> str:
    match field.type:
        case "money":
            if not re.fullmatch(r"\d{1,12}(\.\d{1,2})?", value.replace(",", "")) or float(value.replace(",", "")) <= 0:
                return _("金额请只写数字，比如 480000。")
        case "date":
            day = as_date(value)
            if day is None:
                return _("日期请写成 2026-11-24 这样。")
            first = as_date(filed.get(field.after, "")) if field.after else None
            if first and day <= first:
                return _("这一天要比“%(first)s”晚。", first=first.isoformat())
        case "choice":
            if value not in {option.value for option in field.options}:
                return _("请从给出的几项里选一项。")
        case "phone":
            try:
                doors.phone_of(value)
            except BadInput as bad:
                return bad.fields["phone"]
        case "id-number":
            if not valid_id_number(value):
                return _("这个身份证号码不对，请照着证件再抄一遍。")
        case "bank":
            if bank_named(db, value) is None:
                return _("请从名单里选一家银行。")
    return ""


def as_date(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def bank_named(db: Session, key: str) -> Bank | None:
    try:
        return db.get(Bank, UUID(key))
    except ValueError:
        return None


def valid_id_number(number: str) -> bool:
    """GB 11643-1999: 17 digits and a check character (ISO 7064 MOD 11-2), with a birth date that exists."""
    number = number.strip().upper()
    if not re.fullmatch(r"\d{17}[\dX]", number):
        return False
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(number[:17]))
    if "10X98765432"[total % 11] != number[17]:
        return False
    return as_date(f"{number[6:10]}-{number[10:12]}-{number[12:14]}") is not None


# who the applicant is


def save_party(db: Session, case: Case, form: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Confirms every field of the card as the applicant typed or corrected it; differences stay on record."""
    refuse_closed(case)
    party = party_of(db, case)
    values = {key: form.get(key, "").strip() for key in PARTY_FIELDS}
    wrong: dict[str, str] = {}
    if not re.fullmatch(r"[^\W\d_][^\W\d_ .·'-]{0,39}(?:[ .·'-]?[^\W\d_]+){0,10}", values["name"]):
        wrong["name"] = _("姓名请照证件写，中间有点的用“·”。")
    if values["sex"] not in ("男", "女"):
        wrong["sex"] = _("请选男或女，照证件。")
    birth = as_date(values["birth"])
    if birth is None or birth >= calendar.today(now):
        wrong["birth"] = _("出生日期请写成 1968-04-21 这样。")
    if not valid_id_number(values["id_number"]):
        wrong["id_number"] = _("这个身份证号码不对，请照着证件再抄一遍。")
    elif birth and values["id_number"][6:14] != birth.strftime("%Y%m%d"):
        wrong["birth"] = _("出生日期和身份证号码里的不一样。请再看一遍证件。")
    if len(values["address"]) < 4:
        wrong["address"] = _("请把证件上的住址写全。")
    party.name, party.sex, party.address = values["name"][:60], values["sex"][:4], values["address"][:200]
    party.birth, party.id_number = birth, values["id_number"].upper()[:18]
    party.name_en = form.get("name_en", "").strip()[:80]
    card = card_fields(db, case)
    party.confirmed = {
        "at": now.isoformat(),
        "differences": {key: {"card": card[key], "typed": values[key]} for key in card if card[key] != values[key]},
    }
    return wrong


def card_fields(db: Session, case: Case) -> dict[str, str]:
    """What the machine read from the uploaded card, by our field names; empty while it has not."""
    for exhibit in exhibits_of(db, case):
        if exhibit.read.get("type") == "cn_id_front":
            read = exhibit.read
            names = {"name": "name", "sex": "sex", "birth": "birth", "id_number": "number", "address": "address"}
            return {ours: str(read[theirs]) for ours, theirs in names.items() if read.get(theirs)}
    return {}


# papers


def add_exhibit(
    db: Session, parts: Parts, case: Case, material: str, filename: str, original_sha256: str, clean: Clean, by: Actor,
    now: datetime,
) -> Exhibit:  # fmt: skip
    """Keeps one cleaned paper. Raises NotFound, NotPossible, BadInput, Unavailable."""
    refuse_closed(case)
    known = {one.key: one for one in matter_of(case).materials}
    if material not in known:
        raise NotFound
    if len(exhibits_of(db, case)) >= MOST_EXHIBITS:
        raise BadInput({"file": _("已经交了 %(n)d 份，够多了。请先删掉不要的。", n=MOST_EXHIBITS)})
    key, sha256 = safe.keep(parts, case, "exhibits", clean.data)
    exhibit = Exhibit(
        case_id=case.id, material=material, name=filename[:120], media_type=clean.media_type, size=len(clean.data),
        sha256=sha256, original_sha256=original_sha256, object_key=key, pages=clean.pages, added_at=now,
        added_by=by.label,
    )  # fmt: skip
    db.add(exhibit)
    db.flush()
    ledger.append(
        db, "exhibit.added", by, now, case_id=case.id, office_id=case.office_id, material=material, sha256=sha256
    )
    return exhibit


def withdraw_exhibit(db: Session, case: Case, exhibit_id: UUID, by: Actor, now: datetime) -> None:
    """Takes a paper out of the application; its bytes and its line in the ledger stay. Raises NotFound."""
    refuse_closed(case)
    exhibit = db.get(Exhibit, exhibit_id)
    if exhibit is None or exhibit.case_id != case.id:
        raise NotFound
    exhibit.withdrawn_at = now
    ledger.append(db, "exhibit.withdrawn", by, now, case_id=case.id, office_id=case.office_id, sha256=exhibit.sha256)


def exhibits_of(db: Session, case: Case) -> list[Exhibit]:
    query = sa.select(Exhibit).where(Exhibit.case_id == case.id, Exhibit.withdrawn_at.is_(None))
    return list(db.scalars(query.order_by(Exhibit.added_at)))


def missing_materials(db: Session, case: Case) -> list[str]:
    """Keys of mandatory materials neither handed in nor promised (A15)."""
    filed = {key: str(value) for key, value in case.filed.items()}
    given = {exhibit.material for exhibit in exhibits_of(db, case)}
    promised = {key.removeprefix("promise-") for key, value in filed.items() if key.startswith("promise-") and value}
    return [
        one.key
        for one in matter_of(case).materials_for(filed)
        if one.mandatory and one.key not in given and not (one.promise and one.key in promised)
    ]


# consent per recipient (PIPL art. 23)


def agree_recipient(db: Session, case: Case, key: str, given: bool, by: Actor, now: datetime) -> None:
    """Raises NotFound."""
    recipient = next((one for one in matter_of(case).recipients if one.key == key and one.consent), None)
    if recipient is None:
        raise NotFound
    words = "；".join(str(one) for one in (recipient.title, recipient.purpose, recipient.data) if one)
    db.add(Consent(case_id=case.id, kind=ConsentKind.RECIPIENT, about=key, given=given, words=words, at=now))
    ledger.append(
        db, "consent.recipient", by, now, case_id=case.id, office_id=case.office_id, recipient=key, given=given
    )


def agreed_recipients(db: Session, case: Case) -> dict[str, bool]:
    """The last word on each recipient."""
    rows = db.scalars(
        sa.select(Consent)
        .where(Consent.case_id == case.id, Consent.kind == ConsentKind.RECIPIENT)
        .order_by(Consent.at, Consent.id)
    )
    return {row.about: row.given for row in rows}


# the application


def submit(db: Session, case: Case, by: Actor, now: datetime) -> None:
    """Hands the application in. Raises NotYet naming all that is missing, NotPossible."""
    advance(db, case, Act.SUBMIT, by, now)
    case.submitted_at = now
    party = party_of(db, case)
    messages.send(
        db, to=party.phone, now=now, case_id=case.id, office_id=case.office_id,
        text=_("您的公证申请交好了，案号 %(ref)s，查询码 %(code)s。我们看完材料就告诉您。", ref=case.reference, code=case.code),
    )  # fmt: skip


def language() -> str:
    from flask_babel import get_locale

    locale = get_locale()
    return "en" if locale is not None and locale.language == "en" else "zh"


@check(Need.FIELDS)
def fields_are_filled(db: Session, case: Case, _by: Actor) -> bool:
    party = party_of(db, case)
    return not problems_of(db, case) and bool(party.name and valid_id_number(party.id_number) and party.address)


@check(Need.MATERIALS)
def materials_are_there(db: Session, case: Case, _by: Actor) -> bool:
    return not missing_materials(db, case)


@check(Need.DECLARED)
def interest_is_declared(db: Session, case: Case, _by: Actor) -> bool:
    """Interest in the matter, no dispute, capacity; and consent to each recipient that the matter must have."""
    matter = matter_of(case)
    given = {
        key.removeprefix("declare-"): str(value) for key, value in case.filed.items() if key.startswith("declare-")
    }
    agreed = agreed_recipients(db, case)
    needed = [one.key for one in matter.recipients if one.consent and one.mandatory]
    return not contrary(matter.declarations, given) and all(agreed.get(key) for key in needed)
