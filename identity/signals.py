"""
What a machine sees of a face in one frame of a challenge, as a few numbers.

An `Observer` lives for one challenge. It alone holds what is personal (the points of the face that looked ahead, and
its encoding); neither ever leaves the process. `identity.liveness` judges the numbers.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np

from identity import gates, landmarks, yunet
from identity.engines import DEFAULT, engine
from identity.faces import Encoding, average
from identity.landmarks import Mesh, Points
from identity.pictures import Image

LOOKED_AT = (320,)
"""Longest side in which faces are looked for; a face that is large enough to be judged is found at this size."""
COMPARABLE = 0.6
MOST_KEPT = 6
SAME_EVERY = 6
"""Every so many frames the face is compared with the first: twice a second at twelve frames."""
_RIGID = (
    1, 4, 5, 6, 168, 33, 133, 362, 263, 61, 291, 10, 152, 234, 454, 127, 356, 50, 280, 205, 425, 98, 327, 107, 336
)  # fmt: skip
"""Points of the mesh that expressions move little."""
_SKIN = (50, 280, 151, 5)
"""Cheeks, forehead, bridge of the nose."""


@dataclass(frozen=True)
class Signals:
    """One frame. `at`: media seconds. `faces`: how many of note. Without a face the rest is 0 and `same` None.

    `yaw` degrees, to the person's left positive; `pitch` degrees, down negative or positive as the model has it, so
    that only differences count; `mouth` opening over width; `eyes` opening over width; `across` where the iris stands,
    0 to 1; `bent` RMS residual of the best homography from the face that looked ahead, in eye distances: how badly a
    flat sheet would explain the move; `skin`, `wall` mean blue, green, red of the face and of the picture's edges;
    `same` likeness with the face that looked ahead (SFace, -1 to 1), where it was asked; `width` pixels.
    """

    at: float
    faces: int
    yaw: float = 0.0
    pitch: float = 0.0
    mouth: float = 0.0
    eyes: float = 0.0
    across: float = 0.5
    bent: float = 0.0
    skin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    wall: tuple[float, float, float] = (0.0, 0.0, 0.0)
    same: float | None = None
    width: float = 0.0
    gates: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def signals(told: dict[str, Any]) -> Signals:
    """What `as_json` gave, also after JSON made lists of its tuples."""
    known = {one.name for one in fields(Signals)}
    made: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in told.items() if key in known
    }
    return Signals(**made)


class Observer:
    """Frames of one person in the order they came."""

    def __init__(self, engine_name: str = DEFAULT) -> None:
        self._engine = engine(engine_name)
        self._ahead: list[Points] = []
        self._first: list[Encoding] = []
        self._seen = 0

    def observe(self, image: Image, at: float, *, ahead: bool = False) -> Signals:
        """The signals of a (H, W, 3) uint8 BGR frame. `ahead`: the person was asked to look ahead; such frames are what
        the others are compared with."""
        found = yunet.find(image, LOOKED_AT)
        wall = _mean(np.concatenate([image[:, : image.shape[1] // 12], image[:, -image.shape[1] // 12 :]], axis=1))
        if not found:
            return Signals(at, 0, wall=wall)
        face, count = found[0], sum(one.width >= COMPARABLE * found[0].width for one in found)
        mesh = landmarks.mesh(image, face)
        if mesh is None:
            return Signals(at, 0, wall=wall)
        seen, eyes = gates.measured(image, face), landmarks.eyes(image, mesh)
        if ahead and len(self._ahead) < MOST_KEPT and not seen.reasons and count == 1:
            self._ahead.append(_framed(mesh))
            self._first.append(self._engine.encode_face(image, face))
        same = None
        self._seen += 1
        if self._first and not ahead and not seen.reasons and self._seen % SAME_EVERY == 0:
            mean = average(self._first, unit=self._engine.unit)
            same = self._engine.score(mean, self._engine.encode_face(image, face)).value
        along, down = mesh.local[454] - mesh.local[234], mesh.local[152] - mesh.local[10]
        lips = mesh.local[[13, 14, 61, 291], :2]
        return Signals(
            at=at,
            faces=count,
            yaw=_degrees(along[2], along[0]),
            pitch=_degrees(down[2], down[1]),
            mouth=float(np.linalg.norm(lips[0] - lips[1]) / max(float(np.linalg.norm(lips[2] - lips[3])), 1e-6)),
            eyes=eyes.open,
            across=eyes.across,
            bent=self._bent(mesh),
            skin=_skin(image, mesh),
            wall=wall,
            same=same,
            width=face.width,
            gates=seen.reasons,
        )

    def _bent(self, mesh: Mesh) -> float:
        if not self._ahead:
            return 0.0
        before, now = np.mean(self._ahead, axis=0), _framed(mesh)
        found, _mask = cv2.findHomography(before.astype(np.float32), now.astype(np.float32), 0)
        if found is None:
            return 0.0
        flat = cv2.perspectiveTransform(before[None].astype(np.float32), found)[0]
        return float(np.sqrt(((flat - now) ** 2).sum(1).mean()))


def best(seen: Sequence[Signals], count: int) -> list[int]:
    """Indices of the frames to compare with a portrait: through every gate, one face, and the most alike in pose to
    looking ahead; spread over time, so that they are not one moment five times."""
    good = [index for index, one in enumerate(seen) if one.faces == 1 and not one.gates]
    if not good:
        return []
    middle = float(np.median([seen[index].yaw for index in good]))
    parts = np.array_split(np.array(good), min(count, len(good)))
    return [int(min(part, key=lambda index: abs(seen[index].yaw - middle))) for part in parts]


def _framed(mesh: Mesh) -> Points:
    """The rigid points in eye distances from their middle."""
    points = mesh.points[list(_RIGID)]
    framed: Points = (points - points.mean(0)) / max(mesh.apart, 1e-6)
    return framed


def _skin(image: Image, mesh: Mesh) -> tuple[float, float, float]:
    half = max(2, round(0.09 * mesh.apart))
    spots = []
    for x, y in mesh.points[list(_SKIN)].round().astype(int):
        spot = image[max(0, y - half) : max(0, y + half), max(0, x - half) : max(0, x + half)]
        if spot.size:
            spots.append(spot.reshape(-1, 3).mean(0))
    blue, green, red = np.mean(spots, axis=0) if spots else (0.0, 0.0, 0.0)
    return float(blue), float(green), float(red)


def _mean(part: Image) -> tuple[float, float, float]:
    blue, green, red = cv2.mean(part)[:3]
    return blue, green, red


def _degrees(deep: float, along: float) -> float:
    return float(np.degrees(np.arctan2(deep, along)))
