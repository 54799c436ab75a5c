"""
The worker's one UDP port: which datagram belongs to whom (RFC 7983), and nothing from strangers.

The loop that reads this socket is the packet thread: it owns every key and runs the rooms, so no packet is
handed from thread to thread and no lock is taken. Files are the writer's, pictures the sampler's.
"""

import asyncio
import logging
import socket
import time
from typing import Any

from aioice.ice import get_host_addresses

from webrtc import channel, stun
from webrtc.dtls import Identity
from webrtc.errors import Busy
from webrtc.link import Link
from webrtc.stun import Address

log = logging.getLogger(__name__)

BUFFER = 4 << 20
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33  # asm-generic/socket.h; Python has no name for them
BATCH = 128  # datagrams before the loop's other work has its turn
MAX_DATAGRAM = 1500  # what a path carries in one piece; the rest of a longer one is not read, and it fails its check
MAX_LINKS = 200
ANY = ("", "0.0.0.0", "::")  # noqa: S104
TICK_S = 0.05
BUSY_PS = 2000  # datagrams a second from which they are awaited in handfuls: a wake-up costs as much as a packet
GATHER_S = 0.001


class Port:
    """A bound socket and the links on it. `host` is the address that answers name."""

    def __init__(self, bind: str, number: int = 0, host: str = "") -> None:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        for option, forced in ((socket.SO_RCVBUF, SO_RCVBUFFORCE), (socket.SO_SNDBUF, SO_SNDBUFFORCE)):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
            except OSError:  # who may not exceed net.core.rmem_max and wmem_max gets them
                self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        got = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        if got < 2 * BUFFER:  # Linux counts double: socket(7)
            log.warning("the kernel keeps %d bytes of what arrives; give net.core.rmem_max %d", got // 2, BUFFER)
        self._socket.bind((bind, number))
        self.host = host or (bind if bind not in ANY else _first_address())
        self.number = int(self._socket.getsockname()[1])
        self.by_ufrag: dict[str, Link] = {}
        self.links: set[Link] = set()
        self.strangers = 0
        self.unsent = 0
        self.faults = 0
        self._told = -1.0
        self._busy = self._behind = False
        self._received = 0
        self._by_address: dict[Address, Link] = {}
        self._identity = Identity()
        self._clock: asyncio.TimerHandle | None = None
        self._ticked = time.monotonic()

    @property
    def identity(self) -> Identity:
        """The certificate for a new connection."""
        if self._identity.old:
            self._identity = Identity()
        return self._identity

    def start(self) -> None:
        """Read from now on, on the running loop. Raises channel.Unfit."""
        channel.self_test()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._drain)
        self._clock = loop.call_later(TICK_S, self._tick)

    def connect(self) -> Link:
        """A connection that waits for its offer."""
        return Link(self)

    @property
    def counts(self) -> dict[str, int]:
        """Since the start: datagrams of nobody's, datagrams that the kernel did not take, faults of ours."""
        return {"strangers": self.strangers, "unsent": self.unsent, "faults": self.faults}

    async def close(self) -> None:
        """Every link, then the socket."""
        for link in list(self.links):
            await link.close()
        if self._clock is not None:
            self._clock.cancel()
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    # what links tell their port

    def take_in(self, link: Link) -> None:
        """Raises Busy."""
        if len(self.links) >= MAX_LINKS:
            raise Busy("the worker has no place for another connection")
        self.links.add(link)

    def heard_from(self, link: Link, address: Address) -> None:
        """A true check of `link` came from `address`: what comes from there is the link's."""
        self._by_address[address] = link

    def forget(self, link: Link, address: Address) -> None:
        """`address` is no longer the link's."""
        if self._by_address.get(address) is link:
            del self._by_address[address]

    def leave(self, link: Link) -> None:
        """Nothing of the link remains."""
        self.links.discard(link)
        for ufrag in link.credentials:
            self.by_ufrag.pop(ufrag, None)
        for address in link.pairs:
            self.forget(link, address)

    def send(self, data: bytes, address: Address) -> bool:
        """False if the kernel does not take it: a datagram that waits is worth less than one that is lost."""
        try:
            self._socket.sendto(data, address)
        except OSError:
            self.unsent += 1
            return False
        return True

    def _drain(self) -> None:
        if self._busy and not self._behind:
            time.sleep(GATHER_S)
        self._behind = True
        receive, take = self._socket.recvfrom, self.take
        for _ in range(BATCH):
            try:
                data, address = receive(MAX_DATAGRAM)
            except OSError:
                self._behind = False
                return
            self._received += 1
            take(data, address)

    def take(self, data: bytes, address: Any) -> None:
        """One datagram from the network. Never raises."""
        try:
            # RFC 7983 7: 0 to 3 STUN, 20 to 63 DTLS, 128 to 191 RTP and RTCP; the rest is nobody's
            first = data[0] if len(data) > 12 else 255
            link = self._by_address.get(address)
            if link is None:
                if first > 3 or not self._stun(data, address):
                    self.strangers += 1
            elif 127 < first < 192:
                link.media(data, address)
            elif first < 4:
                self.strangers += not self._stun(data, address)
            elif 19 < first < 64:
                link.handshake(data, address, time.monotonic())
            else:
                self.strangers += 1
        except Exception:
            if self._worth_telling():
                log.exception("a datagram was not handled, the %dth fault of ours", self.faults)

    def _stun(self, data: bytes, address: Any) -> bool:
        """Whether it was a true check of somebody whom we expect."""
        names = stun.username(data)
        link = self.by_ufrag.get(names[0]) if names else None
        if names is None or link is None:
            return False
        return link.check(data, address, names[0], names[1], time.monotonic())

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        self._busy, self._received = self._received > BUSY_PS * passed, 0
        self._clock = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        for link in list(self.links):
            try:
                link.tick(now, passed)
            except Exception:
                if self._worth_telling():
                    log.exception("a link's clock, the %dth fault of ours", self.faults)

    def _worth_telling(self) -> bool:
        """A mistake of ours may be one that somebody out there can repeat at will: each is counted, one a second told."""
        self.faults += 1
        now = time.monotonic()
        worth = now - self._told >= 1
        self._told = now if worth else self._told
        return worth


def _first_address() -> str:
    """The machine's first IPv4 address that is not loopback; loopback if it has no other."""
    return next(iter(get_host_addresses(use_ipv4=True, use_ipv6=False)), "127.0.0.1")


def stand(bind: str, number: int, host: str) -> Port:
    """A port that reads on the running loop. Raises OSError, channel.Unfit."""
    made = Port(bind, number, host)
    made.start()
    return made
