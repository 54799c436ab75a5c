"""Make the pre-encoded test clip used by every load client.

VP8 640x480 30 fps ~1 Mbit/s + Opus 20 ms, 10 s, starting with a key frame so
it can be looped.  A strip of 16 black/white blocks at the top of each picture
carries the frame number, so that a receiver that decodes can tell exactly
which frame it is looking at (added latency, also when the server transcodes).

    python makemedia.py clip.webm [--seconds 10] [--fps 30] [--kbps 1000]
"""

import argparse
from fractions import Fraction

import av
import numpy as np

BITS, BLOCK_W, BLOCK_H = 16, 40, 32


def stamp(img: np.ndarray, number: int) -> None:
    """Write `number` as 16 blocks over the top rows of an RGB picture."""
    for bit in range(BITS):
        img[:BLOCK_H, bit * BLOCK_W : (bit + 1) * BLOCK_W] = 235 if number >> bit & 1 else 16


def read_stamp(y: np.ndarray) -> int:
    """Read the number back from the luma plane of a decoded picture."""
    n = 0
    for bit in range(BITS):
        cell = y[8 : BLOCK_H - 8, bit * BLOCK_W + 10 : (bit + 1) * BLOCK_W - 10]
        if cell.mean() > 126:
            n |= 1 << bit
    return n


def photo() -> np.ndarray:
    """512x512 of smooth shapes, as hard to encode as a face."""
    x, y = np.meshgrid(np.linspace(0, 9, 512), np.linspace(0, 7, 512))
    return np.stack([127 + 120 * np.sin(x + k) * np.cos(y * (1 + k / 3)) for k in range(3)], axis=2).astype(np.uint8)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("out")
    ap.add_argument("--seconds", type=int, default=10)
    ap.add_argument("--fps", type=int, default=30)
    ap.add_argument("--kbps", type=int, default=1000)
    a = ap.parse_args()
    rng = np.random.default_rng(7)
    base = np.zeros((544, 704, 3), np.uint8)
    pic = photo()
    base[16:528, 96:608] = pic
    out = av.open(a.out, "w", format="webm")
    v = out.add_stream("libvpx", rate=a.fps)
    v.width, v.height, v.pix_fmt = 640, 480, "yuv420p"
    v.bit_rate = a.kbps * 1000
    v.options = {
        "deadline": "realtime",
        "cpu-used": "6",
        "g": str(a.fps * 2),
        "keyint_min": str(a.fps * 2),
        "lag-in-frames": "0",
        "minrate": f"{a.kbps}k",
        "maxrate": f"{a.kbps}k",
        "bufsize": f"{a.kbps // 2}k",
        "undershoot-pct": "10",
        "qmin": "2",
        "auto-alt-ref": "0",
    }
    au = out.add_stream("libopus", rate=48000)
    au.layout = "stereo"
    au.bit_rate = 48000
    au.options = {"application": "voip", "vbr": "off", "frame_duration": "20"}
    for i in range(a.seconds * a.fps):
        dx = int(32 + 30 * np.sin(i / 17))
        dy = int(32 + 20 * np.sin(i / 23))
        img = base[dy : dy + 480, dx : dx + 640].astype(np.int16)
        img = np.clip(img + rng.integers(-9, 10, img.shape, dtype=np.int16), 0, 255).astype(np.uint8)
        stamp(img, i)
        f = av.VideoFrame.from_ndarray(img, "rgb24").reformat(format="yuv420p")
        f.pts, f.time_base = i, Fraction(1, a.fps)
        out.mux(v.encode(f))
    n = 960
    t = np.arange(a.seconds * 48000)
    tone = (
        8000 * np.sin(2 * np.pi * 180 * t / 48000) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * t / 48000))
        + rng.normal(0, 600, t.size)
    ).astype(np.int16)
    for i in range(a.seconds * 50):
        mono = tone[i * n : (i + 1) * n]
        f = av.AudioFrame.from_ndarray(np.repeat(mono, 2)[None, :], "s16", "stereo")
        f.sample_rate, f.pts, f.time_base = 48000, i * n, Fraction(1, 48000)
        out.mux(au.encode(f))
    out.mux(v.encode(None))
    out.mux(au.encode(None))
    out.close()


if __name__ == "__main__":
    main()
