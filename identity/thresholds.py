"""
An office's own bands, made by `python -m identity calibrate` and named by IDENTITY_THRESHOLDS.

A file is for one engine and one model file; for any other it is refused, since a score of another model means something else.
"""

import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from identity.errors import BadThresholds
from identity.faces import Step

VARIABLE = "IDENTITY_THRESHOLDS"
FORMAT = "yuanzheng-thresholds/1"
BANDS = ("strong", "support", "doubtful")


@dataclass(frozen=True)
class Thresholds:
    """`steps`: strong, support, doubtful, falling. `source`: on what they were measured."""

    engine: str
    model_sha256: str
    steps: tuple[Step, ...]
    source: str

    def named(self) -> Mapping[str, float]:
        """As an engine calls them: its default is where support begins; as a second opinion it dissents below doubtful."""
        strong, support, doubtful = (step.at_least for step in self.steps)
        return {"default": support, "strong": strong, "doubtful": doubtful, "dissent": doubtful}


def read(path: Path) -> Thresholds:
    """Raises BadThresholds."""
    try:
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        steps = tuple(Step(float(s["at_least"]), s["band"], float(s["false_accepts"])) for s in told["steps"])
        found = Thresholds(str(told["engine"]), str(told["model_sha256"]), steps, str(told["source"]))
        bands, format_ = tuple(step.band for step in steps), told["format"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise BadThresholds(f"{path.name} is no file of thresholds ({type(wrong).__name__})") from None
    falling = all(a.at_least > b.at_least for a, b in itertools.pairwise(steps))
    if format_ != FORMAT or bands != BANDS or not falling or not all(0 <= (s.false_accepts or 0) <= 1 for s in steps):
        raise BadThresholds(
            f"{path.name}: the bands strong, support and doubtful must stand there, each below the last"
        )
    return found


def installed() -> dict[str, Thresholds]:
    """By engine, from the files that the environment names, comma between. Raises BadThresholds."""
    paths = [Path(one) for one in os.environ.get(VARIABLE, "").split(",") if one.strip()]
    found = [read(path) for path in paths]
    if len({one.engine for one in found}) != len(found):
        raise BadThresholds("two files of thresholds for one engine")
    return {one.engine: one for one in found}
