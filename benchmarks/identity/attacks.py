"""
What the machine's part of a challenge lets through.

    python benchmarks/identity/attacks.py FOLDER [--sheets 300] [--animated 100] [--replays 3000] [--fps 12] [--seed 1]

FOLDER holds photographs of one face each; each is used as if it were all that an attacker has.

- sheets: the photograph on paper or a screen, flat or bent, held before the camera and turned up to 45 degrees the way that
  is asked. It meets only draws of turns and nods, so only such are drawn; colours and reading are left out (they are light
  and voice, which the holder has). Counted: all three actions met.
- animated: a program that obeys every prompt after 0.6 s, with lids pasted over the eyes, a mouth pulled open, a head
  shifted in the plane or turned by its depth 30 to 60 degrees, and the screen's colours painted on the face. Sent as video.
- replays: recordings that nobody instructed, as signals: a person who does one of the five actions every 1.6 to 3 s in an
  order of the recording's own, with everything in its favour that a real person gives (depth, eyes that stay, likeness).
- genuine: the same judge on a person who obeys, as signals with the noise of a still face. It shows that the limits can
  be met; it is no measurement of people: real ones are "not measured".

Sequences are 640 x 480, 12 frames a second, VP8 at 500 kbit/s, decoded again and seen by the models of the office.
"""

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import moving

from identity.calibration import Share
from identity.challenge import ACTIONS, AHEAD, COLOURS, FLASH, SAY, SHOWN_COLOURS, Drawn, draw
from identity.liveness import Verdict, judge
from identity.observer import Observer
from identity.pictures import decode
from identity.signals import Signals

SHEETS = ("printed, in the hand", "printed, swung", "on a screen, swung", "printed and bent, swung")


def photographs(folder: Path) -> list[moving.Photo]:
    found = []
    for name in sorted(folder.glob("*.jpg")):
        try:
            found.append(moving.Photo(decode(name.read_bytes())))
        except Exception as why:  # noqa: BLE001  a picture without a usable face is left out and said
            print(f"{name.name}: {why}", file=sys.stderr)
    return found


def watched(images, times, until: float) -> list[Signals]:
    observer = Observer()
    return [observer.observe(one, at, ahead=at <= until) for one, at in zip(moving.vp8(images), times, strict=False)]


def colours(chance: random.Random) -> tuple[str, ...]:
    made = [chance.choice(COLOURS)]
    while len(made) < SHOWN_COLOURS:
        made.append(chance.choice([one for one in COLOURS if one != made[-1]]))
    return tuple(made)


def a_sheet(photo: moving.Photo, kind: str, chance: random.Random) -> Verdict:
    actions = ["left", "right", "nod"]
    chance.shuffle(actions)
    drawn = Drawn("", tuple(actions), "", (), 2.0)
    prompts = moving.prompts_of(drawn, 1.2, 2.0, 0, 0, 0.3)
    turn, nod = (4.0, 4.0) if kind == SHEETS[0] else (chance.uniform(20, 45), chance.uniform(15, 35))
    bend = chance.uniform(0.4, 1.0) if kind == SHEETS[3] else 0.0
    poses = list(moving.obeying(drawn, prompts, turn, nod))
    images = [moving.noisy(moving.held(photo, pose, bend, kind == SHEETS[2]), n) for n, (_at, pose) in enumerate(poses)]
    return judge(drawn, prompts, watched(images, [at for at, _ in poses], prompts[0].until))


def an_animation(photo: moving.Photo, solid: bool, chance: random.Random) -> Verdict:
    drawn = draw(2.0)
    prompts = moving.prompts_of(drawn, 1.2, 2.0, 3.0, 0.6, 0.3)
    poses = list(moving.obeying(drawn, prompts, chance.uniform(30, 60), chance.uniform(15, 35)))
    images = [
        moving.noisy(moving.lit(moving.animated(photo, pose, solid=solid), photo, pose.colour, True), n)
        for n, (_at, pose) in enumerate(poses)
    ]
    return judge(drawn, prompts, watched(images, [at for at, _ in poses], prompts[0].until))


