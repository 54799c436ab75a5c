"""
`face_recognition` (dlib's ResNet) as a second opinion, with thresholds of its own.

At its usual distance 0.6 it takes two different East Asian people for one 40 times in 100, so 0.6 is never used.
Its five-point landmarks are used. The package loads its 68-point file whatever one asks for, and that file's
training data excludes commercial use: it is loaded, never run, and an office that minds leaves the package out;
this engine is then absent and nothing else changes.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.ImageFile

from identity import yunet
from identity.faces import Encoding, Score, Step, graded, same_engine
from identity.pictures import Image
from identity.weights import DLIB_FACE, DLIB_FIVE_POINTS, verified
from identity.yunet import Face

for _file in (DLIB_FACE, DLIB_FIVE_POINTS):  # before the import: it is the import that loads them
    verified(_file)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its models package imports pkg_resources
    import face_recognition
PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False  # the import turned it on for the whole process


class Dlib5:
    """1 minus the distance of two 128-d vectors, so that higher is more alike; 0.60 is distance 0.40."""

    name = "face_recognition"
    version = "1.3.0-5points"
    model_sha256 = DLIB_FACE.sha256
    unit = False
    thresholds: Mapping[str, float] = {"default": 0.60, "strong": 0.60, "doubtful": 0.50, "dissent": 0.45}
    _steps: tuple[Step, ...] = (Step(0.60, "strong", 0.003), Step(0.50, "doubtful", None))
    _source = "card portrait against VP8 frames, 61 East Asian people of LFW, 286 same and 26,120 different pairs; see docs/identity-figures.md"

    def use(self, steps: Sequence[Step], thresholds: Mapping[str, float], source: str) -> None:
        self._steps, self.thresholds, self._source = tuple(steps), thresholds, source

    def encode(self, image: Image) -> Encoding:
        return self.encode_face(image, yunet.only(image))

    def encode_face(self, image: Image, face: Face) -> Encoding:
        # YuNet's box instead of dlib's HOG: cheaper, and HOG loses faces in low light.
        x, y, wide, high = (round(v) for v in face.box)
        place = (max(y, 0), min(x + wide, image.shape[1]), min(y + high, image.shape[0]), max(x, 0))
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        vector = face_recognition.face_encodings(rgb, [place], num_jitters=1, model="small")[0]
        return Encoding(self.name, np.asarray(vector, np.float64))

    def score(self, a: Encoding, b: Encoding) -> Score:
        same_engine(self.name, a, b)
        value = 1.0 - float(np.linalg.norm(a.vector - b.vector))
        return graded(self.name, value, self.thresholds["default"], self._steps, self._source)
