"""What a reviewer would check of an exported recording: counters without holes, sound with picture, the right party."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import av
import numpy as np

BLOCKS = 16
LOUD = 0.3


@dataclass(frozen=True)
class Heard:
    """One segment as measured. `apart_ms`: median distance of flash and tone; `pitch`: hertz of the tone."""

    seconds: float
    frames: int
    holes: int
    apart_ms: float | None
    pitch: float | None


def measure(path: Path) -> Heard:
    """Decodes a whole segment; raises av.FFmpegError when it cannot be read."""
    counters: list[int] = []
    light: list[tuple[float, bool]] = []
    last = 0.0
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            grey = frame.to_ndarray(format="gray").astype(int)
            height, width = grey.shape
            row = grey[height // 24]
            bits = [row[int((b + 0.5) * width / BLOCKS)] > 128 for b in range(BLOCKS)]
            counters.append(sum(1 << b for b in range(BLOCKS) if bits[b]))
            light.append((float(frame.time or 0), bool(grey[int(height * 0.958)].mean() > 128)))
            last = float(frame.time or 0)
    flashes = [t for (_t, a), (t, b) in itertools.pairwise(light) if b and not a]
    beeps, pitch = _beeps(path)
    steps = [b - a for a, b in itertools.pairwise(counters)]
    apart = [min((abs(flash - beep) for beep in beeps), default=9.0) for flash in flashes if flash > 1.5]
    return Heard(
        seconds=round(last, 2),
        frames=len(counters),
        holes=sum(step not in (0, 1) for step in steps),
        apart_ms=round(median(apart) * 1000, 1) if apart else None,
        pitch=pitch,
    )


def _beeps(path: Path) -> tuple[list[float], float | None]:
    """Onsets of the tones in seconds, and their pitch."""
    pieces: list[tuple[float, np.ndarray]] = []
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            samples = frame.to_ndarray().astype(float)
            mono = samples.reshape(-1, 2).mean(axis=1) if samples.shape[0] == 1 else samples.mean(axis=0)
            pieces.append((float(frame.time or 0), mono))
    if not pieces:
        return [], None
    loud = max(abs(mono).max() for _t, mono in pieces) * LOUD
    onsets: list[float] = []
    quiet = 0
    for start, mono in pieces:
        for i in range(0, len(mono), 48):
            if abs(mono[i : i + 48]).max() > loud:
                if quiet > 300:
                    onsets.append(start + i / 48000)
                quiet = 0
            else:
                quiet += 1
    return onsets, _pitch(pieces, onsets)


def _pitch(pieces: list[tuple[float, np.ndarray]], onsets: list[float]) -> float | None:
    whole = np.concatenate([mono for _t, mono in pieces])
    first = pieces[0][0]
    found = []
    for onset in onsets[:20]:
        at = int((onset - first + 0.02) * 48000)
        tone = whole[at : at + 3840]
        if len(tone) == 3840:
            spectrum = abs(np.fft.rfft(tone * np.hanning(len(tone))))
            found.append(float(np.argmax(spectrum)) * 48000 / 3840)
    return round(median(found), 1) if found else None
