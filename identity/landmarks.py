"""
468 points of a face and the eyes' lids and irises: MediaPipe's face mesh and iris models (Apache-2.0), each run by itself.

Only the two files of the wheel are opened; its own code is never imported.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identity.pictures import Image
from identity.weights import FACE_MESH, IRIS, Weights, verified
from identity.yunet import Face

Points = npt.NDArray[np.float64]

_MESH_SIDE, _EYE_SIDE = 192, 64
_AROUND_FACE, _AROUND_EYE = 1.5, 2.3
"""How much of its surroundings a crop holds: the scales that the models were trained with."""
_SURE = 0.5
_EYES_OF_HEIGHT = 0.56
"""Outer corners of the eyes from the front, in heights from the forehead's top to the chin."""
_RIGHT_EYE, _LEFT_EYE = (33, 133), (362, 263)
"""Corners of the person's right and left eye, in the picture from left to right."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """`points` (468, 2) in pixels of the picture; `local` (468, 3) in the model's crop, upright, z towards the camera
    negative; `sure` 0 to 1."""

    points: Points
    local: Points
    sure: float

    @property
    def apart(self) -> float:
        """Distance of the eyes' outer corners in pixels, as it would be from the front: the face's height stands in for
        it where a turn shortens it."""
        across = float(np.linalg.norm(self.points[263] - self.points[33]))
        return max(across, _EYES_OF_HEIGHT * float(np.linalg.norm(self.points[152] - self.points[10])))


@dataclass(frozen=True)
class Eyes:
    """Mean of both eyes. `open`: height over width of the opening. `across`: where the iris stands between the
    corners, 0 left and 1 right in the picture."""

    open: float
    across: float


class _Net:
    def __init__(self, weights: Weights) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._run = Interpreter(str(verified(weights)), num_threads=1)
        self._run.allocate_tensors()
        self._into: int = self._run.get_input_details()[0]["index"]
        self._out: list[dict[str, Any]] = self._run.get_output_details()

    def __call__(self, crop: Image) -> list[Points]:
        """The outputs of one square crop, the longest first."""
        self._run.set_tensor(self._into, (crop[None, :, :, ::-1].astype(np.float32) / 255.0))
        self._run.invoke()
        made = [np.asarray(self._run.get_tensor(one["index"]).ravel(), np.float64) for one in self._out]
        return sorted(made, key=len, reverse=True)


@cache
def _mesh_net() -> _Net:
    return _Net(FACE_MESH)


@cache
def _iris_net() -> _Net:
    return _Net(IRIS)


def ready() -> None:
    """Loads both models now instead of at the first frame."""
    _mesh_net()
    _iris_net()


def _crop(image: Image, centre: Points, side: float, towards: Points, pixels: int) -> tuple[Image, Points]:
    """A square of `side` pixels around `centre`, turned so that `towards` points right; and the way back."""
    angle = float(np.degrees(np.arctan2(towards[1], towards[0])))
    there = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, pixels / max(side, 1e-6))
    there[:, 2] += pixels / 2 - centre
    made: Image = cv2.warpAffine(image, there, (pixels, pixels))
    return made, np.asarray(cv2.invertAffineTransform(there), np.float64)


def mesh(image: Image, face: Face) -> Mesh | None:
    """The mesh over a face that YuNet found; None where the model sees none there."""
    x, y, wide, high = face.box
    centre = np.array([x + wide / 2, y + high / 2])
    crop, back = _crop(image, centre, _AROUND_FACE * max(wide, high), face.points[1] - face.points[0], _MESH_SIDE)
    points, flag = _mesh_net()(crop)[:2]
    sure = float(1 / (1 + np.exp(-flag[0])))
    if sure < _SURE:
        return None
    local = points[:1404].reshape(468, 3)
    return Mesh(np.c_[local[:, :2], np.ones(468)] @ back.T, local, sure)


def eyes(image: Image, found: Mesh) -> Eyes:
    """The mesh's own lids hardly move in a blink; the iris model's do."""
    each = [_eye(image, found.points[a], found.points[b], mirrored=a == 362) for a, b in (_RIGHT_EYE, _LEFT_EYE)]
    return Eyes(sum(one.open for one in each) / 2, sum(one.across for one in each) / 2)


def _eye(image: Image, a: Points, b: Points, *, mirrored: bool) -> Eyes:
    crop, _back = _crop(image, (a + b) / 2, _AROUND_EYE * float(np.linalg.norm(b - a)), b - a, _EYE_SIDE)
    if mirrored:  # the model knows right eyes
        crop = np.ascontiguousarray(crop[:, ::-1])
    lids, iris = (one.reshape(-1, 3)[:, :2] for one in _iris_net()(crop)[:2])
    corners = lids[8] - lids[0]
    wide = max(float(np.linalg.norm(corners)), 1e-6)
    gap = float(np.linalg.norm(lids[1:8] - lids[9:16], axis=1).mean())
    across = float((iris[0] - lids[0]) @ corners) / wide**2
    return Eyes(gap / wide, 1 - across if mirrored else across)
