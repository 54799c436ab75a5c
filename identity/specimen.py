"""
Specimen identity cards, permits and a passport that say so: for tests, the demo and trying out. Nobody's, in a generic layout.

The number's region is 000000, which no bureau has, so it can be nobody's number; its check digit is valid. The `region`
check of `identity.documents` therefore answers False for every specimen, and that is right.
"""

from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np
import pylopdf_fonts_zh_cn
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from identity import mrz
from identity.cn_card import check_digit
from identity.pictures import Image

SIZE = (1012, 638)  # 85.6 x 54 mm at 300 dpi
_BLUE, _INK, _RED = (38, 92, 148), (22, 22, 24), (190, 40, 40)


@dataclass(frozen=True)
class Card:
    """What stands on both sides. `number`: see `number_of`; the rest as printed."""

    name: str
    sex: str
    ethnicity: str
    birth: date
    address: str
    number: str
    issuer: str
    valid_from: date
    valid_to: date | None
    """None: 长期."""


def number_of(birth: date, sequence: int) -> str:
    """A valid 18-digit number of region 000000; `sequence` 0 to 999, odd for men (GB 11643-1999)."""
    first = f"000000{birth:%Y%m%d}{sequence:03d}"
    if len(first) != 17:
        raise ValueError(f"sequence {sequence} is not 0 to 999")
    return first + check_digit(first)


YANG_JIA = Card(
    name="样本甲",
    sex="女",
    ethnicity="汉",
    birth=date(1980, 5, 17),
    address="样本省样本市样本区样本路1号2栋3单元401室",
    number=number_of(date(1980, 5, 17), 918),
    issuer="样本市公安局样本分局",
    valid_from=date(2021, 3, 8),
    valid_to=date(2041, 3, 8),
)
YANG_YI = Card(
    name="样本乙",
    sex="男",
    ethnicity="汉",
    birth=date(1968, 11, 2),
    address="样本省样本市样本区样本路5号6栋7单元802室",
    number=number_of(date(1968, 11, 2), 925),
    issuer="样本市公安局样本分局",
    valid_from=date(2022, 6, 20),
    valid_to=None,
)


@dataclass(frozen=True)
class Permit:
    """A card of somebody without a resident identity card. `title`: as printed; `number`: see `identity.permits`."""

    title: str
    name: str
    surname: str
    given: str
    sex: str
    birth: date
    number: str
    country: str
    valid_from: date
    valid_to: date


PERMITS = (
    Permit("港澳居民来往内地通行证", "样本丙", "YANGBEN", "BING", "男", date(1975, 3, 9), "H00000001", "CHN",
           date(2022, 1, 5), date(2032, 1, 4)),
    Permit("台湾居民来往大陆通行证", "样本丁", "YANGBEN", "DING", "女", date(1988, 10, 21), "00000002", "CHN",
           date(2023, 6, 1), date(2028, 5, 31)),
    Permit("外国人永久居留身份证", "", "MUSTERMANN", "ANNA", "女", date(1980, 8, 12), "UTO000080081201", "UTO",
           date(2021, 7, 1), date(2031, 6, 30)),
)  # fmt: skip


def permit_front(permit: Permit, portrait: Image) -> Image:
    """The printed side: (638, 1012, 3) uint8 BGR."""
    page = _page((228, 232, 226))
    draw = ImageDraw.Draw(page)
    draw.text((70, 30), permit.title, font=_font(44), fill=_INK)
    _pair(draw, 360, 480, 120, "姓名", permit.name)
    draw.text((480, 175), f"{permit.surname}, {permit.given}", font=_font(34), fill=_INK)
    _pair(draw, 360, 520, 240, "出生日期", f"{permit.birth:%Y.%m.%d}")
    _pair(draw, 760, 840, 240, "性别", permit.sex)
    _pair(draw, 360, 520, 320, "有效期限", f"{permit.valid_from:%Y.%m.%d}-{permit.valid_to:%Y.%m.%d}")
    _pair(draw, 360, 520, 400, "证件号码", permit.number)
    draw.text((640, 560), "样本 SPECIMEN", font=_font(34), fill=_RED)
    page.paste(_cut(portrait, 240, 300), (70, 130))
    return _pixels(page)


