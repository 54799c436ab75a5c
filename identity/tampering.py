"""
Signs that a picture of a card was changed after it was taken. Each is a risk with an innocent cause, never a proof; that none
is found means nothing at all: somebody who draws the whole card anew, or photographs a changed print, leaves none of them.

- `other-compression`: a part of the picture does not bear the traces of the JPEG coding that the rest bears. Whatever was
  pasted in has another history (H. Farid, "Exposing digital forgeries from JPEG ghosts", 2009; T. Bianchi and A. Piva,
  "Image forgery localization via block-grained analysis of JPEG artifacts", 2012). Can only be looked at where the picture
  was coded twice or more without being scaled, which is so for a phone's picture that was taken in here once.
- `copied-digits`: two characters of the number are the same to the last grain of noise.

That characters stand unevenly was tried and left out: as many unchanged pictures as changed ones showed it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identity.pictures import Image

Grey = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels."""

_LAST = np.array(
    [[16, 11, 10, 16, 24, 40], [12, 12, 14, 19, 26, 58], [14, 13, 16, 24, 40, 57], [14, 17, 22, 29, 51, 87],
     [18, 22, 37, 56, 68, 109], [24, 35, 55, 64, 81, 104]], np.float32,
) / 5  # fmt: skip
"""Steps of the coding in which pictures are kept here (quality 90 of ITU T.81's example table K.1)."""
_LOW = [(u, v) for u in range(6) for v in range(6) if 1 <= u + v <= 5]
"""Frequencies that are looked at: lower ones say too little, higher ones are empty."""


COPIED = 1.6
"""Two equal characters differ at least this many times the noise beside them."""
UNLIKE = 0.5
"""And at least this share of what equal characters of this number usually differ: in a drawing or a scan all are alike."""
QUIET = 0.8
"""Grey levels of noise below which equal characters may well be equal: a drawing, a scan."""
HISTORY_PORTRAIT, HISTORY_CHARACTER = 0.8, 0.55
"""How plainly the earlier coding shows in the portrait, relative to the rest of the card, and in a character, relative to the
others; below it the part has another history."""


PLAIN = 6.0
"""Standard deviations (of so many cosines of random phase) from which that is no chance."""


@dataclass(frozen=True)
class Signs:
    """`found`: keys of signs, each as `key` or `key:where`; `looked`: what could be looked at in this picture."""

    found: tuple[str, ...]
    looked: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"found": list(self.found), "looked": list(self.looked)}


NONE = Signs((), ())
"""Nothing was looked for."""


def signs(
    image: Image, number: str, line: Box | None, portrait: Box | None, card: Box, offset: tuple[int, int] = (0, 0)
) -> Signs:
    """What may have been changed in a picture of a card, (H, W, 3) uint8 BGR as it is kept, upright. `number`: as read, 18
    characters or ''; `line`: where it stands; `portrait`: the printed picture; `card`: all of the card; `offset`: first whole
    8 x 8 block of the last JPEG coding (after a turn it need not begin in the corner)."""
    found, looked = [], []
    boxes = characters(image, line) if line and len(number) == 18 else []
    if boxes:
        apart, noise, ground = likeness(image, boxes, number)
        if ground >= QUIET and len(apart) >= 4:
            looked.append("copied-digits")
            if apart[0] < COPIED * noise and apart[0] < UNLIKE * float(np.median(apart)):
                found.append("copied-digits")
    found_history, looked_history = _histories(image, boxes, portrait, card, offset)
    return Signs((*found, *found_history), (*looked, *looked_history))


