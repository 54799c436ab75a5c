"""
How well faces are matched and documents read, on sets of your own.

    python benchmarks/identity/faces.py DIR...

A folder with `pairs.csv` (a, b, same, kind; paths relative to it) is scored by both engines: false rejects (FRR) where at
most 1 % and 0.1 % of different people are accepted (FAR), with 95 % Wilson intervals. A pair without a face is a false
reject if it is the same person, a right answer if not. A folder with `expected.json` (file name to type, capture and
fields) is read: fields exactly right, by kind and capture. One folder may hold both.
"""

import csv
import json
import math
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from identity import documents, yunet
from identity.calibration import Share
from identity.engines import NAMES, engine
from identity.errors import IdentityError
from identity.pictures import decode


def percent(hits: int, of: int) -> str:
    low, high = Share(hits, of).interval
    return f"{100 * hits / max(of, 1):.2f} % [{100 * low:.1f}-{100 * high:.1f}] ({hits} of {of})"


def rejects(same: list[float], different: list[float], far: float) -> tuple[int, float]:
    """How many of `same` fall below the lowest threshold that at most `far` of `different` reach."""
    ranked = sorted(different, reverse=True)
    passing = math.floor(far * len(ranked))
    threshold = math.nextafter(ranked[passing], math.inf) if passing < len(ranked) else -math.inf
    return sum(value < threshold for value in same), threshold


def faces(folder: Path) -> None:
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    engines = [engine(name) for name in NAMES]
    encodings, spent = {}, defaultdict(list)
    for name in sorted({row[side] for row in rows for side in "ab"}):
        image = decode((folder / name).read_bytes())
        try:
            face = yunet.largest(image)
        except IdentityError:
            encodings[name] = None
            continue
        encodings[name] = {}
        for each in engines:
            start = time.process_time()
            encodings[name][each.name] = each.encode_face(image, face)
            spent[each.name].append(time.process_time() - start)
    for each in engines:
        kinds = defaultdict(lambda: ([], []))
        for row in rows:
            a, b = encodings[row["a"]], encodings[row["b"]]
            value = -math.inf if a is None or b is None else each.score(a[each.name], b[each.name]).value
            kinds[row["kind"]][row["same"] != "1"].append(value)
        for kind, (same, different) in sorted(kinds.items()):
            print(f"{each.name}, {kind}: {len(same)} same, {len(different)} different")
            if not same or not different:
                print("   one of the two is missing: no rates")
                continue
            for far in (0.01, 0.001):
                count, threshold = rejects(same, different, far)
                print(f"   FRR at FAR {100 * far:g} %: {percent(count, len(same))}, threshold {threshold:.3f}")
            reach = each.thresholds["default"]
            accepted = sum(value >= reach for value in different)
            rejected = sum(value < reach for value in same)
            print(f"   at its threshold {reach}: FAR {percent(accepted, len(different))}")
            print(f"   {'':{len(str(reach))}}               FRR {percent(rejected, len(same))}")
        milliseconds = 1000 * sorted(spent[each.name])[len(spent[each.name]) // 2]
        print(f"   {milliseconds:.0f} ms of CPU a face (median)")
    lost = sum(encoding is None for encoding in encodings.values())
    print(f"no face found in {lost} of {len(encodings)} pictures")


def papers(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    right, of, spent = defaultdict(int), defaultdict(int), defaultdict(list)
    misses = []
    for name, wanted in expected.items():
        fields = {key: text for key, text in wanted.items() if key not in ("type", "capture", "mrz")}
        start = time.process_time()
        try:
            reading = documents.read(decode((folder / name).read_bytes()))
            got = {"type": reading.type} | reading.fields
        except IdentityError as refusal:
            got = {"type": refusal.key}
        kind = (wanted["type"], wanted["capture"])
        spent[kind].append(time.process_time() - start)
        marks = {key: got.get(key) == text for key, text in fields.items()} | {"type": got["type"] == wanted["type"]}
        for key, hit in (marks | {"all of them": all(marks.values())}).items():
            right[*kind, key] += hit
            of[*kind, key] += 1
            if not hit and key in fields:
                misses.append(f"   {name} {key}: {fields[key]} read as {got.get(key)!r}")
    for key in of:
        print(f"{key[0]}, {key[1]}, {key[2]}: {percent(right[key], of[key])}")
    for kind, seconds in spent.items():
        print(f"{kind[0]}, {kind[1]}: {sorted(seconds)[len(seconds) // 2]:.2f} s of CPU a picture (median)")
    print("\n".join(["misses:", *misses] if misses else ["no misses"]))


def main(folders: list[str]) -> int:
    known = 0
    for folder in map(Path, folders):
        for mark, measure in (("pairs.csv", faces), ("expected.json", papers)):
            if (folder / mark).is_file():
                known += 1
                measure(folder)
    if not known:
        print(__doc__, file=sys.stderr)
    return 0 if known else 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
