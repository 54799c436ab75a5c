"""What strangers send gets nowhere, and a call goes on beside it."""

import asyncio
import contextlib
import http.client
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from webrtc_parties import LEGS, Party, until

from webrtc import leg as leg_module
from webrtc import packets, peer
from webrtc.archive import Writer
from webrtc.client import MediaClient
from webrtc.codecs import VP8
from webrtc.errors import BadOffer, Busy, NoSpace, OfferTooLarge, RoomClosed, RoomDiffers, Unreachable
from webrtc.protocol import Limits, OpenRoom, Seat
from webrtc.room import Room
from webrtc.sampler import NotDecoded, Sampler


def test_the_installed_aiortc_is_the_one_we_were_written_for(monkeypatch):
    peer.self_test()
    asyncio.run(peer.self_test_call())
    monkeypatch.delattr(peer.aioice.ice.Connection, "data_received")
    with pytest.raises(peer.Unfit, match="data_received"):
        peer.self_test()


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def flood(port: int, seconds: float) -> int:
    """Foreign DTLS alerts, stub ClientHellos, broken STUN, noise; returns how many."""
    rng = random.Random(1)

    def stun(kind: int, size: int) -> bytes:
        """A whole Binding request with one attribute of a size that it cannot have."""
        value = struct.pack("!HH", kind, size) + rng.randbytes(size) + bytes(-size % 4)
        return struct.pack("!HHL", 1, len(value), 0x2112A442) + bytes(12) + value

    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for data in (
                b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",
                b"\x16\xfe\xfd" + bytes(8) + b"\x00\x0c\x01" + bytes(11),
                stun(rng.choice([0x03, 0x20, 0x24]), rng.choice([0, 1, 2, 3, 5])),
                stun(0x08, rng.randrange(40))[:-1],
                b"\x80\x60" + rng.randbytes(40),
                b"",
            ):
                wire.sendto(data, ("127.0.0.1", port))
                sent += 1
            time.sleep(0.0005)
    return sent


def test_a_call_is_made_beside_a_flood_of_foreign_datagrams(worker, key, clips):
    client = worker.client

    async def call():
        await asyncio.to_thread(client.open_room, "room", key, LEGS)
        party = Party(clips["applicant"])
        answer = await asyncio.to_thread(client.offer, "room", "applicant", await party.offer())
        port = int(re.search(r"a=candidate:.* 127\.0\.0\.1 (\d+) typ host", answer.sdp)[1])
        attack = asyncio.create_task(asyncio.to_thread(flood, port, 2.5))
        await asyncio.sleep(0.2)
        from aiortc import RTCSessionDescription

        await party.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        await asyncio.wait_for(party.connected.wait(), 10)
        sent = await attack
        status = (await asyncio.to_thread(client.status, "room"))["legs"]["applicant"]
        manifest = await asyncio.to_thread(client.close_room, "room")
        await party.leave()
        return sent, status, manifest

    sent, status, manifest = asyncio.run(call())
    assert status["connected"]
    assert status["strangers"] > 100
    assert sent > 500
    assert manifest["intact"]
    assert manifest["gaps"] == []


