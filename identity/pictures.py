"""Bytes to pixels and back, with a limit on what a picture may unfold to."""

import struct
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from identity.errors import Unreadable

Image: TypeAlias = npt.NDArray[np.uint8]
"""A picture: shape (H, W, 3), uint8, channels blue, green, red."""

MAX_BYTES = 24 << 20
MAX_PIXELS = 50_000_000


def decode(data: bytes) -> Image:
    """JPEG or PNG to (H, W, 3) uint8 BGR, turned as its EXIF says.

    The size is read from the header first, so a small file that claims a giant picture is never unfolded.
    Raises Unreadable: too big, another format, damaged.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable(f"the picture has more than {MAX_BYTES} bytes")
    width, height = _size(data)
    if width * height > MAX_PIXELS:
        raise Unreadable(f"the picture has more than {MAX_PIXELS} pixels")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as problem:
        raise Unreadable("the picture does not open") from problem
    if image is None or min(image.shape[:2]) < 16:
        raise Unreadable("the picture does not open")
    return image


def encode_jpeg(image: Image, quality: int = 92) -> bytes:
    """A JPEG of `image` without any metadata."""
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise Unreadable("the picture cannot be written")
    return bytes(data)


def _size(data: bytes) -> tuple[int, int]:
    """(width, height) by the header of a PNG (RFC 2083 4.1.1) or a JPEG (ITU T.81 B.2.2)."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if not data.startswith(b"\xff\xd8"):
        raise Unreadable("neither a JPEG nor a PNG")
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise Unreadable("a JPEG without a frame header")
