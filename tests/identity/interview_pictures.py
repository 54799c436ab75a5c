"""Pictures of an interview made from a face that is nobody's: card portraits and decoded VP8 frames."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from identity import yunet
from identity.pictures import Image

FACES = Path(__file__).resolve().parent.parent / "faces"


def face(number: int) -> Image:
    image = cv2.imread(str(FACES / f"{number}.jpg"))
    assert image is not None
    return image


def card_portrait(image: Image, seed: int = 1) -> Image:
    """220 x 280 as a phone sees the portrait of a card: pale, dotted, blurred, JPEG."""
    draw = np.random.default_rng(seed)
    x, y, wide, high = yunet.largest(image).box
    centre, tall = (x + wide / 2, y + high / 2), high * 1.7
    small = cv2.getRectSubPix(image, (round(tall * 220 / 280), round(tall)), centre)
    pale = cv2.resize(small, (220, 280), interpolation=cv2.INTER_AREA).astype(np.float32)
    pale = 55 + 0.62 * (0.45 * pale.mean(2, keepdims=True) + 0.55 * pale)
    down, across = np.mgrid[0:280, 0:220]
    dots = np.sin((across + down) * 2 * np.pi / 3.1) * np.sin((across - down) * 2 * np.pi / 3.1)
    pale = cv2.GaussianBlur(pale * (1 + 0.045 * dots)[..., None], (0, 0), 1.0) + draw.normal(0, 3, pale.shape)
    return _jpeg(pale, 70)


def frames(image: Image, seed: int = 1, count: int = 12, light: float = 1.0) -> list[Image]:
    """640 x 480 frames at 500 kbit/s: the face in a room, moving a little. `light` under 1 darkens the scene."""
    draw = np.random.default_rng(seed)
    room = cv2.resize(draw.integers(60, 190, (6, 8, 3)).astype(np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    x, y, wide, high = yunet.largest(image).box
    side = max(wide, high) * 1.9
    square = cv2.resize(cv2.getRectSubPix(image, (round(side), round(side)), (x + wide / 2, y + high / 2)), (300, 300))
    down, across = np.mgrid[0:300, 0:300]
    mask = np.clip((1.02 - np.hypot((across - 149.5) / 149.5, (down - 149.5) / 157)) * 6, 0, 1).astype(np.float32)
    made = []
    for index in range(count):
        shift = cv2.getRotationMatrix2D((149.5, 149.5), 2 * np.sin(index / 9 + seed), 1.0)
        shift[:, 2] += (170 + 5 * np.sin(index / 11), 110 + 3 * np.cos(index / 7))
        over = cv2.warpAffine(mask, shift, (640, 480))[..., None]
        scene = room * (1 - over) + cv2.warpAffine(square, shift, (640, 480)) * over
        noisy = scene * light + draw.normal(0, 2.0, scene.shape)
        made.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return _vp8(made)


def jpeg(image: Image) -> bytes:
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def _jpeg(pixels: np.ndarray, quality: int) -> Image:
    coded = cv2.imencode(".jpg", np.clip(pixels, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def _vp8(images: list[Image]) -> list[Image]:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.bit_rate = 640, 480, "yuv420p", 500_000
    encoder.framerate, encoder.time_base = Fraction(25), Fraction(1, 25)
    encoder.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0"}
    decoder, out = av.CodecContext.create("vp8", "r"), []
    for index, image in enumerate([*images, None]):
        frame = None
        if image is not None:
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
        for packet in encoder.encode(frame):
            out += [decoded.to_ndarray(format="bgr24") for decoded in decoder.decode(packet)]
    return out
