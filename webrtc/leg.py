"""
One party on one connection.

The order of every packet: decrypted (by the connection) -> forwarded -> counted -> put in order -> recorded, and an
error in one half never reaches the other.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from webrtc import arrivals, packets
from webrtc.arrivals import Arrivals
from webrtc.codecs import BY_NAME, H264
from webrtc.connection import Connection
from webrtc.errors import NoPicture
from webrtc.feed import Feed, Frame
from webrtc.h264 import AccessUnits
from webrtc.packets import Bye, KeyRequest, Nack, Remb, Report, Rtcp, SenderReport
from webrtc.protocol import Seat
from webrtc.recorder import Segment
from webrtc.streams import Frames, Incoming, Outgoing

log = logging.getLogger(__name__)

CONNECT_S = 15.0
SILENT_S = 2.0
KEY_EVERY_S = 10.0
KEY_APART_S = 0.5
MAX_PPS = 1500
MAX_TEXTS_PS = 20
MAX_AGAIN = 60  # packets sent again in a tenth of a second: half a second of picture at most
KINDS = ("audio", "video")


class Around(Protocol):
    """What a leg needs of its room."""

    def facing(self, leg: "Leg") -> "Leg | None": ...
    def connected(self, leg: "Leg") -> None: ...
    def gone(self, leg: "Leg", cause: str) -> None: ...
    def first_packet(self, leg: "Leg", now: float) -> None: ...
    def gap(self, leg: "Leg", kind: str, since: float, until: float) -> None: ...


class Leg:
    """A party's connection; `segment` is what it is recorded as."""

    def __init__(self, room: Around, seat: Seat, segment: Segment, peer: Connection, max_bitrate: int) -> None:
        self.room, self.seat, self.segment, self.peer = room, seat, segment, peer
        self.connection = secrets.token_hex(8)
        self.created = time.monotonic()
        self.since: float | None = None  # connected
        self.over = ""
        self.incoming = {kind: Incoming(kind) for kind in KINDS}
        self.outgoing: dict[str, Outgoing] = {}
        self.codec = BY_NAME[peer.codec]
        self.incoming["video"].codec = self.codec
        self.frames: Frames | AccessUnits = AccessUnits() if self.codec is H264 else Frames()
        self.changing: float | None = None  # since when it should come back in the room's codec; monotonic
        self.told = False  # its page knows
        self.rtt = 0.0
        self.loss_up = self.loss_down = 0.0
        self.health: dict[str, Any] = {}
        self.heard = self.created  # last word over the data channel
        self.flooded = 0
        self.taps: list[Feed] = []
        self._by_pt: dict[int, Incoming] = {}
        self._arrivals: Arrivals | None = None
        self._numbered = 0
        self._octets = self.bitrate = 0  # of the picture: since the last second, and bit/s in that second
        self._max_bitrate = self._bitrate = max_bitrate
        self._remb: int | None = None
        self._left, self._ticked = MAX_PPS, self.created
        self._texts, self._texts_since = 0, 0.0
        self._key_asked = self._second = 0.0
        self._again_left, self._again_since = MAX_AGAIN, 0.0
        self._reports: dict[int, float] = {}
        self._waiting_for_key: list[Callable[[bytes | None], None]] = []
        peer.on_rtp, peer.on_rtcp = self._rtp, self._rtcp
        peer.on_state, peer.on_text = self._state, self._text

    def answered(self) -> None:
        """The answer stands: payload types and SSRCs are known."""
        for kind in KINDS:
            pt, ssrc = self.peer.outgoing(kind)
            self._by_pt[pt] = self.incoming[kind]
            self.outgoing[kind] = Outgoing(kind, pt, ssrc, codec=self.codec)
        self._numbered = self.peer.numbered
        self._arrivals = Arrivals() if self._numbered else None

    def send(self, event: dict[str, Any]) -> bool:
        """A live event to the page; false if it cannot take one now."""
        return self.peer.send_text(json.dumps(event, separators=(",", ":")))

    def ask_key(self, now: float) -> None:
        """Ask the page for a key frame, not more often than every KEY_APART_S."""
        source = self.incoming["video"].ssrc
        if source is not None and now - self._key_asked >= KEY_APART_S:
            self._key_asked = now
            self.peer.send_rtcp(packets.build_pli(self._ssrc, source))

    def on_next_key(self, tell: Callable[[bytes | None], None]) -> None:
        """Call `tell` with the next whole key frame, or with None if the leg ends first."""
        if self.over:
            raise NoPicture("the party has left")
        self._waiting_for_key.append(tell)
        self.ask_key(time.monotonic())

    def tick(self, now: float) -> None:
        """Every 50 ms or so: what is due by time."""
        self._left = min(MAX_PPS, max(0, self._left) + int(MAX_PPS * (now - self._ticked)))
        self._ticked = now
        if self.since is None:
            return
        for stream in self.incoming.values():
            if stream.missing and (lost := stream.wanted(now, self.rtt)):
                self.peer.send_rtcp(packets.build_nack(self._ssrc, stream.ssrc or 0, lost))
            for one in stream.overdue(now):
                self._keep(stream, one, now)
        self.segment.flush(now)
        source = self.incoming["video"].ssrc
        if self._arrivals is not None and (told := self._arrivals.message(self._ssrc, source or 0, now)):
            self.peer.send_rtcp(told)
        if self._waiting_for_key or now - self._key_asked >= KEY_EVERY_S:
            self.ask_key(now)
        if now - self._second >= 1.0:
            self.bitrate = int(8 * self._octets / (now - self._second)) if self._second else 0
            self._octets, self._second = 0, now
            self._each_second(now)

    def end(self, now: float, cause: str) -> Any:
        """The connection is over, for the record too; the caller closes the peer."""
        self.over = self.over or cause
        for stream in self.incoming.values():
            for rtp in stream.flush():
                self._keep(stream, rtp, now)
        for tell in self._waiting_for_key:
            tell(None)
        self._waiting_for_key.clear()
        for tap in self.taps:
            tap.end()
        return self.segment.end(now, cause)

    def status(self, now: float) -> dict[str, Any]:
        """How this connection does; ages in seconds, loss as a share, rtt in seconds."""
        ages = {k: round(now - s.last, 3) if s.last else None for k, s in self.incoming.items()}
        return {
            "connected": self.since is not None and not self.over,
            "segment": self.segment.name,
            "connection": self.connection,
            "fingerprint": self.peer.fingerprint(),
            "seconds": round(now - self.since, 3) if self.since is not None else 0.0,
            "age": min((a for a in ages.values() if a is not None), default=None),
            "ages": ages,
            "heard_age": round(now - self.heard, 3),
            "packets": {k: s.count for k, s in self.incoming.items()},
            "lost": {k: s.given_up for k, s in self.incoming.items()},
            "loss_up": round(self.loss_up, 4),
            "loss_down": round(self.loss_down, 4),
            "rtt": round(self.rtt, 4),
            "bitrate": self.bitrate,
            "bitrate_cap": self._bitrate,
            "strangers": self.peer.strangers,
            "forged": self.peer.forged,
            "flooded": self.flooded + self.peer.flooded,
            "health": self.health,
        }

    @property
    def _ssrc(self) -> int:
        return self.outgoing["video"].ssrc

    def _rtp(self, data: bytes) -> None:
        now = time.monotonic()
        self._left -= 1
        if self._left < 0:
            self.flooded += 1
            return
        rtp = packets.parse_rtp(data)
        stream = self._by_pt.get(rtp.pt) if rtp else None
        if rtp is None or stream is None or self.over or stream.ssrc not in (None, rtp.ssrc):
            return
        if stream.kind == "video":
            self._octets += len(data)
            if self._arrivals is not None and (seen := arrivals.number(data, self._numbered)) is not None:
                self._arrivals.note(seen, now)
        try:
            self._forward(stream, rtp, now)
        except Exception:
            log.exception("a packet was not forwarded")
        before = stream.last
        if self.segment.began is None:
            self.room.first_packet(self, now)
        ready = stream.take(rtp, now)
        if ready is None:
            return
        if before and now - before > SILENT_S:
            self.room.gap(self, stream.kind, before, now)
        for one in ready:
            self._keep(stream, one, now)
        if stream.missing and (lost := stream.wanted(now, self.rtt)):
            self.peer.send_rtcp(packets.build_nack(self._ssrc, stream.ssrc or 0, lost))

    def _forward(self, stream: Incoming, rtp: packets.Rtp, now: float) -> None:
        other = self.room.facing(self)
        if other is None:
            return
        data = other.outgoing[stream.kind].forward(stream, rtp, now)
        if data is not None:
            other.peer.send_rtp(data)
        elif stream.kind == "video":
            self.ask_key(now)

    def _keep(self, stream: Incoming, rtp: packets.Rtp | None, now: float) -> None:
        if stream.kind == "audio":
            if rtp is not None and rtp.payload:
                self.segment.frame("audio", rtp.ts, rtp.payload, True, now)
            return
        frame = self.frames.add(rtp)
        if rtp is None:
            self.ask_key(now)
            for tap in self.taps:
                tap.take(None)
        if frame is None:
            return
        key = self.codec.is_key(frame[1])
        for tap in self.taps:
            tap.take(Frame(time.time(), frame[0], frame[1], key))
        self.segment.frame("video", frame[0], frame[1], key, now)
        if key and self._waiting_for_key:
            waiting, self._waiting_for_key = self._waiting_for_key, []
            for tell in waiting:
                tell(frame[1])

    def _rtcp(self, data: bytes) -> None:
        now = time.monotonic()
        for said in packets.parse_rtcp(data):
            self._heed(said, now)

    def _heed(self, said: Rtcp, now: float) -> None:
        other = self.room.facing(self)
        if isinstance(said, SenderReport):
            for stream in self.incoming.values():
                if stream.ssrc == said.ssrc:
                    stream.report = (said, now)
                    self.segment.synchronise(stream.kind, said.ntp, said.ts)
                    if other is not None:
                        other.clock(stream, said, now)
        elif isinstance(said, Report):
            if said.ssrc == self._ssrc:
                self.loss_down = said.fraction / 256
            sent = self._reports.get(said.lsr)
            if sent is not None and said.dlsr:
                self.rtt = max(0.0, now - sent - said.dlsr / 65536)
        elif isinstance(said, Nack):
            for out in self.outgoing.values():
                if out.ssrc == said.ssrc:
                    self._again(out, said.lost, now)
        elif isinstance(said, KeyRequest) and other is not None:
            other.ask_key(now)
        elif isinstance(said, Remb):
            self._remb = said.bitrate
        elif isinstance(said, Bye):
            pass  # the connection's own end says it

    def _again(self, out: Outgoing, lost: tuple[int, ...], now: float) -> None:
        # RFC 4585 6.2.1 leaves the pace to the sender: a request of a few bytes must not become a flood
        if now - self._again_since >= 0.1:
            self._again_left, self._again_since = MAX_AGAIN, now
        for seq in lost:
            if self._again_left > 0 and (kept := out.again(seq)):
                self._again_left -= 1
                self.peer.send_rtp(kept)

    def clock(self, stream: Incoming, report: SenderReport, now: float) -> None:
        """The facing party's clock pair, passed on for lip sync; also what our round trip is measured by."""
        if mapped := self.outgoing[stream.kind].report(stream, report):
            if len(self._reports) > 16:
                self._reports.pop(next(iter(self._reports)))
            self._reports[mapped.ntp >> 16 & 0xFFFFFFFF] = now
            self.peer.send_rtcp(packets.build_sr(mapped, b"yuanzheng"))

    def _each_second(self, now: float) -> None:
        reports = [r for s in self.incoming.values() if (r := s.receiver_report(now)) is not None]
        if not reports:
            return
        other = self.room.facing(self)
        self.loss_up = max(r.fraction for r in reports) / 256
        # with transport-wide feedback the browser itself reckons what its own way carries
        up = 0.0 if self._arrivals is not None else self.loss_up
        loss = max(up, other.loss_down if other else 0.0)
        # loss-based control as in Google congestion control, draft-ietf-rmcat-gcc-02, 6
        if loss > 0.1:
            self._bitrate = max(100_000, int(self._bitrate * (1 - 0.5 * loss)))
        elif loss < 0.02:
            self._bitrate = min(self._max_bitrate, int(self._bitrate * 1.08))
        cap = min(self._bitrate, other._remb or self._bitrate) if other else self._bitrate
        sources = [s.ssrc for s in self.incoming.values() if s.kind == "video" and s.ssrc is not None]
        message = packets.build_rr(self._ssrc, reports)
        if sources:
            message += packets.build_remb(self._ssrc, cap, sources)
        self.peer.send_rtcp(message)

    def _state(self, state: str) -> None:
        if state == "connected" and self.since is None:
            self.since = time.monotonic()
            self.room.connected(self)
        elif state in ("failed", "closed") and not self.over:
            self.room.gone(self, "lost")

    def _text(self, text: str) -> None:
        now = time.monotonic()
        if now - self._texts_since >= 1.0:
            self._texts, self._texts_since = 0, now
        self._texts += 1
        if self._texts > MAX_TEXTS_PS:
            return
        try:
            said = json.loads(text)
            event = said["event"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        self.heard = now
        if event == "beat":
            self.send({"event": "beat", "n": said.get("n") if isinstance(said.get("n"), int) else 0})
        elif event == "health" and len(text) <= 2048 and isinstance(said.get("health"), dict):
            self.health = said["health"]
