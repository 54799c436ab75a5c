"""Filing: a draft that survives a reload, papers, declarations, and the application itself (规则 art. 17)."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from identity import names
from notary import calendar, ledger
from notary.database import fresh
from notary.errors import BadInput, NotFound, NotPossible
from notary.intake import Clean
from notary.jobs import enqueue
from notary.ledger import Actor
from notary.lifecycle import Act, Need, State
from notary.matters import Field, Material, Matter
from notary.models import Applicant, Bank, Case, Channel, Consent, ConsentKind, Exhibit, Office, Party
from notary.office import documents, doors, messages, safe
from notary.office.needs import check
from notary.office.step import advance
from notary.parts import Parts
from notary.questions import contrary
from notary.rules import rules
from signing import render

OPEN_FOR_FILING = (State.DRAFT, State.RETURNED)
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Letters of codes that people read aloud: none that looks like another."""
MOST_EXHIBITS = 60
MOST_UPLOADS = 150
"""Of one case, those taken out again too: the store keeps every one."""
MOST_DRAFTS = 8
PARTY_FIELDS = ("id_type", "name", "sex", "birth", "id_number", "address")
CARE = ("elder", "hearing", "sight", "reading")
NUMERIC = ("money", "date", "phone", "id-number")


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
    if applicant is not None:
        drafts = sum(one.state == State.DRAFT for one in cases_of(db, applicant.id))
        if drafts >= MOST_DRAFTS:
            raise NotPossible(_("您已经有 %(n)d 份没交的申请。请先交一份，或者撤回不要的。", n=drafts))
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


def plain(typed: str, most: int = 2000) -> str:
    """What was typed without control characters (line ends stay) and without blanks around it."""
    return "".join(c for c in typed if c in "\n\t" or unicodedata.category(c) != "Cc").strip()[:most]


def save_fields(db: Session, case: Case, section: str, form: Mapping[str, str]) -> dict[str, str]:
    """Keeps one section as it was typed, right or wrong, and returns what is wrong by field. Nothing typed is lost.

    A right date is kept as ISO 8601; everything else stays as typed (`facts_of` gives what a deed needs).
    """
    refuse_closed(case)
    mine = [field for field in matter_of(case).fields if field.section == section]
    filed = {**case.filed}
    for field in mine:
        if field.key in form:
            filed[field.key] = value = plain(form[field.key])
            if field.type == "date" and (day := as_date(value)):
                filed[field.key] = day.isoformat()
    case.filed = filed
    keys = {field.key for field in mine}
    return {key: words for key, words in problems_of(db, case).items() if key in keys}


def save_declarations(case: Case, form: Mapping[str, str]) -> dict[str, str]:
    """Keeps the answers; returns, by declaration, what is missing or why the answer bars the matter (A08)."""
    refuse_closed(case)
    filed = {**case.filed}
    matter = matter_of(case)
    for one in matter.declarations:
        if form.get(f"declare-{one.key}") in ("yes", "no"):
            filed[f"declare-{one.key}"] = form[f"declare-{one.key}"]
    case.filed = filed
    return barred(case)


def barred(case: Case) -> dict[str, str]:
    """Declarations without an answer, or with one that bars the matter, in words."""
    given = declared(case)
    return {
        f"declare-{one.key}": one.refusal.to(language()) if one.key in given else _("请选“是”或“不是”。")
        for one in contrary(matter_of(case).declarations, given)
    }


def declared(case: Case) -> dict[str, str]:
    return {key.removeprefix("declare-"): str(value) for key, value in case.filed.items() if key.startswith("declare-")}


def save_care(case: Case, flags: list[str]) -> None:
    """Care that the applicant asks for; nothing is guessed from age (S-B14)."""
    refuse_closed(case)
    case.care = [flag for flag in CARE if flag in flags]


def promise(db: Session, case: Case, material: str, given: bool, by: Actor, now: datetime) -> None:
    """A signed promise in place of a paper, where the rule allows it (A15). Raises NotFound, NotPossible."""
    refuse_closed(case)
    if not any(one.key == material and one.promise for one in matter_of(case).materials):
        raise NotFound
    case.filed = {**case.filed, f"promise-{material}": "yes" if given else ""}
    ledger.append(
        db, "promise.given" if given else "promise.taken-back", by, now, case_id=case.id, office_id=case.office_id,
        material=material,
    )  # fmt: skip


def promised(case: Case) -> set[str]:
    return {k.removeprefix("promise-") for k, value in case.filed.items() if k.startswith("promise-") and value}


def facts_of(db: Session, case: Case) -> dict[str, str]:
    """The form's fields as `words.stored` takes them: sums in fen, phones as E.164, a bank by its name.

    Only fields that this application calls for and that are right; an empty one is left out.
    """
    filed = {key: str(value) for key, value in case.filed.items()}
    wrong = problems_of(db, case)
    found: dict[str, str] = {}
    for field in matter_of(case).fields_for(filed):
        value = filed.get(field.key, "")
        if not value or field.key in wrong:
            continue
        if field.type == "money":
            value = str(int(Decimal(_digits(value)) * 100))
        elif field.type == "phone":
            value = doors.phone_of(value)
        elif field.type == "id-number":
            value = _digits(value).upper()
        elif field.type == "bank" and (bank := bank_named(db, value)):
            value = bank.name
        found[field.key] = value
    return found


