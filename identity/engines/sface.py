"""SFace (OpenCV Zoo, Apache-2.0) by OpenCV's own runtime: the leading engine."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from identity import yunet
from identity.faces import Encoding, Score, Step, graded, same_engine
from identity.pictures import Image
from identity.weights import SFACE, verified
from identity.yunet import Face


class SFace:
    """Cosine of two 128-d vectors, -1 to 1; each vector is the sum of the face's crop and its mirror image."""

    name = "sface"
    version = "2021dec-int8bq"
    model_sha256 = SFACE.sha256
    unit = True
    thresholds: Mapping[str, float] = {"default": 0.40, "strong": 0.45, "doubtful": 0.30, "dissent": 0.30}
    _steps: tuple[Step, ...] = (
        Step(0.45, "strong", 0.0001),
        Step(0.40, "support", 0.0012),
        Step(0.36, "doubtful", 0.003),
        Step(0.30, "doubtful", 0.016),
    )
    _source = "card portrait against VP8 frames, 61 East Asian people of LFW, 286 same and 26,120 different pairs; see docs/identity-figures.md"

    def use(self, steps: Sequence[Step], thresholds: Mapping[str, float], source: str) -> None:
        self._steps, self.thresholds, self._source = tuple(steps), thresholds, source

    def __init__(self) -> None:
        # FaceRecognizerSF.feature fails on this file in OpenCV 5.0; the plain network does not, if its input is named.
        self._net = cv2.dnn.readNetFromONNX(str(verified(SFACE)))

    def encode(self, image: Image) -> Encoding:
        return self.encode_face(image, yunet.only(image))

    def encode_face(self, image: Image, face: Face) -> Encoding:
        crop = yunet.straighten(image, face)
        vector = self._run(crop) + self._run(crop[:, ::-1])
        return Encoding(self.name, vector / max(float(np.linalg.norm(vector)), 1e-9))

    def score(self, a: Encoding, b: Encoding) -> Score:
        same_engine(self.name, a, b)
        return graded(self.name, float(a.vector @ b.vector), self.thresholds["default"], self._steps, self._source)

    def _run(self, crop: Image) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        blob = cv2.dnn.blobFromImage(np.ascontiguousarray(crop), 1.0, (112, 112), swapRB=True)
        self._net.setInput(blob, "data")
        return np.asarray(self._net.forward()[0], np.float64)
