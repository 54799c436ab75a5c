"""
A reference portrait against frames of an interview, by the leading engine and a second opinion.

What comes out is advice (`supports`, `doubtful`, `against`, `none`) with everything it rests on. It never passes or
fails anybody; the notary decides, and a decision against the advice needs a reason (requirement B07).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from identity.engines import NAMES, engine
from identity.errors import NoEngine, NoFace
from identity.faces import Encoding, Engine, average
from identity.gates import Gates, look, measured
from identity.pictures import Image
from identity.yunet import Face, largest

Advice = Literal["supports", "doubtful", "against", "none"]
MOST_PROBES = 12
MOST_USED = 5
_NARROW = 0.10
"""A lead less than this above its threshold gives way to a second opinion that is against."""

_MEANS: dict[str, Advice] = {
    "strong": "supports",
    "support": "supports",
    "doubtful": "doubtful",
    "against": "against",
}


@dataclass(frozen=True)
class Frame:
    """One probe: its gates, whether it was used, and the leading engine's score of it alone (None if unused)."""

    index: int
    used: bool
    reasons: tuple[str, ...]
    width: float
    light: float
    sharpness: float
    value: float | None


@dataclass(frozen=True)
class Opinion:
    """One engine's score of the mean of the used frames, with all that B07 asks to be kept.

    `value` higher is more alike; `lowest`: the worst frame by itself; `false_accepts` 0 to 1 or None.
    """

    engine: str
    version: str
    model_sha256: str
    value: float
    lowest: float
    threshold: float
    thresholds: dict[str, float]
    band: str
    false_accepts: float | None
    source: str


@dataclass(frozen=True)
class Comparison:
    """`notes`: keys for words beside the advice: engines-differ, frames-differ, narrow, reference-<gate>,
    second-opinion-missing, no-good-frame."""

    advice: Advice
    opinions: tuple[Opinion, ...]
    frames: tuple[Frame, ...]
    frames_used: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(reference: Image, probes: Sequence[Image], engines: Sequence[str] = NAMES) -> Comparison:
    """`reference`: the portrait (its largest face counts). `probes`: 1 to 12 frames, (H, W, 3) uint8 BGR; the best
    five that pass the gates are averaged. The first engine leads; a second one may be absent.

    Raises NoFace (none in the reference), NoEngine (the lead is absent), ValueError (no or too many probes).
    """
    if not 1 <= len(probes) <= MOST_PROBES:
        raise ValueError(f"give 1 to {MOST_PROBES} probes, not {len(probes)}")
    if not engines:
        raise ValueError("name at least one engine")
    try:
        portrait = largest(reference)
    except NoFace:
        raise NoFace("no face was found in the reference") from None
    lead, others, notes = engine(engines[0]), [], []
    for name in engines[1:]:
        try:
            others.append(engine(name))
        except NoEngine:
            notes.append("second-opinion-missing")
    # A card's portrait is small and pale: only what makes it worthless is worth a word.
    notes += [f"reference-{key}" for key in measured(reference, portrait).reasons if key in ("too-dark", "blurred")]

    seen = [look(probe) for probe in probes]
    used = _best(seen)
    if not used:
        frames = tuple(_frame(index, gates, None) for index, (gates, _) in enumerate(seen))
        return Comparison("none", (), frames, 0, (*notes, "no-good-frame"))
    opinions: list[Opinion] = []
    alone: dict[int, float] = {}
    for each in (lead, *others):
        opinion, values = _opinion(each, each.encode_face(reference, portrait), [(probes[i], seen[i][1]) for i in used])
        opinions.append(opinion)
        alone = alone or dict(zip(used, values, strict=True))
    advice, more = _advice(opinions)
    frames = tuple(_frame(index, gates, alone.get(index)) for index, (gates, _) in enumerate(seen))
    return Comparison(advice, tuple(opinions), frames, len(used), (*notes, *more))


def _best(seen: Sequence[tuple[Gates, Face | None]]) -> list[int]:
    """Indices of the best frames: facing ahead first, then large and sharp; in the order they came."""
    good = [index for index, (gates, face) in enumerate(seen) if face is not None and gates.good]
    good.sort(key=lambda i: (seen[i][0].turn > 0.15, -min(seen[i][0].width, 160.0) * min(seen[i][0].sharpness, 0.1)))
    return sorted(good[:MOST_USED])


def _opinion(
    by: Engine, reference: Encoding, frames: Sequence[tuple[Image, Face | None]]
) -> tuple[Opinion, list[float]]:
    encodings = [by.encode_face(image, face) for image, face in frames if face is not None]
    values = [by.score(reference, each).value for each in encodings]
    score = by.score(reference, average(encodings, unit=by.unit))
    return Opinion(
        engine=by.name,
        version=by.version,
        model_sha256=by.model_sha256,
        value=score.value,
        lowest=min(values),
        threshold=score.threshold,
        thresholds=dict(by.thresholds),
        band=score.band,
        false_accepts=score.false_accepts,
        source=score.source,
    ), values


def _advice(opinions: Sequence[Opinion]) -> tuple[Advice, list[str]]:
    lead, others = opinions[0], opinions[1:]
    advice: Advice = _MEANS[lead.band]
    notes = []
    if advice == "supports":
        # An average of two people would resemble both; so no frame may be against by itself.
        if lead.lowest < lead.thresholds["doubtful"]:
            advice = "doubtful"
            notes.append("frames-differ")
        if any(other.value < other.thresholds["dissent"] for other in others):
            notes.append("engines-differ")
            if lead.value < lead.threshold + _NARROW:
                advice = "doubtful"
                notes.append("narrow")
    elif any(other.band == "strong" for other in others):
        notes.append("engines-differ")
    return advice, notes


def _frame(index: int, gates: Gates, value: float | None) -> Frame:
    return Frame(index, value is not None, gates.reasons, gates.width, gates.light, gates.sharpness, value)
