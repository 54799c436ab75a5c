# ruff: noqa: ASYNC240  files are touched at start and stop only, when no packet waits
"""
The worker: one asyncio process that holds rooms and answers the office on a Unix socket.

Whoever can open the socket is the office: it is created with mode 0600 in a folder of the office's.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from webrtc import feed, health, peer, port, protocol
from webrtc.archive import Writer
from webrtc.connection import Connect
from webrtc.errors import BadRequest, Busy, Draining, MediaError, NoSpace, NoSuchRoom, RoomDiffers
from webrtc.protocol import (
    CloseLeg,
    CloseRoom,
    Drain,
    Health,
    Mark,
    Offer,
    OpenRoom,
    Request,
    Send,
    Snapshot,
    Status,
    StopRecording,
    Watch,
)
from webrtc.room import MANIFEST, Room
from webrtc.sampler import Sampler

log = logging.getLogger(__name__)

MAX_ROOMS = 40
MAX_HALF_OPEN = 20
MAX_WATCHED = 4
TICK_S = 0.05


class Engine:
    """Rooms by name. Every method runs on the loop."""

    def __init__(
        self, recordings: Path, connect: Connect = peer.Peer, counts: Callable[[], dict[str, int]] = dict
    ) -> None:
        self.recordings, self._connect, self.counts = recordings, connect, counts
        self.rooms: dict[str, Room] = {}
        self.lag = health.Worst()
        self.draining = False
        self.drained = asyncio.Event()  # draining, and no room is left
        self.writer, self._sampler = Writer(), Sampler()
        self._opening: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._offers = 0

    async def answer(self, request: Request) -> dict[str, Any]:
        """One request's answer. Raises MediaError."""
        match request:
            case OpenRoom():
                return await self.open_room(request)
            case Health():
                return health.of(self)
            case Drain(on=on):
                self.draining = on
                self._end_if_drained()
                return {"rooms": len(self.rooms)}
            case CloseRoom():
                return await self._close_room(request.room)
        room = self.rooms.get(request.room)
        if room is None:
            raise NoSuchRoom("the room is not open here")
        match request:
            case Offer(leg=leg, restart=True):
                return room.restart(leg, request.sdp)
            case Offer(leg=leg, sdp=sdp, type=kind):
                return await self._offer(room, leg, sdp, kind)
            case Send(leg=to, event=event):
                return {"sent": room.send(to, event), "seconds": room.seconds()}
            case Mark(phase=phase):
                return await room.mark(phase)
            case Snapshot(leg=leg):
                return await room.snapshot(leg)
            case Status():
                return room.status()
            case StopRecording(leg=leg):
                return await room.stop_recording(leg)
            case CloseLeg(leg=leg):
                await room.close_leg(leg)
                return {}
        raise BadRequest("a verb that is not answered here")

    async def open_room(self, asked: OpenRoom) -> dict[str, Any]:
        """Open, continue after a restart, or say that it is open already."""
        async with self._opening.setdefault(asked.room, asyncio.Lock()):
            if room := self.rooms.get(asked.room):
                if room.asked.key != asked.key or room.asked.legs != asked.legs:
                    raise RoomDiffers("the room is open with another key or other legs")
                return {"room": asked.room, "resumed": False, "next_segment": room._next}
            if self.draining:
                raise Draining("the worker takes no new room: it ends soon")
            if len(self.rooms) >= MAX_ROOMS:
                raise Busy("the worker has no place for another room")
            promised = asked.limits.elsewhere_bytes + sum(r.asked.limits.expected_bytes for r in self.rooms.values())
            if self.free_bytes() < 2 * asked.limits.expected_bytes + promised:
                raise NoSpace("less free space than twice what the recording may need")
            room = Room(asked, self.recordings / asked.room, self.writer, self._sampler, self._connect)
            resumed = await room.open()
            self.rooms[asked.room] = room
            return {"room": asked.room, "resumed": resumed, "next_segment": room._next}

    def watch(self, asked: Watch) -> tuple[feed.Feed, float]:
        """A feed of decoded pictures, and the wall clock at media time 0. Raises NoSuchRoom, NotConnected, Busy."""
        room = self.rooms.get(asked.room)
        if room is None:
            raise NoSuchRoom("the room is not open here")
        if sum(len(leg.taps) for each in self.rooms.values() for leg in each.legs.values()) >= MAX_WATCHED:
            raise Busy("as many challenges run as this worker decodes for")
        return room.watch(asked.leg, asked.seconds, asked.rate)

    def free_bytes(self) -> int:
        """Bytes free where recordings go."""
        room = os.statvfs(self.recordings)
        return room.f_bavail * room.f_frsize

    async def run(self) -> None:
        """The clock of all rooms; ends when cancelled."""
        due = time.monotonic()
        while True:
            due = max(due + TICK_S, time.monotonic() - TICK_S)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            self.lag.note(now - due, now)
            for room in list(self.rooms.values()):
                try:
                    room.tick(now)
                except Exception:
                    log.exception("a room's clock")

    async def stop(self) -> None:
        """End in order: segments closed with cause `worker`, rooms left to be continued."""
        for room in self.rooms.values():
            with contextlib.suppress(Exception):
                await room.abandon()
        await self._sampler.close()
        await asyncio.to_thread(self.writer.stop)

    async def _offer(self, room: Room, leg: str, sdp: str, kind: str) -> dict[str, Any]:
        if self.half_open() + self._offers >= MAX_HALF_OPEN:
            raise Busy("too many connections are just being made; try again in some seconds")
        self._offers += 1
        try:
            return await room.offer(leg, sdp, kind)
        finally:
            self._offers -= 1

    def half_open(self) -> int:
        """Connections that are answered and not yet connected."""
        return sum(len(room.joining) for room in self.rooms.values())

    def _end_if_drained(self) -> None:
        if self.draining and not self.rooms:
            self.drained.set()

    async def _close_room(self, name: str) -> dict[str, Any]:
        async with self._opening.setdefault(name, asyncio.Lock()):
            room = self.rooms.get(name)
            if room is not None:
                manifest = await room.close()
                del self.rooms[name]
                self._end_if_drained()
                return manifest
        try:
            kept = await asyncio.to_thread((self.recordings / name / MANIFEST).read_bytes)
            manifest = json.loads(kept)
        except FileNotFoundError:
            raise NoSuchRoom("the room is not open here") from None
        assert isinstance(manifest, dict)
        return manifest


