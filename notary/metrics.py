"""The office's figures in the text format that Prometheus reads (exposition format 0.0.4). No figure is about a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from notary.office.operating import WorkerSeen

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[dict[str, str], float]


class Metric(NamedTuple):
    name: str
    kind: str
    words: str
    samples: list[Sample]


def exposition(workers: list[WorkerSeen], jobs: dict[str, int]) -> str:
    """Everything; a figure that nobody knows now has no line."""
    found = [*_of_workers(workers), _queue(jobs)]
    return "".join(line for metric in found for line in _lines(metric))


def _queue(jobs: dict[str, int]) -> Metric:
    samples: list[Sample] = [({"status": status}, float(count)) for status, count in sorted(jobs.items())]
    return Metric("yuanzheng_jobs", "gauge", "Jobs of the last two days by status.", samples)


FIGURES = (
    ("rooms", "gauge", "Rooms open at the worker.", ("rooms",), 1),
    ("parties", "gauge", "Parties connected.", ("legs",), 1),
    ("parties_frozen", "gauge", "Connected parties whose sound or picture has stood still for 2 s.", ("frozen",), 1),
    ("half_open", "gauge", "Connections answered and not yet made.", ("half_open",), 1),
    ("loop_lag_seconds", "gauge", "Worst lateness of the packet loop lately.", ("lag_ms",), 1e-3),
    ("recorder_age_seconds", "gauge", "Since the recorder's thread last moved.", ("recorder", "age"), 1),
    ("recorder_queued_bytes", "gauge", "Recorded and not yet on disk.", ("recorder", "queued", "bytes"), 1),
    ("disk_free_bytes", "gauge", "Free where recordings go.", ("free_bytes",), 1),
    ("descriptors_open", "gauge", "Descriptors in use.", ("descriptors", "open"), 1),
    ("descriptors_limit", "gauge", "Descriptors allowed.", ("descriptors", "limit"), 1),
    ("cpu_seconds_total", "counter", "User and system time.", ("cpu_s",), 1),
    ("strangers_total", "counter", "Datagrams that belonged to nobody.", ("counts", "strangers"), 1),
    ("unsent_total", "counter", "Datagrams that the kernel did not take.", ("counts", "unsent"), 1),
    ("faults_total", "counter", "Datagrams on which our own code failed.", ("counts", "faults"), 1),
)
LOSS = [({"direction": way, "of": of}, (f"loss_{way}", of)) for way in ("up", "down") for of in ("worst", "median")]
DELAY = [({"of": of}, ("rtt_ms", of)) for of in ("worst", "median")]


def _of_workers(workers: list[WorkerSeen]) -> Iterable[Metric]:
    def metric(name: str, kind: str, words: str, samples: list[Sample]) -> Metric:
        return Metric(f"yuanzheng_media_{name}", kind, words, samples)

    yield metric("up", "gauge", "Whether the worker answers.", [(_at(one), float(bool(one.health))) for one in workers])
    drains = [(_at(one), float(one.draining_since is not None)) for one in workers]
    yield metric("draining", "gauge", "Whether the worker takes no new rooms.", drains)
    pinned = [(_at(one), float(one.rooms)) for one in workers]
    yield metric("rooms_pinned", "gauge", "Rooms that belong to the worker, open there or not.", pinned)
    for name, kind, words, path, factor in FIGURES:
        yield metric(name, kind, words, _known(workers, {}, path, factor))
    lost = [sample for labels, path in LOSS for sample in _known(workers, labels, path, 1)]
    yield metric("loss_ratio", "gauge", "Share of packets lost in the last second, over the parties.", lost)
    delay = [sample for labels, path in DELAY for sample in _known(workers, labels, path, 1e-3)]
    yield metric("round_trip_seconds", "gauge", "Round trip to the browsers, over the parties.", delay)


def _known(workers: list[WorkerSeen], labels: dict[str, str], path: tuple[str, ...], factor: float) -> list[Sample]:
    found = [(_at(one) | labels, _found(one.health, path)) for one in workers]
    return [(named, value * factor) for named, value in found if value is not None]


def _at(worker: WorkerSeen) -> dict[str, str]:
    return {"worker": str(worker.number)}


def _found(health: dict[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = health
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _lines(metric: Metric) -> Iterable[str]:
    if not metric.samples:
        return
    yield f"# HELP {metric.name} {metric.words}\n# TYPE {metric.name} {metric.kind}\n"
    for labels, value in metric.samples:
        named = ",".join(f'{key}="{text}"' for key, text in labels.items())
        yield f"{metric.name}{{{named}}} {value:.15g}\n"
