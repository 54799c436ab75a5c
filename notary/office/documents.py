"""The kinds of identity document that open a case: how each is numbered, and what the machine's reading of one says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import gettext as _

from identity import permits

RESIDENT = "cn_id"
PASSPORT = "passport"
KINDS = (RESIDENT, PASSPORT, *permits.KINDS)
"""`Party.id_type`; permits as `identity.permits` names them."""
_READ_AS = {"cn_id_front": RESIDENT, "td3": PASSPORT} | {kind: kind for kind in permits.KINDS}
_SEXES = {"M": "男", "F": "女"}


def has_back(kind: str) -> bool:
    """Everything that a passport says of its holder stands on one page."""
    return kind != PASSPORT


def valid_id_number(number: str) -> bool:
    """GB 11643-1999: 17 digits and a check character (ISO 7064 MOD 11-2), with a birth date that exists."""
    number = number.strip().upper()
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        return False
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17] and _day(number[6:14]) is not None


def number_problem(kind: str, number: str) -> str:
    """What is wrong with a number of this kind of document, in words; '' when nothing is.

    Forms: the resident card as GB 11643, whose first digit is never 9; the residence card of foreigners of 2023 the same
    with a 9, that of 2017 with the state's three letters and twelve digits; permits as `identity.permits` reads them (that
    of Taiwan was typed with two digits for the time of issue too). Of a passport only what ICAO Doc 9303-4 leaves room for.
    """
    if kind == RESIDENT and valid_id_number(number) and number.startswith("9"):
        return _("9 开头的是外国人永久居留身份证。请把上面的证件改成那一种。")
    right, words = {
        PASSPORT: (re.fullmatch(r"[A-Z0-9]{5,9}", number), _("护照号码是 5 到 9 个字母和数字。请照着护照再抄一遍。")),
        "permit_hk_mo": (
            re.fullmatch(r"[HM][0-9]{8}([0-9]{2})?", number), _("这种通行证的号码是 H 或 M，后面 8 个数字。请照着证件再抄一遍。")
        ),
        "permit_tw": (
            re.fullmatch(r"[0-9]{8}([0-9]{2})?", number), _("这种通行证的号码是 8 个数字。请照着证件再抄一遍。")
        ),
        "permit_foreign": (
            re.fullmatch(r"[A-Z]{3}[0-9]{12}", number) or (number.startswith("9") and valid_id_number(number)),
            _("永久居留身份证的号码是 9 开头的 18 位；旧证是 3 个字母和 12 个数字。请照着证件再抄一遍。"),
        ),
    }.get(kind, (valid_id_number(number), _("这个身份证号码不对，请照着证件再抄一遍。")))  # fmt: skip
    return "" if right else words


def birth_in(kind: str, number: str) -> str:
    """The day of birth that the number holds, as YYYYMMDD; '' where it holds none."""
    return number[6:14] if kind in (RESIDENT, "permit_foreign") and len(number) == 18 else ""


def fields_of(read: Mapping[str, Any], today: date) -> dict[str, str]:
    """A reading (`identity.documents.Reading.as_json`) by our field names, only what was read; empty for any other side.

    The zone of a passport has no Chinese: of a Chinese one the name is left to its holder, who is called by it in the deed.
    """
    kind = _READ_AS.get(str(read.get("type", "")))
    if kind is None:
        return {}
    latin = " ".join(str(read[key]) for key in ("surname", "given") if read.get(key))
    found = {
        "id_type": kind, "name": str(read.get("name", "")), "name_en": latin, "id_number": str(read.get("number", "")),
        "sex": str(read.get("sex", "")), "birth": str(read.get("birth", "")), "address": str(read.get("address", "")),
    }  # fmt: skip
    if kind == PASSPORT:
        found["sex"], found["birth"] = _SEXES.get(found["sex"], ""), _past(found["birth"], today)
    if kind != RESIDENT and read.get("country") != "CHN":
        found["name"] = found["name"] or latin
    return {key: value for key, value in found.items() if value}


def _past(text: str, today: date) -> str:
    """YYMMDD of a zone as ISO 8601: the latest such day that is not to come; '' where it is no day."""
    days = (_day(f"{century}{text}") for century in (today.year // 100, today.year // 100 - 1))
    return next((day.isoformat() for day in days if day and day <= today), "")


def _day(text: str) -> date | None:
    """YYYYMMDD."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
