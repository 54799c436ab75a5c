"""The languages of a page, and sums, days and moments in words. A message's id is its Chinese text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from pathlib import Path

from babel.dates import get_timezone_location
from babel.messages import mofile, pofile
from flask import Flask, has_app_context, has_request_context, request
from flask_babel import Babel, force_locale

from notary import calendar
from notary.matters import Field

TRANSLATIONS = Path(__file__).resolve().parent.parent / "translations"
LANGUAGES = ("zh", "en")
TAGS = {"zh": "zh-CN", "en": "en"}
WEEKDAYS = {"zh": "一二三四五六日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DIGITS, CAPITALS = "〇一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖"


def chosen_locale() -> str:
    """`zh` or `en`: the visitor's cookie, else ?lang=, else what the browser accepts, else Chinese."""
    if not has_request_context():
        return "zh"
    for wanted in (request.cookies.get("lang"), request.args.get("lang")):
        if wanted in LANGUAGES:
            return wanted
    return request.accept_languages.best_match(LANGUAGES, "zh") or "zh"


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """What is said within is said in `language`, in a request as in a job."""
    if has_app_context():
        with force_locale(language):
            yield
        return
    with _speaker().app_context(), force_locale(language):
        yield


@cache
def _speaker() -> Flask:
    """As much of the portal as a job needs to find its words: the translations."""
    app = Flask("notary")
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(compiled())
    Babel(app, default_locale="zh")
    return app


def compiled(folder: Path = TRANSLATIONS) -> Path:
    """The folder of translations, each .po compiled to a .mo beside it where that is older or missing.

    Safe with several processes starting at once: a finished file replaces the old one in one step.
    """
    for source in folder.glob("*/LC_MESSAGES/messages.po"):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as file:
            catalog = pofile.read_po(file, locale=source.parent.parent.name)
        handle, name = tempfile.mkstemp(dir=source.parent)
        with os.fdopen(handle, "wb") as file:
            mofile.write_mo(file, catalog)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    return folder


def day(on: date, language: str) -> str:
    """A day as a page shows it, with its weekday: 11 月 24 日周二."""
    if language == "en":
        return f"{WEEKDAYS['en'][on.weekday()]} {on.day} {MONTHS[on.month - 1]} {on.year}"
    return f"{on.year} 年 {on.month} 月 {on.day} 日周{WEEKDAYS['zh'][on.weekday()]}"


def written_day(text: str, language: str) -> str:
    """A day of a form, which may not be one yet."""
    try:
        return day(date.fromisoformat(text), language)
    except ValueError:
        return text


def short_day(on: date, language: str) -> str:
    """A day on a button of a calendar: 24 日, or 24 Nov."""
    return f"{on.day} {MONTHS[on.month - 1][:3]}" if language == "en" else f"{on.day} 日"


def weekday(on: date, language: str) -> str:
    return WEEKDAYS["en"][on.weekday()] if language == "en" else f"周{WEEKDAYS['zh'][on.weekday()]}"


def place_name(zone: str, language: str) -> str:
    """The city of an IANA zone, as people call it."""
    return get_timezone_location(zone, locale=language, return_city=True)


def moment(at: datetime, language: str) -> str:
    """A moment in office time with its zone named; a time is never bare."""
    local = at.astimezone(calendar.OFFICE_ZONE)
    if language == "en":
        return f"{day(local.date(), 'en')}, {local:%H:%M} Beijing time"
    return f"{day(local.date(), 'zh')} {local:%H:%M}（北京时间）"


def minute(at: datetime) -> str:
    """A line of a list that says once, for all of its lines, that its times are Beijing's."""
    return f"{at.astimezone(calendar.OFFICE_ZONE):%m-%d %H:%M}"


def deed_day(on: date, language: str) -> str:
    """A day as a deed has it: 二〇二六年十一月二十四日, or 24 November 2026."""
    if language == "en":
        return f"{on.day} {MONTHS[on.month - 1]} {on.year}"
    year = "".join(DIGITS[int(c)] for c in f"{on.year:04d}")
    return f"{year}年{_small(on.month)}月{_small(on.day)}日"


def yuan(fen: int, language: str) -> str:
    """A sum as a deed has it: in figures and, in Chinese, in capitals too."""
    figures = f"{fen // 100:,}.{fen % 100:02d}"
    return f"CNY {figures}" if language == "en" else f"人民币{figures}元（{capitals(fen)}）"


def price(fen: int, language: str) -> str:
    """A fee as a page shows it."""
    figures = f"{fen // 100}" + (f".{fen % 100:02d}" if fen % 100 else "")
    return f"CNY {figures}" if language == "en" else f"{figures} 元"


def capitals(fen: int) -> str:
    """A sum in capital numerals as on a cheque: 肆拾捌万元整. `fen`: 0 to 10**14. Source: 支付结算办法 附件一."""
    if not 0 <= fen < 10**14:
        raise ValueError(f"no words for {fen} fen")
    whole, jiao, rest = fen // 100, fen // 10 % 10, fen % 10
    text = _whole(whole) + "元" if whole else ""
    if not jiao and not rest:
        return (text or "零元") + "整"
    if jiao:
        text += CAPITALS[jiao] + "角"
    elif text:
        text += "零"
    return text + (CAPITALS[rest] + "分" if rest else "整")


def stored(field: Field, value: str, language: str) -> str:
    """A filed value as it stands in a deed. Dates are stored ISO, sums as whole fen, choices by value."""
    if not value:
        return ""
    if field.type == "date":
        return deed_day(date.fromisoformat(value), language)
    if field.type == "money":
        return yuan(int(value), language)
    if field.type == "choice":
        return next(o for o in field.options if o.value == value).text.to(language)
    return value


def joined(items: Iterable[str], language: str) -> str:
    return (", " if language == "en" else "、").join(items)


def _small(number: int) -> str:
    """1 to 39 as spoken: 十一, 二十四."""
    tens, ones = divmod(number, 10)
    if not tens:
        return DIGITS[ones]
    return (DIGITS[tens] if tens > 1 else "") + "十" + (DIGITS[ones] if ones else "")


def _whole(number: int) -> str:
    """A whole number in capitals, with one 零 for every run of skipped places."""
    text, gap = "", False
    for power, unit in ((8, "亿"), (4, "万"), (0, "")):
        group = number // 10**power % 10000
        if not group:
            gap = bool(text)
            continue
        if gap or (text and group < 1000):
            text += "零"
        text += _four(group) + unit
        gap = False
    return text


def _four(group: int) -> str:
    text, gap = "", False
    for power, unit in ((3, "仟"), (2, "佰"), (1, "拾"), (0, "")):
        digit = group // 10**power % 10
        if not digit:
            gap = bool(text)
            continue
        text += ("零" if gap else "") + CAPITALS[digit] + unit
        gap = False
    return text
