"""
Cards of people without a resident identity card: fields out of lines of text, and what can be checked.

- `permit_hk_mo` 港澳居民来往内地通行证: H or M and eight digits, on a card with two more for the time of renewal.
- `permit_tw` 台湾居民来往大陆通行证: eight digits.
- `permit_foreign` 外国人永久居留身份证: three letters of the state and twelve digits (2017), or 18 digits that begin with 9
  and end with the check character of GB 11643 (National Immigration Administration, edition in force since 2023-12-01).

Their other side has a zone of three lines. Where it is laid out as a TD1 (ICAO Doc 9303-5) `mrz` reads it; the office's own
permits for Hong Kong, Macao and Taiwan follow a layout that is not published, so a zone that does not fit is not judged.
港澳台居民居住证 is laid out as a resident card and is read by `cn_card`.
"""

import re
from collections.abc import Sequence
from datetime import date

from identity import cn_card
from identity.cn_card import Checks, Fields
from identity.names import dotted, folded
from identity.printed import dates, letters

_TITLES = {
    "permit_hk_mo": ("港澳居民来往内地通行证", "来往内地通行证"),
    "permit_tw": ("台湾居民来往大陆通行证", "来往大陆通行证"),
    "permit_foreign": ("外国人永久居留身份证", "永久居留身份证", "FOREIGNPERMANENTRESIDENT"),
}
KINDS = tuple(_TITLES)
_NUMBERS = {
    "permit_hk_mo": r"(?<![A-Z\d])([HM]\d{8}(?:\d\d)?)(?!\d)",
    "permit_tw": r"(?<![A-Z\d./])(\d{8})(?![\d.])",
    "permit_foreign": r"(?<![A-Z\d])([A-Z]{3}\d{12}|9\d{16}[\dX])(?!\d)",
}
_DAY = r"(?:19|20)\d\d[.\-年]\d{1,2}[.\-月]\d{1,2}日?"


def kind_of(text: str) -> str:
    """The kind whose title stands in the text, or ''."""
    plain = folded(text).upper()
    return next((kind for kind, titles in _TITLES.items() if any(title in plain for title in titles)), "")


def fields_of(kind: str, rows: Sequence[str]) -> Fields:
    """name (Chinese, else empty), surname and given (Latin), sex (男, 女), birth (YYYY-MM-DD), number, valid_from and valid_to
    (YYYY.MM.DD, or 长期); empty where not read."""
    rows = [cn_card.unmarked(row) for row in rows]
    text = "\n".join(rows)
    fields = dict.fromkeys(("name", "surname", "given", "sex", "birth", "number", "valid_from", "valid_to"), "")
    if name := re.search(r"姓名(?:/?NAME)?[:：/]?([\u3400-\u9fff][^A-Z\d\n]*)", text, re.IGNORECASE):
        fields["name"] = dotted(name[1])
    if latin := re.search(r"^(?:[^A-Z\n]*)([A-Z][A-Z'-]+),([A-Z][A-Z'-]+)$", text, re.MULTILINE):
        fields["surname"], fields["given"] = latin[1], latin[2]
    if sex := re.search(r"(?:性别|SEX)[^男女\n]*\n?[^男女\n]{0,12}(男|女)", text, re.IGNORECASE) or re.search(
        r"(男|女)", text
    ):
        fields["sex"] = sex[1]
    if number := re.search(_NUMBERS[kind], text.upper().replace("×", "X")):
        fields["number"] = number[1]
    if period := re.search(rf"({_DAY})[-–—一~至]+({_DAY}|长期|長期)", text):
        fields["valid_from"] = _iso(period[1]).replace("-", ".")
        fields["valid_to"] = cn_card.FOR_EVER if _iso(period[2]) == "" else _iso(period[2]).replace("-", ".")
    outside = text.replace(period[0], "") if period else text
    if birth := re.search(_DAY, outside):
        fields["birth"] = _iso(birth[0])
    return fields


def checks_of(kind: str, fields: Fields, today: date) -> Checks:
    """`number_form`; `not_expired` on `today` (office's date); for a number of 18 characters `number_checksum` and
    `birth_in_number` too. None: could not be looked at."""
    number = fields["number"]
    checks: Checks = {"number_form": True if number else None}
    checks["not_expired"] = cn_card.back_checks(fields, today)["not_expired"]
    if kind == "permit_foreign" and len(number) == 18:
        checks["number_checksum"] = cn_card.check_digit(number[:17]) == number[17]
        born = fields["birth"].replace("-", "")
        checks["birth_in_number"] = (born in number) if born else None
    return checks


def sides_checks(front: Fields, zone: Fields) -> Checks:
    """The print of the front against the zone of the back: `number_agrees`, `birth_agrees`, `expiry_agrees`, `sex_agrees`,
    `name_agrees`. None where one of them was not read."""

    def held(one: str, other: str) -> bool | None:
        return one == other if one and other else None

    printed_days = {key: "".join(dates([front[key]])) for key in ("birth", "valid_to") if front[key]}
    latin = letters(front["surname"] + front["given"])
    return {
        "number_agrees": held(front["number"], zone["number"]),
        "birth_agrees": held(printed_days.get("birth", ""), zone["birth"]),
        "expiry_agrees": held(printed_days.get("valid_to", ""), zone["expiry"]),
        "sex_agrees": held({"男": "M", "女": "F"}.get(front["sex"], ""), zone["sex"]),
        "name_agrees": held(latin, letters(zone["surname"] + zone["given"])),
    }


def _iso(text: str) -> str:
    found = re.fullmatch(r"(\d{4})\D(\d{1,2})\D(\d{1,2})日?", text)
    return f"{found[1]}-{int(found[2]):02d}-{int(found[3]):02d}" if found else ""
