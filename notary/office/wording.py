"""From what was filed to the words of an instrument and a certification: rules/ gives the text, facts fill it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from notary import words
from notary.matters import fill
from notary.models import Bank, Case, Office, Party, Person
from notary.office import filing
from notary.rules import rules

ID_TYPES = {
    "cn_id": {"zh": "公民身份", "en": "citizen identity"},
    "passport": {"zh": "护照", "en": "passport"},
    "permit_hk_mo": {"zh": "港澳居民来往内地通行证", "en": "Mainland Travel Permit for Hong Kong and Macao Residents"},
    "permit_tw": {"zh": "台湾居民来往大陆通行证", "en": "Mainland Travel Permit for Taiwan Residents"},
    "permit_foreign": {"zh": "外国人永久居留身份证", "en": "Foreign Permanent Resident ID Card"},
}
ID_NUMBER_OF = {kind: f"{said['zh']}号码" for kind, said in ID_TYPES.items()}
"""What the number of a party is called in a deed and in the minutes."""
SEX = {"男": {"zh": "男", "en": "male"}, "女": {"zh": "女", "en": "female"}}


def values(db: Session, case: Case, language: str, signed_on: date) -> dict[str, str]:
    """Every placeholder of the matter's texts by name. KeyError later means that the rules ask for what is not filed."""
    matter = filing.matter_of(case)
    party = filing.party_of(db, case)
    office = db.get_one(Office, case.office_id)
    notary = db.get(Person, case.notary_id) if case.notary_id else None
    found = {
        "party_name": (party.name_en or party.name) if language == "en" else party.name,
        "party_sex": SEX.get(party.sex, {}).get(language, party.sex),
        "party_birth": words.deed_day(party.birth, language) if party.birth else "",
        "party_id_type": ID_TYPES[party.id_type][language],
        "party_id_number": party.id_number,
        "party_address": party.address,
        "sign_date": words.deed_day(signed_on, language),
        "date": words.deed_day(signed_on, language),
        "office": office.name_en if language == "en" else office.name,
        "notary": ((notary.name_en or notary.name) if language == "en" else notary.name) if notary else "",
        "number": "",
    }
    for field in matter.fields:
        raw = str(case.filed.get(field.key, ""))
        if field.type == "money" and raw:
            raw = str(fen(raw))
        if field.type == "bank" and raw:
            bank = filing.bank_named(db, raw)
            raw = bank.name if isinstance(bank, Bank) else ""
        found[field.key] = words.stored(field, raw, language)
    return found


def fen(typed: str) -> int:
    """Yuan as typed, e.g. 480,000.50, as whole fen."""
    whole, _dot, cents = typed.replace(",", "").partition(".")
    return int(whole) * 100 + int((cents + "00")[:2])


def signed_day(at: datetime) -> date:
    return at.astimezone(ZoneInfo(rules().profile.zone)).date()


def instrument(db: Session, case: Case, signed_on: date, trial: bool) -> dict[str, Any]:
    """What `signing.render.instrument` takes: the text to be shown and signed, and who signs."""
    matter = filing.matter_of(case)
    party = filing.party_of(db, case)
    office = db.get_one(Office, case.office_id)
    found = values(db, case, "zh", signed_on)
    text: dict[str, Any] = {
        "title": matter.deed.instrument.zh,
        "drawn_on": signed_on.isoformat(),
        "paragraphs": [fill(one.zh, found) for one in matter.deed.chosen(asked(case))],
        "signatures": [{"party": party.name, "label": f"{matter.deed.signer.zh}（签名）："}],
    }
    if matter.deed.addressee:
        text["addressee"] = fill(matter.deed.addressee.zh, found)
    return {"test": trial, "office": {"name": office.name}, "instrument": text}


def certification(db: Session, case: Case, signed_on: date, language: str = "zh") -> str:
    """The certification 证词 of the matter's wording, filled."""
    return fill(filing.matter_of(case).deed.certification.to(language), values(db, case, language, signed_on))


def asked(case: Case) -> dict[str, str]:
    return {key: str(value) for key, value in case.filed.items()}


def party_facts(db: Session, case: Case, party: Party) -> dict[str, Any]:
    """One party as the deed names it."""
    matter = filing.matter_of(case)
    made: dict[str, Any] = {
        "role": "申请人", "name": party.name, "sex": party.sex, "birth": party.birth.isoformat() if party.birth else "",
        "id_type": ID_NUMBER_OF[party.id_type], "id_number": party.id_number, "address": party.address,
    }  # fmt: skip
    if any(field.key == "capacity" for field in matter.fields) and case.filed.get("capacity"):
        made["capacity"] = values(db, case, "zh", date(2000, 1, 1))["capacity"]
    return {key: value for key, value in made.items() if value}
