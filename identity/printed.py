"""Dates and names as identity documents print them, whatever their language's order. PURE."""

import re
from collections.abc import Iterable, Sequence

_MONTHS = {
    "JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6, "JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11, "DEC": 12,
}  # fmt: skip
_YEAR_FIRST = re.compile(r"(?<!\d)((?:19|20)\d\d)[.\-/年](\d{1,2})[.\-/月](\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[.\-/]?(\d{1,2})[.\-/]((?:19|20)\d\d)(?!\d)")
_IN_WORDS = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:\d{{1,2}}月/?)?({'|'.join(_MONTHS)})[A-Z]*(?:/[A-Z]+)?((?:19|20)?\d\d)(?!\d)"
)


def dates(rows: Iterable[str]) -> set[str]:
    """Every day printed in `rows` as YYMMDD: 2017.02.09, 2017年2月9日, 09.02.2017, 09 FEB/FEV 2017, 12 AUG 74."""
    found = set()
    for row in rows:
        text = re.sub(r"\s", "", row.upper())
        for year, month, day in _YEAR_FIRST.findall(text):
            found.add((year, int(month), int(day)))
        for day, month, year in _DAY_FIRST.findall(text):
            found.add((year, int(month), int(day)))
        for day, month, year in _IN_WORDS.findall(text):
            found.add((year, _MONTHS[month], int(day)))
    return {f"{year[-2:]}{month:02d}{day:02d}" for year, month, day in found if 1 <= month <= 12 and 1 <= day <= 31}


def letters(text: str) -> str:
    """Only the capital letters A to Z of `text`."""
    return re.sub(r"[^A-Z]", "", text.upper())


def alike(name: str, texts: Sequence[str]) -> bool:
    """Whether one letter of `name` (of four at least) is another one in one of `texts`, or is missing, or is one too many."""
    if len(name) < 4:
        return False
    return any(
        _apart(name, text[at : at + size]) == 1
        for text in texts
        for size in (len(name) - 1, len(name), len(name) + 1)
        for at in range(max(0, len(text) - size + 1))
    )


def _apart(one: str, other: str) -> int:
    """Letters to change, add or take away between two words (Levenshtein), counted up to 2."""
    if len(one) == len(other):
        return min(2, sum(a != b for a, b in zip(one, other, strict=True)))
    short, long = sorted((one, other), key=len)
    return 1 if any(long[:at] + long[at + 1 :] == short for at in range(len(long))) else 2