def test_forged_and_replayed_packets_are_not_recorded(worker, key, clips):
    client = worker.client

    async def call():
        await asyncio.to_thread(client.open_room, "room", key, LEGS)
        party = Party(clips["applicant"])
        await party.join(client, "room", "applicant")
        await asyncio.sleep(0.5)
        ice = party.pc.getTransceivers()[0].receiver.transport.transport._connection
        pair = next(iter(ice._nominated.values()))
        real, kept = pair.protocol.transport.sendto, []

        def both(data, address):
            if data[:1] == b"\x80" or data[:1] == b"\x90":
                kept.append(data)
            real(data, address)

        pair.protocol.transport.sendto = both
        await until(lambda: len(kept) > 40)
        for data in kept[:40]:
            real(data, pair.remote_addr)
            real(data[:-1] + bytes([data[-1] ^ 1]), pair.remote_addr)
        await asyncio.sleep(0.3)
        status = (await asyncio.to_thread(client.status, "room"))["legs"]["applicant"]
        await party.leave()
        return status

    status = asyncio.run(call())
    assert status["forged"] >= 80
    assert status["lost"] == {"audio": 0, "video": 0}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda s: "x" * 1_000_000, OfferTooLarge),
        (lambda s: s + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 10_000, OfferTooLarge),
        (lambda s: s[:400], BadOffer),
        (lambda s: s.replace("a=ice-ufrag:", "a=x:"), BadOffer),
        (lambda s: s.replace("a=fingerprint:", "a=x:"), BadOffer),
        (lambda s: s.replace("a=mid:", "a=x:"), BadOffer),
        (lambda s: s.replace("VP8", "XX8").replace("H264", "XX64"), BadOffer),
        (lambda s: s.replace("a=rtpmap:", "a=rtpmap:x"), BadOffer),
        (lambda s: s.replace("a=sctp-port:5000", "a=sctp-port:q"), BadOffer),
        (lambda s: s.replace("m=audio", "m=audio 9 9 9 9"), BadOffer),
    ],
)
def test_a_bad_offer_gets_a_clear_refusal_and_leaves_nothing_open(standing, clips, change, error):
    async def make():
        party = Party(clips["applicant"])
        try:
            return await party.offer()
        finally:
            await party.leave()

    offer = change(asyncio.run(make()))
    standing.client.open_room("room", bytes(32), LEGS)
    before = open_files(standing.process.pid)
    began = time.monotonic()
    with pytest.raises(error) as refusal:
        standing.client.offer("room", "applicant", offer)
    assert refusal.value.words
    assert time.monotonic() - began < 1.0
    time.sleep(0.1)
    assert standing.client.health()["half_open"] == 0
    assert open_files(standing.process.pid) <= before + 1


def test_an_offer_that_names_internal_addresses_sends_them_nothing(worker, key, clips):
    async def call():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
            inside.bind(("127.0.0.1", 0))
            inside.setblocking(False)
            port = inside.getsockname()[1]
            party = Party(clips["applicant"])
            offer = await party.offer()
            lines = f"a=candidate:9 1 udp 2130706431 127.0.0.1 {port} typ host\r\na=end-of-candidates\r\n"
            offer = re.sub(r"(a=ice-ufrag)", lines + r"\1", offer)
            await asyncio.to_thread(worker.client.open_room, "room", key, LEGS)
            await asyncio.to_thread(worker.client.offer, "room", "applicant", offer)
            await asyncio.sleep(1.5)
            await party.leave()
            with pytest.raises(BlockingIOError):
                inside.recv(100)

    asyncio.run(call())


def test_half_open_connections_are_given_up_and_closed(tmp_path, key, clips, monkeypatch, stood):
    monkeypatch.setattr(leg_module, "CONNECT_S", 0.5)
    monkeypatch.setattr("webrtc.room.CONNECT_S", 0.5)

    async def wait():
        writer, sampler = Writer(), Sampler()
        room = Room(OpenRoom("r", key, (Seat("applicant", "a"),)), tmp_path / "r", writer, sampler, stood())
        await room.open()
        before = open_files(os.getpid())
        party = Party(clips["applicant"])
        offer = await party.offer()
        for _ in range(5):
            await room.offer("applicant", offer, "offer")
        assert len(room.joining) == 1
        room.tick(time.monotonic() + 1)
        assert not room.joining
        await asyncio.wait(room._ending, timeout=10)
        await party.leave()
        await asyncio.sleep(0.1)
        after = open_files(os.getpid())
        writer.stop()
        return before, after

    before, after = asyncio.run(wait())
    assert after <= before


def test_a_room_is_refused_without_space_place_or_the_same_key(worker, key):
    client = worker.client
    with pytest.raises(NoSpace):
        client.open_room("big", key, LEGS, Limits(expected_bytes=1 << 60))
    assert not (worker.rec / "big").exists()
    assert client.open_room("room", key, LEGS)["resumed"] is False
    assert client.open_room("room", key, LEGS)["resumed"] is False
    with pytest.raises(RoomDiffers):
        client.open_room("room", bytes(32), LEGS)
    manifest = client.close_room("room")
    assert (manifest["complete"], manifest["segments"]) == (True, [])
    with pytest.raises(RoomClosed):
        client.open_room("room", key, LEGS)
    small = Limits(expected_bytes=1 << 10)
    for n in range(40):
        client.open_room(f"room-{n}", key, LEGS, small)
    with pytest.raises(Busy):
        client.open_room("one-more", key, LEGS, small)
    assert worker.socket.stat().st_mode & 0o777 == 0o600
    assert key not in b"".join(p.read_bytes() for p in worker.rec.rglob("*") if p.is_file())


