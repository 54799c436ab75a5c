"""A real worker process, and aiortc as an independent party that sends encoded frames over loopback."""

import asyncio
import fractions
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aioice.ice
import av
import jsonschema
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.codecs.h264 import H264Encoder
from aiortc.mediastreams import MediaStreamError

from webrtc.client import MediaClient
from webrtc.h264 import annex_b

LEGS = [{"leg": "applicant", "role": "applicant"}, {"leg": "notary", "role": "notary"}]


@dataclass
class Worker:
    socket: Path
    rec: Path
    engine: str = "port"
    host: str = "127.0.0.1"
    program: tuple[str, ...] | list[str] = ("-m", "webrtc")
    process: subprocess.Popen | None = None
    client: MediaClient = field(init=False)

    def __post_init__(self):
        self.client = MediaClient(self.socket, timeout=15)
        self.start()

    @property
    def log(self) -> Path:
        return self.socket.with_suffix(".log")

    def start(self):
        arguments = ["serve", "--socket", str(self.socket), "--rec", str(self.rec), "--host", self.host]
        arguments += ["--engine", self.engine]
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, *arguments], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert "ready" in self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.process.stdout.close()


@dataclass
class Clip:
    """Encoded frames of one party: `fps` pictures a second, 50 sounds a second."""

    video: list[bytes]
    audio: list[bytes]
    fps: int = 20

    def hashes(self) -> dict[str, set[str]]:
        return {k: {digest(x) for x in getattr(self, k)} for k in ("video", "audio")}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


ENCODERS = {
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "g": "20", "keyint_min": "20", "lag-in-frames": "0"}),
    "H264": (
        "libx264",
        {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency", "g": "20", "level": "31"},
    ),
}


def make_clip(seed: int, seconds: int = 3, codec: str = "VP8") -> Clip:
    """Moving noise and a tone, told apart by `seed`; a key frame every second. H.264 as a byte stream (annex B)."""
    rng = np.random.default_rng(seed)
    encoder, options = ENCODERS[codec]
    v = av.CodecContext.create(encoder, "w")
    v.width, v.height, v.pix_fmt = 320, 240, "yuv420p"
    v.bit_rate, v.time_base, v.framerate = 300_000, fractions.Fraction(1, 20), 20
    v.options = options
    video = []
    for i in range(20 * seconds):
        picture = rng.integers(0, 60, (240, 320, 3), dtype=np.uint8)
        picture[:, (i * 5) % 300 : (i * 5) % 300 + 20] = (250, 30 * seed % 255, 40)
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = i, fractions.Fraction(1, 20)
        video += [bytes(p) for p in v.encode(frame)]
    if codec == "H264":  # start codes of four bytes, as frames are given back
        video = [b"".join(b"\0\0\0\1" + unit for unit in H264Encoder._split_bitstream(one)) for one in video]
    a = av.CodecContext.create("libopus", "w")
    a.sample_rate, a.layout, a.format, a.bit_rate = 48000, "stereo", "s16", 32000
    audio = []
    for i in range(50 * seconds):
        t = np.arange(960) + 960 * i
        tone = (9000 * np.sin(2 * np.pi * (200 + 70 * seed) * t / 48000) + rng.normal(0, 900, 960)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None, :], "s16", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 960 * i, fractions.Fraction(1, 48000)
        audio += [bytes(p) for p in a.encode(frame)]
    return Clip(video, audio)


class Sending(MediaStreamTrack):
    """Gives aiortc's sender encoded frames at their pace, in a loop, and remembers what it gave."""

    def __init__(self, kind: str, frames: list[bytes], per_second: int):
        super().__init__()
        self.kind, self.frames, self.per_second = kind, frames, per_second
        self.sent: list[str] = []
        self.speaking = asyncio.Event()
        self.speaking.set()
        self._start = None

    async def recv(self):
        if self._start is None:
            self._start = time.monotonic()
        n = len(self.sent)
        await asyncio.sleep(max(0.0, self._start + n / self.per_second - time.monotonic()))
        await self.speaking.wait()
        if self.readyState != "live":
            raise MediaStreamError
        data = self.frames[n % len(self.frames)]
        packet = av.Packet(data)
        packet.time_base = fractions.Fraction(1, 90000 if self.kind == "video" else 48000)
        packet.pts = packet.dts = int((time.monotonic() - self._start) / packet.time_base)
        self.sent.append(digest(data))
        return packet


class Party:
    """One browser's part, played by aiortc: sends a clip, counts and hashes what arrives. `codecs`: what it offers."""

    def __init__(self, clip: Clip, codecs: tuple[str, ...] = ("VP8", "H264")):
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks = {
            "audio": Sending("audio", clip.audio, 50),
            "video": Sending("video", clip.video, clip.fps),
        }
        for track in self.tracks.values():
            self.pc.addTrack(track)
        capable = RTCRtpSender.getCapabilities("video").codecs
        (sending,) = (one for one in self.pc.getTransceivers() if one.kind == "video")
        sending.setCodecPreferences([one for one in capable if one.mimeType.split("/")[1] in codecs])
        self.events: list[str] = []
        self.pictures: list[np.ndarray] = []
        self.channel = self.pc.createDataChannel("events")
        self.channel.on("message", self.events.append)
        self.connected = asyncio.Event()
        self._tasks: list[asyncio.Task] = []
        self.pc.on("connectionstatechange", self._changed)
        self.pc.on("track", self._track)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def join(self, client: MediaClient, room: str, leg: str):
        answer = await asyncio.to_thread(client.offer, room, leg, await self.offer())
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type))
        await asyncio.wait_for(self.connected.wait(), 15)
        return answer

    async def leave(self):
        for task in self._tasks:
            task.cancel()
        await self.pc.close()

    def _changed(self):
        if self.pc.connectionState == "connected":
            self.connected.set()

    def _track(self, track):
        self._tasks.append(asyncio.ensure_future(self._watch(track)))

    async def _watch(self, track):
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if track.kind == "video":
                self.pictures.append(frame.to_ndarray(format="gray"))


async def until(what: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until `what` is true; fails the test if it does not become so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


def schema(document: dict, name: str) -> None:
    """Refuse a document that is not as docs/formats says."""
    formats = Path(__file__).parents[2] / "docs" / "formats"
    jsonschema.validate(document, json.loads((formats / f"{name}.schema.json").read_text()))


def recorded(path: Path) -> dict[str, list[tuple[int, str]]]:
    """(milliseconds, hash) of each frame in a .webm or .mkv, by kind; H.264 as a byte stream."""
    found: dict[str, list[tuple[int, str]]] = {"video": [], "audio": []}
    with av.open(str(path)) as file:
        for packet in file.demux():
            if packet.size:
                ms = round(float(packet.pts * packet.time_base) * 1000)
                data = bytes(packet)
                data = annex_b(data) if packet.stream.codec_context.name == "h264" else data
                found[packet.stream.type].append((ms, digest(data)))
    return found
