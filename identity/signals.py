"""What a machine sees of a face in one frame of a challenge, as a few numbers. PURE; `identity.observer` makes them."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Signals:
    """One frame. `at`: media seconds. `faces`: how many of note. Without a face the rest is 0 and `same` None.

    `yaw` degrees, to the person's left positive; `pitch` degrees, down negative or positive as the model has it, so
    that only differences count; `mouth` opening over width; `eyes` opening over width; `across` where the iris stands,
    0 to 1; `bent` RMS residual of the best homography from the face that looked ahead, in eye distances: how badly a
    flat sheet would explain the move; `skin`, `wall` mean blue, green, red of the face and of the picture's edges;
    `same` likeness with the face that looked ahead (SFace, -1 to 1), where it was asked; `width` pixels.
    """

    at: float
    faces: int
    yaw: float = 0.0
    pitch: float = 0.0
    mouth: float = 0.0
    eyes: float = 0.0
    across: float = 0.5
    bent: float = 0.0
    skin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    wall: tuple[float, float, float] = (0.0, 0.0, 0.0)
    same: float | None = None
    width: float = 0.0
    gates: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def signals(told: dict[str, Any]) -> Signals:
    """What `as_json` gave, also after JSON made lists of its tuples."""
    known = {one.name for one in fields(Signals)}
    made: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in told.items() if key in known
    }
    return Signals(**made)


def best(seen: Sequence[Signals], count: int) -> list[int]:
    """Indices of the frames to compare with a portrait: through every gate, one face, nearest to looking ahead; spread
    over time, so that they are not one moment five times."""
    good = [index for index, one in enumerate(seen) if one.faces == 1 and not one.gates]
    if not good:
        return []
    middle = statistics.median(seen[index].yaw for index in good)
    count = min(count, len(good))
    parts = [good[n * len(good) // count : (n + 1) * len(good) // count] for n in range(count)]
    return [min(part, key=lambda index: abs(seen[index].yaw - middle)) for part in parts]
