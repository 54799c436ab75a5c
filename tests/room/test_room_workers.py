"""Several media workers: a room has one of them, comes back on it or on another, and a worker can be taken away in peace."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
import sqlalchemy as sa
from webrtc_parties import LEGS, Worker

from notary import media
from notary.errors import NotFound
from notary.ledger import Actor
from notary.lifecycle import Role
from notary.media import Workers, rooms_held
from notary.models import Case, MediaRoom, Office, Person
from notary.office import closing, draining, hearing
from storage import vault
from webrtc.client import Limits
from webrtc.errors import Busy, NoSpace, NoSuchRoom, RoomTaken, Unreachable

ADMIN = Actor(Role.ADMIN, name="管理员")


@pytest.fixture
def workers(tmp_path):
    """Two workers that share the recordings."""
    running = [Worker(tmp_path / f"media-{number}.sock", tmp_path / "rec") for number in (1, 2)]
    yield running
    for one in running:
        one.stop()


@pytest.fixture
def portals(parts, workers):
    """The workers as two processes of the portal see them, each with what it remembers."""
    sockets = [one.socket for one in workers]
    return [replace(parts, media=Workers(sockets, parts.db, parts.clock)) for _ in range(2)]


@pytest.fixture
def key():
    return vault.new_data_key()


def opened(portal, key, room=None):
    room = room or str(uuid4())
    portal.media.open_room(room, key, LEGS)
    return room


def chosen(portal, key):
    """The worker of a new room."""
    room = opened(portal, key)
    return pins(portal)[room]


def pins(portal):
    with portal.db() as db:
        return {str(one.room): one.worker for one in db.scalars(sa.select(MediaRoom)) if one.closed_at is None}


def until(what, seconds=15.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.req("D05")
def test_many_threads_of_two_processes_open_one_room_at_one_worker(portals, workers, key):
    room, start = str(uuid4()), threading.Barrier(12)

    def come(number):
        start.wait()
        return portals[number % 2].media.open_room(room, key, LEGS)["next_segment"]

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(come, range(12))) == [1] * 12

    assert sum(one.client.health()["rooms"] for one in workers) == 1
    assert portals[0].media.status(room)["room"] == portals[1].media.status(room)["room"] == room


def test_rooms_that_are_opened_at_once_are_spread_evenly(portals, workers, key):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: opened(portals[number % 2], key), range(12)))

    assert [one.client.health()["rooms"] for one in workers] == [6, 6]


def test_a_new_room_goes_where_the_fewest_are(portals, workers, key):
    first, second = opened(portals[0], key), opened(portals[0], key)
    assert (pins(portals[0])[first], pins(portals[0])[second]) == (1, 2)
    portals[1].media.close_room(second)

    assert chosen(portals[1], key) == 2


@pytest.mark.req("D05", "C07")
def test_after_its_workers_end_a_room_comes_back_on_it(portals, workers, key):
    room = opened(portals[0], key)
    workers[0].kill()
    with pytest.raises(Unreachable):
        portals[0].media.status(room)
    with pytest.raises(Unreachable):
        portals[0].media.open_room(room, key, LEGS)
    workers[0].start()
    with pytest.raises(NoSuchRoom):
        portals[0].media.status(room)

    assert portals[1].media.open_room(room, key, LEGS)["resumed"]

    assert pins(portals[0]) == {room: 1}


@pytest.mark.req("D05", "C07")
def test_a_room_whose_worker_stays_away_goes_on_at_another_for_every_process(portals, workers, key, monkeypatch):
    room = opened(portals[0], key)
    portals[1].media.status(room)  # the other process remembers where it was
    workers[0].kill()
    monkeypatch.setattr(media, "AWAY_S", 0.2)
    with pytest.raises(Unreachable):
        portals[0].media.open_room(room, key, LEGS)
    time.sleep(0.3)

    assert portals[0].media.open_room(room, key, LEGS)["resumed"]

    assert pins(portals[0]) == {room: 2}
    workers[0].start()
    assert portals[1].media.status(room)["room"] == room
    assert not portals[1].media.open_room(room, key, LEGS)["resumed"]
    assert workers[0].client.health()["rooms"] == 0
    assert portals[1].media.close_room(room)["intact"]
    assert pins(portals[0]) == {}


def test_a_new_room_opens_at_once_where_a_worker_answers_and_nobody_is_shunned_for_ever(
    portals, workers, key, monkeypatch
):
    workers[0].kill()
    assert [chosen(portals[0], key) for _ in range(3)] == [2, 2, 2]
    workers[0].start()
    monkeypatch.setattr(media, "AWAY_S", 0.1)
    time.sleep(0.2)

    assert chosen(portals[0], key) == 1


@pytest.mark.req("D15")
def test_the_space_that_one_workers_rooms_need_is_not_promised_again_by_another(portals, workers, key):
    free = workers[0].client.health()["free_bytes"]
    needs = Limits(expected_bytes=int(free / 3.5))
    for _ in range(2):
        portals[0].media.open_room(str(uuid4()), key, LEGS, needs)

    with pytest.raises(NoSpace):
        portals[1].media.open_room(str(uuid4()), key, LEGS, needs)

    assert [one.client.health()["rooms"] for one in workers] == [1, 1]


def test_without_another_worker_a_new_room_waits(portals, workers, key):
    for one in workers:
        one.kill()
    alone = replace(portals[0], media=Workers([workers[0].socket], portals[0].db, portals[0].clock))

    for _ in range(2):
        with pytest.raises(Unreachable):
            opened(alone, key)


@pytest.mark.req("D05")
def test_a_worker_that_stands_still_is_not_robbed_of_its_room(portals, workers, key, monkeypatch):
    room = opened(portals[0], key)
    portals[0].media.each[1].timeout = 0.5
    monkeypatch.setattr(media, "AWAY_S", 0.2)
    workers[0].process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable):
            portals[0].media.open_room(room, key, LEGS)
        with pytest.raises(RoomTaken):
            portals[0].media.open_room(room, key, LEGS)
    finally:
        workers[0].process.send_signal(signal.SIGCONT)

    assert pins(portals[0]) == {room: 1}
    assert portals[0].media.status(room)["recorder"]["ok"]


def test_a_room_of_a_worker_that_no_longer_exists_opens_at_another(portals, workers, key):
    first, second = opened(portals[0], key), opened(portals[0], key)
    assert pins(portals[0])[second] == 2
    workers[1].stop()
    fewer = replace(portals[0], media=Workers([workers[0].socket], portals[0].db, portals[0].clock))

    assert fewer.media.open_room(second, key, LEGS)["resumed"]

    assert pins(fewer) == {first: 1, second: 1}


def test_a_name_that_is_no_interviews_is_no_room(portals, key):
    for name in ("room", str(uuid4())):
        with pytest.raises(NoSuchRoom):
            portals[0].media.status(name)


def drains(portal, number):
    with portal.db.begin() as db:
        draining.drain(db, portal, number, ADMIN, portal.clock())


@pytest.mark.req("D02")
def test_a_worker_that_drains_gets_no_new_room_finishes_its_own_and_ends(portals, workers, key):
    room = opened(portals[0], key)
    drains(portals[0], 1)
    draining.see_off(portals[0])
    assert [chosen(portals[n % 2], key) for n in range(3)] == [2, 2, 2]
    workers[0].kill()
    workers[0].start()  # it dies meanwhile: its room comes back on it, and it has not ended before
    draining.see_off(portals[0])
    assert portals[0].media.open_room(room, key, LEGS)["resumed"]
    assert workers[0].process.poll() is None

    portals[0].media.close_room(room)
    draining.see_off(portals[0])

    assert workers[0].process.wait(15) == 0
    draining.see_off(portals[0])
    with portals[0].db() as db:
        assert draining.drains(db, 1)
        assert not draining.drains(db, 2)


def test_a_worker_without_rooms_ends_at_once_and_takes_rooms_when_it_is_taken_up(portals, workers, key):
    drains(portals[0], 1)
    assert workers[0].process.wait(15) == 0
    drains(portals[0], 2)
    assert workers[1].process.wait(15) == 0
    with pytest.raises(Busy):
        opened(portals[0], key)
    workers[0].start()
    with portals[0].db.begin() as db:
        draining.take_up(db, portals[0], 1, ADMIN, portals[0].clock())

    assert chosen(portals[0], key) == 1
    for number in (0, 3):
        with portals[0].db.begin() as db, pytest.raises(NotFound):
            draining.drain(db, portals[0], number, ADMIN, portals[0].clock())


def test_the_command_line_drains_waits_and_takes_up_again(parts, tmp_path, capsys):
    settings = replace(parts.settings, media_workers=2)
    first, second = (Worker(path, tmp_path / "rec") for path in settings.media_sockets)
    office = replace(parts, media=Workers(settings.media_sockets, parts.db, parts.clock))
    room = opened(office, vault.new_data_key())
    ended = threading.Thread(target=draining.main, args=(settings, 1), kwargs={"wait": True, "back": False})
    ended.start()
    until(lambda: chosen(office, vault.new_data_key()) == 2)
    time.sleep(1)
    assert ended.is_alive()

    office.media.close_room(room)
    draining.see_off(office)

    ended.join(15)
    assert not ended.is_alive()
    assert "media worker 1: drained, 0 rooms\nmedia worker 2: up, " in capsys.readouterr().out
    assert draining.main(settings, 1, wait=False, back=True) == 0
    assert "media worker 1: away" in capsys.readouterr().out
    assert draining.main(settings, 3, wait=False, back=False) == 64
    assert "there are 2" in capsys.readouterr().err
    for one in (first, second):
        one.stop()


def test_rooms_whose_interview_came_to_nothing_are_cleared_away(portals, workers, key, clock):
    room, ended = opened(portals[0], key), opened(portals[0], key)
    workers[1].kill()
    workers[1].start()
    draining.clear(portals[0])
    assert pins(portals[0]) == {room: 1, ended: 2}
    clock.pass_by(minutes=2)

    draining.clear(portals[0])

    assert pins(portals[0]) == {}
    assert [one.client.health()["rooms"] for one in workers] == [0, 0]


@pytest.mark.req("D05", "D14")
def test_an_interview_whose_worker_ended_and_to_which_nobody_came_back_is_closed_and_sealed(interview, worker):
    interview.start().consent()
    worker.kill()
    worker.start()
    with interview.parts.db() as db:
        at = hearing.live(db, db.get_one(Case, interview.case_id))

        manifest = closing.close_room(interview.parts, at)

        assert manifest["intact"]
        assert {one["end"] for one in manifest["segments"]} == {"worker"}
        assert closing.close_room(interview.parts, at) == manifest
        assert rooms_held(db) == {}


def test_the_desk_sees_each_interview_its_worker_and_how_both_sides_do(interview):
    admin = interview.colleagues["guanli"]
    interview.start()

    page = admin.http.get("/desk/media").text
    assert "2026-远-000001" in page
    assert page.count("毫秒</td>") == 2
    assert "在写" in page
    interview.run(interview.parties.pop().leave())
    interview.until(lambda: not interview.running("notary"))
    assert "没有连上" in admin.http.get("/desk/media").text
    assert "样本甲" not in page


def test_another_offices_interviews_are_not_there(interview):
    interview.start()
    with interview.parts.db.begin() as db:
        other = Office(name="另一处", name_en="Another", word="另", address="", phone="")
        db.add(other)
        db.flush()
        db.execute(sa.update(Person).where(Person.login == "guanli").values(office_id=other.id))

    page = interview.colleagues["guanli"].http.get("/desk/media").text

    assert 'data-worker="1"' in page
    assert "2026-远-000001" not in page


@pytest.mark.req("C07", "D05", "D14")
def test_both_sides_come_back_through_their_pages_at_another_worker_when_theirs_stays_away(
    interview, workers, monkeypatch
):
    media_of = Workers([one.socket for one in workers], interview.parts.db, interview.parts.clock)
    interview.parts = interview.app.extensions["parts"] = replace(interview.parts, media=media_of)
    interview.start().consent()
    room = interview.room
    assert pins(interview.parts) == {room: 1}
    workers[0].kill()
    monkeypatch.setattr(media, "AWAY_S", 0.2)
    interview.look()  # the page's poll finds that nobody answers
    time.sleep(0.3)

    for leg in ("applicant", "notary"):
        interview.join(leg)

    assert pins(interview.parts) == {room: 2}
    assert interview.notary.state()["state"] in ("interview", "suspended")
    with interview.parts.db() as db:
        manifest = closing.close_room(interview.parts, hearing.live(db, db.get_one(Case, interview.case_id)))
    assert closing.is_whole(manifest), manifest["problems"]
    assert sorted(one["leg"] for one in manifest["segments"]) == ["applicant", "applicant", "notary", "notary"]
    assert [one["end"] for one in manifest["segments"]].count("worker") == 2