def _digits(value: str) -> str:
    """Full-width figures as ordinary ones, without commas and blanks."""
    return "".join(unicodedata.normalize("NFKC", value).replace(",", "").split())


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


def unprintable(text: str) -> str:
    """What the deed's face cannot draw, named, with the ways that are left; '' when it can draw everything.

    Said while the applicant can still choose another way: later the same letters would stop the interview.
    """
    lacking = render.missing_glyphs(text.replace("\r", "").replace("\t", ""))
    if not lacking:
        return ""
    return _(
        "公证书的字体里没有这些字：%(chars)s。本来就这样写的，请点“请打给我”：我们跟您商量写法，或者办纸质公证书。",
        chars=" ".join(lacking[:10]),
    )


def _wrong(db: Session, field: Field, value: str, filed: Mapping[str, str]) -> str:
    if words := unprintable(value):
        return words
    match field.type:
        case "money":
            figures = _digits(value)
            if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,2})?", figures) or Decimal(figures) <= 0:
                return _("金额请只写数字，比如 480000。")
        case "date":
            day = as_date(value)
            if day is None:
                return _("日期请写成 2026-11-24 这样，也可以写 2026 年 11 月 24 日。")
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
            if not documents.valid_id_number(_digits(value)):
                return _("这个身份证号码不对，请照着证件再抄一遍。")
        case "bank":
            bank = bank_named(db, value)
            if bank is None or bank.disabled_at:
                return _("请从名单里选一家银行。")
    return ""


def as_date(value: str) -> date | None:
    """A day typed as 2026-11-24, 2026/11/24, 20261124 or 2026 年 11 月 24 日."""
    text = _digits(value)
    found = re.fullmatch(r"(\d{4})[-./年](\d{1,2})[-./月](\d{1,2})日?", text) or re.fullmatch(
        r"(\d{4})(\d\d)(\d\d)", text
    )
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def bank_named(db: Session, key: str) -> Bank | None:
    try:
        return db.get(Bank, UUID(key))
    except ValueError:
        return None


# who the applicant is


