"""
The engine on aiortc, and the only file that touches its and aioice's peer connection. Theirs: SDP, ICE, DTLS, SCTP. Ours: every media packet.

A decrypted packet is taken where its datagram arrives, before aiortc's receivers, so nothing is decoded and
no thread is started for it; aiortc's own senders, receivers and RTCP never run. Names that are not their
public API stand in `PRIVATE`; `self_test` refuses to start on a version that lacks one.

The guard on the datagram is also what keeps strangers out: aioice hands any datagram that is not STUN to
DTLS, from whatever address, and raises on malformed attributes; here only addresses that passed an
authenticated connectivity check are heard, and nothing raises into the loop.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

import aioice.ice
import pylibsrtp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from webrtc import channel, sdp
from webrtc.channel import Unfit, guard
from webrtc.connection import Choose, preferred
from webrtc.errors import BadOffer

log = logging.getLogger(__name__)

PRIVATE: tuple[tuple[type, str, bool], ...] = (
    # (class, name, is a coroutine function)
    (aioice.ice.StunProtocol, "datagram_received", False),
    (aioice.ice.Connection, "data_received", False),
    (aioice.ice.Connection, "request_received", False),
    (RTCDtlsTransport, "_set_role", False),
    (RTCDtlsTransport, "_recv_next", True),
    (RTCDtlsTransport, "_setup_srtp", False),
    (RTCRtpSender, "send", True),
    (RTCRtpReceiver, "receive", True),
)
_MIMES = {"audio": "audio/opus", "video": "video/VP8"}


def self_test() -> None:
    """Refuse to start where a private name is missing or has changed its kind. Raises Unfit."""
    channel.self_test()
    for owner, name, coroutine in PRIVATE:
        found = getattr(owner, name, None)
        if found is None or inspect.iscoroutinefunction(found) != coroutine:
            raise Unfit(f"{owner.__module__}.{owner.__name__}.{name} is not what it was")


async def self_test_call() -> None:
    """Refuse to start where the attributes of live objects are missing. Raises Unfit."""
    peer = Peer()
    try:
        pc = peer.pc
        wants: list[tuple[Any, tuple[str, ...]]] = [
            (peer.ice, ("_check_list", "_nominated", "_protocols")),
            (peer.dtls, ("_rx_srtp", "_tx_srtp", "_role")),
            (pc.getTransceivers()[0], ("_codecs",)),
            (pc.getTransceivers()[0].sender, ("_ssrc",)),
        ]
        for owner, names in wants:
            for name in names:
                if not hasattr(owner, name):
                    raise Unfit(f"{type(owner).__name__}.{name} is missing")
    finally:
        await peer.close()


def bind_to(host: str) -> None:
    """Every connection of this process binds `host` and nothing else (aioice leaves out 127.0.0.1)."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [host]


