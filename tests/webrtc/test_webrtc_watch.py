"""While a challenge lasts the office sees every picture of a party, decoded apart; the call does not notice."""

import asyncio
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from webrtc_parties import LEGS, Party, until

from webrtc import decoder, feed, protocol
from webrtc.codecs import VP8
from webrtc.decoder import Decoder, DecoderDied
from webrtc.errors import BadRequest, Busy, NoPicture, NotConnected


@pytest.mark.req("B06", "B12")
def test_a_watch_gives_pictures_with_media_time_and_ends_by_itself(worker, key, clips):
    client, notes = worker.client, {}

    async def call():
        await asyncio.to_thread(client.open_room, "room-w", key, LEGS)
        with pytest.raises(NotConnected):
            await asyncio.to_thread(lambda: list(client.watch("room-w", "applicant", 1.0)))
        parties = {leg: Party(clips[leg]) for leg in ("applicant", "notary")}
        for leg, party in parties.items():
            await party.join(client, "room-w", leg)
        for party in parties.values():
            await until(lambda party=party: len(party.pictures) > 5)
        before = (await asyncio.to_thread(client.mark, "room-w", "identity"))["seconds"]
        watching = asyncio.create_task(asyncio.to_thread(lambda: list(client.watch("room-w", "applicant", 4.0, 12.0))))
        await asyncio.sleep(1.5)
        with pytest.raises(Busy):
            await asyncio.to_thread(lambda: list(client.watch("room-w", "applicant", 1.0)))
        notes["prompt"] = await asyncio.to_thread(
            client.prompt, "room-w", "applicant", {"event": "prompt", "kind": "left"}
        )
        notes["before"], notes["seen"] = before, await watching
        notes["leaving"] = asyncio.create_task(
            asyncio.to_thread(lambda: list(client.watch("room-w", "applicant", 30.0)))
        )
        await asyncio.sleep(1.5)
        await asyncio.to_thread(client.close_leg, "room-w", "applicant")
        notes["left"] = await asyncio.wait_for(notes["leaving"], 5)
        notes["nobody"] = await asyncio.to_thread(client.prompt, "room-w", "applicant", {"event": "prompt"})
        notes["manifest"] = await asyncio.to_thread(client.close_room, "room-w")
        for party in parties.values():
            await party.leave()

    asyncio.run(call())
    seen = notes["seen"]
    assert 20 <= len(seen) <= 60
    times = [one.seconds for one in seen]
    assert times == sorted(times)
    assert notes["before"] <= times[0] < times[-1] <= notes["before"] + 6
    assert notes["before"] < notes["prompt"] < times[-1] + 1
    assert all((b.stamp - a.stamp) & 0xFFFFFFFF < 90000 for a, b in itertools.pairwise(seen))
    picture = cv2.imdecode(np.frombuffer(seen[-1].jpeg, np.uint8), 1)
    assert (240, 320, 3) == picture.shape
    assert notes["left"]
    assert notes["nobody"] is None
    assert notes["manifest"]["intact"]
    assert not notes["manifest"]["drops"]


def test_a_decoder_takes_no_giants_and_dies_alone(clips):
    async def feed(frames: list[bytes]) -> list[bytes]:
        one = Decoder(VP8)
        try:
            return [await one.picture(frame, wanted=True) for frame in frames]
        finally:
            await one.close()

    first, *rest = clips["applicant"].video
    giant = bytearray(first)
    giant[6:10] = (0x3FFF).to_bytes(2, "little") * 2
    made = asyncio.run(feed([bytes(giant), rest[0], b"\x10rubbish", first, rest[0], b"", bytes(2 << 20)]))
    assert [False, False, False, True, True, False, False] == [bool(one) for one in made]

    async def killed() -> None:
        one = Decoder(VP8)
        await one.picture(first, wanted=True)
        one._child.kill()
        with pytest.raises(DecoderDied):
            await one.picture(rest[0], wanted=True)
        assert one._child is None

    asyncio.run(killed())


def test_the_decoder_writes_no_file_and_has_little_memory(clips):
    async def limits() -> str:
        one = Decoder(VP8)
        await one.picture(clips["applicant"].video[0], wanted=True)
        told = await asyncio.to_thread(Path(f"/proc/{one._child.pid}/limits").read_text)
        await one.close()
        return told

    told = " ".join(asyncio.run(limits()).split())
    assert "Max file size 0 0" in told
    assert f"Max address space {decoder.MEMORY}" in told
    assert f"Max cpu time {decoder.CPU_S}" in told


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"seconds":1,"ts":1,"size":0}', b'{"seconds":1,"ts":1,"size":9999999}']
)
def test_what_is_no_head_of_a_picture_is_refused(body):
    with pytest.raises(BadRequest):
        protocol.read_head(body)


def test_a_watch_says_how_it_ended():
    assert protocol.read_head(b'{"end":"over","dropped":0}') is None
    with pytest.raises(NoPicture):
        protocol.read_head(b'{"end":"decoder","dropped":0}')
    for seconds in (0, 61, "4", True):
        with pytest.raises(BadRequest):
            protocol.Watch("room-1", "applicant", seconds)


class Pressed:
    """A leg that is asked for key frames."""

    over, taps, codec = "", [], VP8

    def __init__(self):
        self.asked = 0

    def ask_key(self, _now):
        self.asked += 1


@pytest.mark.parametrize("every", [1, 30])
def test_whoever_sends_faster_than_it_is_decoded_fills_no_memory(every):
    """Also with nothing but key frames, which are never refused."""

    async def body():
        held = feed.Feed(Pressed(), 60, 12)
        for n in range(5000):
            held.take(feed.Frame(float(n), n, b"x", n % every == 0))
            assert held._frames.qsize() <= feed.WAITING
        return held.dropped

    assert asyncio.run(body()) > 4900
