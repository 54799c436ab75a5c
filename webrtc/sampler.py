"""
A picture out of a key frame, decoded in a process of its own.

The bits come from a stranger's camera, so the decoder runs apart, with little memory and little time: if it
dies, one sample fails and the interview goes on. The child reads a length (4 bytes, big-endian), a byte that says which
codec it is (`KINDS`), and a key frame as FFmpeg takes it, and answers a length and a JPEG, or length 0. This file is also
the child's program, so it imports nothing of ours while it is that.
"""

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webrtc.codecs import Codec

KINDS = ("vp8", "h264")
MAX_PIXELS = 1280 * 720
MAX_FRAME = 1 << 20
MEMORY = 768 << 20
CPU_S = 60
TIMEOUT_S = 5.0
USES = 200  # then a fresh child: CPU_S is for its whole life


class NotDecoded(Exception):
    """The frame is no picture that we take, or the decoder died on it."""


class Sampler:
    """One child for a worker; frames one after another."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._uses = 0
        self._turn = asyncio.Lock()

    async def jpeg(self, frame: bytes, codec: "Codec") -> bytes:
        """The key frame as JPEG, its own size, quality 92. Raises NotDecoded."""
        if len(frame) > MAX_FRAME or not codec.is_key(frame):
            raise NotDecoded("not a key frame")
        data, kind = codec.decodable(frame), KINDS.index(codec.decoder)
        async with self._turn:
            child = await self._running()
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    child.stdin.write(len(data).to_bytes(4, "big") + bytes((kind,)) + data)
                    await child.stdin.drain()
                    size = int.from_bytes(await child.stdout.readexactly(4), "big")
                    picture = await child.stdout.readexactly(size)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                await self._end()
                raise NotDecoded("the decoder died on the frame") from error
            except asyncio.CancelledError:
                await self._end()
                raise
            self._uses += 1
            if not picture:
                raise NotDecoded("the frame cannot be decoded")
            return picture

    async def close(self) -> None:
        """End the child."""
        await self._end()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._uses >= USES:
            await self._end()
        if self._child is None or self._child.returncode is not None:
            pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-I", __file__, stdin=pipe, stdout=pipe, stderr=null, env={"PATH": ""}
            )
            self._uses = 0
        return self._child

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()


def decode(frame: bytes, kind: str) -> bytes:
    """A key frame of `kind` to JPEG. Raises ValueError or an error of the decoder."""
    import io

    import av

    if kind == "vp8":
        width = int.from_bytes(frame[6:8], "little") & 0x3FFF
        height = int.from_bytes(frame[8:10], "little") & 0x3FFF
        if frame[3:6] != b"\x9d\x01\x2a" or not 0 < width * height <= MAX_PIXELS:
            raise ValueError("not a key frame of a size that we take")
    decoder = av.CodecContext.create(kind, "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MAX_PIXELS)}  # H.264 says its size in bits that FFmpeg reads first
    pictures = [*decoder.decode(av.Packet(frame)), *decoder.decode(None)]
    out = io.BytesIO()
    pictures[0].to_image().save(out, "JPEG", quality=92)
    return out.getvalue()


def main() -> None:
    """The child's loop; ends with its input."""
    import resource

    for what, much in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (much, much))
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while len(head := stdin.read(5)) == 5:
        frame = stdin.read(int.from_bytes(head[:4], "big"))
        try:
            picture = decode(frame, KINDS[head[4]])
        except Exception:  # noqa: BLE001  whatever the decoder raises means: no picture
            picture = b""
        stdout.write(len(picture).to_bytes(4, "big") + picture)
        stdout.flush()


if __name__ == "__main__":
    main()
