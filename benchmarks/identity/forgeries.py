"""
How often a changed picture of a card shows signs, and how often an unchanged one does.

    python benchmarks/identity/forgeries.py [--cards 40] [--seed 3] [--pictures FOLDER] [--kinds unchanged,portrait,...]

Cards are drawn, photographed and forged by `papers.py`, whose head is the recipe; `--pictures` takes the fronts of a folder of
your own instead (`expected.json`: file name to type `cn_id_front`, number, capture) and forges its phone pictures. Every
picture then goes the office's way: coded anew as an upload is (`notary.redraw`), read by `identity.documents`. A rate comes
with its 95 % Wilson interval. Limits were set on seeds 1 and 2. Drawn cards and a drawn forger: real ones are harder, and a real
card's print and wear may give false alarms that these do not.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import papers

from identity import documents, specimen, tampering
from identity.calibration import Share
from identity.errors import IdentityError
from identity.pictures import decode
from notary.redraw import _picture

FACES = Path(__file__).resolve().parents[2] / "tests" / "faces"


KINDS = ("unchanged", "portrait", "drawn", "copied", "unchanged-sent", "portrait-sent", "drawn-sent", "copied-sent")


def drawn(cards: int, seed: int) -> list[tuple[str, bytes]]:
    rng = random.Random(seed)
    faces = [cv2.imread(str(FACES / f"{n}.jpg")) for n in (1, 2, 3)]
    made = []
    for index in range(cards):
        one = papers.card(rng)
        made.append((one.number, papers.phone(specimen.front(one, faces[index % 3]), seed * 1000 + index)))
    return made


def given(folder: Path, capture: str) -> list[tuple[str, bytes]]:
    told = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return [
        (one["number"], (folder / name).read_bytes())
        for name, one in told.items()
        if one["type"] == "cn_id_front" and one["capture"] == capture
    ]


def characters(picture: bytes, number: str) -> list[tampering.Box]:
    """Where the forger finds the number's characters."""
    image = decode(picture)
    for text in documents.ocr.texts(image):
        if number[6:] in text.words.replace(" ", ""):
            line = tuple(
                map(round, (text.left, text.middle - 0.6 * text.high, text.right, text.middle + 0.6 * text.high))
            )
            return tampering.characters(image, line)
    return []


def variants(pictures: list[tuple[str, bytes]], seed: int) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {"unchanged": [], "unchanged-sent": []}
    for index, (number, picture) in enumerate(pictures):
        one = seed * 1000 + index
        digits = characters(picture, number)
        made = {"unchanged": picture, "portrait": papers.with_portrait(picture, pictures[index - 1][1], one)}
        if digits:
            made |= {
                "drawn": papers.with_drawn_digits(picture, digits, one),
                "copied": papers.with_copied_digits(picture, digits, one),
            }
        for kind, data in made.items():
            found.setdefault(kind, []).append(data)
            found.setdefault(f"{kind}-sent", []).append(papers.sent(data, one))
    return found


def measure(kind: str, pictures: list[bytes]) -> None:
    found, looked, unread, spent = Counter(), Counter(), 0, []
    for data in pictures:
        kept = decode(_picture(data, "image/jpeg")[0])
        start = time.process_time()
        try:
            reading = documents.read(kept)
        except IdentityError:
            unread += 1
            continue
        spent.append(time.process_time() - start)
        found.update({"any sign": bool(reading.signs.found), **dict.fromkeys(reading.signs.found, 1)})
        looked.update(reading.signs.looked)
    many = len(pictures) - unread
    print(
        f"{kind}: {percent(found['any sign'], many)}; not read {unread}; CPU {sorted(spent)[len(spent) // 2]:.2f} s (median)"
    )
    for sign in sorted(looked):
        print(f"   {sign}: {found[sign]} of {looked[sign]} that could be looked at")
    sys.stdout.flush()


def percent(hits: int, of: int) -> str:
    low, high = Share(hits, of).interval
    return f"{hits} of {of} [{100 * low:.1f}-{100 * high:.1f} %]"


def main() -> int:
    wanted = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    wanted.add_argument("--cards", type=int, default=40)
    wanted.add_argument("--seed", type=int, default=3)
    wanted.add_argument("--pictures", type=Path)
    wanted.add_argument("--kinds", default=",".join(KINDS), help="comma-separated, of " + " ".join(KINDS))
    args = wanted.parse_args()
    pictures = given(args.pictures, "phone") if args.pictures else drawn(args.cards, args.seed)
    for kind, made in variants(pictures, args.seed).items():
        if kind in args.kinds.split(","):
            measure(kind, made)
    if args.pictures:
        for capture in ("clean", "webcam"):
            measure(f"unchanged, {capture}", [data for _number, data in given(args.pictures, capture)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
