"""A party in the interview without a browser: aiortc sends a still face that sways and a quiet tone."""

from __future__ import annotations

import asyncio
import fractions
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aioice.ice
import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from PIL import Image

PICTURES, SOUNDS = 10, 50
"""A second. Each second of pictures begins with a key frame, so that the server's sampler finds one."""
SECONDS = 2
SIZE = (640, 480)


class Clip:
    """Two seconds of one party, encoded once (VP8, Opus) and sent in a loop."""

    def __init__(self, face: Path, pitch: int) -> None:
        self.pictures, self.sounds = _pictures(face), _sounds(pitch)


def _pictures(face: Path) -> list[bytes]:
    portrait = Image.open(face).convert("RGB")
    portrait.thumbnail((400, 400))
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt, encoder.bit_rate = "yuv420p", 900_000
    encoder.time_base, encoder.framerate = fractions.Fraction(1, PICTURES), PICTURES
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "g": str(PICTURES), "lag-in-frames": "0"}
    packets = []
    for n in range(PICTURES * SECONDS):
        page = Image.new("RGB", SIZE, "#6b6f6a")
        page.paste(portrait, (120 + round(6 * np.sin(n / 3)), 40))
        frame = av.VideoFrame.from_image(page).reformat(format="yuv420p")
        frame.pts, frame.time_base = n, fractions.Fraction(1, PICTURES)
        packets += [bytes(one) for one in encoder.encode(frame)]
    return packets


def _sounds(pitch: int) -> list[bytes]:
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48000, "stereo", "s16", 32000
    packets = []
    for n in range(SOUNDS * SECONDS):
        times = (np.arange(960) + 960 * n) / 48000
        tone = (1500 * np.sin(2 * np.pi * pitch * times)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None, :], "s16", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 960 * n, fractions.Fraction(1, 48000)
        packets += [bytes(one) for one in encoder.encode(frame)]
    return packets


class _Loop(MediaStreamTrack):  # type: ignore[misc]
    """Gives aiortc's sender the encoded packets of a clip at their pace."""

    def __init__(self, kind: str, packets: list[bytes], per_second: int) -> None:
        super().__init__()
        self.kind, self.packets, self.per_second = kind, packets, per_second
        self.sent, self.began = 0, 0.0

    async def recv(self) -> Any:
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0.0, self.began + self.sent / self.per_second - time.monotonic()))
        if self.readyState != "live":
            raise MediaStreamError
        packet = av.Packet(self.packets[self.sent % len(self.packets)])
        packet.time_base = fractions.Fraction(1, 90000 if self.kind == "video" else 48000)
        packet.pts = packet.dts = int((time.monotonic() - self.began) / packet.time_base)
        self.sent += 1
        return packet


class Peers:
    """The event loop of all parties of this process; `join` and `leave` block their caller."""

    def __init__(self) -> None:
        # The office listens on the loopback, which aioice leaves out.
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def join(self, clip: Clip, offer: Callable[[str], Any]) -> RTCPeerConnection:
        """`offer`: gives the page's answer {sdp, type} to an SDP. Raises TimeoutError when nothing connects."""

        async def come() -> RTCPeerConnection:
            connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            connected = asyncio.Event()

            def changed() -> None:
                if connection.connectionState == "connected":
                    connected.set()

            connection.on("connectionstatechange", changed)
            connection.addTrack(_Loop("audio", clip.sounds, SOUNDS))
            connection.addTrack(_Loop("video", clip.pictures, PICTURES))
            connection.createDataChannel("events")
            await connection.setLocalDescription(await connection.createOffer())
            answer = await asyncio.to_thread(offer, connection.localDescription.sdp)
            await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
            await asyncio.wait_for(connected.wait(), 15)
            return connection

        return self._run(come())

    def leave(self, connection: RTCPeerConnection) -> None:
        self._run(connection.close())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
