"""
The files of a recording, and the one thread that writes them.

A disk that stalls must stall no packet, so nothing here runs on the packet loop, and the queue between is
bounded. What does not fit, or cannot be written, is counted and becomes a `drop` line: nothing is lost
silently.
"""

import fcntl
import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from storage import vault
from webrtc import journal

MAX_QUEUED_BYTES = 64 << 20
MAX_QUEUED_JOBS = 8192
SYNC_S = 1.0


class Writer:
    """One thread that does all file work of the process, in order, behind a bounded queue."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[tuple[Callable[[], Any], int, Future[Any]] | None] = queue.Queue()
        self._queued = 0
        self._lock = threading.Lock()
        self._dirty: set[Archive] = set()
        self.beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], Any], cost: int = 0) -> "Future[Any] | None":
        """Queue `job`, which holds `cost` bytes; None if the queue is full (jobs of no cost always fit)."""
        with self._lock:
            full = self._queued + cost > MAX_QUEUED_BYTES or self._jobs.qsize() > MAX_QUEUED_JOBS
            if cost and full:
                return None
            self._queued += cost
        done: Future[Any] = Future()
        self._jobs.put((job, cost, done))
        return done

    def touched(self, archive: "Archive") -> None:
        """`archive` wrote something that is to be synced within SYNC_S. Writer thread only."""
        self._dirty.add(archive)

    @property
    def backlog(self) -> tuple[int, int]:
        """(jobs, bytes) not yet on disk."""
        return self._jobs.qsize(), self._queued

    def stop(self) -> None:
        """Finish what is queued and end the thread."""
        self._jobs.put(None)
        self._thread.join(30)

    def _run(self) -> None:
        next_sync = time.monotonic() + SYNC_S
        while True:
            try:
                item = self._jobs.get(timeout=max(0.01, next_sync - time.monotonic()))
            except queue.Empty:
                item = (lambda: None, 0, Future())
            if item is None:
                self._sync()
                return
            job, cost, done = item
            try:
                done.set_result(job())
            except Exception as error:  # noqa: BLE001  one room's error is its caller's, never the thread's end
                done.set_exception(error)
            with self._lock:
                self._queued -= cost
            if time.monotonic() >= next_sync:
                self._sync()
                next_sync = time.monotonic() + SYNC_S
            self.beat = time.monotonic()

    def _sync(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for archive in dirty:
            archive.sync()


class Archive:
    """The files of one room. Every method runs in the writer thread; counters may be read from anywhere."""

    def __init__(self, folder: Path, room: str, key: bytes, writer: Writer) -> None:
        self.folder, self.room, self._key, self._writer = folder, room, key, writer
        self.trouble = ""
        self.started: float | None = None  # wall clock of the room's first packet
        self.next_segment = 1
        self._journal = self._number = -1
        self._size = 0  # of the journal
        self._prev = journal.START
        self._backlog: list[tuple[float, str, journal.Line]] = []
        self._files: dict[str, tuple[int, _Tally]] = {}
        self._lost: dict[str, list[Any]] = {}

    def open(self, now: float) -> None:
        """Make the folder, or take over what an earlier worker left.

        Raises ValueError if that is damaged, BlockingIOError while another process still writes it.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / journal.NAME
        self._journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # the kernel gives it back with the last breath of whoever held it, so no pid or age is to be judged
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take_over(path, now)
        except BaseException:
            os.close(self._journal)
            self._journal = -1
            raise

    def _take_over(self, path: Path, now: float) -> None:
        lines, used, problems = journal.read(path)
        if problems:
            raise ValueError(problems[0])
        if lines and lines[0]["room"] != self.room:
            raise ValueError("this folder is another room's")
        if lines and lines[-1]["kind"] == "end":
            raise ValueError("this room is closed")
        torn = path.stat().st_size - used
        if torn:
            os.ftruncate(self._journal, used)
        self._size = used
        self._number = len(lines)
        if lines:
            self._prev = lines[-1]["hash"]
        self.append(now, "resume" if lines else "room", {"torn": torn} if lines else {"room": self.room, "version": 1})
        self._adopt(lines, now)
        self.sync()
        _sync_folder(self.folder)
        _sync_folder(self.folder.parent)

    def _adopt(self, lines: list[journal.Line], now: float) -> None:
        """Close the segments that a dead worker left open, with what is really in their files."""
        opens = {line["segment"]: line for line in lines if line["kind"] == "open"}
        closed = {line["segment"] for line in lines if line["kind"] == "close"}
        self.next_segment = 1 + max((int(name.split("-")[0]) for name in opens), default=0)
        if opens:
            self.started = journal.seconds(next(iter(opens.values()))["at"])
        for name, opened in opens.items():
            if name in closed:
                continue
            told = [x for x in lines if x["kind"] == "fragment" and x["segment"] == name]
            tally, path, last = _Tally(), self.folder / f"{name}.rec", opened["at"]
            if told:
                last = told[-1]["at"]
            if path.exists():
                for plain in journal.fragments(path, self._key, self.room):
                    tally.add(plain)
                    if tally.fragments > len(told):
                        digest = hashlib.sha256(plain).hexdigest()
                        place = {"segment": name, "index": tally.fragments - 1, "bytes": len(plain)}
                        self.append(journal.seconds(last), "fragment", {**place, "sha256": digest})
                os.truncate(path, tally.disk)
            self.append(now, "close", {"segment": name, "cause": "worker", "last": last, **tally.fields()})

    def append(self, when: float, kind: str, fields: journal.Line, *, sync: bool = False) -> None:
        """One journal line; kept for later if the disk is full."""
        self._backlog.append((when, kind, fields))
        self._flush()
        if sync:
            self.sync()

    def begin(self, when: float, name: str, fields: journal.Line) -> None:
        """A segment's first packet has come."""
        if self.started is None:
            self.started = when
        offset = round(when - self.started, 3)
        self.append(when, "open", {"segment": name, "offset": offset, **fields})

    def fragment(self, when: float, name: str, head: bytes, plain: bytes) -> None:
        """Encrypt and write one fragment, then its line; what cannot be written is counted lost.

        `head` is what the file must begin with, and goes before whichever fragment is the first to be kept.
        """
        try:
            if self._backlog:
                self._flush()
            if self._backlog:
                raise OSError(self.trouble)
            fd, tally = self._files.get(name) or self._create(name)
            plain = plain if tally.fragments else head + plain
            box = vault.encrypt(self._key, plain, vault.aad(self.room, name, tally.fragments, 0))
            try:
                _write(fd, len(box).to_bytes(4, "big") + box)
            except OSError:
                os.ftruncate(fd, tally.disk)
                raise
        except OSError as error:
            self.lose(name, len(plain), error.strerror or str(error))
            return
        if name in self._lost:
            count, size, cause = self._lost.pop(name)
            self.append(when, "drop", {"segment": name, "fragments": count, "bytes": size, "cause": cause})
        index = tally.fragments
        tally.add(plain)
        digest = hashlib.sha256(plain).hexdigest()
        self.append(when, "fragment", {"segment": name, "index": index, "bytes": len(plain), "sha256": digest})

    def lose(self, name: str, size: int, cause: str) -> None:
        """Count a fragment that was not written; it becomes a `drop` line as soon as one can be written."""
        self.trouble = cause
        lost = self._lost.setdefault(name, [0, 0, cause])
        lost[0] += 1
        lost[1] += size

    def end(self, when: float, name: str, cause: str, last: float) -> None:
        """The segment is over; its file is synced and closed."""
        fd, tally = self._files.pop(name, (-1, _Tally()))
        if name in self._lost:
            count, size, why = self._lost.pop(name)
            self.append(when, "drop", {"segment": name, "fragments": count, "bytes": size, "cause": why})
        if fd >= 0:
            os.fdatasync(fd)
            os.close(fd)
        fields = {"segment": name, "cause": cause, "last": journal.stamp(last), **tally.fields()}
        self.append(when, "close", fields, sync=True)

    def close(self, when: float, cause: str) -> None:
        """No line follows. Raises OSError if the journal's end cannot be written."""
        if self._journal < 0:
            return
        self.append(when, "end", {"cause": cause}, sync=True)
        if self._backlog:
            raise OSError(self.trouble)
        os.close(self._journal)
        self._journal = -1

    def sync(self) -> None:
        """What was written survives a power cut: segments first, so that no line is ahead of its fragment."""
        try:
            for fd, _ in self._files.values():
                os.fdatasync(fd)
            if self._journal >= 0:
                os.fdatasync(self._journal)
        except OSError as error:
            self.trouble = error.strerror or str(error)

    def _create(self, name: str) -> "tuple[int, _Tally]":
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._files[name] = os.open(self.folder / f"{name}.rec", flags, 0o600), _Tally()
        _sync_folder(self.folder)
        return self._files[name]

    def _flush(self) -> None:
        while self._backlog:
            when, kind, fields = self._backlog[0]
            line = journal.chain(self._prev, self._number, when, kind, fields)
            data = journal.dump(line)
            try:
                _write(self._journal, data)
            except OSError as error:
                self.trouble = error.strerror or str(error)
                os.ftruncate(self._journal, self._size)
                return
            self._size += len(data)
            self.trouble = ""
            self._prev, self._number = line["hash"], self._number + 1
            self._backlog.pop(0)
            self._writer.touched(self)


class _Tally:
    """What stands in a segment's file so far."""

    def __init__(self) -> None:
        self.fragments = self.bytes = self.disk = 0
        self._whole = hashlib.sha256()

    def add(self, plain: bytes) -> None:
        self.fragments += 1
        self.bytes += len(plain)
        self.disk += 4 + len(plain) + vault.OVERHEAD
        self._whole.update(plain)

    def fields(self) -> journal.Line:
        return {"fragments": self.fragments, "bytes": self.bytes, "sha256": self._whole.hexdigest()}


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
