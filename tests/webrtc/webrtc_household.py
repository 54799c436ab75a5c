"""
A home behind one bad line: a network namespace of its own, whose only way out is a TUN device at each end of a `Line`.

Everything that lives there has that line, web pages and media alike. Needs root and iproute2, and no kernel module for
queues. The addresses are from 198.18.0.0/15, which is kept for such trials (RFC 2544).
"""

import contextlib
import fcntl
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time
from pathlib import Path

from webrtc_path import Direction, Line

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_numbers = itertools.count()


class Household:
    """`outside`: the address at which its people find this machine; they live at `inside`. Change `line` as you like.

    `line` is what the way is like in each direction; while `whole` is false nothing passes.
    """

    def __init__(self, line: Line | None = None, seed: int = 1):
        self.line, self.whole = line or Line(), True
        self.up, self.down = Direction(headers=0), Direction(headers=0)
        self._rng, self._open = random.Random(seed), True
        number = os.getpid() * 16 % 65_536 + next(_numbers) % 16
        self.name = f"home{number}"
        net = 4 * number
        self.outside, self.inside = (f"198.{18 + (net >> 16)}.{net >> 8 & 255}.{net + n & 255}" for n in (1, 2))
        with contextlib.ExitStack() as undo:
            run("netns", "add", self.name)
            undo.callback(run, "netns", "del", self.name)
            self._here, self._there = (_tun(self.name + end, undo) for end in "ab")
            run("link", "set", f"{self.name}b", "netns", self.name)
            for where, device, address in ((), "a", self.outside), (("-n", self.name), "b", self.inside):
                run(*where, "addr", "add", f"{address}/30", "dev", self.name + device)
                run(*where, "link", "set", self.name + device, "up")
            run("-n", self.name, "link", "set", "lo", "up")
            run("-n", self.name, "route", "add", "default", "via", self.outside)
            self._undo = undo.pop_all()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def program(self, path: str, folder: Path) -> Path:
        """A program that is `path`, run in here."""
        script = folder / f"{Path(path).name}-in-{self.name}"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {path} "$@"\n')
        script.chmod(0o755)
        return script

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open = False
        self._thread.join()
        self._undo.close()

    def _carry(self) -> None:
        ways = {self._here: (self.down, self._there), self._there: (self.up, self._here)}
        while self._open:
            now = time.monotonic()
            heads = [d.held[0][0] for d, _ in ways.values() if d.held]
            wait = min(0.1, max(0.0, min(heads) - now)) if heads else 0.1
            for one in select.select(list(ways), [], [], wait)[0]:
                self._take(one, ways[one][0])
            for direction, to in ways.values():
                for packet in direction.due(time.monotonic()):
                    with contextlib.suppress(OSError):  # the device's queue is full: the packet is lost, as on any way
                        os.write(to, packet)

    def _take(self, one: int, direction: Direction) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(64):
                packet = os.read(one, 2048)
                if self.whole:
                    direction.take(packet, self.line, time.monotonic(), self._rng)


def run(*words: str) -> None:
    """`ip WORDS`."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _tun(name: str, undo: contextlib.ExitStack) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    undo.callback(os.close, device)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device
