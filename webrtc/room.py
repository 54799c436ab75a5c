"""
One interview's media: its seats, who sits there now, and the recording of it all.
"""

import asyncio
import hashlib
import json
import logging
import os
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

from webrtc import journal
from webrtc.archive import Archive, Writer
from webrtc.codecs import BY_NAME
from webrtc.connection import Connect, Connection
from webrtc.errors import (
    BadOffer,
    Busy,
    MediaError,
    NoCommonCodec,
    NoPicture,
    NoSuchLeg,
    NotConnected,
    NothingToRestart,
    NotRecorded,
    RoomClosed,
    RoomTaken,
    SeatTaken,
)
from webrtc.feed import Feed
from webrtc.leg import CONNECT_S, Leg
from webrtc.peer import Peer
from webrtc.protocol import OpenRoom, Seat
from webrtc.recorder import Segment
from webrtc.sampler import NotDecoded, Sampler

log = logging.getLogger(__name__)

PICTURE_S = 4.0
CHANGE_S = 3.0
"""A page that was told to come back in another codec has so long; then its connection is ended, and it comes back by itself."""
MANIFEST = "manifest.json"


class Room:
    """An open room. `key` is the case's data key; it is in memory here and nowhere on disk."""

    def __init__(
        self, asked: OpenRoom, folder: Path, writer: Writer, sampler: Sampler, connect: Connect = Peer
    ) -> None:
        self.name, self.asked, self.folder = asked.room, asked, folder
        self.seats = {seat.leg: seat for seat in asked.legs}
        self.legs: dict[str, Leg] = {}  # connected, one a seat
        self.joining: dict[str, Leg] = {}  # answered, not yet connected
        self.barred: set[str] = set()  # consent withdrawn
        self.gaps: list[dict[str, Any]] = []
        self.codec = next(iter(BY_NAME))  # of the pictures of both parties, which are passed through
        self._writer, self._sampler, self._connect = writer, sampler, connect
        self._archive = Archive(folder, asked.room, asked.key, writer)
        self._started: float | None = None
        self._next = 1
        self._ending: set[asyncio.Task[None]] = set()

    async def open(self) -> bool:
        """Ready the folder; true if an earlier worker's recording goes on. Raises RoomClosed, RoomTaken, NotRecorded."""
        resumed = (self.folder / journal.NAME).exists()
        now = time.time()
        try:
            await self._wait(self._writer.submit(lambda: self._archive.open(now)))
        except ValueError as error:
            if "closed" in str(error):
                await asyncio.to_thread(seal, self.folder, self.asked.key)
                raise RoomClosed(str(error)) from error
            raise NotRecorded(f"the room's journal is damaged: {error}") from error
        except BlockingIOError as error:
            raise RoomTaken("another worker still writes this room's recording") from error
        except OSError as error:
            raise NotRecorded(f"the room's folder cannot be written: {error.strerror}") from error
        self._started, self._next = self._archive.started, self._archive.next_segment
        return resumed

    async def offer(self, leg: str, sdp: str, kind: str) -> dict[str, Any]:
        """Answer a page. The leg's present connection stays until the new one is connected."""
        seat = self._seat(leg)
        if leg in self.barred:
            raise NotConnected("consent was withdrawn: this party is not connected again")
        if kind != "offer":
            raise BadOffer("this is not an offer")
        peer = self._connect()
        try:
            answer = await peer.answer(sdp, lambda codecs: self._choose(leg, codecs))
            name = f"{self._next:04d}-{leg}"
            segment = Segment(name, self._archive, self._writer, BY_NAME[peer.codec])
            joining = Leg(self, seat, segment, peer, self.asked.limits.max_bitrate)
            joining.answered()
            reply = _told(joining, answer)
        except BaseException:
            await peer.close()
            raise
        self._next += 1
        self.codec = peer.codec
        if older := self.joining.pop(leg, None):
            self._end(older, "replaced")
        self.joining[leg] = joining
        return reply

    def restart(self, leg: str, sdp: str) -> dict[str, Any]:
        """Answer an offer of the leg's present connection, which goes on with its segment (ICE restart, C07).

        Raises NothingToRestart, SeatTaken, BadOffer.
        """
        self._seat(leg)
        there = self.legs.get(leg)
        if there is None or there.over or not there.peer.restarts:
            raise NothingToRestart("there is no connection that could be mended")
        answer = there.peer.restart(sdp)
        if answer is None:
            raise SeatTaken("another page has taken this seat")
        return _told(there, answer)

    def send(self, leg: str | None, event: dict[str, Any]) -> int:
        """An event to one leg or all; how many took it."""
        if leg is not None:
            self._seat(leg)
        targets = [x for name, x in self.legs.items() if leg in (None, name)]
        return sum(x.send(event) for x in targets)

    def seconds(self) -> float | None:
        """Media time: seconds since the room's first packet."""
        return round(time.time() - self._started, 3) if self._started is not None else None

    async def mark(self, phase: str) -> dict[str, Any]:
        """Note the phase durably and say where in the recording it began."""
        now, wall = time.monotonic(), time.time()
        if self._started is None:
            raise NotRecorded("nothing has been recorded yet")
        at = round(wall - self._started, 3)
        fields = {"phase": phase, "seconds": at}
        await self._wait(self._writer.submit(lambda: self._archive.append(wall, "mark", fields, sync=True)))
        if self._archive.trouble:
            raise NotRecorded(f"the phase was not written: {self._archive.trouble}")
        offsets = {
            x.segment.name: round(now - x.segment.began, 3) for x in self.legs.values() if x.segment.began is not None
        }
        return {"at": journal.stamp(wall), "seconds": at, "offsets": offsets}

    async def snapshot(self, leg: str) -> dict[str, Any]:
        """A fresh key frame as JPEG. Raises NotConnected, NoPicture."""
        self._seat(leg)
        there = self.legs.get(leg)
        if there is None:
            raise NotConnected("the party is not connected")
        got: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        there.on_next_key(lambda frame: None if got.done() else got.set_result(frame))
        try:
            frame = await asyncio.wait_for(got, PICTURE_S)
        except TimeoutError:
            raise NoPicture("no whole picture came in time") from None
        if frame is None:
            raise NotConnected("the party has left")
        wall = time.time()
        try:
            jpeg = await self._sampler.jpeg(frame, there.codec)
        except NotDecoded as error:
            raise NoPicture(str(error)) from error
        width, height = there.codec.picture_size(frame) or (0, 0)
        return {
            "jpeg": b64encode(jpeg).decode(),
            "sha256": hashlib.sha256(jpeg).hexdigest(),
            "at": journal.stamp(wall),
            "seconds": round(wall - (self._started or wall), 3),
            "segment": there.segment.name,
            "width": width,
            "height": height,
        }

    def watch(self, leg: str, seconds: float, rate: float) -> tuple[Feed, float]:
        """A feed of the leg's pictures, and the wall clock at media time 0. Raises NotConnected, NotRecorded, Busy."""
        self._seat(leg)
        there = self.legs.get(leg)
        if there is None:
            raise NotConnected("the party is not connected")
        if self._started is None:
            raise NotRecorded("nothing has been recorded yet")
        if there.taps:
            raise Busy("this party is being watched already")
        return Feed(there, seconds, rate), self._started

    def status(self) -> dict[str, Any]:
        """Legs by name (`Leg.status`; absent ones only `connected: false`), recorder, gaps so far."""
        now = time.monotonic()
        legs = {name: self.legs[name].status(now) if name in self.legs else {"connected": False} for name in self.seats}
        jobs, size = self._writer.backlog
        age = round(now - self._writer.beat, 3)
        return {
            "room": self.name,
            "at": journal.stamp(time.time()),
            "seconds": self.seconds(),
            "legs": legs,
            "recorder": {
                "ok": age < 3.0 and not self._archive.trouble,
                "age": age,
                "trouble": self._archive.trouble,
                "queued": {"jobs": jobs, "bytes": size},
            },
            "gaps": self.gaps[-100:],
        }

    async def stop_recording(self, leg: str) -> dict[str, Any]:
        """End the leg for good with cause `consent`; what was recorded before stays recorded."""
        self._seat(leg)
        self.barred.add(leg)
        await self._leave(leg, "consent")
        return {"leg": leg, "at": journal.stamp(time.time())}

    async def close_leg(self, leg: str) -> None:
        """End the leg's connection; it may come back."""
        self._seat(leg)
        await self._leave(leg, "closed")

    async def close(self) -> dict[str, Any]:
        """End every leg, seal the journal, verify it all from the files; returns the manifest."""
        for name in list(self.seats):
            await self._leave(name, "closed")
        wall = time.time()
        try:
            await self._wait(self._writer.submit(lambda: self._archive.close(wall, "closed")))
        except OSError as error:
            raise NotRecorded(f"the journal's end was not written: {error}") from error
        if self._ending:
            await asyncio.wait(self._ending, timeout=5)
        return await asyncio.to_thread(seal, self.folder, self.asked.key)

    async def abandon(self) -> None:
        """The worker stops: connections and segments end, the room stays open for the next worker."""
        for name in list(self.seats):
            await self._leave(name, "worker")
        if self._ending:
            await asyncio.wait(self._ending, timeout=5)

    def tick(self, now: float) -> None:
        """What is due by time."""
        for leg in list(self.legs.values()):
            leg.tick(now)
            self._change(leg, now)
        for name, leg in list(self.joining.items()):
            if now - leg.created > CONNECT_S:
                del self.joining[name]
                self._end(leg, "half-open")

    # what a leg tells its room

    def facing(self, leg: Leg) -> Leg | None:
        """The other party, if it is there."""
        for other in self.legs.values():
            if other.seat is not leg.seat and not other.over:
                return other
        return None

    def connected(self, leg: Leg) -> None:
        """The leg takes its seat; whoever sat there is told and goes."""
        if self.joining.get(leg.seat.leg) is not leg:
            return
        del self.joining[leg.seat.leg]
        if older := self.legs.pop(leg.seat.leg, None):
            older.send({"event": "replaced"})
            self._end(older, "replaced")
        self.legs[leg.seat.leg] = leg
        if other := self.facing(leg):
            other.ask_key(time.monotonic())
            other.send({"event": "joined", "leg": leg.seat.leg})

    def gone(self, leg: Leg, cause: str) -> None:
        """The connection ended by itself."""
        for there in (self.legs, self.joining):
            if there.get(leg.seat.leg) is leg:
                del there[leg.seat.leg]
                self._end(leg, cause)
        if other := self.facing(leg):
            other.send({"event": "left", "leg": leg.seat.leg})

    def first_packet(self, leg: Leg, now: float) -> None:
        """The leg's segment begins; with the room's very first packet, so does media time."""
        wall = time.time()
        if self._started is None:
            self._started = wall
        fields = {
            "leg": leg.seat.leg,
            "role": leg.seat.role,
            "connection": leg.connection,
            "fingerprint": leg.peer.fingerprint(),
        }
        leg.segment.begin(now, wall, fields)

    def gap(self, leg: Leg, kind: str, since: float, until: float) -> None:
        """Silence over 2 s inside a connection has ended."""
        end = time.time()
        fields = {
            "leg": leg.seat.leg,
            "segment": leg.segment.name,
            "media": kind,
            "from": journal.stamp(end - (until - since)),
            "to": journal.stamp(end),
            "seconds": round(until - since, 3),
            "cause": "network",
        }
        self.gaps.append(fields)
        self._writer.submit(lambda: self._archive.append(end, "gap", fields))

    def _choose(self, leg: str, codecs: tuple[str, ...]) -> str:
        """The room's codec if both parties have it, or else the first that both have. Raises NoCommonCodec."""
        others = [n for n in self.seats if n != leg]
        there = [x for n in others if (x := self.joining.get(n) or self.legs.get(n)) is not None]
        both = [codec for codec in codecs if all(codec in other.peer.offered for other in there)]
        if not both:
            raise NoCommonCodec("the other party's browser has no video codec that this one has")
        return self.codec if self.codec in both else both[0]

    def _change(self, leg: Leg, now: float) -> None:
        """A leg in another codec than the room's: its page makes a new connection, which is answered in the room's.

        It is told as soon as it can be; a page that does not listen loses the connection instead.
        """
        if leg.codec.name == self.codec:
            leg.changing = None
            return
        if leg.changing is None:
            leg.changing, leg.told = now, False
        if not leg.told:
            leg.told = leg.send({"event": "codec", "codec": self.codec})
        if now - leg.changing > CHANGE_S and not leg.over:
            self.gone(leg, "replaced")

    def _seat(self, leg: str) -> Seat:
        if leg not in self.seats:
            raise NoSuchLeg(f"the room has no leg {leg}")
        return self.seats[leg]

    async def _leave(self, leg: str, cause: str) -> None:
        for there in (self.joining, self.legs):
            if old := there.pop(leg, None):
                old.send({"event": "ended", "cause": cause})
                if written := old.end(time.monotonic(), cause):
                    await self._wait(written)
                self._end(old, cause)

    def _end(self, leg: Leg, cause: str) -> None:
        leg.end(time.monotonic(), cause)
        task = asyncio.ensure_future(_close(leg.peer))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _wait(self, done: Any) -> None:
        if done is None:
            raise MediaError("the writer is full")
        await asyncio.wait_for(asyncio.wrap_future(done), 30)


def _told(leg: Leg, answer: str) -> dict[str, Any]:
    return {
        "sdp": answer,
        "type": "answer",
        "segment": leg.segment.name,
        "connection": leg.connection,
        "fingerprint": leg.peer.fingerprint(),
    }


async def _close(peer: Connection) -> None:
    await asyncio.sleep(0.2)  # the last event gets out first
    try:
        await asyncio.wait_for(peer.close(), 10)
    except Exception:
        log.exception("a connection did not close")


def seal(folder: Path, key: bytes) -> dict[str, Any]:
    """Build the manifest from the files and leave it beside them; it names no content, only hashes."""
    manifest = journal.manifest_of(folder, key)
    staged = folder / f".{MANIFEST}"
    with staged.open("wb") as stream:
        stream.write(json.dumps(manifest, indent=1, sort_keys=True).encode())
        stream.flush()
        os.fsync(stream.fileno())
    staged.rename(folder / MANIFEST)
    return manifest
