"""
One party of the load: aiortc negotiates, then this sends a clip that was encoded before by a loop of its own and
counts what comes back by RTP header, so that one core can play dozens of interviews. It leans on aiortc's
internals, which is fine for a measuring device.
"""

import asyncio
import os
import random
import struct
import time
from dataclasses import dataclass, field

import aioice.ice
import av
import pylibsrtp
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [os.environ.get("BENCH_IP", "127.0.0.1")]
MTU_PAYLOAD = 1150


@dataclass
class Clip:
    video: list[list[bytes]] = field(default_factory=list)  # frames -> payloads
    key: list[bool] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    fps: int = 30


def packetize_vp8(frame: bytes, picture_id: int) -> list[bytes]:
    return [
        struct.pack("!BBH", 0x90 if pos == 0 else 0x80, 0x80, 0x8000 | picture_id & 0x7FFF)
        + frame[pos : pos + MTU_PAYLOAD]
        for pos in range(0, len(frame), MTU_PAYLOAD)
    ]


def load_clip(path: str) -> Clip:
    clip = Clip()
    with av.open(path) as c:
        clip.fps = round(float(c.streams.video[0].average_rate))
        for p in c.demux():
            data = bytes(p)
            if not data:
                continue
            if p.stream.type == "video":
                clip.video.append(packetize_vp8(data, len(clip.video)))
                clip.key.append(not data[0] & 1)
            else:
                clip.audio.append(data)
    return clip


