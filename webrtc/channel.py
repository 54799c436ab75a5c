"""
aiortc's SCTP over our DTLS, for the data channel (RFC 8831). Of our own engine, the only file that uses what
is not aiortc's public API; `self_test` refuses to start where a name or the shape of a call has changed.

SCTP wants four things of what carries it, all private: a role, a state, a place to send to, and to be
registered as the receiver.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

from aiortc.rtcsctptransport import RTCSctpCapabilities, RTCSctpTransport

from webrtc import sctp

log = logging.getLogger(__name__)

LABEL = "events"
MAX_TEXT = 16 * 1024
MAX_WAITING = 64  # datagrams of a browser that SCTP has not looked at yet
MAX_BUFFERED = 256 * 1024
MAX_PACKETS_PS = 500
MAX_MISORDERED = 1024  # packets beyond a hole
MAX_CHANNELS = 8


class Unfit(RuntimeError):
    """The installed aiortc is not the one that this was written for."""


def self_test() -> None:
    """Refuse to start where the seam has changed. Raises Unfit."""
    handle = getattr(RTCSctpTransport, "_handle_data", None)
    if not inspect.iscoroutinefunction(handle) or list(inspect.signature(handle).parameters) != ["self", "data"]:
        raise Unfit("RTCSctpTransport._handle_data is not what it was")
    source = inspect.getsource(RTCSctpTransport)
    used = ("_register_data_receiver(", "_unregister_data_receiver(", "_send_data(", "._role ==")
    if missing := [name for name in used if name not in source]:
        raise Unfit(f"RTCSctpTransport does not use {missing} any more")
    if missing := [name for name in ("_advertised_rwnd", "_sack_misordered", "_data_channels") if name not in source]:
        raise Unfit(f"RTCSctpTransport keeps its books elsewhere than in {missing}")


def guard(transport: Any) -> None:
    """From now on only sound packets reach this SCTP, not too many, and nothing raises; who overdoes it is cut off."""
    handle, budget = transport._handle_data, _Budget()

    async def handle_data(data: bytes) -> None:
        if not budget.take() or not sctp.sound(data):
            return
        try:
            await handle(data)
            much = transport._advertised_rwnd < 0 or len(transport._sack_misordered) > MAX_MISORDERED
            if much or len(transport._data_channels) > MAX_CHANNELS:
                budget.end()
                await transport.stop()
        except Exception:  # a party's nonsense is its own loss
            log.debug("an SCTP packet was not handled", exc_info=True)

    transport._handle_data = handle_data


class _Budget:
    """MAX_PACKETS_PS, at once or spread over the second."""

    def __init__(self) -> None:
        self._left, self._since, self._over = MAX_PACKETS_PS, time.monotonic(), False

    def take(self) -> bool:
        now = time.monotonic()
        if now - self._since >= 1.0:
            self._left, self._since = MAX_PACKETS_PS, now
        self._left -= 1
        return self._left >= 0 and not self._over

    def end(self) -> None:
        self._over = True


class _Carrier:
    """Looks to SCTP like aiortc's DTLS transport."""

    _role = "server"  # RFC 8832 6: the DTLS server takes odd streams
    state = "connected"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    async def _send_data(self, data: bytes) -> None:
        self._send(data)

    def _register_data_receiver(self, receiver: Any) -> None: ...

    def _unregister_data_receiver(self, receiver: Any) -> None: ...


class Channel:
    """The data channel `events` of one connection; any other that the browser opens is closed."""

    def __init__(self, send: Callable[[bytes], None], on_text: Callable[[str], None]) -> None:
        self._sctp: Any = RTCSctpTransport(_Carrier(send))  # type: ignore[arg-type]
        guard(self._sctp)
        self._sctp.on("datachannel", self._joined)
        self._on_text = on_text
        self._channel: Any = None
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None

    def start(self, port: int, max_message: int) -> None:
        """Both sides begin the association (RFC 8841 9.3)."""
        self._task = asyncio.ensure_future(self._run(port, max_message))

    def take(self, data: bytes) -> None:
        """An SCTP packet; dropped if too many wait, as a network would."""
        if not self._waiting.full():
            self._waiting.put_nowait(data)

    def send(self, text: str) -> bool:
        """False if the channel is not open or the page does not keep up."""
        there = self._channel
        if there is None or there.readyState != "open" or there.bufferedAmount > MAX_BUFFERED:
            return False
        there.send(text)
        return True

    async def close(self) -> None:
        """End the association and its timers."""
        if self._task is None:
            return
        self._task.cancel()
        self._task = None
        try:
            await self._sctp.stop()
        except Exception:
            log.exception("a data channel did not close")

    async def _run(self, port: int, max_message: int) -> None:
        await self._sctp.start(RTCSctpCapabilities(maxMessageSize=max_message), port)
        while True:
            data = await self._waiting.get()
            await self._sctp._handle_data(data)

    def _joined(self, channel: Any) -> None:
        if channel.label != LABEL or self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._message)

    def _message(self, text: Any) -> None:
        if isinstance(text, str) and len(text) <= MAX_TEXT:
            try:
                self._on_text(text)
            except Exception:
                log.exception("a message was not handled")
