"""
python -m identity compare A B [--engine E] [--json]
python -m identity compare --pairs P.csv [--engine E] [--json]
python -m identity read IMAGE... [--json]
python -m identity calibrate PAIRS.csv OUT [--engine E]

Compares faces and reads identity documents by themselves: no office, no network, nothing kept. Several probes are joined
by `|` and averaged. `calibrate` takes pairs with a column `same` (1 or 0) and, if there is one, `group`, and writes
OUT/report.html and OUT/thresholds.json, which IDENTITY_THRESHOLDS installs. Exit: 0 answered, 1 a picture of a list is not there, 2 no answer (no face, no document),
64 usage.
"""

import argparse
import csv
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

from identity import documents, gates, report, yunet
from identity.calibration import Scores
from identity.engines import DEFAULT, NAMES, engine
from identity.errors import IdentityError, NoFace, Unreadable
from identity.faces import Encoding, average
from identity.pictures import Image, decode

USAGE = 64


def _open(path: Path) -> Image:
    try:
        return decode(path.read_bytes())
    except OSError as problem:
        raise Unreadable(f"{path} does not open: {problem.strerror}") from problem


class Comparer:
    """One engine over a list: each picture is opened and encoded once, however many pairs it stands in."""

    def __init__(self, name: str, folder: Path) -> None:
        self.engine, self._folder = engine(name), folder
        self._known: dict[str, tuple[Encoding, bool] | IdentityError] = {}

    def side(self, names: str) -> Encoding:
        """The face of one picture, or the mean of several joined by `|`: of those that pass the gates, or, where
        none does, of all that show a face. The largest face of each counts. Raises NoFace, Unreadable."""
        seen = [self._encoded(name) for name in names.split("|")]
        if any(isinstance(each, Unreadable) for each in seen):
            raise next(each for each in seen if isinstance(each, Unreadable))
        faces = [each for each in seen if not isinstance(each, IdentityError)]
        if not faces:
            raise NoFace("no face was found")
        best = [encoding for encoding, good in faces if good] or [encoding for encoding, _ in faces]
        return best[0] if len(best) == 1 else average(best, unit=self.engine.unit)

    def _encoded(self, name: str) -> tuple[Encoding, bool] | IdentityError:
        if name not in self._known:
            try:
                image = _open(self._folder / name)
                face = yunet.largest(image)
                self._known[name] = self.engine.encode_face(image, face), gates.measured(image, face).good
            except IdentityError as refusal:
                self._known[name] = refusal
        return self._known[name]


def compare_two(a: str, b: str, name: str, as_json: bool) -> int:
    comparer = Comparer(name, Path())
    try:
        score = comparer.engine.score(comparer.side(a), comparer.side(b))
    except (NoFace, Unreadable) as refusal:
        if as_json:
            print(json.dumps({"a": a, "b": b, "score": None, "engine": name, "why": refusal.key}, ensure_ascii=False))
        print(refusal, file=sys.stderr)
        return 2
    told = {
        "a": a,
        "b": b,
        "score": round(score.value, 6),
        "engine": name,
        "threshold": score.threshold,
        "band": score.band,
        "false_accepts": score.false_accepts,
        "source": score.source,
        "model_sha256": comparer.engine.model_sha256,
    }
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(f"{name}: {score.value:.3f} ({score.band}; threshold {score.threshold:.2f})")
        if score.false_accepts is not None:
            print(
                f"{100 * score.false_accepts:g} % of different people reach this band's step; measured: {score.source}"
            )
    return 0


def compare_list(pairs: Path, name: str, as_json: bool) -> int:
    comparer, lost = Comparer(name, pairs.parent), 0
    with pairs.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        if not {"a", "b"} <= set(rows.fieldnames or ()):
            print(f"{pairs} has no columns a and b", file=sys.stderr)
            return USAGE
        for row in rows:
            a, b = row["a"] or "", row["b"] or ""
            value = None
            try:
                value = round(comparer.engine.score(comparer.side(a), comparer.side(b)).value, 6)
            except NoFace:
                pass
            except Unreadable as refusal:  # a picture without a face that anybody could find, if it is there at all
                lost += not all((pairs.parent / part).is_file() for part in (a + "|" + b).split("|"))
                print(f"{a}, {b}: {refusal}", file=sys.stderr)
            told = {"a": a, "b": b, "score": value, "engine": name}
            print(json.dumps(told, ensure_ascii=False) if as_json else f"{a}\t{b}\t{value}")
    return 1 if lost else 0


