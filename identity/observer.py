"""
Frames of a challenge to signals.

An `Observer` lives for one challenge. It alone holds what is personal (the points of the face that looked ahead, and
its encoding); neither ever leaves the process. `identity.liveness` judges the signals.
"""

import cv2
import numpy as np

from identity import gates, landmarks, yunet
from identity.engines import DEFAULT, engine
from identity.faces import Encoding, average
from identity.landmarks import Mesh, Points
from identity.pictures import Image
from identity.signals import Signals

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


class Observer:
    """Frames of one person in the order they came."""

    def __init__(self, engine_name: str = DEFAULT) -> None:
        self._engine = engine(engine_name)
        yunet.ready()
        landmarks.ready()
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
