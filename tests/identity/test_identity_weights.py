"""Model files are the measured ones, and only picture bytes of a sane size are unfolded."""

import struct
import zlib

import pytest

from identity import weights
from identity.errors import BadWeights, Unreadable
from identity.pictures import decode


def test_every_model_file_is_the_measured_one():
    for each in weights.ALL:
        assert weights.verified(each).is_file()


@pytest.mark.parametrize(
    "other",
    [
        weights.Weights(weights.SFACE.package, weights.SFACE.path, "0" * 64),
        weights.Weights(weights.SFACE.package, "models/absent.onnx", "0" * 64),
        weights.Weights("package_that_is_absent", "x", "0" * 64),
    ],
)
def test_another_file_is_never_run(other):
    with pytest.raises(BadWeights):
        weights.verified(other)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<script>alert(1)</script>",
        b"\xff\xd8" + bytes(4000),
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff" + bytes(50),
        _png(60_000, 60_000),
        _png(64, 64)[:40],
        b"GIF89a" + bytes(64),
    ],
)
def test_what_is_no_picture_or_claims_to_be_a_giant_is_refused(data):
    with pytest.raises(Unreadable):
        decode(data)
