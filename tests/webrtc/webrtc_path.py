"""The way between a page and the worker, in a thread of its own: it can be cut, as when a phone leaves its Wi-Fi."""

import contextlib
import re
import select
import socket
import threading


class Way:
    """Give its `port` to the page in place of the worker's."""

    def __init__(self, host: str, worker_port: int):
        self.whole = True
        self._to = (host, worker_port)
        self._page = None
        self._open = True
        self._inside, self._outside = _bound(host), _bound(host)
        self.port = self._inside.getsockname()[1]
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    @classmethod
    def before(cls, answer: str) -> tuple["Way", str]:
        """A way, and the answer that leads over it."""
        host, port = re.search(r"a=candidate:.* ([0-9.]+) (\d+) typ host", answer).groups()
        way = cls(host, int(port))
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
            for one in select.select([self._inside, self._outside], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # a worker that is gone answers with ICMP
                    data, sender = one.recvfrom(2048)
                    if one is self._inside:
                        self._page = sender
                        _ = self.whole and self._outside.sendto(data, self._to)
                    elif self.whole and self._page:
                        self._inside.sendto(data, self._page)


def _bound(host: str) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((host, 0))
    return one