def permit_back(permit: Permit) -> Image:
    """The side with the machine-readable zone: (638, 1012, 3) uint8 BGR."""
    page = _page((234, 234, 230))
    draw = ImageDraw.Draw(page)
    draw.text((330, 60), "样本 SPECIMEN", font=_font(34), fill=_RED)
    draw.rectangle((0, 400, SIZE[0], SIZE[1]), fill=(246, 246, 244))
    _zone(draw, zone_of(permit), (46, 425), (31, 66), 42)
    return _pixels(page)


def zone_of(permit: Permit) -> tuple[str, str, str]:
    """Three lines of 30 by ICAO Doc 9303-5, 4.2.2."""
    number = permit.number
    if len(number) <= 9:
        head = number.ljust(9, "<") + mrz.check_digit(number.ljust(9, "<"))
    else:  # note j: the rest of it, and the digit, stand in the optional data
        head = number[:9] + "<" + number[9:] + mrz.check_digit(number)
    one = f"I<{permit.country}{head}".ljust(30, "<")
    two = f"{_days(permit)}{permit.country}".ljust(29, "<")
    two += mrz.check_digit(one[5:30] + two[0:7] + two[8:15] + two[18:29])
    return one, two, f"{permit.surname}<<{permit.given}".ljust(30, "<")[:30]


@dataclass(frozen=True)
class Passport:
    """The page with the photo. `country`: of issue and of nationality, as in the zone; UTO is no state (Doc 9303-3)."""

    surname: str
    given: str
    sex: str
    birth: date
    number: str
    country: str
    valid_to: date


PASSPORT = Passport("MUSTERMANN", "ANNA MARIA", "女", date(1974, 8, 12), "L898902C3", "UTO", date(2032, 4, 15))


def passport_page(passport: Passport, portrait: Image) -> Image:
    """(880, 1250, 3) uint8 BGR."""
    page = Pictures.new("RGB", (1250, 880), (236, 230, 224))
    draw = ImageDraw.Draw(page)
    draw.text((60, 40), "PASSPORT  样本 SPECIMEN", font=_font(40), fill=_RED)
    draw.text((440, 150), "Passport No.", font=_font(26), fill=_BLUE)
    printed = (
        passport.number, passport.surname, passport.given, f"{passport.birth:%d %b %y}".upper(),
        f"{passport.valid_to:%d %b %y}".upper(),
    )  # fmt: skip
    for top, words in zip((190, 290, 350, 430, 510), printed, strict=True):
        draw.text((440, top), words, font=_font(38), fill=_INK)
    _zone(draw, passport_zone(passport), (40, 715), (26.5, 72), 36)
    page.paste(_cut(portrait, 300, 390), (70, 150))
    return _pixels(page)


def passport_zone(passport: Passport) -> tuple[str, str]:
    """Two lines of 44 by ICAO Doc 9303-4, 4.2.2; nothing in the optional data."""
    name = f"{passport.surname}<<{passport.given}".replace(" ", "<")
    number = passport.number.ljust(9, "<")
    two = f"{number}{mrz.check_digit(number)}{passport.country}{_days(passport)}{'<' * 14}0"
    two += mrz.check_digit(two[0:10] + two[13:20] + two[21:43])
    return f"P<{passport.country}{name}".ljust(44, "<")[:44], two