class SilentTrack(MediaStreamTrack):
    """Makes aiortc negotiate a sender; the packets come from Client itself."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self._never = asyncio.Event()

    async def recv(self):
        await self._never.wait()
        raise MediaStreamError


class Client:
    def __init__(self, clip: Clip, room: str, role: str, probe=False):
        self.clip, self.room, self.role, self.probe = clip, room, role, probe
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.rx: dict[int, dict] = {}
        self.pli = self.nack = self.sent_video_frames = self.sent_packets = 0
        self.resent, self._sent_video = 0, {}
        self.drop, self.dropped = 0.0, 0
        self.sent_at: dict[int, float] = {}  # stamp number -> send time
        self.peer: Client | None = None
        self.delays: list[float] = []
        self.decoded = 0
        self._stop = False
        self.first_rx = None
        self.t_offer = None

    def prepare(self):
        self.tracks = [SilentTrack("audio"), SilentTrack("video")]
        self.a_sender = self.pc.addTrack(self.tracks[0])
        self.v_sender = self.pc.addTrack(self.tracks[1])
        # VP8 only, so that every server forwards the same thing
        for t in self.pc.getTransceivers():
            if t.kind == "video":
                caps = [c for c in t.sender.getCapabilities("video").codecs if c.mimeType in ("video/VP8", "video/rtx")]
                t.setCodecPreferences(caps)
        if self.probe:

            @self.pc.on("track")
            def on_track(track):
                self._decoding = asyncio.ensure_future(self._decode(track))

        self._ready = asyncio.Event()

        @self.pc.on("connectionstatechange")
        def changed():
            if self.pc.connectionState in ("connected", "failed", "closed"):
                self._ready.set()

        self.t_offer = time.monotonic()

    async def connected(self):
        await asyncio.wait_for(self._ready.wait(), 20)
        if self.pc.connectionState != "connected":
            raise RuntimeError(f"{self.room}/{self.role}: {self.pc.connectionState}")
        self.t_joined = time.monotonic()
        self._hook()

    def _hook(self):
        """Take over the packet path (loadgen only: uses aiortc internals)."""
        dtls = self.v_sender.transport
        pair = next(iter(dtls.transport._connection._nominated.values()))
        self._udp, self._addr = pair.protocol.transport, pair.remote_addr
        self._tx, self._rx = dtls._tx_srtp, dtls._rx_srtp
        self._pt = {t.kind: t._codecs[0].payloadType for t in self.pc.getTransceivers()}
        ext = [
            h
            for t in self.pc.getTransceivers()
            if t.kind == "video"
            for h in t._headerExtensions
            if "abs-send-time" in h.uri
        ]
        self._abs_id = ext[0].id if ext else None
        original = pair.protocol.datagram_received
        kinds = {self._pt["video"]: "video", self._pt["audio"]: "audio"}

        def received(data, addr):
            if 127 < data[0] < 192:
                pt = data[1] & 0x7F
                if 64 <= pt < 96:
                    self._rtcp(data)
                    return
                kind = kinds.get(pt)
                if kind:
                    seq = data[2] << 8 | data[3]
                    s = self.rx.get(kind)
                    if s is None:
                        self.first_rx = self.first_rx or time.monotonic()
                        self.rx[kind] = {"n": 1, "base": seq, "max": seq, "bytes": len(data), "frames": 0}
                        s = self.rx[kind]
                    else:
                        s["n"] += 1
                        s["bytes"] += len(data)
                        if (seq - s["max"]) & 0xFFFF < 0x8000:
                            s["max"] += (seq - s["max"]) & 0xFFFF
                    if data[1] & 0x80:
                        s["frames"] += 1
                if not self.probe:
                    return
            original(data, addr)

        pair.protocol.datagram_received = received

    def _rtcp(self, data):
        try:
            data = self._rx.unprotect_rtcp(data)
        except pylibsrtp.Error:
            return
        pos = 0
        while pos + 4 <= len(data):
            fmt, pt, ln = data[pos] & 31, data[pos + 1], data[pos + 2] << 8 | data[pos + 3]
            if pt == 206 and fmt in (1, 4):
                self.pli += 1
                self._want_key = True
            elif pt == 205 and fmt == 1:
                self.nack += 1
                for q in range(pos + 12, min(pos + 4 * (ln + 1), len(data) - 3), 4):
                    pid, mask = struct.unpack_from("!HH", data, q)
                    for seq in [pid] + [(pid + 1 + i) & 0xFFFF for i in range(16) if mask >> i & 1]:
                        old = self._sent_video.get(seq & 1023)
                        if old and old[2] << 8 | old[3] == seq:
                            self.resent += 1
                            self._udp.sendto(self._tx.protect(old), self._addr)
            pos += 4 * (ln + 1)

    def start(self):
        self.loop = asyncio.get_running_loop()
        self._want_key = False
        self._v = {"i": 0, "n": 0, "seq": random.randrange(1000), "ts": random.getrandbits(31)}
        self._a = {"i": 0, "n": 0, "seq": random.randrange(1000), "ts": random.getrandbits(31)}
        self._t0 = self.loop.time() + random.random() * 0.05
        self.loop.call_at(self._t0, self._video)
        self.loop.call_at(self._t0, self._audio)

    def _send(self, head, payload):
        packet = head + payload
        if head[1] & 0x7F == self._pt["video"]:
            self._sent_video[(head[2] << 8 | head[3]) & 1023] = packet
            if self.drop and random.random() < self.drop:  # lost on the way; a NACK gets it resent
                self.dropped += 1
                return
        self._udp.sendto(self._tx.protect(packet), self._addr)
        self.sent_packets += 1

    def _video(self):
        if self._stop:
            return
        s, clip = self._v, self.clip
        if self._want_key:
            self._want_key = False
            while not clip.key[s["i"]]:
                s["i"] = (s["i"] + 1) % len(clip.video)
        payloads = clip.video[s["i"]]
        ts = (s["ts"] + s["n"] * 90000 // clip.fps) & 0xFFFFFFFF
        last = len(payloads) - 1
        for k, p in enumerate(payloads):
            x = b""
            if self._abs_id:
                x = struct.pack("!HHL", 0xBEDE, 1, (self._abs_id << 4 | 2) << 24 | int(time.time() * 262144) & 0xFFFFFF)
            self._send(
                struct.pack(
                    "!BBHLL",
                    0x90 if x else 0x80,
                    self._pt["video"] | (0x80 if k == last else 0),
                    s["seq"],
                    ts,
                    self.v_sender._ssrc,
                )
                + x,
                p,
            )
            s["seq"] = (s["seq"] + 1) & 0xFFFF
        self.sent_at[s["i"]] = time.monotonic()
        s["i"] = (s["i"] + 1) % len(clip.video)
        s["n"] += 1
        self.sent_video_frames += 1
        self.loop.call_at(self._t0 + s["n"] / clip.fps, self._video)

    def _audio(self):
        if self._stop:
            return
        s, clip = self._a, self.clip
        self._send(
            struct.pack(
                "!BBHLL", 0x80, self._pt["audio"], s["seq"], (s["ts"] + s["n"] * 960) & 0xFFFFFFFF, self.a_sender._ssrc
            ),
            clip.audio[s["i"]],
        )
        s["seq"] = (s["seq"] + 1) & 0xFFFF
        s["i"] = (s["i"] + 1) % len(clip.audio)
        s["n"] += 1
        self.loop.call_at(self._t0 + s["n"] * 0.02, self._audio)

    async def _decode(self, track):
        from makemedia import read_stamp

        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if track.kind != "video" or not isinstance(frame, av.VideoFrame):
                continue
            now = time.monotonic()
            self.decoded += 1
            if self.peer and frame.width == 640:
                n = read_stamp(frame.to_ndarray(format="gray"))
                sent = self.peer.sent_at.get(n)
                if sent and 0 <= now - sent < 5:
                    self.delays.append(now - sent)

    async def stop(self):
        self._stop = True
        for t in self.tracks:
            t._never.set()
        await self.pc.close()