def _histories(
    image: Image, boxes: Sequence[Box], portrait: Box | None, card: Box, offset: tuple[int, int]
) -> tuple[list[str], list[str]]:
    # The card alone, cut on the grid: a phone's picture has ten times as many blocks.
    left, top = (start + max(0, edge - start) // 8 * 8 for edge, start in zip(card[:2], offset, strict=True))
    coded = blocks(image[top : card[3], left : card[2]])
    rest = np.ones(coded.shape[:2], bool)

    def part(box: Box, shrink: int) -> tuple[slice, slice]:
        """Blocks within a box, `shrink` of them less on each side, or, where it is negative, all that touch it and more."""
        x0, y0, x1, y1 = (value - start for value, start in zip(box, (left, top, left, top), strict=True))
        rows = slice(max(0, y0 // 8 + shrink), max(0, (y1 + 7) // 8 - shrink))
        return rows, slice(max(0, x0 // 8 + shrink), max(0, (x1 + 7) // 8 - shrink))

    if portrait:
        rest[part(portrait, -2)] = False
    known = steps(coded[rest])
    if len(known) < 4:
        return [], []
    found, looked = [], []
    if portrait:
        share, off, many = combed(coded[part(portrait, 2)], known)
        if many >= 60:
            looked.append("other-compression:portrait")
            if share < HISTORY_PORTRAIT and off > PLAIN:
                found.append("other-compression:portrait")
    seen = [one for one in (combed(coded[part(box, 0)], known) for box in boxes) if one[2] >= 20]
    usual = float(np.median([share for share, _off, _many in seen])) if len(seen) >= 12 else 0.0
    if usual >= 0.6:  # what all characters lack says more of the estimate than of them
        looked.append("other-compression:number")
        if any(
            share < HISTORY_CHARACTER * usual and off * (usual - share) / (1 - share) > PLAIN
            for share, off, _many in seen
        ):
            found.append("other-compression:number")
    return found, looked


def characters(image: Image, line: Box) -> list[Box]:
    """The 18 characters of the number within its line of text, from left to right; empty where they do not come apart."""
    left, top, right, bottom = line
    pad = max(3, (bottom - top) // 6)
    x, y = max(0, left - pad), max(0, top - pad)
    cut = image[y : bottom + pad, x : right + pad]
    if min(cut.shape[:2]) < 12:
        return []
    grey = cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY)
    ground = cv2.medianBlur(grey, 2 * (cut.shape[0] // 2) + 1 if cut.shape[0] < 255 else 255)
    ink = cv2.subtract(ground, grey)
    _, mask = cv2.threshold(ink, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    count, _labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    boxes = [tuple(int(value) for value in stats[n][:4]) for n in range(1, count)]
    tall = [one for one in boxes if one[3] > 0.35 * cut.shape[0]]
    if len(tall) < 18:
        return []
    usual = float(np.median([one[3] for one in tall[-18:]]))
    tall = sorted(one for one in boxes if abs(one[3] - usual) < 0.3 * usual and one[2] < 1.3 * usual)[-18:]
    if len(tall) != 18:
        return []
    return [(x + a, y + b, x + a + w, y + b + h) for a, b, w, h in tall]


def likeness(image: Image, boxes: Sequence[Box], number: str) -> tuple[list[float], float, float]:
    """(the differences between equal characters, the smallest first; the noise beside them; that of the quietest tenth of the
    ground), in grey levels."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    apart = sorted(
        _difference(grey, boxes[first], boxes[second])
        for first in range(18)
        for second in range(first + 1, 18)
        if number[first] == number[second]
    )
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    return [one for one in apart if np.isfinite(one)], *_noise(grey[top:bottom, left:right])


def _difference(grey: Grey, one: Box, other: Box) -> float:
    wide, high = max(one[2] - one[0], other[2] - other[0]), max(one[3] - one[1], other[3] - other[1])
    if abs((one[2] - one[0]) - (other[2] - other[0])) > 3:
        return float("inf")
    left, top = one[0], one[1]
    mark = grey[top : top + high, left : left + wide]
    least = float("inf")
    for down in range(-2, 3):
        for across in range(-2, 3):
            y, x = other[1] + down, other[0] + across
            if y < 0 or x < 0:
                continue
            there = grey[y : y + high, x : x + wide]
            if there.shape == mark.shape:
                apart = mark - there
                least = min(least, float(np.sqrt(np.mean((apart - apart.mean()) ** 2))))
    return least


def _noise(grey: Grey) -> tuple[float, float]:
    """The noise of the ground, from what is left after a median: of the quieter half of the small tiles, and of a tenth."""
    rest = grey - cv2.medianBlur(grey.astype(np.uint8), 3).astype(np.float32)
    high, wide = rest.shape
    tiles = [float(rest[y : y + 6, x : x + 6].std()) for y in range(0, high - 5, 6) for x in range(0, wide - 5, 6)]
    return (float(np.percentile(tiles, 25)), float(np.percentile(tiles, 10))) if tiles else (0.0, 0.0)


# the traces of an earlier coding


def blocks(image: Image) -> npt.NDArray[np.float32]:
    """Coefficients of the brightness's 8 x 8 blocks (ITU T.81 A.3.3), shape (rows, columns, 8, 8)."""
    plane = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)[:, :, 0].astype(np.float32) - 128
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    tiles = plane[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    return np.asarray(_COSINES @ tiles @ _COSINES.T, np.float32)


_COSINES = np.array(
    [[np.sqrt((1 if u == 0 else 2) / 8) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)] for u in range(8)],
    np.float32,
)


def steps(rest: npt.NDArray[np.float32]) -> dict[tuple[int, int], tuple[int, float]]:
    """For each frequency the step of the coding before the last one, and how plainly it shows (-1 to 1), from blocks of
    shape (n, 8, 8); frequencies where it does not show are left out."""
    found = {}
    for u, v in _LOW:
        values = rest[:, u, v]
        best = (0, 0.0)
        for step in range(max(5, int(1.5 * _LAST[u, v]) + 1), 41):
            held = values[np.abs(values) >= 0.6 * step]
            if len(held) >= 40:
                plain = float(np.cos(2 * np.pi * held / step).mean())
                if plain > best[1]:
                    best = (step, plain)
        if best[1] >= 0.3:
            found[u, v] = best
    return found


def combed(part: npt.NDArray[np.float32], known: dict[tuple[int, int], tuple[int, float]]) -> tuple[float, float, int]:
    """(how plainly the steps show in `part` relative to the rest, 1 as plainly, 0 not at all; by how many standard
    deviations less than there; from how many values)."""
    got, expected, count = 0.0, 0.0, 0
    for (u, v), (step, plain) in known.items():
        values = part[..., u, v].reshape(-1)
        held = values[np.abs(values) >= 0.6 * step]
        got += float(np.cos(2 * np.pi * held / step).sum())
        expected += plain * len(held)
        count += len(held)
    if not expected:
        return 1.0, 0.0, count
    return got / expected, (expected - got) / float(np.sqrt(0.5 * count)), count