def save_party(db: Session, case: Case, form: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Confirms every field of the document as the applicant typed or corrected it; differences stay on record.

    Wrong values are kept beside the row as they were typed, so that a reload shows them again. Without a kind of document
    the one that the page shows stands.
    """
    refuse_closed(case)
    party = party_of(db, case)
    card = card_fields(db, case)
    values = {key: plain(form.get(key, ""), 200) for key in PARTY_FIELDS}
    values["id_type"] = values["id_type"] or document_of(db, case)
    values["name"] = names.dotted(values["name"])
    values["id_number"] = _digits(values["id_number"]).upper()
    known = values["id_type"] in documents.KINDS
    party.id_type = values["id_type"] if known else party.id_type
    party.name, party.sex, party.address = values["name"][:60], values["sex"][:4], values["address"]
    party.birth, party.id_number = as_date(values["birth"]), values["id_number"][:18]
    party.name_en = plain(form.get("name_en", ""), 80)
    wrong = party_problems(party, now) | ({} if known else {"id_type": _("请选一种证件。")})
    party.confirmed = {
        "at": "" if wrong else now.isoformat(),
        "typed": {key: values[key] for key in wrong},
        "differences": {
            key: {"card": card[key], "typed": values[key]}
            for key in PARTY_FIELDS
            if key in card and not _same(card[key], values[key])
        },
    }
    return wrong


def _same(read: str, typed: str) -> bool:
    """Commas and blanks, width and old forms of letters are no difference."""
    return names.same(read.replace(",", ""), typed.replace(",", ""))


def party_problems(party: Party, now: datetime) -> dict[str, str]:
    """What is wrong or missing in who the applicant is, by field."""
    wrong: dict[str, str] = {}
    if not re.fullmatch(r"[^\W\d_](?:[ .·'’-]?[^\W\d_]){0,58}", party.name):
        wrong["name"] = _("姓名请照证件写，中间有点的用“·”。")
    elif words := unprintable(party.name):
        wrong["name"] = words
    if party.sex not in ("男", "女"):
        wrong["sex"] = _("请选男或女，照证件。")
    today = calendar.today(now)
    if party.birth is None or not 1900 <= party.birth.year <= today.year:
        wrong["birth"] = _("出生日期请写成 1968-04-21 这样。")
    elif (today.year - party.birth.year, today.month, today.day) < (18, party.birth.month, party.birth.day):
        wrong["birth"] = _("未满 18 岁，要由监护人一起来公证处办。")
    born = documents.birth_in(party.id_type, party.id_number)
    if words := documents.number_problem(party.id_type, party.id_number):
        wrong["id_number"] = words
    elif born and party.birth and born != party.birth.strftime("%Y%m%d"):
        wrong["birth"] = _("出生日期和证件号码里的不一样。请再看一遍证件。")
    if len(party.address) < 4:
        wrong["address"] = _("请把住址写全。证件上没有的，写您现在住的地方。")
    elif words := unprintable(party.address):
        wrong["address"] = words
    return wrong


def card_fields(db: Session, case: Case) -> dict[str, str]:
    """What the machine read from the newest document that it could, by our field names; empty while it has not."""
    papers = reversed(exhibits_of(db, case))
    return next(filter(None, (documents.fields_of(one.read, calendar.today(one.added_at)) for one in papers)), {})


def document_of(db: Session, case: Case) -> str:
    """The kind of document: as the applicant chose, before that as the machine read, else a resident card."""
    party = party_of(db, case)
    return party.id_type if party.confirmed else card_fields(db, case).get("id_type", party.id_type)


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
    every = db.scalar(sa.select(sa.func.count()).where(Exhibit.case_id == case.id)) or 0
    if every >= MOST_UPLOADS or len(exhibits_of(db, case)) >= MOST_EXHIBITS:
        raise BadInput({"file": _("已经交了 %(n)d 份，够多了。请先删掉不要的。", n=MOST_EXHIBITS)})
    key, sha256 = safe.keep(parts, case, "exhibits", clean.data)
    exhibit = Exhibit(
        case_id=case.id, material=material, name=plain(filename, 120), media_type=clean.media_type, size=len(clean.data),
        sha256=sha256, original_sha256=original_sha256, object_key=key, pages=clean.pages, added_at=now,
        added_by=by.label,
    )  # fmt: skip
    db.add(exhibit)
    db.flush()
    ledger.append(
        db, "exhibit.added", by, now, case_id=case.id, office_id=case.office_id, material=material, sha256=sha256
    )
    if known[material].role:
        exhibit.read = {"editor": clean.editor} if clean.editor else {}
        enqueue(db, "read-card", exhibit_id=str(exhibit.id))
    return exhibit


def withdraw_exhibit(db: Session, case: Case, exhibit_id: UUID, by: Actor, now: datetime) -> None:
    """Takes a paper out of the application; its bytes and its line in the ledger stay. Raises NotFound."""
    refuse_closed(case)
    exhibit = db.get(Exhibit, exhibit_id)
    if exhibit is None or exhibit.case_id != case.id or exhibit.withdrawn_at:
        raise NotFound
    exhibit.withdrawn_at = now
    ledger.append(db, "exhibit.withdrawn", by, now, case_id=case.id, office_id=case.office_id, sha256=exhibit.sha256)


def exhibits_of(db: Session, case: Case) -> list[Exhibit]:
    query = sa.select(Exhibit).where(Exhibit.case_id == case.id, Exhibit.withdrawn_at.is_(None))
    return list(db.scalars(query.order_by(Exhibit.added_at)))


def materials_of(db: Session, case: Case) -> list[Material]:
    """What this application calls for. No back of a passport, unless one was handed in all the same and must be seen."""
    filed = {key: str(value) for key, value in case.filed.items()}
    given = {exhibit.material for exhibit in exhibits_of(db, case)}
    has_back = documents.has_back(document_of(db, case))
    return [
        one for one in matter_of(case).materials_for(filed) if has_back or one.role != "id-back" or one.key in given
    ]


def missing_materials(db: Session, case: Case) -> list[str]:
    """Keys of mandatory materials neither handed in nor promised (A15)."""
    given = {exhibit.material for exhibit in exhibits_of(db, case)}
    stands_in = promised(case)
    return [
        one.key
        for one in materials_of(db, case)
        if one.mandatory and one.key not in given and not (one.promise and one.key in stands_in)
    ]


# consent per recipient (PIPL art. 23)


def agree_recipient(db: Session, case: Case, key: str, given: bool, by: Actor, now: datetime) -> None:
    """Raises NotFound."""
    recipient = next((one for one in matter_of(case).recipients if one.key == key and one.consent), None)
    if recipient is None:
        raise NotFound
    refuse_closed(case)
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
    messages.tell(
        db, case, party_of(db, case).phone,
        lambda: _("您的公证申请交好了，案号 %(ref)s，查询码 %(code)s。我们看完材料就告诉您。", ref=case.reference, code=case.code),
        now,
    )  # fmt: skip


def language() -> str:
    from flask_babel import get_locale

    locale = get_locale()
    return "en" if locale is not None and locale.language == "en" else "zh"


@check(Need.FIELDS)
def fields_are_filled(db: Session, case: Case, _by: Actor) -> bool:
    return not problems_of(db, case) and bool(party_of(db, case).confirmed.get("at"))


@check(Need.MATERIALS)
def materials_are_there(db: Session, case: Case, _by: Actor) -> bool:
    return not missing_materials(db, case)


@check(Need.DECLARED)
def interest_is_declared(db: Session, case: Case, _by: Actor) -> bool:
    """Interest in the matter, no dispute, capacity; and consent to each recipient that the matter must have."""
    matter = matter_of(case)
    agreed = agreed_recipients(db, case)
    needed = [one.key for one in matter.recipients if one.consent and one.mandatory]
    return not contrary(matter.declarations, declared(case)) and all(agreed.get(key) for key in needed)
