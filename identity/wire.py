"""Messages between the office and the child: a length, a JSON head, then the blobs that the head counts."""

import json
from typing import IO, Any, Protocol

MOST_HEAD = 1 << 20
MOST_BLOB = 32 << 20
MOST_BLOBS = 16


class Source(Protocol):
    def read(self, count: int, /) -> bytes:
        """`count` bytes; fewer only where the stream ended."""
        ...


class Broken(Exception):
    """The stream ended inside a message or is no message."""


def write(stream: IO[bytes], head: dict[str, Any], blobs: list[bytes]) -> None:
    text = json.dumps(head | {"blobs": [len(blob) for blob in blobs]}, allow_nan=False).encode()
    stream.write(len(text).to_bytes(4, "big") + text)
    stream.writelines(blobs)
    stream.flush()


def read(stream: Source) -> tuple[dict[str, Any], list[bytes]] | None:
    """One message, or None where the stream ended between two. Raises Broken."""
    start = stream.read(4)
    if not start:
        return None
    length = int.from_bytes(start, "big")
    if len(start) < 4 or length > MOST_HEAD:
        raise Broken("no message")
    try:
        head = json.loads(_exactly(stream, length))
        sizes = head.pop("blobs")
    except (ValueError, KeyError, AttributeError) as problem:
        raise Broken("no head") from problem
    if len(sizes) > MOST_BLOBS or any(not isinstance(size, int) or not 0 <= size <= MOST_BLOB for size in sizes):
        raise Broken("blobs out of bounds")
    return head, [_exactly(stream, size) for size in sizes]


def _exactly(stream: Source, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise Broken("cut short")
    return data