def calibrate(pairs: Path, out: Path, name: str) -> int:
    """Scores every pair once; a pair without a face counts as below every threshold."""
    comparer = Comparer(name, pairs.parent)
    kept: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    with pairs.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        if not {"a", "b", "same"} <= set(rows.fieldnames or ()):
            print(f"{pairs} has no columns a, b and same", file=sys.stderr)
            return USAGE
        for row in rows:
            if row["same"] not in ("0", "1"):
                print(f"{row['a']}, {row['b']}: same must be 1 or 0", file=sys.stderr)
                return USAGE
            try:
                value = comparer.engine.score(comparer.side(row["a"]), comparer.side(row["b"])).value
            except NoFace:
                value = -math.inf
            for group in ("all", row.get("group") or ""):
                if group:
                    kept[group][row["same"] == "0"].append(value)
    by_group = {group: Scores(tuple(same), tuple(different)) for group, (same, different) in kept.items()}
    try:
        report.write(
            out,
            comparer.engine,
            {"all": by_group.pop("all", Scores((), ()))} | by_group,
            pairs.name,
            datetime.now(UTC).date(),
        )
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"{out / 'report.html'}\n{out / 'thresholds.json'}")
    return 0


def read(images: Sequence[str], as_json: bool) -> int:
    lost = 0
    for name in images:
        try:
            told = {"file": name} | documents.read(_open(Path(name))).as_json()
        except IdentityError as refusal:
            lost += 1
            told = {"file": name, "type": None, "why": refusal.key}
        if as_json:
            print(json.dumps(told, ensure_ascii=False), flush=True)
            continue
        checks = told.pop("checks", {})
        print("\n".join(f"{key}: {text}" for key, text in told.items()))
        for key, held in checks.items():
            print(f"  {'not checked' if held is None else 'holds' if held else 'DOES NOT HOLD'}: {key}")
    return 2 if lost else 0


class _Usage(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{message}\n")


def main(words: Sequence[str] | None = None) -> int:
    parser = _Usage(prog="python -m identity", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    comparing = verbs.add_parser("compare", help="how alike two faces are")
    comparing.add_argument("pictures", nargs="*", metavar="A B", help="a reference, and a probe or several joined by |")
    comparing.add_argument("--pairs", type=Path, metavar="P.csv", help="columns a and b; paths relative to the file")
    comparing.add_argument("--engine", default=DEFAULT, choices=NAMES)
    comparing.add_argument("--json", action="store_true")
    reading = verbs.add_parser("read", help="the fields of identity documents")
    reading.add_argument("images", nargs="+", metavar="IMAGE")
    reading.add_argument("--json", action="store_true")
    calibrating = verbs.add_parser("calibrate", help="thresholds for an office's own cameras, with their error rates")
    calibrating.add_argument("pairs", type=Path, metavar="PAIRS.csv", help="columns a, b, same and perhaps group")
    calibrating.add_argument("out", type=Path, metavar="OUT")
    calibrating.add_argument("--engine", default=DEFAULT, choices=NAMES)
    asked = parser.parse_args(words)
    try:
        if asked.verb == "calibrate":
            return calibrate(asked.pairs, asked.out, asked.engine)
        if asked.verb == "read":
            return read(asked.images, asked.json)
        if asked.pairs and not asked.pictures:
            return compare_list(asked.pairs, asked.engine, asked.json)
        if len(asked.pictures) == 2 and not asked.pairs:
            return compare_two(asked.pictures[0], asked.pictures[1], asked.engine, asked.json)
    except (OSError, IdentityError) as problem:
        print(problem, file=sys.stderr)
        return 2
    parser.error("compare takes A B, or --pairs P.csv")
    return USAGE


if __name__ == "__main__":
    sys.exit(main())
