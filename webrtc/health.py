"""
How a worker does, in one answer: what the office's page and its metrics say of it.

Loss is a share of packets, times are in the unit that the name ends with. `worst` and `median` are taken over the
parties that are connected now; None where there is nobody.
"""

import os
import resource
import time
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webrtc.engine import Engine
    from webrtc.leg import Leg

FROZEN_S = 2.0
"""Seconds without sound or without picture from which a party counts as frozen."""
WINDOW_S = 30.0


class Worst:
    """The largest value of the last WINDOW_S to twice that, whoever asks and however often."""

    def __init__(self) -> None:
        self._before = self._now = self._since = 0.0

    def note(self, value: float, now: float) -> None:
        if now - self._since > WINDOW_S:
            self._before, self._now, self._since = self._now, 0.0, now
        self._now = max(self._now, value)

    @property
    def value(self) -> float:
        return max(self._before, self._now)


def of(engine: "Engine") -> dict[str, Any]:
    """Every figure of a worker. `half_open` connections are answered and not yet connected."""
    now = time.monotonic()
    jobs, size = engine.writer.backlog
    legs = [leg for room in engine.rooms.values() for leg in room.legs.values()]
    opened, most = descriptors()
    return {
        "rooms": len(engine.rooms),
        "legs": len(legs),
        "frozen": sum(_frozen(leg, now) for leg in legs),
        "half_open": engine.half_open(),
        "draining": engine.draining,
        "lag_ms": round(engine.lag.value * 1000, 1),
        "loss_up": _spread([leg.loss_up for leg in legs], 4),
        "loss_down": _spread([leg.loss_down for leg in legs], 4),
        "rtt_ms": _spread([leg.rtt * 1000 for leg in legs if leg.rtt], 1),
        "recorder": {"age": round(now - engine.writer.beat, 3), "queued": {"jobs": jobs, "bytes": size}},
        "free_bytes": engine.free_bytes(),
        "descriptors": {"open": opened, "limit": most},
        "cpu_s": round(time.process_time(), 2),
        "counts": engine.counts(),
        "pid": os.getpid(),
    }


def descriptors() -> tuple[int, int]:
    """(open, allowed) descriptors of this process."""
    return sum(1 for _ in os.scandir("/proc/self/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _frozen(leg: "Leg", now: float) -> bool:
    return any(now - max(stream.last, leg.since or leg.created) > FROZEN_S for stream in leg.incoming.values())


def _spread(values: list[float], digits: int) -> dict[str, float | None]:
    if not values:
        return {"worst": None, "median": None}
    return {"worst": round(max(values), digits), "median": round(median(values), digits)}
