"""Drawn cards as a phone sees them, and what somebody may do to such a picture: the recipe of `forgeries.py`.

    python benchmarks/identity/papers.py OUT [CARDS] [SEED]

writes such pictures of both sides with an `expected.json`, for `faces.py OUT` to read.

A card is drawn by `identity.specimen` with random fields (region 000000: nobody's number) and a portrait of the tests. The
phone: perspective (each corner up to 4 % of the width), blur of 0.5 to 1.0 pixels, none to two glares, noise of 2 to 5 grey
levels, JPEG of quality 70 to 92; 1280 x 960. The forger opens that JPEG and saves it again at 80 to 95.

- `portrait`: the portrait of another picture of another seed, scaled to the place, its colours matched to those that stood
  there (mean and deviation of each channel), its edge feathered over 5 pixels.
- `drawn`: one to four digits of the number painted over (inpainting) and drawn anew in the same type, blurred as much as
  the rest, with ink of the same grey, up to 4 % larger or smaller and up to 2 pixels off, noise added as in the picture.
- `copied`: one to four digits replaced by other digits of the same number, moved by whole pixels.
- `-sent`: any of them scaled to 90 % after it, as a messenger does: what the grid of the JPEG tells is gone.
"""

import json
import random
import sys
from datetime import date
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from identity import specimen, yunet
from identity.specimen import Card

SURNAMES, GIVEN = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高", "伟敏静强磊洋勇艳杰涛明超霞平刚桂英建国志华"


def card(rng: random.Random) -> Card:
    born = date(rng.randint(1936, 2004), rng.randint(1, 12), rng.randint(1, 28))
    sequence = rng.randint(0, 999)
    name = rng.choice(SURNAMES) + "".join(rng.sample(GIVEN, rng.randint(1, 2)))
    if rng.random() < 0.1:
        name = f"{rng.choice(['买买提', '阿不都', '古丽'])}·{rng.choice(['吐尔逊', '热合曼', '艾山'])}"
    address = f"样本省样本市样本区样本路{rng.randint(1, 999)}号{rng.randint(1, 30)}栋{rng.randint(1, 6)}单元{rng.randint(101, 2906)}室"
    begin = date(rng.randint(2012, 2024), rng.randint(1, 12), rng.randint(1, 28))
    years = rng.choice((10, 20, None))
    return Card(
        name, "女男"[sequence % 2], rng.choice(("汉", "汉", "汉", "回", "满", "维吾尔", "蒙古", "土家")), born, address,
        specimen.number_of(born, sequence), "样本市公安局样本分局", begin,
        begin.replace(year=begin.year + years) if years else None,
    )  # fmt: skip


def phone(page: np.ndarray, seed: int, quality: int = 0) -> bytes:
    """The JPEG that a phone makes of a drawn page, of a `quality` by chance where none is named."""
    rng = np.random.default_rng(seed)
    high, wide = page.shape[:2]
    scale = 1280 * rng.uniform(0.72, 0.86) / wide
    left, top = (1280 - wide * scale) / 2, (960 - high * scale) / 2
    right, bottom = left + wide * scale, top + high * scale
    corners = np.float32([[0, 0], [wide, 0], [wide, high], [0, high]])
    seen = np.float32([[left, top], [right, top], [right, bottom], [left, bottom]]) + rng.uniform(
        -38, 38, (4, 2)
    ).astype(np.float32)
    table = cv2.GaussianBlur(rng.normal(rng.integers(50, 140), 25, (960, 1280, 3)).astype(np.float32), (0, 0), 3)
    warp = cv2.getPerspectiveTransform(corners, seen)
    photo = cv2.warpPerspective(
        page.astype(np.float32), warp, (1280, 960), dst=table, borderMode=cv2.BORDER_TRANSPARENT
    )
    down, across = np.mgrid[0:960, 0:1280]
    for _ in range(rng.integers(0, 3)):
        x, y, size = rng.uniform(left, right), rng.uniform(top, bottom), 1280 * rng.uniform(0.03, 0.08)
        photo += (rng.uniform(30, 90) * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * size**2)))[..., None]
    photo = cv2.GaussianBlur(photo * rng.uniform(0.75, 1.0), (0, 0), rng.uniform(0.5, 1.0))
    coarse = int(rng.integers(70, 93))
    return _jpeg(photo + rng.normal(0, rng.uniform(2, 5), photo.shape), quality or coarse)


def with_portrait(picture: bytes, other: bytes, seed: int) -> bytes:
    """`picture` with the portrait of `other` in its portrait's place."""
    rng = np.random.default_rng(seed)
    mine, theirs = _open(picture), _open(other)
    place, source = _portrait(mine), _portrait(theirs)
    x, y, wide, high = place
    there = theirs[source[1] : source[1] + source[3], source[0] : source[0] + source[2]]
    new = cv2.resize(there, (wide, high), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    old = mine[y : y + high, x : x + wide].astype(np.float32)
    new = (new - new.mean((0, 1))) / (new.std((0, 1)) + 1) * old.std((0, 1)) + old.mean((0, 1))
    mask = np.zeros((high, wide), np.float32)
    mask[6:-6, 6:-6] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), 2.5)[..., None]
    mine[y : y + high, x : x + wide] = np.clip(old * (1 - mask) + new * mask, 0, 255)
    return _jpeg(mine, int(rng.integers(80, 96)))


