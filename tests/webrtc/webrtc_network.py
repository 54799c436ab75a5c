"""A box between a party and the worker: it loses packets and takes another port when told, as networks do."""

import asyncio
import random
import re
import socket


class Box:
    """Give its `port` to the party in place of the worker's; `up`, `down` are shares of media packets lost."""

    def __init__(self, worker_port: int, seed: int = 1):
        self.up = self.down = 0.0
        self.lost = self.down_count = 0
        self._rng = random.Random(seed)
        self._to = ("127.0.0.1", worker_port)
        self._party = None
        self._inside = self._bound()
        self._outside = self._bound()
        self.port = self._inside.getsockname()[1]
        loop = asyncio.get_running_loop()
        loop.add_reader(self._inside, self._upwards)
        loop.add_reader(self._outside, self._downwards)

    @classmethod
    def before(cls, answer: str, **options) -> tuple["Box", str]:
        """A box, and the answer that leads through it."""
        port = int(re.search(r"a=candidate:.* 127\.0\.0\.1 (\d+) typ host", answer)[1])
        box = cls(port, **options)
        return box, re.sub(rf"127\.0\.0\.1 {port} typ", f"127.0.0.1 {box.port} typ", answer)

    def rebind(self) -> None:
        """The worker sees the party at another port from now on."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._outside)
        self._outside.close()
        self._outside = self._bound()
        loop.add_reader(self._outside, self._downwards)

    def inject(self, data: bytes) -> None:
        """The worker gets `data` from the party's own address."""
        self._outside.sendto(data, self._to)

    def close(self) -> None:
        for one in (self._inside, self._outside):
            asyncio.get_running_loop().remove_reader(one)
            one.close()

    def _upwards(self) -> None:
        data, self._party = self._inside.recvfrom(2048)
        if not self._loses(data, self.up):
            self._outside.sendto(data, self._to)

    def _downwards(self) -> None:
        data = self._outside.recv(2048)
        self.down_count += 1
        if self._party and not self._loses(data, self.down):
            self._inside.sendto(data, self._party)

    def _loses(self, data: bytes, share: float) -> bool:
        media = data[:1] in (b"\x80", b"\x90") and not 191 < data[1] < 224
        lose = media and self._rng.random() < share
        self.lost += lose
        return lose

    @staticmethod
    def _bound() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
        return one
