"""Several workers beside each other: one recording has one writer, and a worker that drains finishes what it has."""

import asyncio
import signal

import pytest
from webrtc_parties import LEGS, Party, Worker, until

from webrtc.errors import Draining, NoSuchRoom, RoomTaken
from webrtc.health import Worst


@pytest.fixture
def beside(worker, engine):
    """A second worker on the same recordings."""
    other = Worker(worker.socket.with_name("other.sock"), worker.rec, engine)
    yield other
    other.stop()


def record(worker, clip, seconds=1.5):
    """The applicant is in the room for a while, and leaves."""

    async def play():
        party = Party(clip)
        await party.join(worker.client, "room", "applicant")
        await until(lambda: worker.client.status("room")["legs"]["applicant"]["packets"]["video"] > 20)
        await asyncio.sleep(seconds)
        await party.leave()

    asyncio.run(play())


@pytest.mark.req("D03", "D05")
def test_no_two_workers_write_one_recording_and_the_dead_ones_goes_on_at_another(worker, beside, key, clips):
    worker.client.open_room("room", key, LEGS)
    record(worker, clips["applicant"])
    with pytest.raises(RoomTaken):
        beside.client.open_room("room", key, LEGS)

    worker.kill()

    assert beside.client.open_room("room", key, LEGS) == {"room": "room", "resumed": True, "next_segment": 2}
    record(beside, clips["applicant"], 0.5)
    manifest = beside.client.close_room("room")
    assert manifest["intact"], manifest["problems"]
    assert [s["segment"] for s in manifest["segments"]] == ["0001-applicant", "0002-applicant"]


@pytest.mark.req("D05")
def test_a_worker_that_only_stands_still_keeps_its_recording_to_itself(worker, beside, key):
    worker.client.open_room("room", key, LEGS)
    worker.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(2):  # a refusal leaves nothing held
            with pytest.raises(RoomTaken):
                beside.client.open_room("room", key, LEGS)
    finally:
        worker.process.send_signal(signal.SIGCONT)
    assert worker.client.status("room")["recorder"]["ok"]
    assert worker.client.close_room("room")["complete"]


@pytest.mark.req("D02")
def test_a_worker_that_drains_takes_no_room_finishes_its_own_and_ends_by_itself(worker, key):
    worker.client.open_room("room", key, LEGS)
    worker.client.drain()
    assert worker.client.health()["draining"]
    with pytest.raises(Draining):
        worker.client.open_room("another", key, LEGS)
    assert worker.client.open_room("room", key, LEGS)["room"] == "room"
    with pytest.raises(NoSuchRoom):
        worker.client.close_room("another")
    assert worker.process.poll() is None

    assert worker.client.close_room("room")["complete"]

    assert worker.process.wait(15) == 0
    assert not worker.socket.exists()


def test_a_worker_that_is_taken_up_again_takes_rooms(worker, key):
    worker.client.open_room("room", key, LEGS)
    worker.client.drain()
    worker.client.drain(on=False)
    worker.client.open_room("another", key, LEGS)
    worker.client.close_room("room")
    assert worker.client.health()["rooms"] == 1


def test_health_tells_loss_delay_descriptors_and_who_is_frozen(worker, key, clips):
    empty = worker.client.health()
    assert empty["rooms"] == empty["legs"] == empty["frozen"] == 0
    assert empty["loss_up"] == empty["rtt_ms"] == {"worst": None, "median": None}
    assert 0 < empty["descriptors"]["open"] < empty["descriptors"]["limit"]

    async def play():
        worker.client.open_room("room", key, LEGS)
        party = Party(clips["applicant"])
        await party.join(worker.client, "room", "applicant")
        await until(lambda: worker.client.health()["loss_up"]["worst"] is not None)
        await until(lambda: worker.client.status("room")["legs"]["applicant"]["packets"]["video"] > 20)
        assert worker.client.health()["frozen"] == 0
        party.tracks["video"].speaking.clear()
        await until(lambda: worker.client.health()["frozen"] == 1)
        await party.leave()

    asyncio.run(play())


def test_the_worst_of_the_last_half_minute_is_kept_whoever_asks():
    worst = Worst()
    worst.note(0.4, 100.0)
    worst.note(0.1, 120.0)
    assert worst.value == 0.4 == worst.value
    worst.note(0.2, 131.0)
    assert worst.value == 0.4
    worst.note(0.0, 162.0)
    assert worst.value == 0.2
