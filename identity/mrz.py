"""
Machine-readable zones of ICAO Doc 9303: passports (TD3, part 4) and cards (TD1, part 5).

A right check digit proves little: characters 10 apart in value (A/0, B/1, G/6, Q/6, S/8, Z/5) share one, so `E60966518`
and `EG0966518` are both valid. What is printed beside the zone is therefore compared as well.
"""

import re
from collections.abc import Sequence
from datetime import date

from identity.cn_card import Checks, Fields
from identity.printed import alike, dates, letters

_FILLERS = str.maketrans(dict.fromkeys("≤く＜‹〈(（", "<") | dict.fromkeys("«《", "<<") | {"|": "I"})
_TO_LETTER = str.maketrans("0125683", "OIZSGBB")
_TO_DIGIT = str.maketrans("OQDIZSGBL", "000125681")


def check_digit(text: str) -> str:
    """Weights 7, 3, 1; `<` is 0, A is 10 (Doc 9303-3, 4.9)."""
    values = (0 if c == "<" else int(c) if c.isdigit() else ord(c) - 55 for c in text)
    return str(sum(value * (7, 3, 1)[i % 3] for i, value in enumerate(values)) % 10)


def find(rows: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """(`td3`, two lines of 44) or (`td1`, three lines of 30) at the end of the text, or None."""
    clean = [re.sub(r"[^A-Z0-9<]", "", row.upper().translate(_FILLERS)) for row in rows]
    zone = [row for row in clean if len(row) >= 25 and ("<<" in row or sum(c.isdigit() for c in row) > 9)]
    if len(zone) >= 3 and all(24 <= len(row) <= 34 for row in zone[-3:]) and zone[-3][0].translate(_TO_LETTER) in "ACI":
        one, two, three = (row[:30].ljust(30, "<") for row in zone[-3:])
        return "td1", (_upper(one), _spread(two, 30), three)
    if len(zone) >= 2 and len(zone[-1]) >= 30 and len(zone[-2]) >= 30:
        return "td3", (zone[-2][:44].ljust(44, "<"), _spread(zone[-1], 44))
    return None


def fields_of(kind: str, zone: tuple[str, ...]) -> Fields:
    """surname, given, number, country (nationality), birth, sex, expiry (YYMMDD); letters where only letters may stand
    and digits where only digits may."""
    if kind == "td1":
        names, number, rest = zone[2], _long_number(zone[0])[0], zone[1]
        country, birth, sex, expiry = rest[15:18], rest[0:6], rest[7], rest[8:14]
    else:
        names, number, rest = zone[0][5:], zone[1][0:9], zone[1]
        country, birth, sex, expiry = rest[10:13], rest[13:19], rest[20], rest[21:27]
    surname, _, given = names.translate(_TO_LETTER).partition("<<")
    return {
        "surname": surname.replace("<", " ").strip(),
        "given": given.replace("<", " ").strip(),
        "number": number.rstrip("<"),
        "country": country.translate(_TO_LETTER).rstrip("<"),
        "birth": birth.translate(_TO_DIGIT),
        "sex": sex,
        "expiry": expiry.translate(_TO_DIGIT),
    }


def checks_of(kind: str, zone: tuple[str, ...], today: date) -> Checks:
    """The check digits, whether both dates are dates, and `not_expired` on `today` (office's date)."""
    if kind == "td1":
        one, two = zone[0], zone[1]
        number, digit = _long_number(one)
        birth, birth_digit, expiry, expiry_digit = two[0:6], two[6], two[8:14], two[14]
        whole, whole_digit = one[5:30] + two[0:7] + two[8:15] + two[18:29], two[29]
    else:
        two = zone[1]
        number, digit = two[0:9], two[9]
        birth, birth_digit, expiry, expiry_digit = two[13:19], two[19], two[21:27], two[27]
        whole, whole_digit = two[0:10] + two[13:20] + two[21:43], two[43]
    birth, expiry = birth.translate(_TO_DIGIT), expiry.translate(_TO_DIGIT)
    end = _expiry(expiry)
    return {
        "mrz_number": check_digit(number) == digit.translate(_TO_DIGIT),
        "mrz_birth": check_digit(birth) == birth_digit.translate(_TO_DIGIT),
        "mrz_expiry": check_digit(expiry) == expiry_digit.translate(_TO_DIGIT),
        "mrz_composite": check_digit(whole) == whole_digit.translate(_TO_DIGIT),
        "not_expired": None if end is None else today <= end,
    }


def sound(checks: Checks) -> bool:
    """The three fields' digits hold; the composite is left to the reader of the report."""
    return all(checks[key] for key in ("mrz_number", "mrz_birth", "mrz_expiry"))


def printed_number(number: str, rows: Sequence[str]) -> bool | None:
    """Whether the number stands in the printed part too. False: only a look-alike stands there. None: neither."""
    printed = [row.upper() for row in rows if "<" not in row and len(row) < 40]
    if any(number in row for row in printed):
        return True
    alike = number.translate(_TO_DIGIT)
    return False if any(alike in row.translate(_TO_DIGIT) for row in printed) else None


def printed_checks(fields: Fields, rows: Sequence[str]) -> Checks:
    """The zone against what is printed on the same side: `number_printed`, `birth_printed`, `expiry_printed`,
    `name_printed`. True: it stands there. False: something else does. None: neither could be read.

    A date counts as another one only where both of the zone's dates could have been read. A transliterated name (Doc
    9303-3, 6) may be printed otherwise, so a name that is not there is None unless a look-alike is.
    """
    printed = [row for row in rows if "<" not in row]
    found = dates(printed)
    birth, expiry = (_day(fields[key]) for key in ("birth", "expiry"))
    texts = [letters(row) for row in printed]
    wanted = [letters(name) for name in (fields["surname"], fields["given"]) if name]
    held = [True if any(name in text for text in texts) else False if alike(name, texts) else None for name in wanted]
    return {
        "number_printed": printed_number(fields["number"], rows),
        "birth_printed": _stands(birth, found),
        "expiry_printed": _stands(expiry, found),
        "name_printed": False if False in held else True if held and all(held) else None,
    }


def _stands(day: str, found: set[str]) -> bool | None:
    """`day` as YYMMDD among the printed ones, of which there are two at least."""
    if day in found:
        return True
    return False if day and len(found) >= 2 else None


def _day(text: str) -> str:
    return text if re.fullmatch(r"\d{6}", text) else ""


def _upper(line: str) -> str:
    """The upper line of a TD1 with letters for code and state, and for the first letters of the number (O, not 0) where
    its check digit holds only so."""
    line = line[:5].translate(_TO_LETTER) + line[5:]
    for many in range(4):
        tried = line[:5] + line[5 : 5 + many].translate(_TO_LETTER) + line[5 + many :]
        number, digit = _long_number(tried)
        if check_digit(number) == digit.translate(_TO_DIGIT):
            return tried
    return line


def _long_number(line: str) -> tuple[str, str]:
    """(number, its check digit) of the upper line of a TD1. A number of more than nine characters goes on in the optional
    data, with `<` where its digit would be (Doc 9303-5, 4.2.2.1, note j)."""
    rest = line[15:30].partition("<")[0]
    if line[14] != "<" or len(rest) < 2 or "<" in line[5:14]:
        return line[5:14], line[14]
    return line[5:14] + rest[:-1], rest[-1]


def _spread(row: str, length: int) -> str:
    """A line cut or stretched to `length`: fillers that were not read are put back where fillers stand."""
    if len(row) < length and "<" in row[length // 2 :]:
        at = row.rindex("<")
        row = row[:at] + "<" * (length - len(row)) + row[at:]
    return row[:length].ljust(length, "<")


def _expiry(text: str) -> date | None:
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        return None
