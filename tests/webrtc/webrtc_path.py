"""The way between a page and the worker, in a thread of its own: narrow, long, lossy or cut, as networks are."""

import heapq
import random
import re
import select
import socket
import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """What a way is like, in each direction: bit/s, one-way seconds, share lost, seconds that its queue holds."""

    rate: float = 0.0  # 0: as fast as the machine
    delay: float = 0.0
    loss: float = 0.0
    queue: float = 0.5


@dataclass
class Direction:
    """`free`: when the line has sent what it holds; a packet that would wait longer than the queue is dropped."""

    headers: int = 28  # bytes of IPv4 and UDP around what is carried
    free: float = 0.0
    dropped: int = 0
    carried: int = 0
    held: list[tuple[float, int, bytes]] = field(default_factory=list)

    def take(self, data: bytes, line: Line, now: float, rng: random.Random) -> None:
        self.carried += 1
        begins = max(now, self.free)
        if rng.random() < line.loss or begins - now > line.queue:
            self.dropped += 1
            return
        self.free = begins + (8 * (len(data) + self.headers) / line.rate if line.rate else 0.0)
        heapq.heappush(self.held, (self.free + line.delay, self.carried, data))

    def due(self, now: float) -> list[bytes]:
        ready = []
        while self.held and self.held[0][0] <= now:
            ready.append(heapq.heappop(self.held)[2])
        return ready


class Way:
    """Give its `port` to the page in place of the worker's; change `line` as you like."""

    def __init__(self, host: str, worker_port: int, line: Line | None = None, seed: int = 1):
        self.line = line or Line()
        self.whole = True
        self.up, self.down = Direction(), Direction()
        self._rng = random.Random(seed)
        self._to = (host, worker_port)
        self._page = None
        self._open = True
        self._inside, self._outside = _bound(host), _bound(host)
        self.port = self._inside.getsockname()[1]
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    @classmethod
    def before(cls, answer: str, line: Line | None = None) -> tuple["Way", str]:
        """A way, and the answer that leads over it."""
        host, port = re.search(r"a=candidate:.* ([0-9.]+) (\d+) typ host", answer).groups()
        way = cls(host, int(port), line)
        return way, answer.replace(f" {host} {port} typ", f" {host} {way.port} typ")

    def cut(self) -> None:
        """Nothing comes through any more."""
        self.whole = False

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._inside.close()
        self._outside.close()

    def _carry(self) -> None:
        while self._open:
            now = time.monotonic()
            heads = [d.held[0][0] for d in (self.up, self.down) if d.held]
            wait = min(0.1, max(0.0, min(heads) - now)) if heads else 0.1
            for one in select.select([self._inside, self._outside], [], [], wait)[0]:
                self._take(one, time.monotonic())
            now = time.monotonic()
            for data in self.up.due(now):
                _send(self._outside, data, self._to)
            for data in self.down.due(now):
                _send(self._inside, data, self._page)

    def _take(self, one: socket.socket, now: float) -> None:
        try:
            data, sender = one.recvfrom(2048)
        except OSError:  # a worker that is gone answers with ICMP
            return
        if one is self._inside:
            self._page = sender
        if self.whole and self._page:
            (self.up if one is self._inside else self.down).take(data, self.line, now, self._rng)


def _send(one: socket.socket, data: bytes, to: tuple[str, int]) -> None:
    try:
        one.sendto(data, to)
    except OSError:  # as above: the error of an earlier packet is told to the next
        return


def _bound(host: str) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((host, 0))
    return one