@dataclass(frozen=True)
class Wire:
    """How browsers reach the worker. `engine`: `port` (one UDP port) or `aiortc` (one for each connection).

    `host`: the one address to bind; empty: every one (aiortc: but loopback). `port`, `public`: the one UDP port,
    0 for any, and the address that answers name if browsers see another than `host`.
    """

    engine: str = "port"
    host: str = ""
    port: int = 0
    public: str = ""


async def serve(socket_path: Path | None, recordings: Path, wire: Wire, open_door_port: int | None = None) -> None:
    """Run a worker until SIGTERM, SIGINT, or until it has drained. Raises Unfit, and RuntimeError if the socket is in use."""
    recordings.mkdir(mode=0o700, parents=True, exist_ok=True)
    stood: port.Port | None = None
    if wire.engine == "port":
        stood = port.stand(wire.host, wire.port, wire.public)
        engine = Engine(recordings, stood.connect, lambda: stood.counts)
    else:
        peer.self_test()
        if wire.host:
            peer.bind_to(wire.host)
        await peer.self_test_call()
        engine = Engine(recordings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = asyncio.ensure_future(engine.run())
    servers: list[asyncio.Server] = []
    if socket_path is not None:
        servers.append(await _listen(engine, socket_path))
    if open_door_port is not None:
        from webrtc.door import open_door

        servers.append(await open_door(engine, open_door_port))
    gc.freeze()  # what is here stays; the collector need not look at it again and again between packets
    gc.set_threshold(20_000, 20, 20)
    log.info("media worker ready")
    print("media worker ready", flush=True)
    ends = [asyncio.ensure_future(one.wait()) for one in (stop, engine.drained)]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for server in servers:
            server.close()
        clock.cancel()
        await engine.stop()
        if stood is not None:
            await stood.close()
        if socket_path is not None:
            socket_path.unlink(missing_ok=True)


async def _listen(engine: Engine, path: Path) -> asyncio.Server:
    if path.exists():
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink()  # a killed worker's
            else:
                raise RuntimeError(f"another worker answers on {path}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await asyncio.wait_for(reader.readline(), 30):
                answer = await _answer(engine, line)
                if isinstance(answer, tuple):
                    writer.write(protocol.answer_line({"watching": True}))
                    await feed.send(*answer, writer)
                    return
                writer.write(protocol.answer_line(answer))
                await writer.drain()
        except (ValueError, TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled: the worker ends, and asyncio of Python 3.11 would log that as a fault
        finally:
            writer.close()

    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(talk, str(path), limit=256 * 1024)
    finally:
        os.umask(before)


async def _answer(engine: Engine, line: bytes) -> dict[str, Any] | tuple[feed.Feed, float] | MediaError:
    try:
        request = protocol.from_line(line)
        return engine.watch(request) if isinstance(request, Watch) else await engine.answer(request)
    except MediaError as error:
        return error
    except Exception as error:
        log.exception("a request was not answered")
        return MediaError(f"the worker failed: {type(error).__name__}")
