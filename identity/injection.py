"""
Signs that a picture was put in a camera's place. PURE.

A browser cannot prove that a camera is a camera. Each sign has an innocent cause too, so they are shown as a risk with
their reasons, never as a proof, and their absence proves nothing at all.
"""

import itertools
import re
from collections.abc import Sequence

import numpy as np

LABELS = re.compile(
    r"obs\b|virtual|v4l2loopback|dummy|manycam|e2esoft|vcam|xsplit|snap camera|splitcam|droidcam|iriun|fake|screen|虚拟|直播",
    re.IGNORECASE,
)
LEAST_FRAMES = 60
STEADY_S, STILL_SHARE = 0.0003, 0.2
"""Spread of the time between frames below which no camera's clock is behind it; share of frames that repeat the last."""


def signs(label: str, stamps: Sequence[int], prints: Sequence[str], answered_colours: bool | None) -> tuple[str, ...]:
    """Keys for words. `label`: the camera's name by the browser; `stamps`: RTP times of frames that followed one
    another (90 kHz); `prints`: a hash of each decoded frame; `answered_colours`: None where none were shown."""
    found = []
    if label and LABELS.search(label):
        found.append("camera-name")
    if len(stamps) >= LEAST_FRAMES:
        apart = np.array([((b - a) & 0xFFFFFFFF) / 90000 for a, b in itertools.pairwise(stamps)])
        # whole frames may be left out in between: what counts is the distance from a whole number of frames
        beat = float(np.median(apart))
        rest = apart - beat * np.round(apart / max(beat, 1e-6))
        if float(np.std(rest)) < STEADY_S:
            found.append("too-steady")
    if len(prints) >= LEAST_FRAMES:
        again = sum(a == b for a, b in itertools.pairwise(prints)) / len(prints)
        if again > STILL_SHARE:
            found.append("same-frames")
    if answered_colours is False:
        found.append("no-colours")
    return tuple(found)