def front(card: Card, portrait: Image) -> Image:
    """The side with the person: (638, 1012, 3) uint8 BGR. `portrait`: any (H, W, 3) BGR picture with one face."""
    page = _page((222, 232, 236))
    draw = ImageDraw.Draw(page)
    for top, label, words in ((66, "姓名", card.name), (140, "性别", card.sex)):
        _pair(draw, 70, 170, top, label, words)
    _pair(draw, 300, 375, 140, "民族", card.ethnicity)
    draw.text((70, 219), "出生", font=_font(30), fill=_BLUE)
    left = 170.0
    for number, unit in ((card.birth.year, "年"), (card.birth.month, "月"), (card.birth.day, "日")):
        draw.text((left, 212), str(number), font=_font(38), fill=_INK)
        left += draw.textlength(str(number), font=_font(38)) + 12
        draw.text((left, 219), unit, font=_font(30), fill=_BLUE)
        left += 48
    draw.text((70, 293), "住址", font=_font(30), fill=_BLUE)
    for index in range(0, len(card.address), 12):
        draw.text((170, 286 + 50 * index // 12), card.address[index : index + 12], font=_font(38), fill=_INK)
    draw.text((70, 546), "公民身份号码", font=_font(30), fill=_BLUE)
    draw.text((330, 538), card.number, font=_font(46), fill=_INK)
    page.paste(_cut(portrait, 260, 330), (690, 110))
    draw.text((700, 452), "样本 SPECIMEN", font=_font(34), fill=_RED)
    return _pixels(page)


def back(card: Card) -> Image:
    """The side with the issuer: (638, 1012, 3) uint8 BGR."""
    page = _page((226, 230, 236))
    draw = ImageDraw.Draw(page)
    draw.ellipse((90, 70, 250, 230), outline=_RED, width=8)
    draw.text((330, 70), "中华人民共和国", font=_font(54), fill=_INK)
    draw.text((330, 160), "居民身份证", font=_font(76), fill=_INK)
    draw.text((640, 300), "样本 SPECIMEN", font=_font(34), fill=_RED)
    until = f"{card.valid_to:%Y.%m.%d}" if card.valid_to else "长期"
    _pair(draw, 170, 330, 464, "签发机关", card.issuer)
    _pair(draw, 170, 330, 540, "有效期限", f"{card.valid_from:%Y.%m.%d}-{until}")
    return _pixels(page)


def _pair(draw: ImageDraw.ImageDraw, label_at: int, words_at: int, top: int, label: str, words: str) -> None:
    draw.text((label_at, top + 5), label, font=_font(30), fill=_BLUE)
    draw.text((words_at, top), words, font=_font(38), fill=_INK)


def _zone(
    draw: ImageDraw.ImageDraw, rows: tuple[str, ...], first: tuple[int, int], step: tuple[float, int], size: int
) -> None:
    """A machine-readable zone, one letter a cell, as the standard's type has it."""
    for row, text in enumerate(rows):
        for column, letter in enumerate(text):
            at = (first[0] + step[0] * column, first[1] + step[1] * row)
            draw.text(at, letter, font=_font(size), fill=(10, 10, 10))


def _days(holder: Permit | Passport) -> str:
    """Birth, sex and end of validity with their digits: the same in every zone (Doc 9303-4 and -5, 4.2.2)."""
    birth, end = f"{holder.birth:%y%m%d}", f"{holder.valid_to:%y%m%d}"
    return f"{birth}{mrz.check_digit(birth)}{'MF'['男女'.index(holder.sex)]}{end}{mrz.check_digit(end)}"


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(pylopdf_fonts_zh_cn.sans_path()), size)


def _page(ground: tuple[int, int, int]) -> Pictures.Image:
    """Plain paper with wavy lines: enough to disturb a reader, nothing of the real card's artwork."""
    wide, high = SIZE
    pixels = np.full((high, wide, 3), ground, np.float32)
    down, across = np.mgrid[0:high, 0:wide]
    for line in range(26):
        away = down - high * (line + 0.5) / 26 - 9 * np.sin(across / (28 + 3 * line % 17) + line)
        pixels[np.abs(away) < 0.8] -= (10, 7, 4)
    return Pictures.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _cut(portrait: Image, wide: int, high: int) -> Pictures.Image:
    """The middle of the picture in the given proportion, scaled to it."""
    rows, columns = portrait.shape[:2]
    scale = max(wide / columns, high / rows)
    sized = cv2.resize(portrait, (round(columns * scale), round(rows * scale)), interpolation=cv2.INTER_AREA)
    left, top = (sized.shape[1] - wide) // 2, (sized.shape[0] - high) // 2
    return Pictures.fromarray(cv2.cvtColor(sized[top : top + high, left : left + wide], cv2.COLOR_BGR2RGB))


def _pixels(page: Pictures.Image) -> Image:
    return np.ascontiguousarray(np.asarray(page, np.uint8)[:, :, ::-1])
