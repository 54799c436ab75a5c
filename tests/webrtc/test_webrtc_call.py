"""Two parties in a call through a real worker; what was sent is what is recorded, bit for bit."""

import asyncio
import io
import json

import pytest
from PIL import Image
from webrtc_parties import LEGS, Party, recorded, schema, until

from webrtc.__main__ import export
from webrtc.errors import NoSuchLeg, NoSuchRoom, NotConnected, RoomClosed


def in_order_within(sent: list[str], kept: list[str]) -> bool:
    """Whether `kept` is one unbroken run of `sent`."""
    start = next((i for i in range(len(sent)) if sent[i : i + len(kept)] == kept), None)
    return bool(kept) and start is not None


@pytest.mark.req("D03", "D04", "D05", "D06", "D08")
def test_the_recording_is_what_was_sent_and_parties_are_not_exchanged(worker, key, clips, tmp_path):
    client, notes = worker.client, {}

    async def call():
        await asyncio.to_thread(client.open_room, "room-1", key, LEGS)
        parties = {leg: Party(clips[leg]) for leg in ("applicant", "notary")}
        for leg, party in parties.items():
            notes[leg] = (await party.join(client, "room-1", leg)).segment
        for party in parties.values():
            await until(lambda party=party: len(party.pictures) > 20)
        notes["mark"] = await asyncio.to_thread(client.mark, "room-1", "identity")
        notes["picture"] = await asyncio.to_thread(client.snapshot, "room-1", "applicant")
        notes["sent"] = await asyncio.to_thread(client.send, "room-1", "notary", {"event": "note", "n": 1})
        await asyncio.sleep(1.5)
        parties["applicant"].channel.send(json.dumps({"event": "beat", "n": 7}))
        parties["applicant"].channel.send(json.dumps({"event": "health", "health": {"loss": 0.0}}))
        await asyncio.sleep(0.5)
        notes["status"] = await asyncio.to_thread(client.status, "room-1")
        notes["health"] = await asyncio.to_thread(client.health)
        notes["manifest"] = await asyncio.to_thread(client.close_room, "room-1")
        notes["events"] = {leg: [json.loads(e) for e in p.events] for leg, p in parties.items()}
        for party in parties.values():
            await party.leave()
        return parties

    parties = asyncio.run(call())

    manifest = notes["manifest"]
    assert manifest["complete"]
    assert manifest["intact"], manifest["problems"]
    assert manifest["gaps"] == []
    assert manifest["drops"] == []
    assert [(s["segment"], s["role"]) for s in manifest["segments"]] == [
        (notes["applicant"], "applicant"),
        (notes["notary"], "notary"),
    ]
    assert [m["phase"] for m in manifest["marks"]] == ["identity"]
    assert 0 < notes["mark"]["seconds"] < 15
    assert set(notes["mark"]["offsets"]) == {notes["applicant"], notes["notary"]}

    schema(manifest, "manifest")
    for line in (worker.rec / "room-1" / "journal.jsonl").read_text().splitlines():
        schema(json.loads(line), "journal")
    assert export(worker.rec / "room-1", tmp_path / "out", key) == manifest
    for leg in ("applicant", "notary"):
        kept = recorded(tmp_path / "out" / f"{notes[leg]}.webm")
        for kind in ("audio", "video"):
            hashes = [h for _, h in kept[kind]]
            assert len(hashes) > 50
            assert in_order_within(parties[leg].tracks[kind].sent, hashes), (leg, kind)
            times = [ms for ms, _ in kept[kind]]
            assert times == sorted(times)

    assert Image.open(io.BytesIO(notes["picture"].jpeg)).size == (320, 240)
    assert notes["picture"].width == 320
    legs = notes["status"]["legs"]
    assert all(legs[leg]["connected"] and legs[leg]["age"] < 1 for leg in legs)
    assert legs["applicant"]["health"] == {"loss": 0.0}
    assert notes["status"]["recorder"]["ok"]
    assert notes["health"]["rooms"] == 1
    assert notes["sent"] == 1
    assert {"event": "note", "n": 1} in notes["events"]["notary"]
    assert {"event": "note", "n": 1} not in notes["events"]["applicant"]
    assert {"event": "beat", "n": 7} in notes["events"]["applicant"]
    with pytest.raises(NoSuchRoom):
        client.status("room-1")
    assert client.close_room("room-1") == manifest
    with pytest.raises(RoomClosed):
        client.open_room("room-1", key, LEGS)


@pytest.mark.req("C02")
def test_a_second_login_replaces_the_first_and_the_other_side_goes_on(worker, key, clips, tmp_path):
    client, notes = worker.client, {}

    async def call():
        await asyncio.to_thread(client.open_room, "room-2", key, LEGS)
        first, notary = Party(clips["applicant"]), Party(clips["notary"])
        await first.join(client, "room-2", "applicant")
        await notary.join(client, "room-2", "notary")
        await until(lambda: len(notary.pictures) > 10)
        second = Party(clips["applicant"])
        notes["second"] = (await second.join(client, "room-2", "applicant")).segment
        await until(lambda: any("replaced" in e for e in first.events))
        seen = len(notary.pictures)
        await until(lambda: len(notary.pictures) > seen + 40)
        await until(lambda: len(second.pictures) > 10)
        with pytest.raises(NoSuchLeg):
            await asyncio.to_thread(client.offer, "room-2", "mallory", "v=0")
        await asyncio.to_thread(client.stop_recording, "room-2", "applicant")
        third = Party(clips["applicant"])
        with pytest.raises(NotConnected):
            await third.join(client, "room-2", "applicant")
        notes["manifest"] = await asyncio.to_thread(client.close_room, "room-2")
        for party in (first, second, third, notary):
            await party.leave()

    asyncio.run(call())
    manifest = notes["manifest"]
    assert manifest["intact"], manifest["problems"]
    assert [(s["leg"], s["end"]) for s in manifest["segments"]] == [
        ("applicant", "replaced"),
        ("notary", "closed"),
        ("applicant", "consent"),
    ]


