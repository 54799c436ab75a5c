"""Where the faces are: YuNet (OpenCV Zoo, MIT), five points a face."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from identity.errors import ManyFaces, NoFace
from identity.pictures import Image
from identity.weights import YUNET, verified

_CONFIDENCE = 0.6
_SIDES = (640, 1280)
"""Longest side in pixels that is looked at; the second only where the first showed nobody (a card on a table)."""
_COMPARABLE = 0.6
"""A second face of at least this share of the first one's width is another person, not somebody behind."""

# Where eyes, nose and mouth corners stand in a 112 x 112 crop (ArcFace's template, which SFace was trained on).
_PLACES = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


@dataclass(frozen=True, eq=False)
class Face:
    """`box` x, y, width, height in pixels of the picture; `points` (5, 2): eyes, nose, mouth corners, the
    person's right side first; `confidence` 0 to 1."""

    box: tuple[float, float, float, float]
    points: npt.NDArray[np.float64]
    confidence: float

    @property
    def width(self) -> float:
        return self.box[2]


@cache
def _detector() -> Any:
    return cv2.FaceDetectorYN.create(str(verified(YUNET)), "", (320, 320), _CONFIDENCE, 0.3, 50)


def ready() -> None:
    """Loads the model now instead of at the first picture."""
    _detector()


def find(image: Image, sides: tuple[int, ...] = _SIDES) -> list[Face]:
    """All faces of a (H, W, 3) uint8 BGR picture, the largest first; looked for at each of `sides` until one is found."""
    high, wide = image.shape[:2]
    for side in sides:
        scale = min(1.0, side / max(high, wide))
        small = image
        if scale < 1:
            small = cv2.resize(image, (round(wide * scale), round(high * scale)), interpolation=cv2.INTER_AREA)
        _detector().setInputSize((small.shape[1], small.shape[0]))
        rows = _detector().detect(np.ascontiguousarray(small))[1]
        if rows is not None and len(rows):
            faces = [
                Face(
                    (float(row[0] / scale), float(row[1] / scale), float(row[2] / scale), float(row[3] / scale)),
                    row[4:14].reshape(5, 2).astype(np.float64) / scale,
                    float(row[14]),
                )
                for row in rows
            ]
            return sorted(faces, key=lambda face: -face.box[2] * face.box[3])
        if scale == 1:
            break
    return []


def largest(image: Image) -> Face:
    """The largest face. Raises NoFace."""
    faces = find(image)
    if not faces:
        raise NoFace("no face was found")
    return faces[0]


def only(image: Image) -> Face:
    """The one face in front of the camera. Raises NoFace, or ManyFaces where a second one is of comparable size."""
    faces = find(image)
    if not faces:
        raise NoFace("no face was found")
    if any(face.width >= _COMPARABLE * faces[0].width for face in faces[1:]):
        raise ManyFaces("more than one face was found")
    return faces[0]


def straighten(image: Image, face: Face) -> Image:
    """The face as a (112, 112, 3) crop with its five points where the template has them (Umeyama 1991)."""
    ours, theirs = face.points - face.points.mean(0), _PLACES - _PLACES.mean(0)
    u, spread, vt = np.linalg.svd(theirs.T @ ours / len(ours))
    sign = np.array([1.0, -1.0 if np.linalg.det(theirs.T @ ours) < 0 else 1.0])
    turn = u @ np.diag(sign) @ vt
    scale = (spread * sign).sum() / max((ours**2).sum(), 1e-9) * len(ours)
    shift = _PLACES.mean(0) - scale * turn @ face.points.mean(0)
    crop: Image = cv2.warpAffine(image, np.c_[scale * turn, shift].astype(np.float32), (112, 112))
    return crop