def person(
    drawn: Drawn, prompts, chance: random.Random, doing: list[tuple[float, str]], lit: tuple[str, ...]
) -> list[Signals]:
    """The signals of somebody who does `doing` (time, action) and whose face takes on the colours `lit`."""
    shades = {"red": (0, 0, 3), "green": (0, 3, 0), "blue": (3, 0, 0), "white": (1, 1, 1)}
    flashes = [one for one in prompts if one.kind == FLASH]
    reads = [one for one in prompts if one.kind == SAY]
    made = []
    for n in range(round((prompts[-1].until + 0.6) * moving.FPS)):
        at = n / moving.FPS
        yaw, pitch, mouth, lids = chance.gauss(0, 0.8), chance.gauss(0, 0.8), 0.04 + chance.gauss(0, 0.01), 1.0
        for begin, action in doing:
            since = at - begin
            if not 0 <= since < 1.5:
                continue
            there = math.sin(since / 1.5 * math.pi)
            yaw += {"left": 30, "right": -30}.get(action, 0) * there
            pitch += 18 * there if action == "nod" else 0
            mouth += 0.45 * there if action == "mouth" else 0
            lids = 0.25 if action == "blink" and since % 0.7 < 0.25 else lids
            if action == SAY:
                mouth += 0.0
        for one in reads:
            if 0.6 <= at - one.at <= 3.0 and doing and doing[-1][1] == SAY:
                mouth += 0.12 * abs(math.sin((at - one.at) * math.pi / 0.6))
        skin = [118.0, 130.0, 160.0]
        for one, colour in zip(flashes, lit, strict=False):
            if one.at + 0.3 <= at < one.until + 0.3:
                skin = [value + more for value, more in zip(skin, shades[colour], strict=True)]
        made.append(
            Signals(
                at, 1, yaw, pitch, mouth, 0.22 * lids, 0.5 - 0.25 * math.tan(math.radians(yaw)), 0.02 + abs(yaw) / 500,
                tuple(value + chance.gauss(0, 0.3) for value in skin), (100.0, 105.0, 95.0),
                0.8 if n % 6 == 0 else None, 190.0,
            )
        )  # fmt: skip
    return made


def a_replay(chance: random.Random, recorded_challenge: bool, without_colours: bool) -> Verdict:
    drawn = draw(4.0)
    prompts = moving.prompts_of(drawn, 2.0, 4.0, 8.0, 0 if without_colours else 0.7, 1.2)
    doing, at = [], chance.uniform(0.5, 3)
    while at < prompts[-1].until:
        if at > prompts[0].until:
            doing.append((at, chance.choice(ACTIONS)))
        at += chance.uniform(1.6, 3)
    doing.append((prompts[-1].until, SAY))  # it also speaks just when it should
    return judge(drawn, prompts, person(drawn, prompts, chance, doing, colours(chance) if recorded_challenge else ()))


def a_person(chance: random.Random) -> Verdict:
    drawn = draw(4.0)
    prompts = moving.prompts_of(drawn, 2.0, 4.0, 8.0, 0.7, 1.2)
    doing = [(one.at + chance.uniform(0.4, 2.0), one.kind) for one in prompts if one.kind not in (AHEAD, FLASH, SAY)]
    doing.append((prompts[-1].until, SAY))
    return judge(drawn, prompts, person(drawn, prompts, chance, doing, drawn.colours))


def told(name: str, verdicts: list[Verdict], hits: int) -> dict[str, object]:
    if not verdicts:
        return {}
    low, high = Share(hits, len(verdicts)).interval
    met: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for verdict in verdicts:
        why.update(verdict.reasons)
        for one in verdict.findings:
            asked[one.kind] += 1
            met[one.kind] += not one.reasons
            why.update(f"{one.kind}: {reason}" for reason in one.reasons)
    row = {
        "row": name, "let through": hits, "of": len(verdicts), "interval": [round(low, 4), round(high, 4)],
        "met": {kind: f"{met[kind]} of {asked[kind]}" for kind in asked}, "why": dict(why.most_common(8)),
    }  # fmt: skip
    print(json.dumps(row, ensure_ascii=False), flush=True)
    return row


def passed(verdicts: list[Verdict]) -> int:
    return sum(one.outcome == "passed" for one in verdicts)


def actions_met(verdicts: list[Verdict]) -> int:
    return sum(
        len(found) == 3 and not any(one.reasons for one in found)
        for found in ([one for one in verdict.findings if one.kind in ACTIONS] for verdict in verdicts)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, size in (("sheets", 300), ("animated", 100), ("replays", 3000)):
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--fps", type=int, default=moving.FPS, help="frames a second of what is rendered")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    moving.FPS = asked.fps
    chance = random.Random(asked.seed)
    began = time.monotonic()
    if genuine := [a_person(chance) for _ in range(asked.replays // 10)]:
        told("somebody who obeys, as signals (people: not measured)", genuine, passed(genuine))
    for name, known, without in (
        ("replay of an uninstructed video", False, False),
        ("replay of another challenge's recording", True, False),
        ("replay, colours and their verdict left out: actions met", False, True),
    ):
        some = [a_replay(chance, known, without) for _ in range(asked.replays)]
        told(name, some, actions_met(some) if without else passed(some))
    photos = photographs(asked.folder)
    if not photos:
        print("no usable photograph", file=sys.stderr)
        return 1
    print(f"{len(photos)} photographs", flush=True)
    chance.shuffle(photos)
    for number, kind in enumerate(SHEETS):
        count = asked.sheets // len(SHEETS) + (number < asked.sheets % len(SHEETS))
        some = [a_sheet(photos[n % len(photos)], kind, chance) for n in range(count)]
        told(f"{kind}: actions met", some, actions_met(some))
    for solid, count in ((False, asked.animated // 2), (True, asked.animated - asked.animated // 2)):
        some = [an_animation(photos[n % len(photos)], solid, chance) for n in range(count)]
        told(f"one photograph animated, {'3-D' if solid else '2-D'}, colours painted", some, passed(some))
        told("  of these: actions met", some, actions_met(some))
    print(f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
