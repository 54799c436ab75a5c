"""What a reader sees of a signature: the notary's name stamp and the office's round seal, as vectors.

Plain PDF drawing operators and glyph outlines: no font, no picture, no resource, so nothing of one document
can be dragged into another, and PDF/A stays content. A picture proves nothing; the signature does (H03).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from signing.render import font_file, missing_glyphs

RED = "0.702 0.153 0.114"
KAPPA = 0.5523  # control point distance of a quarter circle


def name_stamp(name: str, width: float, height: float) -> bytes:
    """The notary's name in a red frame, `width` x `height` points."""
    line = 0.9
    out = [f"{RED} RG {RED} rg {line} w"]
    out.append(f"{line} {line} {width - 2 * line:.2f} {height - 2 * line:.2f} re S")
    count = max(len(name), 1)
    size = min(height * 0.62, (width - 8) / count)
    step = min(size * 1.25, (width - 8) / count)
    left = (width - step * (count - 1) - size) / 2
    for i, char in enumerate(name):
        out.append(_glyph(char, size, left + i * step, height / 2 - size * 0.38, 0.0))
    return "\n".join(out).encode("ascii")


def round_seal(word: str, foot: str, side: float) -> bytes:
    """The office's name along the ring, `foot` below the middle; `side` points square."""
    middle, radius = side / 2, side / 2 - 1.6
    out = [f"{RED} RG {RED} rg 1.6 w {_circle(middle, middle, radius)} S"]
    out.append(f"0.5 w {_circle(middle, middle, radius - 4)} S")
    count = len(word)
    span = math.radians(min(270, 36 * max(count - 1, 1)))
    ring = radius - 15
    size = min(13.0, ring * span / max(count - 1, 1) * 0.9, ring * 0.9)
    for i, char in enumerate(word):
        turn = span / 2 - (span * i / (count - 1) if count > 1 else span / 2)
        angle = math.pi / 2 + turn
        x, y = middle + ring * math.cos(angle), middle + ring * math.sin(angle)
        # the glyph's box is centred on the ring, its foot towards the middle
        cx, cy = -size / 2, -size * 0.38
        out.append(
            _glyph(
                char,
                size,
                x + cx * math.cos(turn) - cy * math.sin(turn),
                y + cx * math.sin(turn) + cy * math.cos(turn),
                turn,
            )
        )
    small = min(9.0, radius * 1.1 / max(len(foot), 1))
    left = middle - small * len(foot) / 2
    for i, char in enumerate(foot):
        out.append(_glyph(char, small, left + i * small, middle - radius * 0.58, 0.0))
    return "\n".join(out).encode("ascii")


def _circle(x: float, y: float, r: float) -> str:
    k = r * KAPPA
    return (
        f"{x + r:.2f} {y:.2f} m {x + r:.2f} {y + k:.2f} {x + k:.2f} {y + r:.2f} {x:.2f} {y + r:.2f} c "
        f"{x - k:.2f} {y + r:.2f} {x - r:.2f} {y + k:.2f} {x - r:.2f} {y:.2f} c "
        f"{x - r:.2f} {y - k:.2f} {x - k:.2f} {y - r:.2f} {x:.2f} {y - r:.2f} c "
        f"{x + k:.2f} {y - r:.2f} {x + r:.2f} {y - k:.2f} {x + r:.2f} {y:.2f} c h"
    )


def _glyph(char: str, size: float, x: float, y: float, turn: float) -> str:
    """One glyph at its baseline origin, turned by `turn` radians; outlined a little, for want of bold."""
    scale = size / 1000
    c, s = math.cos(turn) * scale, math.sin(turn) * scale
    return f"q {c:.6f} {s:.6f} {-s:.6f} {c:.6f} {x:.3f} {y:.3f} cm 22 w {_outline(char)} B Q"


@cache
def _outline(char: str) -> str:
    """Path operators in units of 1/1000 em. ValueError for a character without a glyph."""
    from fontTools.pens.basePen import BasePen

    if missing_glyphs(char):
        raise ValueError(f"no glyph for U+{ord(char):04X}")

    class Pen(BasePen):  # type: ignore[misc] # fontTools has no types
        def __init__(self, glyphs: object) -> None:
            super().__init__(glyphs)
            self.said: list[str] = []

        def _moveTo(self, p: tuple[float, float]) -> None:  # noqa: N802
            self.said.append(f"{p[0]:g} {p[1]:g} m")

        def _lineTo(self, p: tuple[float, float]) -> None:  # noqa: N802
            self.said.append(f"{p[0]:g} {p[1]:g} l")

        def _curveToOne(self, a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> None:  # noqa: N802
            self.said.append(f"{a[0]:g} {a[1]:g} {b[0]:g} {b[1]:g} {c[0]:g} {c[1]:g} c")

        def _closePath(self) -> None:  # noqa: N802
            self.said.append("h")

    names, shapes = _face()
    pen = Pen(shapes)
    shapes[names[ord(char)]].draw(pen)
    return " ".join(pen.said)


@cache
def _face() -> tuple[dict[int, str], Any]:
    """Opened once a process: reading the outline table takes 0.2 s."""
    from fontTools.ttLib import TTFont

    font = TTFont(font_file(), lazy=True)
    return font.getBestCmap(), font.getGlyphSet()
