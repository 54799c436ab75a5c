"""
What a room needs of a connection with a browser. Two engines make such connections: `peer` on aiortc's, a UDP
port for each; `link` on our own, one UDP port for all of them.
"""

from collections.abc import Callable
from typing import Protocol

Choose = Callable[[tuple[str, ...]], str]
"""Of the video codecs that an offer has and we can answer, preferred first, the one to answer with; it may raise."""


def preferred(codecs: tuple[str, ...]) -> str:
    """The first."""
    return codecs[0]


class Connection(Protocol):
    """Signalling in, decrypted packets out, packets back. Everything runs on the loop of the rooms."""

    on_rtp: Callable[[bytes], None]
    on_rtcp: Callable[[bytes], None]
    on_state: Callable[[str], None]
    on_text: Callable[[str], None]
    restarts: bool  # whether ICE can be restarted at all

    async def answer(self, offer: str, choose: Choose = preferred) -> str:
        """The answer to a whole offer. Raises BadOffer, OfferTooLarge, Busy, and what `choose` raises."""
        ...

    def restart(self, offer: str) -> str | None:
        """The answer to another offer of this same connection (ICE restart); None if it is another's.

        Raises BadOffer, OfferTooLarge.
        """
        ...

    @property
    def strangers(self) -> int:
        """Datagrams that were not heard."""
        ...

    @property
    def forged(self) -> int:
        """Packets that did not pass SRTP authentication, or were replays."""
        ...

    @property
    def flooded(self) -> int:
        """Packets over the limit, not even decrypted."""
        ...

    def outgoing(self, kind: str) -> tuple[int, int]:
        """(payload type, SSRC) of what we send of this kind, as the answer says."""
        ...

    @property
    def offered(self) -> tuple[str, ...]:
        """The video codecs that could have been answered: names of `webrtc.codecs`."""
        ...

    @property
    def codec(self) -> str:
        """The video codec of both directions, as the answer says."""
        ...

    @property
    def numbered(self) -> int:
        """Id of the header extension with the transport-wide number of pictures' packets; 0: none is expected."""
        ...

    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the browser's DTLS certificate in its offer, or empty."""
        ...

    def send_rtp(self, packet: bytes) -> bool:
        """Protect and send; false if there is nobody to send to."""
        ...

    def send_rtcp(self, packet: bytes) -> bool:
        """Protect and send; false if there is nobody to send to."""
        ...

    def send_text(self, text: str) -> bool:
        """Send over the data channel; false if it is not open or the page does not keep up."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


Connect = Callable[[], Connection]
