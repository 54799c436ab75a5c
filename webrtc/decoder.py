"""
A party's pictures, every one of them, decoded in a process of their own while a challenge lasts.

As with the sampler the bits come from a stranger's camera, so the decoder runs apart, with little memory and little
time. Pictures between key frames need all before them: so each feed has a child of its own, which ends with it. The
child is told the codec, reads a length (4 bytes, big-endian), a byte that says whether the picture is wanted, and a frame as
FFmpeg takes it, and answers a length and a JPEG, or length 0. This file is also the child's program, so it imports nothing
of ours while it is that.
"""

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webrtc.codecs import Codec

MAX_PIXELS = 1280 * 720
MAX_FRAME = 1 << 20
WIDEST = 640
MEMORY = 768 << 20
CPU_S = 60
TIMEOUT_S = 5.0


class DecoderDied(Exception):
    """The child ended or did not answer."""


class Decoder:
    """The child of one feed; frames in the order they were sent, all of one codec."""

    def __init__(self, codec: "Codec") -> None:
        self._codec = codec
        self._child: asyncio.subprocess.Process | None = None

    async def picture(self, frame: bytes, *, wanted: bool) -> bytes:
        """JPEG of the frame, at most WIDEST wide; empty if it is not wanted or cannot be decoded. Raises DecoderDied."""
        if not frame or len(frame) > MAX_FRAME:
            return b""
        data = self._codec.decodable(frame)
        if not data:  # which would tell the decoder that nothing follows
            return b""
        if self._child is None:
            pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-I", __file__, self._codec.decoder,
                stdin=pipe, stdout=pipe, stderr=null, env={"PATH": ""},
            )  # fmt: skip
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                child.stdin.write(len(data).to_bytes(4, "big") + bytes([wanted]) + data)
                await child.stdin.drain()
                size = int.from_bytes(await child.stdout.readexactly(4), "big")
                return await child.stdout.readexactly(size)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise DecoderDied("the decoder died on a frame") from error

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()


def sized(frame: bytes) -> bool:
    """Whether a VP8 frame is of a size that we take; only key frames say one (RFC 6386 9.1)."""
    if frame[0] & 1:
        return True
    width = int.from_bytes(frame[6:8], "little") & 0x3FFF
    height = int.from_bytes(frame[8:10], "little") & 0x3FFF
    return frame[3:6] == b"\x9d\x01\x2a" and 0 < width * height <= MAX_PIXELS


def jpeg(picture: Any) -> bytes:
    """A decoded picture as JPEG."""
    import io

    if picture.width > WIDEST:
        picture = picture.reformat(width=WIDEST, height=picture.height * WIDEST // picture.width // 2 * 2)
    out = io.BytesIO()
    picture.to_image().save(out, "JPEG", quality=92)
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
    import av

    kind = sys.argv[1]
    decoder = av.CodecContext.create(kind, "r")
    decoder.thread_count = 1
    # H.264 says its size in bits that FFmpeg reads first; and it has no picture to wait for: nobody sends B pictures here
    decoder.options = {"max_pixels": str(MAX_PIXELS), "flags": "low_delay"}
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while len(head := stdin.read(5)) == 5:
        frame = stdin.read(int.from_bytes(head[:4], "big"))
        made = b""
        try:
            if (kind != "vp8" or sized(frame)) and (pictures := decoder.decode(av.Packet(frame))) and head[4]:
                made = jpeg(pictures[-1])
        except Exception:  # noqa: BLE001  whatever the decoder raises means: no picture
            made = b""
        stdout.write(len(made).to_bytes(4, "big") + made)
        stdout.flush()


if __name__ == "__main__":
    main()
