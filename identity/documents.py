"""Identity documents: what is printed on them and whether it agrees with itself. No check here says that one is real."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import cv2

from identity import cn_card, mrz, ocr, permits, sides, tampering, yunet
from identity.cn_card import Checks, Fields
from identity.errors import Unreadable
from identity.ocr import Text
from identity.pictures import Image

_LONGEST = 2000
_SHORTEST = 640
# Where a zone is looked for again if its digits do not hold: share of the height cut off above, width in pixels.
_LOWER_PARTS = ((0.60, 900), (0.68, 1280), (0.55, 1100))


@dataclass(frozen=True, repr=False)
class Reading:
    """One side of a document.

    `type`: cn_id_front, cn_id_back, cn_id_temporary, td1, td3 or one of `permits.KINDS`. `fields`: texts, empty where not
    read; names as in `cn_card`, `mrz` and `permits`. `checks`: True holds, False does not, None could not be checked.
    """

    type: str
    fields: Fields
    checks: Checks
    signs: tampering.Signs = tampering.NONE
    """Of a change to the picture; looked for on fronts of resident cards."""

    def as_json(self) -> dict[str, Any]:
        return {"type": self.type, **self.fields, "checks": self.checks, "signs": self.signs.as_json()}


def read(image: Image, today: date | None = None) -> Reading:
    """Read a (H, W, 3) uint8 BGR picture of one side, however it was turned. `today`: the office's date, else UTC's.

    Raises Unreadable where no known document is to be seen.
    """
    today = today or datetime.now(UTC).date()
    sized = _sized(image)
    best: Reading | None = None
    for turn in (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180):
        turned: Image = sized if turn is None else cv2.rotate(sized, turn)
        found = ocr.texts(turned)
        reading = _read_upright(turned, found, today)
        if reading and _has_signs(reading):
            whole = image if turn is None else cv2.rotate(image, turn)
            reading = replace(reading, signs=_signs(whole, turned, turn, found, reading))
        if reading and _is_upright(reading):
            return reading
        if reading and (best is None or sum(map(bool, reading.fields.values())) > sum(map(bool, best.fields.values()))):
            best = reading
    if best:
        return best
    raise Unreadable("no identity document that we know was found")


def check_sides(front: Reading, back: Reading) -> Checks:
    """What only both sides of one card together show. ValueError unless they are a front and a back."""
    if checks := sides.checks_of(front.as_json(), back.as_json()):
        return checks
    raise ValueError(f"not the two sides of a card: {front.type}, {back.type}")


def _is_upright(reading: Reading) -> bool:
    """The reader gets words out of a picture that lies on its side too; lines of them only out of one that stands."""
    needed = {"cn_id_front": "number", "cn_id_back": "valid_from"}.get(reading.type, "")
    return not needed or bool(reading.fields[needed])


def _has_signs(reading: Reading) -> bool:
    return reading.type in ("cn_id_front", "cn_id_temporary") and bool(reading.fields.get("number"))


def _signs(whole: Image, sized: Image, turn: int | None, found: Sequence[Text], reading: Reading) -> tampering.Signs:
    """Looked for in the picture as it is kept, not in the one that was scaled to be read."""
    scale = whole.shape[1] / sized.shape[1]
    high, wide = whole.shape[:2]
    offsets = {None: (0, 0), cv2.ROTATE_90_CLOCKWISE: (wide % 8, 0), cv2.ROTATE_90_COUNTERCLOCKWISE: (0, high % 8),
              cv2.ROTATE_180: (wide % 8, high % 8)}  # fmt: skip

    def box(left: float, top: float, right: float, bottom: float) -> tampering.Box:
        return (
            max(0, round(left * scale)), max(0, round(top * scale)), min(wide, round(right * scale)), min(high, round(bottom * scale))
        )  # fmt: skip

    number = reading.fields["number"]
    lines = [text for text in found if number[6:] in text.words.replace(" ", "").upper()]
    line = [box(t.left, t.middle - 0.6 * t.high, t.right, t.middle + 0.6 * t.high) for t in lines[:1]]
    faces = yunet.find(sized)
    portrait = []
    for x, y, w, h in (face.box for face in faces[:1]):
        portrait.append(box(x - 0.4 * w, y - 0.45 * h, x + 1.4 * w, y + 1.45 * h))
    edges = [box(t.left, t.middle - t.high, t.right, t.middle + t.high) for t in found] + portrait
    card = (min(e[0] for e in edges), min(e[1] for e in edges), max(e[2] for e in edges), max(e[3] for e in edges))
    return tampering.signs(
        whole, number, line[0] if line else None, portrait[0] if portrait else None, card, offsets[turn]
    )


def _read_upright(image: Image, found: Sequence[Text], today: date) -> Reading | None:
    rows = ocr.lines(found)
    text = "\n".join(rows)
    if _is_zoned(text):
        return _zoned(image, rows, today)
    if kind := permits.kind_of(text):
        fields = permits.fields_of(kind, ocr.lines(_outside_portrait(image, found)))
        return Reading(kind, fields, permits.checks_of(kind, fields, today))
    if "临时居民身份证" in text:
        fields = cn_card.back(rows)
        checks = cn_card.back_checks(fields, today)
        if re.search(r"公民身份号码|\d{17}", text):
            own = cn_card.front(ocr.lines(_beside_portrait(image, found)))
            fields, checks = own | fields, cn_card.front_checks(own) | checks
        return Reading("cn_id_temporary", fields, {"not_expired": checks["not_expired"]} | checks)
    if sum(word in text for word in ("签发机关", "有效期限", "居民身份证", "发机关", "有效期")) >= 2:
        fields = cn_card.back(rows)
        return Reading("cn_id_back", fields, cn_card.back_checks(fields, today))
    if sum(word in text for word in ("姓名", "性别", "民族", "住址", "公民身份号码", "身份号码")) >= 2:
        fields = cn_card.front(ocr.lines(_beside_portrait(image, found)))
        return Reading("cn_id_front", fields, cn_card.front_checks(fields))
    return None


def _is_zoned(text: str) -> bool:
    return text.count("<") >= 8 or bool(re.search(r"PASSPORT|护照|P[<O][A-Z]{3}[A-Z]+<<", text))


def _zoned(image: Image, rows: Sequence[str], today: date) -> Reading | None:
    """A machine-readable zone; read again, larger and by itself, until its check digits hold."""
    best: Reading | None = None
    for again in _looks(image, rows):
        zone = mrz.find(again)
        if zone is None:
            continue
        kind, zone_rows = zone
        fields, checks = mrz.fields_of(kind, zone_rows), mrz.checks_of(kind, zone_rows, today)
        checks |= mrz.printed_checks(fields, rows)
        reading = Reading(kind, fields, checks)
        if mrz.sound(checks):
            return reading
        best = best or reading
    return best


def _looks(image: Image, rows: Sequence[str]) -> Iterator[Sequence[str]]:
    yield rows
    for share, wide in _LOWER_PARTS:
        part = image[int(image.shape[0] * share) :]
        scale = wide / part.shape[1]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        yield ocr.lines(ocr.texts(cv2.resize(part, None, fx=scale, fy=scale, interpolation=how)))


def _beside_portrait(image: Image, found: Sequence[Text]) -> list[Text]:
    """Text on or right of the portrait (clothing, a mark) is no field; it used to run into the address."""
    faces = yunet.find(image)
    if not faces:
        return list(found)
    x, y, wide, high = faces[0].box
    edge, top, bottom = x - 0.7 * wide, y - 1.2 * high, y + 2.4 * high
    return [text for text in found if not (text.left > edge and top < text.middle < bottom)]


def _outside_portrait(image: Image, found: Sequence[Text]) -> list[Text]:
    """Permits have their portrait on the left: only what stands on it is no field."""
    faces = yunet.find(image)
    if not faces:
        return list(found)
    x, y, wide, high = faces[0].box
    top, bottom, right = y - 1.2 * high, y + 2.4 * high, x + 1.7 * wide
    return [t for t in found if not (t.left > x - 0.7 * wide and t.right < right and top < t.middle < bottom)]


def _sized(image: Image) -> Image:
    """Neither too large to read in a second nor too small for the reader's finest strokes."""
    longest = max(image.shape[:2])
    if _SHORTEST <= longest <= _LONGEST:
        return image
    scale = (_LONGEST if longest > _LONGEST else _SHORTEST) / longest
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    sized: Image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=how)
    return sized