def with_drawn_digits(picture: bytes, digits: list[tuple[int, int, int, int]], seed: int) -> bytes:
    """`digits`: the boxes (left, top, right, bottom) of the number's characters."""
    rng = np.random.default_rng(seed)
    image = _open(picture)
    for at in rng.choice(len(digits), int(rng.integers(1, 5)), replace=False):
        left, top, right, bottom = digits[at]
        around = image[top - 3 : bottom + 4, left - 3 : right + 4]
        grey = cv2.cvtColor(around, cv2.COLOR_BGR2GRAY)
        ink, paper = np.percentile(grey, 3), np.median(grey[grey > grey.mean()])
        where = (grey < (ink + paper) / 2 + 20).astype(np.uint8)
        clean = cv2.inpaint(around, cv2.dilate(where, np.ones((5, 5), np.uint8)), 3, cv2.INPAINT_TELEA)
        mark = _digit(str(rng.integers(0, 10)), round((bottom - top) * rng.uniform(0.96, 1.04)))
        mark = cv2.GaussianBlur(mark, (0, 0), 0.9)
        layer = np.zeros(grey.shape, np.float32)
        y, x = 3 + int(rng.integers(-2, 3)), 3 + (right - left - mark.shape[1]) // 2 + int(rng.integers(-1, 2))
        y, x = max(0, y), max(0, x)
        part = mark[: layer.shape[0] - y, : layer.shape[1] - x]
        layer[y : y + part.shape[0], x : x + part.shape[1]] = part
        drawn = clean.astype(np.float32) * (1 - layer[..., None]) + ink * layer[..., None]
        image[top - 3 : bottom + 4, left - 3 : right + 4] = np.clip(drawn + rng.normal(0, 3, drawn.shape), 0, 255)
    return _jpeg(image, int(rng.integers(80, 96)))


def with_copied_digits(picture: bytes, digits: list[tuple[int, int, int, int]], seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    image = _open(picture)
    source = image.copy()
    for at in rng.choice(len(digits), int(rng.integers(1, 5)), replace=False):
        from_ = int(rng.choice([one for one in range(len(digits)) if one != at]))
        wide = max(digits[at][2] - digits[at][0], digits[from_][2] - digits[from_][0]) + 4
        high = max(digits[at][3] - digits[at][1], digits[from_][3] - digits[from_][1]) + 6
        x, y = digits[at][0] - 2, digits[at][1] - 3
        u, v = digits[from_][0] - 2, digits[from_][1] - 3
        image[y : y + high, x : x + wide] = source[v : v + high, u : u + wide]
    return _jpeg(image, int(rng.integers(80, 96)))


def sent(picture: bytes, seed: int) -> bytes:
    """As a messenger hands it on: smaller, and coded anew."""
    image = _open(picture)
    small = cv2.resize(image, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    return _jpeg(small, int(np.random.default_rng(seed).integers(70, 90)))


def _digit(character: str, high: int) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    face = ImageFont.truetype(str(specimen.pylopdf_fonts_zh_cn.sans_path()), 200)
    page = Image.new("L", (260, 320))
    ImageDraw.Draw(page).text((30, 20), character, font=face, fill=255)
    box = page.getbbox()
    cut = np.asarray(page.crop(box), np.float32) / 255
    return cv2.resize(cut, (max(3, round(cut.shape[1] * high / cut.shape[0])), high), interpolation=cv2.INTER_AREA)


def _portrait(image: np.ndarray) -> tuple[int, int, int, int]:
    x, y, wide, high = yunet.largest(image).box
    left, top = max(0, round(x - 0.45 * wide)), max(0, round(y - 0.5 * high))
    right, bottom = round(x + 1.45 * wide), round(y + 1.5 * high)
    return left, top, min(right, image.shape[1]) - left, min(bottom, image.shape[0]) - top


def _open(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    ok, data = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return bytes(data)


def main(out: Path, cards: int, seed: int) -> int:
    out.mkdir(parents=True, exist_ok=True)
    rng, expected = random.Random(seed), {}
    faces = sorted((Path(__file__).resolve().parents[2] / "tests" / "faces").glob("*.jpg"))
    for index in range(cards):
        one = card(rng)
        pages = {
            "front": specimen.front(one, cv2.imread(str(faces[index % len(faces)]))), "back": specimen.back(one),
        }  # fmt: skip
        until = f"{one.valid_to:%Y.%m.%d}" if one.valid_to else "长期"
        told = {
            "front": {
                "name": one.name, "sex": one.sex, "ethnicity": one.ethnicity, "birth": one.birth.isoformat(),
                "address": one.address, "number": one.number,
            },
            "back": {"issuer": one.issuer, "valid_from": f"{one.valid_from:%Y.%m.%d}", "valid_to": until},
        }  # fmt: skip
        for side, page in pages.items():
            name = f"{index:03d}-{side}.jpg"
            (out / name).write_bytes(phone(page, seed * 10_000 + index * 2 + (side == "back")))
            expected[name] = {"type": f"cn_id_{side}", "capture": "phone", **told[side]}
    (out / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    given = [*map(int, sys.argv[2:4]), *(40, 5)[len(sys.argv[2:4]) :]]
    sys.exit(main(Path(sys.argv[1]), given[0], given[1]))
