"""Calls in which one party has no VP8: both send H.264, it is recorded as it came, and pictures are made of it."""

import asyncio
import io
import json
import re
import subprocess
from types import SimpleNamespace

import av
import pytest
from PIL import Image
from test_webrtc_call import in_order_within
from webrtc_pages import COLOURS, Office, chromium, far_colour, sees_the_other
from webrtc_parties import LEGS, Party, recorded, schema, until

from webrtc import port
from webrtc.__main__ import export
from webrtc.errors import BadOffer, NoCommonCodec
from webrtc.room import Room

# the other engine has VP8 alone
pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.parametrize("engine", ["port"], indirect=True)]


@pytest.mark.req("D03", "D04", "D05", "D06")
def test_a_party_without_vp8_turns_the_room_to_h264_and_all_of_it_is_recorded(worker, key, clips, h264_clips, tmp_path):
    client, notes = worker.client, {}

    async def call():
        await asyncio.to_thread(client.open_room, "room", key, LEGS)
        notary = Party(clips["notary"])
        notes["vp8"] = (await notary.join(client, "room", "notary")).segment
        applicant = Party(h264_clips["applicant"], ("H264",))
        notes["applicant"] = (await applicant.join(client, "room", "applicant")).segment
        await until(lambda: any(json.loads(one)["event"] == "codec" for one in notary.events))
        assert not notary.pictures
        assert not applicant.pictures
        await notary.leave()
        again = Party(h264_clips["notary"])  # as the page does: the same offer once more, now answered in H.264
        notes["notary"] = (await again.join(client, "room", "notary")).segment
        await until(lambda: len(again.pictures) > 10 and len(applicant.pictures) > 10)
        notes["picture"] = await asyncio.to_thread(client.snapshot, "room", "applicant")
        notes["seen"] = await asyncio.to_thread(lambda: list(client.watch("room", "applicant", 2.0, 12.0)))
        assert len([one for one in again.events if json.loads(one)["event"] == "codec"]) == 0
        notes["manifest"] = await asyncio.to_thread(client.close_room, "room")
        for party in (applicant, again):
            await party.leave()
        return {"applicant": applicant, "notary": again}

    parties = asyncio.run(call())
    manifest = notes["manifest"]
    assert manifest["intact"], manifest["problems"]
    schema(manifest, "manifest")
    codecs = {one["segment"]: one["codec"] for one in manifest["segments"]}
    assert {notes["vp8"]: "VP8", notes["applicant"]: "H264", notes["notary"]: "H264"} == codecs
    export(worker.rec / "room", tmp_path / "out", key)
    assert {f"{notes['vp8']}.webm", f"{notes['applicant']}.mkv", f"{notes['notary']}.mkv"} == {
        one.name for one in (tmp_path / "out").iterdir() if one.suffix in (".webm", ".mkv")
    }
    for leg, party in parties.items():
        path = tmp_path / "out" / f"{notes[leg]}.mkv"
        kept = recorded(path)
        for kind in ("audio", "video"):
            hashes = [one for _, one in kept[kind]]
            assert len(hashes) > 20
            assert in_order_within(party.tracks[kind].sent, hashes), (leg, kind)
        told = subprocess.run(
            ["ffprobe", "-v", "warning", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert told.stdout.split() == ["h264", "opus"]
        assert told.stderr == ""
    assert Image.open(io.BytesIO(notes["picture"].jpeg)).size == (320, 240) == size(notes["picture"])
    assert len(notes["seen"]) > 3
    assert all(Image.open(io.BytesIO(one.jpeg)).size == (320, 240) for one in notes["seen"])


@pytest.mark.parametrize(
    ("now", "offered", "other", "chosen"),
    [
        ("VP8", ("VP8", "H264"), None, "VP8"),
        ("VP8", ("H264",), None, "H264"),
        ("VP8", ("H264",), ("VP8", "H264"), "H264"),
        ("VP8", ("H264",), ("VP8",), ""),
        ("H264", ("VP8", "H264"), ("H264",), "H264"),
        ("H264", ("VP8", "H264"), None, "H264"),  # who dropped out for a moment finds the room as it was
        ("H264", ("VP8",), ("VP8", "H264"), "VP8"),  # back again, where nothing else does
        ("H264", ("VP8",), ("H264",), ""),
    ],
)
def test_the_room_has_one_codec(now, offered, other, chosen):
    room = object.__new__(Room)
    room.codec, room.seats, room.legs = now, dict.fromkeys(("applicant", "notary")), {}
    room.joining = {"notary": SimpleNamespace(peer=SimpleNamespace(offered=other))} if other else {}
    if chosen:
        assert chosen == room._choose("applicant", offered)
    else:
        with pytest.raises(NoCommonCodec):
            room._choose("applicant", offered)


def size(picture) -> tuple[int, int]:
    return picture.width, picture.height


def test_who_has_no_codec_of_the_others_is_refused_and_a_page_that_does_not_listen_is_cut_off(
    worker, key, clips, h264_clips
):
    client = worker.client

    async def call():
        await asyncio.to_thread(client.open_room, "room", key, LEGS)
        notary = Party(clips["notary"], ("VP8",))
        await notary.join(client, "room", "notary")
        applicant = Party(h264_clips["applicant"], ("H264",))
        with pytest.raises(NoCommonCodec) as refused:
            await applicant.join(client, "room", "applicant")
        assert refused.value.words
        assert client.status("room")["legs"]["notary"]["connected"]
        deaf = Party(clips["notary"])
        await deaf.join(client, "room", "notary")
        later = Party(h264_clips["applicant"], ("H264",))
        await later.join(client, "room", "applicant")
        await until(lambda: deaf.pc.connectionState in ("closed", "failed"))
        assert not any(json.loads(one)["event"] == "ended" for one in deaf.events)
        await asyncio.to_thread(client.close_room, "room")
        for party in (notary, applicant, deaf, later):
            await party.leave()

    asyncio.run(call())


def test_a_way_that_is_mended_keeps_its_codec(clips):
    async def body():
        stood, party = port.stand("127.0.0.1", 0, ""), Party(clips["notary"])
        try:
            offer = await party.offer()
            link = stood.connect()
            first = await link.answer(offer, lambda codecs: codecs[-1])
            moved = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:fresh", offer)
            assert link.codec == "H264"
            assert re.findall("a=rtpmap.*", first) == re.findall("a=rtpmap.*", link.restart(moved))
            with pytest.raises(BadOffer):
                link.restart(moved.replace("H264", "XX64"))
            await link.close()
        finally:
            await party.leave()
            await stood.close()

    asyncio.run(body())


ONLY_H264 = """
const able = RTCRtpSender.getCapabilities("video").codecs.filter((one) => one.mimeType === "video/H264");
const add = RTCPeerConnection.prototype.addTrack;
RTCPeerConnection.prototype.addTrack = function (...what) {
  const sender = add.apply(this, what);
  for (const one of this.getTransceivers()) if (one.sender.track?.kind === "video") one.setCodecPreferences(able);
  return sender;
};
"""


@pytest.mark.browser
@pytest.mark.req("D03", "D04", "C07")
def test_chromium_changes_over_for_a_page_that_has_only_h264(worker, key, tmp_path):
    from playwright.sync_api import sync_playwright

    office = Office(worker, key, "room")
    with sync_playwright() as play:
        browser = chromium(play)
        notary, applicant = (browser.new_context().new_page() for _ in range(2))
        applicant.add_init_script(ONLY_H264)
        notary.goto(f"{office.url}/?leg=notary&colour={COLOURS['notary']}")
        notary.wait_for_function("() => call.state === 'live'")
        applicant.goto(f"{office.url}/?leg=applicant&colour={COLOURS['applicant']}")
        for page in (applicant, notary):
            sees_the_other(page)
        assert far_colour(notary)[0] > 150 > 80 > far_colour(notary)[2]
        assert far_colour(applicant)[2] > 150 > 80 > far_colour(applicant)[0]
        states = "told.filter(t => t.name === 'state').map(t => t.state)"
        assert ["asking", "connecting", "live"] == applicant.evaluate(states)
        assert ["asking", "connecting", "live", "connecting", "live"] == notary.evaluate(states)
        picture = worker.client.snapshot("room", "applicant")
        assert Image.open(io.BytesIO(picture.jpeg)).size == size(picture)
        worker.client.close_room("room")
        manifest = export(worker.rec / "room", tmp_path / "out", key)
        browser.close()
    office.server.shutdown()
    assert manifest["intact"], manifest["problems"]
    assert ["VP8", "H264", "H264"] == [one["codec"] for one in sorted(manifest["segments"], key=lambda s: s["segment"])]
    for path in (tmp_path / "out").glob("*.mkv"):
        with av.open(str(path)) as file:
            assert sum(1 for _ in file.decode(video=0)) > 10
            assert len(file.streams.video[0].codec_context.extradata) > 12
