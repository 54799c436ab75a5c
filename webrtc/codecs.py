"""What pictures can come in: how each is told apart on its way to the screen, to the file and to a decoder. PURE."""

from collections.abc import Callable
from dataclasses import dataclass

from webrtc import h264, packets


@dataclass(frozen=True)
class Codec:
    """A video codec that is passed through and recorded. `name` as in SDP; `decoder`: FFmpeg's name."""

    name: str
    decoder: str
    begins_key: Callable[[bytes], bool]  # of an RTP payload: a receiver can begin with it
    is_key: Callable[[bytes], bool]  # of a whole frame: it stands alone
    picture_size: Callable[[bytes], tuple[int, int] | None]  # of a key frame, in pixels
    decodable: Callable[[bytes], bytes]  # a frame as its decoder takes it
    configuration: Callable[[bytes], bytes | None]  # of a key frame: what stands in the head of its file


VP8 = Codec(
    "VP8", "vp8", packets.vp8_begins_key, packets.is_key, packets.picture_size, lambda frame: frame, lambda _: None
)
H264 = Codec(
    "H264", "h264", h264.begins_key, h264.is_key, h264.picture_size, h264.annex_b, h264.configuration
)  # fmt: skip
BY_NAME = {codec.name: codec for codec in (VP8, H264)}
"""In the order in which a room prefers them: every browser should have VP8 (RFC 7742 5), and it costs less to put together."""