@pytest.mark.req("D02", "D03", "C07")
def test_a_killed_worker_loses_a_moment_and_the_gap_is_in_the_record(worker, key, clips, tmp_path):
    client, notes = worker.client, {}

    async def call():
        await asyncio.to_thread(client.open_room, "room-3", key, LEGS)
        before = {leg: Party(clips[leg]) for leg in ("applicant", "notary")}
        for leg, party in before.items():
            await party.join(client, "room-3", leg)
        await asyncio.sleep(2.5)
        sent = {leg: {k: len(t.sent) for k, t in p.tracks.items()} for leg, p in before.items()}
        worker.kill()
        await asyncio.sleep(2.2)
        notes["crashed"] = export(worker.rec / "room-3", tmp_path / "crashed", key)
        for leg, party in before.items():
            kept = recorded(tmp_path / "crashed" / f"{notes['crashed']['segments'][leg == 'notary']['segment']}.webm")
            lost = {kind: sent[leg][kind] - len(kept[kind]) for kind in kept}
            print(leg, "frames lost by the kill", lost)
            assert lost["video"] <= 0.35 * 20 + 1
            assert lost["audio"] <= 0.35 * 50 + 1
            assert in_order_within(party.tracks["audio"].sent, [h for _, h in kept["audio"]])
        worker.start()
        notes["resumed"] = await asyncio.to_thread(client.open_room, "room-3", key, LEGS)
        after = {leg: Party(clips[leg]) for leg in ("applicant", "notary")}
        for leg, party in after.items():
            await party.join(client, "room-3", leg)
        await until(lambda: all(len(p.pictures) > 5 for p in after.values()))
        notes["manifest"] = await asyncio.to_thread(client.close_room, "room-3")
        for party in (*before.values(), *after.values()):
            await party.leave()

    asyncio.run(call())
    assert notes["crashed"]["intact"]
    assert not notes["crashed"]["complete"]
    assert notes["resumed"] == {"room": "room-3", "resumed": True, "next_segment": 3}
    manifest = notes["manifest"]
    assert manifest["intact"], manifest["problems"]
    assert [s["end"] for s in manifest["segments"]] == ["worker", "worker", "closed", "closed"]
    assert {(g["leg"], g["cause"]) for g in manifest["gaps"]} == {
        ("applicant", "worker"),
        ("notary", "worker"),
    }
    assert all(g["seconds"] > 2 for g in manifest["gaps"])


@pytest.mark.req("D02")
def test_silence_inside_a_connection_is_an_entry(worker, key, clips):
    client, notes = worker.client, {}

    async def call():
        await asyncio.to_thread(client.open_room, "room-4", key, LEGS)
        party = Party(clips["applicant"])
        await party.join(client, "room-4", "applicant")
        await asyncio.sleep(0.7)
        for track in party.tracks.values():
            track.speaking.clear()
        await asyncio.sleep(2.6)
        for track in party.tracks.values():
            track.speaking.set()
        await asyncio.sleep(0.7)
        notes["manifest"] = await asyncio.to_thread(client.close_room, "room-4")
        await party.leave()

    asyncio.run(call())
    gaps = notes["manifest"]["gaps"]
    assert len(gaps) == 2
    assert {(g["leg"], g["cause"]) for g in gaps} == {("applicant", "network")}
    assert all(2.2 < g["seconds"] < 4 for g in gaps)


@pytest.mark.req("D02")
def test_a_worker_that_is_stopped_in_order_is_continued_by_the_next(worker, key, clips):
    client, notes = worker.client, {}

    async def call():
        await asyncio.to_thread(client.open_room, "room-5", key, LEGS)
        party = Party(clips["applicant"])
        await party.join(client, "room-5", "applicant")
        await asyncio.sleep(0.7)
        await asyncio.to_thread(worker.stop)
        worker.start()
        await until(lambda: any("worker" in e for e in party.events), 3)
        await party.leave()
        notes["resumed"] = await asyncio.to_thread(client.open_room, "room-5", key, LEGS)
        again = Party(clips["applicant"])
        await again.join(client, "room-5", "applicant")
        await asyncio.sleep(0.7)
        notes["manifest"] = await asyncio.to_thread(client.close_room, "room-5")
        await again.leave()

    asyncio.run(call())
    assert notes["resumed"]["resumed"]
    manifest = notes["manifest"]
    assert manifest["intact"], manifest["problems"]
    assert [s["end"] for s in manifest["segments"]] == ["worker", "closed"]
