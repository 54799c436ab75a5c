"""
What a face engine is worth on an office's own pairs: error rates with intervals, by group, and thresholds of its own.

Pure arithmetic over scores. FAR: share of pairs of two people that reach a threshold; FRR: share of pairs of one person that
do not (ISO/IEC 19795-1 calls them FMR and FNMR where, as here, no attempt is repeated). Intervals are 95 % by Wilson (1927) and take
pairs for independent, which pairs that share a picture are not: they are wider in truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from identity.faces import Band, Step

Z = 1.959964
FARS = (0.01, 0.001, 0.0001)
BANDS: tuple[tuple[Band, float], ...] = (("strong", 0.0001), ("support", 0.001), ("doubtful", 0.01))
"""A band begins where at most this share of different people is accepted, or, where the pairs cannot show so small a
share, where none of them is."""


@dataclass(frozen=True)
class Share:
    """`hits` of `of`, with its 95 % interval, each 0 to 1."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        return self.hits / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.of:
            return 0.0, 1.0
        share, scale = self.hits / self.of, 1 + Z * Z / self.of
        middle = (share + Z * Z / (2 * self.of)) / scale
        half = Z * math.sqrt(share * (1 - share) / self.of + Z * Z / (4 * self.of**2)) / scale
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{100 * self.value:.2f} % [{100 * low:.2f}–{100 * high:.2f}] ({self.hits}/{self.of})" if self.of else "–"
        )


@dataclass(frozen=True)
class Scores:
    """Scores of pairs of one person and of two, higher is more alike. A pair in which no face was found counts as
    below every threshold: minus infinity."""

    same: tuple[float, ...]
    different: tuple[float, ...]

    def far(self, threshold: float) -> Share:
        return Share(sum(value >= threshold for value in self.different), len(self.different))

    def frr(self, threshold: float) -> Share:
        return Share(sum(value < threshold for value in self.same), len(self.same))

    def threshold(self, far: float) -> float:
        """The lowest threshold that at most `far` of the different pairs reach."""
        ranked = sorted(self.different, reverse=True)
        passing = math.floor(far * len(ranked))
        return math.nextafter(ranked[passing], math.inf) if passing < len(ranked) else -math.inf

    def shows(self, far: float) -> bool:
        """Whether there are pairs enough to speak of so small a share at all: three expected (the rule of three)."""
        return len(self.different) * far >= 3

    def equal_error(self) -> float:
        """Where FAR and FRR meet (EER), 0 to 1."""
        points = [(self.far(t).value, self.frr(t).value) for t in self._thresholds()]
        return min(((abs(far - frr), (far + frr) / 2) for far, frr in points), default=(0.0, math.nan))[1]

    def curve(self, most: int = 400) -> list[tuple[float, float]]:
        """(FAR, FRR) along the thresholds: the DET curve's points, at most about `most`."""
        thresholds = self._thresholds()
        step = max(1, len(thresholds) // most)
        return [(self.far(t).value, self.frr(t).value) for t in thresholds[::step]]

    def _thresholds(self, most: int = 2000) -> list[float]:
        values = sorted({v for v in (*self.same, *self.different) if math.isfinite(v)})
        return values[:: max(1, len(values) // most)]


def steps(scores: Scores) -> tuple[Step, ...]:
    """Bands for these pairs, highest first. What a step says of false accepts is the upper end of its interval: it may be
    less, it is hardly more. ValueError: no pairs of one kind.
    """
    if not scores.same or not scores.different:
        raise ValueError("pairs of one person and pairs of two are both needed")
    found: list[Step] = []
    for band, far in BANDS:
        at = round(math.ceil(1000 * max(scores.threshold(far), -1.0)) / 1000, 3)
        if found and at >= found[-1].at_least:
            at = round(found[-1].at_least - 0.001, 3)
        found.append(Step(at, band, round(scores.far(at).interval[1], 6)))
    return tuple(found)


def too_few(scores: Scores) -> list[str]:
    """What these pairs cannot show, in words for whoever reads the thresholds."""
    return [
        f"FAR {100 * far:g} % needs {math.ceil(3 / far):,} pairs of two people, there are {len(scores.different):,}"
        for far in FARS
        if not scores.shows(far)
    ]


def groups_apart(by_group: dict[str, Scores], threshold: float) -> list[str]:
    """Groups whose false accepts at `threshold` lie above another's with intervals that do not touch."""
    rates = {name: scores.far(threshold) for name, scores in by_group.items() if scores.different}
    lowest = min(rates, key=lambda name: rates[name].value, default="")
    return [name for name, rate in rates.items() if name != lowest and rate.interval[0] > rates[lowest].interval[1]]


def histogram(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    """Counts in `bins` equal steps; what lies outside counts in the outermost."""
    counts = [0] * bins
    for value in values:
        at = int((value - low) / (high - low) * bins) if math.isfinite(value) else 0
        counts[min(bins - 1, max(0, at))] += 1
    return counts