class Peer:
    """One connection with a browser: signalling in, decrypted packets out, packets back."""

    restarts = False
    numbered = 0
    codec = "VP8"  # H.264 is the other engine's alone
    offered = ("VP8",)

    def __init__(self) -> None:
        # an empty list matters: without one aiortc asks a public STUN server
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for kind in ("audio", "video"):
            transceiver = self.pc.addTransceiver(kind, direction="sendrecv")
            codecs = RTCRtpSender.getCapabilities(kind).codecs
            transceiver.setCodecPreferences([c for c in codecs if c.mimeType == _MIMES[kind]])
        self._first = {transceiver.receiver.transport for transceiver in self.pc.getTransceivers()}
        self._take_over()
        self._follow()
        self.on_rtp: Callable[[bytes], None] = _ignore
        self.on_rtcp: Callable[[bytes], None] = _ignore
        self.on_state: Callable[[str], None] = _ignore
        self.on_text: Callable[[str], None] = _ignore
        self.strangers = 0  # datagrams that were not heard
        self.flooded = 0  # its limit is the leg's
        self.forged = 0  # packets that did not pass SRTP authentication or were replays
        self._channel: Any = None
        self._pair: Any = None
        self._address: tuple[str, int] | None = None
        self.pc.on("connectionstatechange", self._changed)
        self.pc.on("datachannel", self._joined)

    async def answer(self, offer: str, choose: Choose = preferred) -> str:
        """The answer to a whole offer. Raises BadOffer for whatever the parser dislikes."""
        offer = sdp.clean(offer)
        choose(self.offered)
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            if any(t.direction != "sendrecv" for t in self.pc.getTransceivers()):
                raise BadOffer("the offer has other sections than one audio and one video")
            self._take_over()
            self._follow()
            if self.pc.sctp is not None:
                guard(self.pc.sctp)
            if self.dtls._role == "auto":
                # as DTLS server we choose the cipher: AEAD_AES_256_GCM instead of AES128_CM_SHA1_80
                self.dtls._set_role("server")
            await self.pc.setLocalDescription(await self.pc.createAnswer())
        except BadOffer:
            raise
        except Exception as error:
            # the parser raises AssertionError, IndexError, KeyError and others on bad input
            raise BadOffer(f"the offer cannot be read: {type(error).__name__}") from error
        for protocol in self.ice._protocols:
            self._guard(protocol)
        return str(self.pc.localDescription.sdp)

    def restart(self, offer: str) -> str | None:
        """Never: aiortc cannot restart ICE, so such an offer becomes a connection of its own."""

    @property
    def state(self) -> str:
        """new, connecting, connected, failed or closed."""
        return str(self.pc.connectionState)

    def outgoing(self, kind: str) -> tuple[int, int]:
        """(payload type, SSRC) of what we send of this kind, as the answer says."""
        transceiver = next(t for t in self.pc.getTransceivers() if t.kind == kind)
        return int(transceiver._codecs[0].payloadType), int(transceiver.sender._ssrc)

    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the browser's DTLS certificate in its offer, or empty."""
        for line in str(self.pc.remoteDescription.sdp).splitlines():
            if line.lower().startswith("a=fingerprint:sha-256 "):
                return line.split(" ", 1)[1].strip().upper()
        return ""

    def send_rtp(self, packet: bytes) -> bool:
        """Protect and send; false if there is nobody to send to."""
        return self._send(packet, rtcp=False)

    def send_rtcp(self, packet: bytes) -> bool:
        """Protect and send; false if there is nobody to send to."""
        return self._send(packet, rtcp=True)

    def send_text(self, text: str) -> bool:
        """Send over the data channel; false if it is not open or the page does not keep up."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > 256 * 1024:
            return False
        channel.send(text)
        return True

    async def close(self) -> None:
        """Give everything back, the sockets above all: also after an offer that left aiortc without a transport."""
        sctp = [self.pc.sctp.transport] if self.pc.sctp else []
        mine = {*self._first, *(t.receiver.transport for t in self.pc.getTransceivers()), *sctp} - {None}
        try:
            await self.pc.close()
        except Exception:  # noqa: BLE001  it stops what is None, and so stops nothing that comes after
            for dtls in mine:
                await dtls.stop()
                await dtls.transport.stop()

    def _take_over(self) -> None:
        """aiortc's senders and receivers never start: no threads, no RTCP of theirs."""
        for transceiver in self.pc.getTransceivers():
            transceiver.sender.send = _nothing
            transceiver.receiver.receive = _nothing

    def _follow(self) -> None:
        """The one transport of the bundle, and its aioice connection; known once the offer is read."""
        self.dtls: Any = self.pc.getTransceivers()[0].receiver.transport
        self.ice: Any = self.dtls.transport._connection

    def _send(self, packet: bytes, *, rtcp: bool) -> bool:
        pair = self.ice._nominated.get(1)  # asked for anew: a roaming client gets another pair
        session = self.dtls._tx_srtp
        if pair is None or session is None:
            return False
        if pair is not self._pair:
            self._pair, self._address = pair, pair.remote_addr
        try:
            data = session.protect_rtcp(packet) if rtcp else session.protect(packet)
        except pylibsrtp.Error:
            return False
        pair.protocol.transport.sendto(data, self._address)
        return True

    def _guard(self, protocol: Any) -> None:
        original, ice, component = protocol.datagram_received, self.ice, protocol.local_candidate.component

        def heard(address: tuple[str, int]) -> bool:
            good = aioice.ice.CandidatePair.State.SUCCEEDED
            return any(p.state == good and p.remote_addr == address for p in ice._check_list)

        def received(data: bytes, address: tuple[Any, ...]) -> None:
            address = (address[0], address[1])
            first = data[0] if data else 255
            if first < 4:  # STUN (RFC 7983)
                try:
                    original(data, address)
                except Exception:  # noqa: BLE001  malformed attributes raise struct.error and more; no log flood
                    self.strangers += 1
            elif address != self._address and not heard(address):
                self.strangers += 1
            elif 127 < first < 192:
                self._packet(data)
            elif 19 < first < 64:
                ice.data_received(data, component)
            else:
                self.strangers += 1

        protocol.datagram_received = received

    def _packet(self, data: bytes) -> None:
        session = self.dtls._rx_srtp
        if session is None or len(data) < 12:
            return
        try:
            if 191 < data[1] < 224:
                self.on_rtcp(session.unprotect_rtcp(data))
            else:
                self.on_rtp(session.unprotect(data))
        except pylibsrtp.Error:
            self.forged += 1
        except Exception:
            log.exception("a packet was not handled")

    def _changed(self) -> None:
        self.on_state(self.state)

    def _joined(self, channel: Any) -> None:
        if channel.label != "events" or self._channel is not None:
            channel.close()
            return
        self._channel = channel

        def message(text: Any) -> None:
            if isinstance(text, str) and len(text) <= 16 * 1024:
                try:
                    self.on_text(text)
                except Exception:
                    log.exception("a message was not handled")

        channel.on("message", message)


def _ignore(_: Any) -> None:
    """Nobody listens yet."""


async def _nothing(*_: Any) -> None:
    await asyncio.sleep(0)
