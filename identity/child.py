"""
Faces and documents for the office, in a process of their own.

Pictures come from strangers and go through native decoders and models; so a child under limits looks at them (see
`identity.cage`): no socket, no file, bounded memory and CPU, and a wall clock kept here. It is kept warm for three
minutes, does one job at a time, and is ended on any failure. Templates of faces exist only in it and are gone with the
answer; only scores, fields and JPEG bytes come back.

Every call blocks (0.1 to 3 s warm, about 3 s more cold) and may be made from any thread. Raises, besides what each
names: ChildFailed (died, out of limits, or busy past the wall clock), BadWeights, NoEngine.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from identity import thresholds, wire
from identity.errors import ChildFailed, IdentityError
from identity.signals import Signals, signals

WALL_SECONDS = 90.0
_ROOT = Path(__file__).resolve().parent.parent
# Nothing of the office's environment (database address, keys) goes in.
_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": str(_ROOT),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "LANG": "C.UTF-8",
}
_REFUSALS: dict[str, type[IdentityError]] = {kind.__name__: kind for kind in IdentityError.__subclasses__()}


class Child:
    """One child process and the lock that gives it one job at a time."""

    def __init__(self, wall_seconds: float = WALL_SECONDS) -> None:
        self._wall = wall_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._last: int | None = None
        """How the last one ended, as `Popen.returncode`."""

    def ask(self, job: str, blobs: list[bytes], **options: Any) -> tuple[dict[str, Any], list[bytes]]:
        if not self._lock.acquire(timeout=self._wall):
            raise ChildFailed("another job did not end in time")
        try:
            head = {"job": job, **options}
            warm = self._alive()
            reply = self._exchange(head, blobs)
            if reply is None and warm and self._last == 0:  # it went for being idle just as we asked
                reply = self._exchange(head, blobs)
            if reply is None:
                raise ChildFailed(f"the child process died ({self._last})")
        finally:
            self._lock.release()
        told, made = reply
        if "refused" in told:
            raise _REFUSALS.get(told["refused"], IdentityError)(told["words"])
        if "failed" in told:
            raise ChildFailed(told["failed"])
        return told["told"], made

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._alive() else None

    def _alive(self) -> bool:
        return self._process is not None and self._owner == os.getpid() and self._process.poll() is None

    def _exchange(self, head: dict[str, Any], blobs: list[bytes]) -> tuple[dict[str, Any], list[bytes]] | None:
        """The answer, or None where the child was gone. Out of time: ended, ChildFailed."""
        process = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        clock = threading.Timer(self._wall, end)
        clock.daemon = True
        clock.start()
        reply = None
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            wire.write(process.stdin, head, blobs)
            reply = wire.read(process.stdout)
        except (OSError, wire.Broken):
            pass
        finally:
            clock.cancel()
            # A job that failed in a library may have left it in any state.
            if reply is None or "failed" in reply[0]:
                self._end()
        if late.is_set():
            raise ChildFailed("the job took too long")
        return reply

    def _started(self) -> "subprocess.Popen[bytes]":
        if not self._alive():
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "identity.inmate"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT | _own_thresholds(),
                cwd="/",
            )
            self._owner = os.getpid()
        assert self._process is not None
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._owner == os.getpid():  # after a fork the process is our parent's to end
            try:
                self._last = process.wait(timeout=0.2)  # its own way of dying is worth more than our kill
            except subprocess.TimeoutExpired:
                process.kill()
                self._last = process.wait()
        for stream in (process.stdin, process.stdout):
            try:
                if stream:
                    stream.close()
            except OSError:  # what was left in the buffer has nobody to go to
                pass


def _own_thresholds() -> dict[str, str]:
    """The one thing that an office may tell the child."""
    named = os.environ.get(thresholds.VARIABLE, "")
    return {thresholds.VARIABLE: named} if named else {}


_child = Child()
_watchman = Child(wall_seconds=20.0)
"""Looks at running interviews; a card that is read or a comparison must not keep it waiting."""


def compare_faces(
    reference: bytes, probes: Sequence[bytes], engines: Sequence[str] = ("sface", "face_recognition")
) -> dict[str, Any]:
    """`Comparison.as_json()` of a portrait and 1 to 12 frames (JPEG or PNG bytes). Raises NoFace (none in the
    reference), Unreadable (no pictures), ValueError (number of probes)."""
    if not 1 <= len(probes) <= 12:
        raise ValueError(f"give 1 to 12 probes, not {len(probes)}")
    return _child.ask("compare", [reference, *probes], engines=list(engines))[0]


def read_document(image: bytes, today: date | None = None) -> dict[str, Any]:
    """`Reading.as_json()`: type, fields, checks. `today`: the office's date for the expiry. Raises Unreadable."""
    return _child.ask("read", [image], today=today.isoformat() if today else None)[0]


def card_portrait(image: bytes) -> bytes:
    """The portrait of a card, upright, as JPEG bytes. Raises NoFace, Unreadable."""
    return _child.ask("portrait", [image])[1][0]


def same_person(key: str, frame: bytes, accepted: Callable[[], Sequence[bytes]]) -> dict[str, Any]:
    """`Look.as_json()`: is the frame (JPEG) the person of `accepted`? Those are fetched and encoded once for each `key`
    and process, and forgotten with it. Raises NoFace (no usable face among them), Unreadable."""
    told = _watchman.ask("same", [frame], key=key)[0]
    if not told["known"]:
        told = _watchman.ask("same", [frame, *accepted()], key=key)[0]
    return told


class Watching:
    """The frames of one challenge, seen in a process of their own, which ends with it: nothing of the person is left."""

    FRAMES_AT_ONCE = 8

    def __init__(self) -> None:
        self._child = Child(wall_seconds=30.0)
        self._begun = False

    def ready(self) -> None:
        """Starts the process and loads its models, so that the first prompt need not wait for them."""
        self.observe([], (0.0, 0.0))

    def observe(self, frames: Sequence[tuple[float, bytes]], ahead: tuple[float, float]) -> list[Signals]:
        """Signals of at most FRAMES_AT_ONCE frames (media seconds, JPEG) in the order they came; `ahead`: from when to
        when the person was asked to look ahead."""
        told = self._child.ask(
            "observe", [data for _, data in frames], at=[at for at, _ in frames], ahead=ahead, begin=not self._begun
        )[0]
        self._begun = True
        return [signals(one) for one in told["signals"]]

    def close(self) -> None:
        """End the process and what it knew."""
        self._child.close()


def engines_standing() -> dict[str, Any]:
    """Engine name to version, model_sha256 and thresholds; every model file verified. For start-up and the record."""
    return _child.ask("engines", [])[0]


def close() -> None:
    """End the warm children now, as at shutdown; the next call starts another."""
    _child.close()
    _watchman.close()
