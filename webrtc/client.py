"""
The office's side of media workers: blocking calls over a worker's Unix socket, from any thread.

Every call opens a connection of its own, so calls never wait for one another and a restarted worker is found
by the next call. Raises the classes of `webrtc.errors`; `Unreachable` is the only one worth trying again, and
every call but `send` and `snapshot` may be repeated safely.
"""

import socket
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webrtc import protocol
from webrtc.errors import MediaError, Unreachable
from webrtc.protocol import Limits, Seat

__all__ = ["Answer", "Limits", "MediaClient", "MediaError", "Picture", "Rooms", "Seat", "Seen"]

QUICK_S = 2.0
"""Whoever asks a worker how it does asks others too, and does not wait for one that hangs."""
CLOSING_S = 120.0
"""A room's whole recording is read again when it is closed."""


@dataclass(frozen=True)
class Answer:
    """What the page gets back, and the segment that its media will be recorded as."""

    sdp: str
    type: str
    segment: str
    connection: str
    fingerprint: str


@dataclass(frozen=True)
class Picture:
    """A JPEG of a party's latest key frame; `seconds` of media time, `sha256` of the JPEG."""

    jpeg: bytes
    sha256: str
    at: str
    seconds: float
    segment: str
    width: int
    height: int


@dataclass(frozen=True)
class Seen:
    """One picture of a watched party: JPEG, `seconds` of media time, RTP time."""

    jpeg: bytes
    seconds: float
    stamp: int


class Rooms(ABC):
    """Every verb of a room, wherever it is held."""

    @abstractmethod
    def call(self, request: protocol.Request, timeout: float | None = None) -> dict[str, Any]:
        """One request's answer; `timeout` in seconds if not the usual one."""

    def open_room(
        self,
        room_id: str,
        key: bytes,
        legs: list[Seat] | list[dict[str, str]],
        limits: Limits | None = None,
    ) -> dict[str, Any]:
        """Open a room with the case's data key, or continue it after a worker's end.

        Returns {"room", "resumed": bool, "next_segment": int}. Raises NoSpace, Busy, RoomClosed, RoomDiffers.
        """
        seats = tuple(seat if isinstance(seat, Seat) else Seat(**seat) for seat in legs)
        return self.call(protocol.OpenRoom(room_id, key, seats, limits or Limits()))

    def offer(self, room_id: str, leg: str, sdp: str, type: str = "offer") -> Answer:  # noqa: A002
        """Answer a page's whole offer; an older connection of the leg is replaced.

        Raises BadOffer, OfferTooLarge, NoSuchRoom, NoSuchLeg, Busy.
        """
        return Answer(**self.call(protocol.Offer(room_id, leg, sdp, type)))

    def restart(self, room_id: str, leg: str, sdp: str) -> Answer:
        """Answer the page's offer to mend the connection that it has: same segment, other addresses.

        Raises NothingToRestart, SeatTaken, BadOffer, OfferTooLarge, NoSuchRoom, NoSuchLeg.
        """
        return Answer(**self.call(protocol.Offer(room_id, leg, sdp, restart=True)))

    def send(self, room_id: str, leg: str | None, event: dict[str, Any]) -> int:
        """Send a live event to a leg, or to all; returns how many connections took it. Never queued."""
        return int(self.call(protocol.Send(room_id, leg, event))["sent"])

    def mark(self, room_id: str, phase: str) -> dict[str, Any]:
        """A phase begins now; durable before it returns.

        Returns {"at": UTC text, "seconds": media time since the room's first packet,
        "offsets": {segment: seconds into it}}. Raises NotRecorded.
        """
        return self.call(protocol.Mark(room_id, phase))

    def snapshot(self, room_id: str, leg: str) -> Picture:
        """A picture of the party now: a fresh key frame, decoded apart. Raises NotConnected, NoPicture."""
        reply = self.call(protocol.Snapshot(room_id, leg))
        return Picture(**{**reply, "jpeg": b64decode(reply["jpeg"])})

    def prompt(self, room_id: str, leg: str, event: dict[str, Any]) -> float | None:
        """Send a live event; the media time at which it went out, or None if no page took it."""
        reply = self.call(protocol.Send(room_id, leg, event))
        return reply["seconds"] if reply["sent"] else None

    @abstractmethod
    def watch(self, room_id: str, leg: str, seconds: float, rate: float = 12.0) -> Iterator[Seen]:
        """Every picture of a party, decoded apart, at most `rate` a second, for `seconds`. Blocks for each; ends when
        the time is over, when the party leaves, or when the iterator is closed. Raises NotConnected, NotRecorded, Busy,
        NoPicture (the decoder died on a frame).
        """

    def status(self, room_id: str) -> dict[str, Any]:
        """How the room does: legs, recorder, gaps; see `Room.status`."""
        return self.call(protocol.Status(room_id))

    def stop_recording(self, room_id: str, leg: str) -> dict[str, Any]:
        """Consent is withdrawn: the leg's segment ends with cause `consent`, and the leg is shut out."""
        return self.call(protocol.StopRecording(room_id, leg))

    def close_leg(self, room_id: str, leg: str) -> None:
        """End a leg's connection; fine if there is none."""
        self.call(protocol.CloseLeg(room_id, leg))

    def close_room(self, room_id: str) -> dict[str, Any]:
        """End the room for good; returns its manifest, verified from the files. Again: the same manifest."""
        return self.call(protocol.CloseRoom(room_id), timeout=CLOSING_S)


class MediaClient(Rooms):
    """The worker on `socket_path`; `timeout` in seconds for each call."""

    def __init__(self, socket_path: str | Path, timeout: float = 10.0) -> None:
        self.socket_path, self.timeout = str(socket_path), timeout

    def health(self) -> dict[str, Any]:
        """How the worker does; see `webrtc.health`."""
        return self.call(protocol.Health("worker"), QUICK_S)

    def drain(self, on: bool = True) -> None:
        """Take no new room and end when the last one has closed; `on` false: go on as before."""
        self.call(protocol.Drain("worker", on), QUICK_S)

    def call(self, request: protocol.Request, timeout: float | None = None) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
                wire.settimeout(timeout or self.timeout)
                wire.connect(self.socket_path)
                wire.sendall(protocol.to_line(request))
                with wire.makefile("rb") as stream:
                    line = stream.readline(protocol.MAX_LINE)
        except OSError as error:
            raise Unreachable(f"the media worker does not answer: {error}") from error
        if not line.endswith(b"\n"):
            raise Unreachable("the media worker ended in mid-answer")
        return protocol.read_answer(line)

    def watch(self, room_id: str, leg: str, seconds: float, rate: float = 12.0) -> Iterator[Seen]:
        request = protocol.Watch(room_id, leg, seconds, rate)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
                wire.settimeout(seconds + self.timeout)
                wire.connect(self.socket_path)
                wire.sendall(protocol.to_line(request))
                with wire.makefile("rb") as stream:
                    protocol.read_answer(stream.readline(protocol.MAX_LINE))
                    while (head := protocol.read_head(stream.readline(protocol.MAX_EVENT))) is not None:
                        seconds_in, stamp, size = head
                        yield Seen(stream.read(size), seconds_in, stamp)
        except OSError as error:
            raise Unreachable(f"the media worker does not answer: {error}") from error