def test_connections_that_are_only_begun_are_bounded(worker, key, clips):
    async def make():
        party = Party(clips["applicant"])
        sdp = await party.offer()
        await party.leave()
        return sdp

    sdp, small = asyncio.run(make()), Limits(expected_bytes=1 << 10)
    for n in range(10):
        worker.client.open_room(f"room-{n}", key, LEGS, small)
        for leg in ("applicant", "notary"):
            worker.client.offer(f"room-{n}", leg, sdp)
    worker.client.open_room("last", key, LEGS, small)
    with pytest.raises(Busy):
        worker.client.offer("last", "notary", sdp)
    worker.client.close_leg("room-0", "notary")
    worker.client.offer("last", "notary", sdp)


def test_a_worker_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(Unreachable):
        MediaClient(tmp_path / "none.sock").health()


@pytest.mark.req("D06")
def test_the_sampler_survives_hostile_pictures(clips):
    rng = random.Random(3)
    key = clips["applicant"].video[0]
    assert packets.picture_size(key) == (320, 240)

    async def sample():
        sampler = Sampler()
        try:
            good = await sampler.jpeg(key, VP8)
            huge = key[:6] + struct.pack("<HH", 16383, 16383) + key[10:]
            for bad in (b"", b"\x01", huge, key[:9], bytes(1 << 21)):
                with pytest.raises(NotDecoded):
                    await sampler.jpeg(bad, VP8)
            for _ in range(60):
                noise = bytearray(key)
                for _ in range(30):
                    noise[rng.randrange(10, len(noise))] = rng.randrange(256)
                with contextlib.suppress(NotDecoded):
                    await sampler.jpeg(bytes(noise), VP8)
            sampler._child.kill()
            with pytest.raises(NotDecoded):
                await sampler.jpeg(key, VP8)
            return good, await sampler.jpeg(key, VP8)
        finally:
            await sampler.close()

    good, again = asyncio.run(sample())
    assert good == again
    assert good.startswith(b"\xff\xd8")


def test_the_open_door_answers_on_loopback_and_not_in_production(tmp_path, clips, engine):
    command = [sys.executable, "-m", "webrtc", "serve", "--rec", str(tmp_path / "rec"), "--open-door"]
    command += ["--engine", engine]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    refused = subprocess.run(
        command, env=os.environ | {"ENV": "production"}, capture_output=True, timeout=20, check=False
    )
    assert refused.returncode == 64
    assert b"production" in refused.stderr
    refused = subprocess.run([*command, "--host", "0.0.0.0"], capture_output=True, timeout=20, check=False)
    assert refused.returncode == 64
    child = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert "ready" in child.stdout.readline()

        def post(body: str, path: str = "/offer"):
            wire = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            wire.request("POST", path, body)
            reply = wire.getresponse()
            return reply.status, json.loads(reply.read())

        async def offer():
            party = Party(clips["applicant"])
            sdp = await party.offer()
            status, answer = await asyncio.to_thread(
                post, json.dumps({"room": "door", "role": "applicant", "sdp": sdp, "type": "offer"})
            )
            await party.leave()
            return status, answer

        status, answer = asyncio.run(offer())
        assert (status, answer["type"]) == (200, "answer")
        assert "opus" in answer["sdp"]
        assert "VP8" in answer["sdp"]
        assert "rtx" not in answer["sdp"]
        assert "a=setup:passive" in answer["sdp"]
        assert (tmp_path / "rec" / "door" / "key").stat().st_size == 32
        assert post("{}", "/other")[0] == 404
        assert post("not json")[0] == 400
        assert post(json.dumps({"room": "../x", "role": "applicant", "sdp": "v=0", "type": "offer"}))[0] == 400
        assert post("x" * 70_000)[0] == 413
    finally:
        child.terminate()
        child.wait(20)
        child.stdout.close()
