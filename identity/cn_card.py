# ruff: noqa: SIM905 - a line of words reads better than a column of quoted ones
"""
The resident identity card of the People's Republic of China: fields out of lines of text, and what can be checked.

Numbers: GB 11643-1999 (check digit ISO 7064 MOD 11-2, 17th digit odd for men). Regions: first two digits by GB/T 2260.
Periods: Resident Identity Card Law art. 5. A card that passes every check may still be false; only the issuing
bureau knows which cards are real.
"""

import re
from collections.abc import Sequence
from datetime import date

from identity.names import dotted, folded

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split()
)
ETHNICITIES = frozenset(
    "汉 蒙古 回 藏 维吾尔 苗 彝 壮 布依 朝鲜 满 侗 瑶 白 土家 哈尼 哈萨克 傣 黎 傈僳 佤 畲 高山 拉祜 水 东乡 纳西 景颇 柯尔克孜 土 "
    "达斡尔 仫佬 羌 布朗 撒拉 毛南 仡佬 锡伯 阿昌 普米 塔吉克 怒 乌孜别克 俄罗斯 鄂温克 德昂 保安 裕固 京 塔塔尔 独龙 鄂伦春 赫哲 "
    "门巴 珞巴 基诺".split()
)
_MARK = re.compile(r"样本SPECIMEN|样本(?=SPEC|$)|SPECIMEN", re.IGNORECASE)
FOR_EVER = "长期"

Fields = dict[str, str]
Checks = dict[str, bool | None]


def unmarked(row: str) -> str:
    """A line without the mark that specimens bear."""
    return _MARK.sub("", row)


def check_digit(first17: str) -> str:
    """The 18th character for 17 digits, `0` to `9` or `X`."""
    return "10X98765432"[sum(int(d) * w for d, w in zip(first17, _WEIGHTS, strict=True)) % 11]


def front(rows: Sequence[str]) -> Fields:
    """name, sex, ethnicity, birth (YYYY-MM-DD), address, number; empty where not read."""
    rows = [unmarked(row) for row in rows]
    text = "\n".join(rows)
    fields = dict.fromkeys(("name", "sex", "ethnicity", "birth", "address", "number"), "")
    if name := re.search(r"姓名?[:：]?(.+)", text) or re.search(r"^名(.+)", text, re.MULTILINE):
        fields["name"] = dotted(name[1].lstrip(":："))
    if sex := re.search(r"性?别[:：]?(男|女)", text) or re.search(r"(男|女)(?=民)", text):
        fields["sex"] = sex[1]
    if group := re.search(r"民?族[:：]?([\u4e00-\u9fff]+)", text):
        fields["ethnicity"] = _ethnicity(group[1])
    if birth := re.search(r"(\d{4})年(\d{1,2})月(\d{1,2})日", text):
        fields["birth"] = f"{birth[1]}-{int(birth[2]):02d}-{int(birth[3]):02d}"
    if number := re.search(r"(?<!\d)(\d{17}[\dX])(?!\d)", text.upper().replace("×", "X")):
        fields["number"] = number[1]
    fields["address"] = _address(rows)
    return fields


def back(rows: Sequence[str]) -> Fields:
    """issuer, valid_from, valid_to (YYYY.MM.DD, or 长期); empty where not read."""
    text = "\n".join(unmarked(row) for row in rows)
    fields = dict.fromkeys(("issuer", "valid_from", "valid_to"), "")
    if issuer := re.search(r"签?发?机关[:：]?(.+)", text):
        fields["issuer"] = issuer[1]
    if period := re.search(r"(\d{4}\.\d\d\.\d\d)[-–—一~至]?(\d{4}\.\d\d\.\d\d|长期|長期)", text):
        fields["valid_from"], fields["valid_to"] = period[1], folded(period[2])
    return fields


def front_checks(fields: Fields) -> Checks:
    """True holds, False does not, None could not be looked at because a field was not read."""
    number = fields["number"]
    if not number:
        return dict.fromkeys(("number_checksum", "birth_in_number", "sex_in_number", "region"))
    born = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
    return {
        "number_checksum": check_digit(number[:17]) == number[17],
        "birth_in_number": (born == fields["birth"] and _day(born) is not None) if fields["birth"] else None,
        "sex_in_number": ("女男"[int(number[16]) % 2] == fields["sex"]) if fields["sex"] else None,
        "region": number[:2] in _PROVINCES and number[2:6] != "0000",
    }


def back_checks(fields: Fields, today: date) -> Checks:
    """`not_expired` on `today` (office's date) and `period`: 5, 10 or 20 years, or 长期."""
    begin, end = _day(fields["valid_from"].replace(".", "-")), _day(fields["valid_to"].replace(".", "-"))
    if fields["valid_to"] == FOR_EVER:
        return {"not_expired": True if begin is None else begin <= today, "period": True}
    if begin is None or end is None:
        return {"not_expired": None, "period": None}
    years = end.year - begin.year
    same_day = (end.month, end.day) == (begin.month, begin.day) or (begin.month, begin.day) == (2, 29)
    return {"not_expired": begin <= today <= end, "period": years in (5, 10, 20) and same_day}


def sides_checks(front: Fields, back: Fields) -> Checks:
    """`period_for_age`: the period on the back is the one that the law gives at the holder's age on that day."""
    born, begin = _day(front["birth"]), _day(back["valid_from"].replace(".", "-"))
    if born is None or begin is None or not back["valid_to"]:
        return {"period_for_age": None}
    age = begin.year - born.year - ((begin.month, begin.day) < (born.month, born.day))
    lawful = 5 if age < 16 else 10 if age < 26 else 20 if age < 46 else None
    if back["valid_to"] == FOR_EVER:
        return {"period_for_age": lawful is None}
    end = _day(back["valid_to"].replace(".", "-"))
    return {"period_for_age": None if end is None else lawful == end.year - begin.year}


def _ethnicity(read: str) -> str:
    simple = folded(read)  # the reader knows both scripts and takes 汉 for 漢 in more than half of all clean pictures
    for name in (simple, simple.removesuffix("族")):
        if name in ETHNICITIES:
            return name
    return ""


def _address(rows: Sequence[str]) -> str:
    parts: list[str] = []
    inside = False
    for row in rows:
        if re.search(r"公民|身份号码|\d{15}", row):
            inside = False
        if label := re.match(r"(住址|住|址)[:：]?(.*)", row):
            inside, row = True, label[2]  # noqa: PLW2901
        if inside:
            parts.append(row)
    return "".join(parts)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
