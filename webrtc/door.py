"""
The open door: `POST /offer {room, role, sdp, type} -> {sdp, type}` on loopback, for tests and for measuring.

Nobody is asked who he is, so it refuses to stand where `ENV=production`. Each room's throw-away key is left
in its folder as `key`, which makes the recording readable to whoever can read the folder.
"""

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from storage import vault
from webrtc.errors import BadRequest, MediaError
from webrtc.protocol import Offer, OpenRoom, Seat

if TYPE_CHECKING:
    from webrtc.engine import Engine

MAX_BODY = 64 * 1024
ROLES = (Seat("applicant", "applicant"), Seat("notary", "notary"))


async def open_door(engine: "Engine", port: int) -> asyncio.Server:
    """Listen on 127.0.0.1:`port`. Raises RuntimeError in production."""
    if os.environ.get("ENV", "").strip().lower() == "production":
        raise RuntimeError("the open door does not stand in production")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(15):
                status, body = await _reply(engine, reader)
        except (ValueError, TimeoutError, OSError, asyncio.IncompleteReadError):
            status, body = 400, {"error": "not a request"}
        try:
            data = json.dumps(body).encode()
            head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + data)
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", port, limit=16 * 1024)


async def _reply(engine: "Engine", reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    request, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    if request.split(" ")[:2] != ["POST", "/offer"]:
        return 404, {"error": "only POST /offer"}
    named = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in headers)}
    size = int(named.get("content-length", "0"))
    if size > MAX_BODY:
        return 413, {"error": "the offer is too large"}
    body = json.loads(await reader.readexactly(size))
    if not isinstance(body, dict):
        return 400, {"error": "not an offer"}
    try:
        room = str(body.get("room", ""))
        if room not in engine.rooms:
            await engine.open_room(OpenRoom(room, _key(engine, room), ROLES))
        asked = Offer(room, str(body.get("role", "")), str(body.get("sdp", "")), str(body.get("type", "")))
        return 200, await engine.answer(asked)
    except MediaError as error:
        return 413 if "large" in error.code else 400, {"error": error.words, "code": error.code}


def _key(engine: "Engine", room: str) -> bytes:
    """The room's throw-away key, kept beside its recording."""
    OpenRoom(room, bytes(32), ROLES)  # checks the name before it becomes a path
    folder = engine.recordings / room
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "key"
    try:
        with path.open("xb") as stream:
            stream.write(vault.new_data_key())
    except FileExistsError:
        pass
    key = path.read_bytes()
    if len(key) != vault.KEY_BYTES:
        raise BadRequest("the room's throw-away key is damaged")
    return key
