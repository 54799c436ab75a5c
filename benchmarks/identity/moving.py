"""
One photograph made to move, as somebody who has nothing else would do it: held before the camera (flat or bent), or
animated by a program that follows every prompt at once. Everything is drawn here; no other person's tool is used.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np

from identity import landmarks, yunet
from identity.challenge import AHEAD, FLASH, SAY, Drawn, Prompt
from identity.pictures import Image

FPS = 12
SIZE = (640, 480)
FACE = 190
"""Width of the face in the frame, pixels."""
REACTION_S = 0.6


@dataclass(frozen=True)
class Pose:
    """What the picture is asked to show: degrees, shares 0 to 1, and the colour of the screen."""

    yaw: float = 0.0
    pitch: float = 0.0
    mouth: float = 0.0
    lids: float = 0.0
    colour: str = ""


def prompts_of(draw: Drawn, ahead: float, window: float, say: float, colour: float, pause: float) -> list[Prompt]:
    """The draw's prompts one after another, with windows of one's own choice: short ones favour nobody, they save time."""
    spans = [(AHEAD, ahead), *((one, window) for one in draw.actions)]
    spans += [(SAY, say)] if say else []
    spans += [(FLASH, colour) for _ in draw.colours] if colour else []
    made, at = [], 0.0
    for kind, long in spans:
        made.append(Prompt(kind, at, at + long))
        at += long + (0.0 if kind == FLASH else pause)
    return made


def obeying(draw: Drawn, prompts: Sequence[Prompt], turn: float, nod: float) -> Iterator[tuple[float, Pose]]:
    """(time, pose) of somebody who hears every prompt and does it after REACTION_S, `turn` and `nod` degrees far."""
    end = prompts[-1].until + 0.5
    lit = [one for one in prompts if one.kind == FLASH]
    for n in range(round(end * FPS)):
        at = n / FPS
        sway = 1.2 * np.sin(1.7 * at)
        pose = {"yaw": sway, "pitch": 0.8 * np.cos(1.3 * at), "mouth": 0.0, "lids": 0.0, "colour": ""}
        for one in prompts:
            since = at - one.at - REACTION_S
            if not since >= 0 or at > one.until + 0.3:
                continue
            there = float(
                np.clip(np.sin(np.clip(since / max(one.until - one.at - REACTION_S, 0.1), 0, 1) * np.pi) * 1.6, 0, 1)
            )
            match one.kind:
                case "left":
                    pose["yaw"] = sway + turn * there
                case "right":
                    pose["yaw"] = sway - turn * there
                case "nod":
                    pose["pitch"] = nod * there
                case "mouth":
                    pose["mouth"] = there
                case "blink":
                    pose["lids"] = float((since % 0.8) < 0.3)
                case "say":
                    pose["mouth"] = 0.5 * abs(np.sin(since * 2 * np.pi / 1.1))
        for one, colour in zip(lit, draw.colours, strict=False):
            if one.at + 0.3 <= at < one.until + 0.3:
                pose["colour"] = colour
        yield at, Pose(**pose)


class Photo:
    """A photograph with what an animator needs to know of it."""

    def __init__(self, image: Image) -> None:
        face = yunet.largest(image)
        x, y, wide, high = face.box
        scale = FACE / wide
        move = np.array(
            [[scale, 0, SIZE[0] / 2 - scale * (x + wide / 2)], [0, scale, SIZE[1] / 2 - scale * (y + high / 2)]]
        )
        self.flat: Image = cv2.warpAffine(image, move, SIZE, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        found = landmarks.mesh(self.flat, yunet.largest(self.flat))
        if found is None:
            raise ValueError("no mesh on this photograph")
        self.points = found.points
        across = np.linalg.norm(found.points[454] - found.points[234])
        depth = found.local[:, 2] * across / np.linalg.norm(found.local[454] - found.local[234])
        down, right = np.mgrid[0 : SIZE[1] : 8, 0 : SIZE[0] : 8].astype(np.float32)
        near = np.exp(
            -((right[..., None] - found.points[:, 0]) ** 2 + (down[..., None] - found.points[:, 1]) ** 2) / 500
        )
        weight = near.sum(-1) + 1e-4
        coarse = ((near * depth).sum(-1) + 1e-4 * depth.max()) / weight
        self.centre = found.points.mean(0)
        oval = ((right - self.centre[0]) / (0.95 * across)) ** 2 + ((down - self.centre[1]) / (1.25 * across)) ** 2
        self.depth = cv2.resize(coarse.astype(np.float32), SIZE, interpolation=cv2.INTER_CUBIC)
        self.head = cv2.resize(np.clip(1.6 - oval, 0, 1).astype(np.float32), SIZE, interpolation=cv2.INTER_CUBIC)
        self.down, self.right = (one.astype(np.float32) for one in np.mgrid[0 : SIZE[1], 0 : SIZE[0]])
        skin = np.clip(1.25 - 1.25 * oval, 0, 1).astype(np.float32)
        self.skin = cv2.resize(skin, SIZE, interpolation=cv2.INTER_CUBIC)[..., None]


def _faced(photo: Photo, image: Image, pose: Pose) -> Image:
    """Lids pasted over the eyes, the mouth pulled open."""
    made = image.astype(np.float32)
    points = photo.points
    if pose.lids:
        for a, b in ((33, 133), (362, 263)):
            wide = float(np.linalg.norm(points[b] - points[a]))
            shifted = np.roll(made, round(0.42 * wide), axis=0)
            middle = (points[a] + points[b]) / 2
            oval = ((photo.right - middle[0]) / (0.62 * wide)) ** 2 + ((photo.down - middle[1]) / (0.3 * wide)) ** 2
            mask = (np.clip(1.5 - oval, 0, 1) * pose.lids)[..., None]
            made = made * (1 - mask) + shifted * mask
    if pose.mouth:
        lips = (points[13] + points[14]) / 2
        wide = float(np.linalg.norm(points[291] - points[61]))
        much = 0.8 * wide * pose.mouth
        fall = np.exp(-(((photo.right - lips[0]) / (0.9 * wide)) ** 2)) * np.clip(
            1 - (photo.down - lips[1]) / (2.2 * wide), 0, 1
        )
        below = photo.down > lips[1]
        pulled = cv2.remap(
            made, photo.right, photo.down - np.where(below, much * fall, 0).astype(np.float32), cv2.INTER_LINEAR
        )
        hole = ((photo.right - lips[0]) / (0.42 * wide)) ** 2 + (
            (photo.down - lips[1] - much / 2) / max(much / 2, 1)
        ) ** 2
        dark = (np.clip(1.6 - hole, 0, 1))[..., None]
        made = pulled * (1 - dark) + np.array([35, 25, 60], np.float32) * dark
    return np.clip(made, 0, 255).astype(np.uint8)


def animated(photo: Photo, pose: Pose, *, solid: bool) -> Image:
    """`solid`: the head turned by its depth; else shifted in the plane, the middle of the face more than its edge."""
    image = _faced(photo, photo.flat, pose)
    yaw, pitch = np.radians(pose.yaw), np.radians(pose.pitch)
    right, down = photo.right[::4, ::4], photo.down[::4, ::4]
    x, y = right - photo.centre[0], down - photo.centre[1]
    if solid:
        back_x, back_y = x, y
        for _ in range(4):
            into = ((one + of).astype(np.float32) for one, of in zip((back_x, back_y), photo.centre, strict=True))
            deep = cv2.remap(photo.depth, *into, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            back_x, back_y = (x + deep * np.sin(yaw)) / np.cos(yaw), (y + deep * np.sin(pitch)) / np.cos(pitch)
    else:
        bump = np.exp(-(x**2 + y**2) / (2 * (0.45 * FACE) ** 2))
        back_x, back_y = x - 0.5 * FACE * np.sin(yaw) * bump, y - 0.5 * FACE * np.sin(pitch) * bump
    head = photo.head[::4, ::4]
    moved = (cv2.resize(((back - at) * head).astype(np.float32), SIZE) for back, at in ((back_x, x), (back_y, y)))
    into_x, into_y = (whole + shift for whole, shift in zip((photo.right, photo.down), moved, strict=True))
    return cv2.remap(image, into_x, into_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def held(photo: Photo, pose: Pose, bend: float, screen: bool) -> Image:
    """The photograph as a sheet or a screen in a hand, turned as a whole. `bend`: radians of a cylinder."""
    image = photo.flat
    high, wide = image.shape[:2]
    if bend:
        across = (np.arange(wide) - wide / 2) / (wide / 2)
        source = np.interp(across, np.sin(bend * across) / np.sin(bend), np.arange(wide)).astype(np.float32)
        image = cv2.remap(image, np.tile(source, (high, 1)), photo.down, cv2.INTER_LINEAR)
    if screen:
        stripes = 1 + 0.05 * np.sin(photo.right * 2 * np.pi / 3.3) * np.sin(photo.down * 2 * np.pi / 3.1)
        image = np.clip(image * stripes[..., None] + 6, 0, 255).astype(np.uint8)
    corners = np.float32(
        [[-wide / 2, -high / 2, 0], [wide / 2, -high / 2, 0], [wide / 2, high / 2, 0], [-wide / 2, high / 2, 0]]
    )
    turn = (
        cv2.Rodrigues(np.float32([np.radians(pose.pitch), 0, 0]))[0]
        @ cv2.Rodrigues(np.float32([0, -np.radians(pose.yaw), 0]))[0]
    )
    turned = corners @ turn.T
    far = 900 + turned[:, 2]
    places = np.float32(np.c_[turned[:, 0] * 900 / far + SIZE[0] / 2, turned[:, 1] * 900 / far + SIZE[1] / 2])
    onto = cv2.getPerspectiveTransform(np.float32([[0, 0], [wide, 0], [wide, high], [0, high]]), places)
    room = np.full((SIZE[1], SIZE[0], 3), (95, 105, 100), np.uint8)
    return cv2.warpPerspective(image, onto, SIZE, dst=room, borderMode=cv2.BORDER_TRANSPARENT)


_LIGHT = {"red": (-0.01, -0.01, 0.02), "green": (-0.01, 0.02, -0.01), "blue": (0.02, -0.01, -0.01)}


def lit(image: Image, photo: Photo, colour: str, face_only: bool) -> Image:
    """The screen's colour on the picture: on the face alone, as light falls and as a careful animator paints it, or on
    everything, as an overlay does."""
    if colour not in _LIGHT:
        return image
    gain = 1 + np.array(_LIGHT[colour], np.float32) * (photo.skin if face_only else 1.0)
    return np.clip(image * gain, 0, 255).astype(np.uint8)


_NOISE = np.random.default_rng(0).normal(0, 2.0, (7, SIZE[1], SIZE[0], 3)).astype(np.float32)


def noisy(image: Image, frame: int) -> Image:
    return np.clip(image + _NOISE[frame % len(_NOISE)], 0, 255).astype(np.uint8)


def vp8(images: Sequence[Image], kbps: int = 500) -> Iterator[Image]:
    """As a browser sends them and a server decodes them."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.bit_rate = *SIZE, "yuv420p", kbps * 1000
    encoder.framerate, encoder.time_base = Fraction(FPS), Fraction(1, FPS)
    encoder.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "error-resilient": "1"}
    decoder = av.CodecContext.create("vp8", "r")
    for n, image in enumerate([*images, None]):
        frame = None
        if image is not None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts, frame.time_base = n, encoder.time_base
        for packet in encoder.encode(frame):
            for decoded in decoder.decode(packet):
                yield decoded.to_ndarray(format="bgr24")
