"""
One browser on the worker's UDP port: its ICE credentials, its DTLS association, its SRTP keys, its data channel.

Everything here runs on the thread of the port, which is the thread of the rooms; no other touches a key.
"""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pylibsrtp

from webrtc import stun
from webrtc.answer import Offer, Ours, read, write
from webrtc.channel import Channel
from webrtc.connection import Choose, preferred
from webrtc.dtls import Dtls, begins
from webrtc.errors import BadOffer
from webrtc.pairs import Pairs
from webrtc.stun import Address

if TYPE_CHECKING:
    from webrtc.port import Port

MAX_DATAGRAMS_PS = 3000
MAX_CHECKS_PS = 100


class Link:
    """A `Connection` on the port. Made by `Port.connect`; known to the port once its offer is answered."""

    restarts = True

    def __init__(self, port: "Port") -> None:
        self._port = port
        self.on_rtp: Callable[[bytes], None] = _ignore
        self.on_rtcp: Callable[[bytes], None] = _ignore
        self.on_state: Callable[[str], None] = _ignore
        self.on_text: Callable[[str], None] = _ignore
        self.forged = self.flooded = 0
        self.pairs = Pairs()
        self.dtls: Dtls | None = None
        self.retry_at: float | None = None
        self.over = False
        self.credentials: dict[str, tuple[str, str, int]] = {}  # our ufrag: (our password, theirs, generation)
        self._identity = port.identity
        self._offer: Offer | None = None
        self._ours: Ours | None = None
        self._channel: Channel | None = None
        self._strangers = port.strangers
        self._left, self._checks = MAX_DATAGRAMS_PS, MAX_CHECKS_PS
        self._unprotect: Callable[[bytes], bytes] | None = None
        self._protect: Any = None

    async def answer(self, offer: str, choose: Choose = preferred) -> str:
        """Raises BadOffer, OfferTooLarge."""
        if self._offer is not None:
            raise BadOffer("this connection has its answer")
        asked = read(offer)
        asked.take(choose(asked.codecs))
        self._port.take_in(self)
        self._offer = asked
        ssrcs = {kind: secrets.randbelow((1 << 32) - 1) + 1 for kind in ("audio", "video")}
        return self._answer(asked, secrets.randbits(62), 1, ssrcs)

    def restart(self, offer: str) -> str | None:
        """An offer of the same RTCPeerConnection: the same answer, with new credentials if it has new ones.

        ICE restart (RFC 8445 9, RFC 8839 4.4.3) touches neither DTLS nor the keys, so the recording goes on.
        """
        before, ours = self._offer, self._ours
        if before is None or ours is None or self.over:
            return None
        asked = read(offer)
        if (asked.session, asked.fingerprint) != (before.session, before.fingerprint):
            return None
        asked.take(self.codec)
        shape = [(s.kind, s.mid, s.pt) for s in asked.sections]
        if shape != [(s.kind, s.mid, s.pt) for s in before.sections]:
            raise BadOffer("the connection cannot take on other sections")
        self._offer = asked
        if asked.ufrag == before.ufrag:
            return write(asked, ours)
        return self._answer(asked, ours.session, ours.version + 1, ours.ssrcs)

    @property
    def strangers(self) -> int:
        """Datagrams at the port that nobody was proved to have sent, since this connection began."""
        return self._port.strangers - self._strangers

    def outgoing(self, kind: str) -> tuple[int, int]:
        """(payload type, SSRC)."""
        assert self._offer is not None
        assert self._ours is not None
        section = self._offer.section(kind)
        assert section is not None
        return section.pt, self._ours.ssrcs[kind]

    @property
    def offered(self) -> tuple[str, ...]:
        """As the offer says."""
        return self._offer.codecs if self._offer else ()

    @property
    def codec(self) -> str:
        """As the answer says."""
        section = self._offer.section("video") if self._offer else None
        return section.chosen if section else ""

    @property
    def numbered(self) -> int:
        """As the answer says."""
        section = self._offer.section("video") if self._offer else None
        return section.format.numbered if section else 0

    def fingerprint(self) -> str:
        """Of the browser's certificate, as its offer says; no packet is heard under another."""
        return self._offer.fingerprint if self._offer else ""

    def send_rtp(self, packet: bytes) -> bool:
        """Protect and send."""
        where = self.pairs.selected
        if where is None or self._protect is None:
            return False
        try:
            return self._port.send(self._protect(packet), where)
        except pylibsrtp.Error:
            return False

    def send_rtcp(self, packet: bytes) -> bool:
        """Protect and send."""
        where = self.pairs.selected
        if where is None or self.dtls is None or self.dtls.tx is None or self.over:
            return False
        try:
            return self._port.send(self.dtls.tx.protect_rtcp(packet), where)
        except pylibsrtp.Error:
            return False

    def send_text(self, text: str) -> bool:
        """Over the data channel."""
        return self._channel is not None and self._channel.send(text)

    async def close(self) -> None:
        """Tell the browser, and be forgotten by the port."""
        if self._channel is not None:
            await self._channel.close()
        if self.dtls is not None:
            self.dtls.close()
            self._flush(self.pairs.selected)
        self._end()
        # what listened goes with its half second of packets at once: the collector looks for circles rarely here
        self.on_rtp = self.on_rtcp = self.on_state = self.on_text = _ignore
        self._channel = None

    # what the port hands over

    def check(self, data: bytes, address: Address, ufrag: str, theirs: str, now: float) -> bool:
        """A connectivity check that names us; false if it is not true. RFC 8445 7.3."""
        if self._checks <= 0:
            return False
        self._checks -= 1
        password, expected, generation = self.credentials[ufrag]
        found = stun.check(data, password)
        if found is None or theirs != expected:
            return False
        if found.conflict:
            reply = stun.role_conflict(found, password)
        else:
            reply = stun.success(found, address[:2], password)
            self._port.heard_from(self, address)
            for old in self.pairs.prove(address, found.priority, generation, now, nominates=found.nominates):
                self._port.forget(self, old)
            self._only(generation)
        if len(reply) <= len(data):
            self._port.send(reply, address)
        return True

    def media(self, data: bytes, address: Address) -> None:
        """SRTP or SRTCP from a proved address."""
        self._left -= 1
        unprotect = self._unprotect
        if unprotect is None:
            return
        if self._left < 0:
            self.flooded += 1
            return
        try:
            if 191 < data[1] < 224:  # RFC 5761 4
                assert self.dtls is not None
                plain, hand = self.dtls.rx.unprotect_rtcp(data), self.on_rtcp
            else:
                plain, hand = unprotect(data), self.on_rtp
        except pylibsrtp.Error:
            self.forged += 1
            return
        if address != self.pairs.selected:
            self.pairs.heard(address)
        hand(plain)

    def handshake(self, data: bytes, address: Address, now: float) -> None:
        """A DTLS datagram from a proved address."""
        self._left -= 1
        if self._left < 0 or self.over:
            return
        if self.dtls is None:
            if not begins(data):
                return
            assert self._offer is not None
            self.dtls = Dtls(self._identity, self._offer.fingerprint)
        before = self.dtls.state
        said = self.dtls.take(data)
        self._flush(self.pairs.selected or address)
        due = self.dtls.due()
        self.retry_at = None if due is None else now + due
        if self.dtls.state != before:
            self._changed(self.dtls)
        for text in said:
            if self._channel is not None:
                self._channel.take(text)

    def tick(self, now: float, passed: float) -> None:
        """Timers: the handshake's, consent's, the limits'."""
        self._left = min(MAX_DATAGRAMS_PS, self._left + int(MAX_DATAGRAMS_PS * passed))
        self._checks = min(MAX_CHECKS_PS, self._checks + max(1, int(MAX_CHECKS_PS * passed)))
        if self.retry_at is not None and now >= self.retry_at and self.dtls is not None:
            self.dtls.again()
            self._flush(self.pairs.selected or next(iter(self.pairs), None))
            due = self.dtls.due()
            self.retry_at = None if due is None else now + due
            if self.dtls.state == "failed":
                self._changed(self.dtls)
        if self.pairs.expired(now):
            self._end()
            self.on_state("failed")

    def _answer(self, asked: Offer, session: int, version: int, ssrcs: dict[str, int]) -> str:
        # RFC 8445 5.3: at least 24 and 128 bits of chance
        ufrag, password = secrets.token_hex(6), secrets.token_hex(16)
        self.pairs.generation += 1
        self.credentials[ufrag] = password, asked.ufrag, self.pairs.generation
        while len(self.credentials) > 2:  # the present ones, and those that a restart has not replaced yet
            self._drop(next(iter(self.credentials)))
        self._port.by_ufrag[ufrag] = self
        self._ours = Ours(
            self._port.host, self._port.number, ufrag, password, self._identity.fingerprint, session, version, ssrcs
        )
        return write(asked, self._ours)

    def _only(self, generation: int) -> None:
        """The restart has come through: older credentials are no longer good."""
        if len(self.credentials) > 1 and generation == self.pairs.generation and self.pairs.selected is not None:
            for ufrag in [u for u, (_, _, g) in self.credentials.items() if g < generation]:
                self._drop(ufrag)

    def _drop(self, ufrag: str) -> None:
        del self.credentials[ufrag]
        self._port.by_ufrag.pop(ufrag, None)

    def _changed(self, dtls: Dtls) -> None:
        if dtls.state == "connected":
            self._unprotect, self._protect = dtls.rx.unprotect, dtls.tx.protect
            section = self._offer.section("application") if self._offer else None
            if section is not None:
                self._channel = Channel(self._data, self._text)
                self._channel.start(section.sctp_port, section.max_message)
            self.on_state("connected")
        else:
            state = dtls.state
            self._end()
            self.on_state(state)

    def _data(self, data: bytes) -> None:
        if self.dtls is not None and not self.over:
            self.dtls.send(data)
            self._flush(self.pairs.selected)

    def _text(self, text: str) -> None:
        self.on_text(text)

    def _flush(self, address: Address | None) -> None:
        if self.dtls is None:
            return
        for datagram in self.dtls.outgoing():
            if address is not None:
                self._port.send(datagram, address)

    def _end(self) -> None:
        self.over = True
        self._protect = self._unprotect = self.retry_at = None
        self._port.leave(self)


def _ignore(_: Any) -> None:
    """Nobody listens yet."""
