"""Is a frame good enough to be scored: light, sharpness, size, one face that looks ahead. Each failure has a key for words."""

from dataclasses import dataclass

import cv2
import numpy as np

from identity import yunet
from identity.errors import ManyFaces, NoFace
from identity.pictures import Image
from identity.yunet import Face

# Limits lie between good frames and made worse ones; figures in docs/identity-figures.md. Low light is the one that
# costs most: it raised false rejects from 6 % to 23 %, so a lamp is asked for before anything is scored.
LEAST_WIDTH = 60.0
LEAST_LIGHT = 60.0
MOST_LIGHT = 230.0
LEAST_CONTRAST = 12.0
LEAST_SHARPNESS = 0.014
MOST_TURN = 0.30


@dataclass(frozen=True)
class Gates:
    """What was measured on the largest face and why it is not used.

    `reasons`: keys for words out of no-face, many-faces, too-small, too-dark, too-bright, too-flat, blurred,
    turned-away; empty means good. `width` pixels; `light` mean and `contrast` standard deviation of the face's
    brightness, 0 to 255; `sharpness` Laplacian variance over brightness variance, no unit; `turn` distance of the
    nose from the line between the eyes' middle and the mouth, in eye distances.
    """

    reasons: tuple[str, ...]
    width: float = 0.0
    light: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    turn: float = 0.0

    @property
    def good(self) -> bool:
        return not self.reasons


def look(image: Image) -> tuple[Gates, Face | None]:
    """The gates of one frame, and its face if there is exactly one of note."""
    try:
        face = yunet.only(image)
    except NoFace:
        return Gates(("no-face",)), None
    except ManyFaces:
        return Gates(("many-faces",)), None
    return measured(image, face), face


def gates(image: Image) -> Gates:
    """The gates of one (H, W, 3) uint8 BGR frame."""
    return look(image)[0]


def measured(image: Image, face: Face) -> Gates:
    # The middle of the straightened face: neither hair nor background counts as light.
    crop = cv2.cvtColor(yunet.straighten(image, face), cv2.COLOR_BGR2GRAY)[20:105, 20:92]
    light, contrast = float(crop.mean()), float(crop.std())
    edges = cv2.Laplacian(cv2.GaussianBlur(crop, (3, 3), 0), cv2.CV_64F)
    sharpness = float(edges.var()) / max(contrast**2, 1.0)
    eyes = face.points[1] - face.points[0]
    apart = max(float(np.linalg.norm(eyes)), 1e-9)
    turn = abs(float((face.points[2] - face.points[:2].mean(0)) @ eyes)) / apart**2
    found = (
        ("too-small", face.width < LEAST_WIDTH),
        ("too-dark", light < LEAST_LIGHT),
        ("too-bright", light > MOST_LIGHT),
        ("too-flat", contrast < LEAST_CONTRAST),
        ("blurred", sharpness < LEAST_SHARPNESS),
        ("turned-away", turn > MOST_TURN),
    )
    return Gates(tuple(key for key, bad in found if bad), face.width, light, contrast, sharpness, turn)
