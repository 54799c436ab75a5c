"""
Faces as numbers, and what a likeness is worth.

An engine turns one face into an `Encoding` and two encodings into a `Score`. A score is advice to a notary and
never a verdict: it says which band it lies in and how often two *different* people reach it (false accepts),
not a percentage of likeness. The default threshold is an engine's own; none is shared between engines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from identity import yunet
from identity.errors import NoFace
from identity.pictures import Image
from identity.yunet import Face

Band = Literal["strong", "support", "doubtful", "against"]


@dataclass(frozen=True, eq=False, repr=False)
class Encoding:
    """One face as `vector`, shape (128,) float64, by the engine named. Never leaves the process: a template of
    a face is sensitive personal information (PIPL art. 28), so it is not shown by repr either."""

    engine: str
    vector: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """From score `at_least` up: the band, and the share of pairs of different people that reach it
    (`false_accepts`, 0 to 1; None where nobody measured it)."""

    at_least: float
    band: Band
    false_accepts: float | None


@dataclass(frozen=True)
class Score:
    """`value`: higher is more alike. `false_accepts`: how often different people score this step or higher, as
    measured in `source`. None: below every measured step."""

    engine: str
    value: float
    threshold: float
    band: Band
    false_accepts: float | None
    source: str

    @property
    def reached(self) -> bool:
        return self.value >= self.threshold


class Engine(Protocol):
    """What every face engine offers; `identity.engines` lists those that stand here."""

    name: str
    version: str
    model_sha256: str
    thresholds: Mapping[str, float]
    """`default`; where the bands `strong` and `doubtful` begin; `dissent`: as a second opinion, below it says no."""
    unit: bool
    """Whether its vectors have length 1, so that an average is scaled back."""

    def use(self, steps: Sequence[Step], thresholds: Mapping[str, float], source: str) -> None:
        """An office's own bands from now on."""
        ...

    def encode(self, image: Image) -> Encoding:
        """The one face of a (H, W, 3) uint8 BGR picture. Raises NoFace, ManyFaces."""
        ...

    def encode_face(self, image: Image, face: Face) -> Encoding:
        """A face already found in `image`."""
        ...

    def score(self, a: Encoding, b: Encoding) -> Score:
        """How alike two encodings of this engine are. ValueError on another engine's."""
        ...


def graded(engine: str, value: float, threshold: float, steps: Sequence[Step], source: str) -> Score:
    """A score in its band; `steps` from the highest to the lowest."""
    for step in steps:
        if value >= step.at_least:
            return Score(engine, value, threshold, step.band, step.false_accepts, source)
    return Score(engine, value, threshold, "against", None, source)


def same_engine(name: str, a: Encoding, b: Encoding) -> None:
    """ValueError unless both encodings are the engine's own: vectors of two models do not compare."""
    if not a.engine == b.engine == name:
        raise ValueError(f"{name} cannot compare {a.engine} with {b.engine}")


def average(encodings: Sequence[Encoding], unit: bool) -> Encoding:
    """The mean of several encodings of one person by one engine; `unit` scales it back to length 1.

    Three pictures averaged cut the false rejects of one picture to an eighth on photographs. ValueError: none given,
    or of several engines.
    """
    if not encodings:
        raise ValueError("no encodings to average")
    engines = {encoding.engine for encoding in encodings}
    if len(engines) != 1:
        raise ValueError(f"encodings of several engines: {sorted(engines)}")
    mean = np.mean([encoding.vector for encoding in encodings], axis=0)
    if unit:
        mean = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return Encoding(engines.pop(), mean)


def portrait(card: Image) -> Image:
    """The portrait of a card or a passport's page, upright, with a margin, as (H, W, 3) uint8 BGR.

    The largest face counts: passports repeat it small. A card photographed sideways is turned. Raises NoFace.
    """
    best: tuple[float, Image] | None = None
    for turn in (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180):
        turned: Image = card if turn is None else cv2.rotate(card, turn)
        # A face lying on its side is found too, with its points guessed: the surest of the four ways is upright.
        face = next(iter(yunet.find(turned)), None)
        if face and _upright(face) and (best is None or face.confidence > best[0]):
            best = face.confidence, _crop(turned, face)
    if best is None:
        raise NoFace("no portrait was found")
    return best[1]


def _upright(face: Face) -> bool:
    """Mouth below the eyes, by more than it lies beside them."""
    down = face.points[3:].mean(0) - face.points[:2].mean(0)
    return bool(down[1] > abs(down[0]))


def _crop(image: Image, face: Face) -> Image:
    x, y, wide, high = face.box
    left, right = x - 0.45 * wide, x + 1.45 * wide
    top, bottom = y - 0.5 * high, y + 1.4 * high
    rows = slice(max(0, round(top)), min(image.shape[0], round(bottom)))
    columns = slice(max(0, round(left)), min(image.shape[1], round(right)))
    return np.ascontiguousarray(image[rows, columns])
