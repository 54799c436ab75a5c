"""Whoever runs the machine sees how the media workers do, and takes one away and back."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from notary.app import create_app
from notary.models import Event, MediaRoom, MediaWorker
from notary.office import draining
from webrtc.errors import Unreachable

TOKEN = "a token that a monitoring program shows"
HEALTH = {
    "rooms": 2, "legs": 3, "frozen": 1, "half_open": 0, "draining": False, "lag_ms": 12.0,
    "loss_up": {"worst": 0.021, "median": 0.0}, "loss_down": {"worst": 0.5, "median": 0.01},
    "rtt_ms": {"worst": 310.0, "median": 42.0},
    "recorder": {"age": 0.02, "queued": {"jobs": 1, "bytes": 3 << 20}}, "free_bytes": 200 << 30,
    "descriptors": {"open": 61, "limit": 1024}, "cpu_s": 12.5,
    "counts": {"strangers": 7, "unsent": 0, "faults": 0}, "pid": 4711,
}  # fmt: skip


class Told:
    """A worker as its socket would tell of it."""

    def __init__(self, **changed):
        self.said, self.drained = HEALTH | changed, []

    def health(self):
        return self.said

    def drain(self, on=True):
        self.drained.append(on)


class Dead:
    def health(self):
        raise Unreachable("nobody answers")

    def drain(self, on=True):
        raise Unreachable("nobody answers")


@pytest.fixture
def settings(settings):
    return replace(settings, media_workers=2, metrics_token=TOKEN)


@pytest.fixture
def workers(parts):
    """The first one answers, the second is down."""
    parts.media.each.update({1: Told(), 2: Dead()})
    return parts.media.each


def figure(page, worker, name):
    card = re.search(rf'data-worker="{worker}".*?</section>', page, re.DOTALL)[0]
    return re.search(rf'data-figure="{name}">([^<]*)<', card)[1]


def state(page, worker):
    return re.search(rf'data-worker="{worker}" data-state="([a-z]+)"', page)[1]


def test_the_page_says_how_every_worker_does(workers, the_admin):
    page = the_admin.get("/desk/media").text

    assert (state(page, 1), state(page, 2)) == ("up", "away")
    assert figure(page, 1, "rooms") == "2 场，3 方连着"
    assert figure(page, 1, "loss-up") == "最差 2.1%，中间 0.0%"
    assert figure(page, 1, "delay") == "最差 310 ms，中间 42 ms"
    assert figure(page, 1, "descriptors") == "61 / 1024"
    assert figure(page, 1, "disk") == "200.0 GB"
    assert page.count("data-warning") == 1
    assert "2 号没有回应" in page


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"free_bytes": 5 << 30}, "磁盘快满了"),
        ({"descriptors": {"open": 900, "limit": 1024}}, "快到上限了"),
    ],
)
def test_what_somebody_should_do_something_about_is_said(workers, the_admin, changed, words):
    workers.update({1: Told(**changed), 2: Told()})
    assert words in the_admin.get("/desk/media").text


def test_the_administrator_takes_a_worker_away_and_back_and_the_page_says_who_did(workers, the_admin, parts):
    assert the_admin.post("/desk/media/1/drain").status_code == 303

    page = the_admin.get("/desk/media").text
    assert state(page, 1) == "draining"
    assert "停了它接新的" in page
    assert workers[1].drained == [True]  # it holds no room, so it may end at once
    with parts.db() as db:
        assert db.get_one(MediaWorker, 1).draining_by in page
        assert draining.drains(db, 1)
    workers[1] = Dead()
    assert state(the_admin.get("/desk/media").text, 1) == "drained"

    assert the_admin.post("/desk/media/1/take-up").status_code == 303

    with parts.db() as db:
        assert not draining.drains(db, 1)
        rows = db.scalars(sa.select(Event).where(Event.kind.like("media.%")).order_by(Event.seq)).all()
        told = [(row.kind, row.payload["worker"], row.role) for row in rows]
    assert [("media.draining", 1, "admin"), ("media.taken-up", 1, "admin")] == told
    assert the_admin.post("/desk/media/3/drain").status_code == 404


def test_a_worker_that_dies_while_it_drains_is_away_until_its_rooms_are_finished(workers, the_admin, parts):
    the_admin.post("/desk/media/2/drain")
    with parts.db.begin() as db:
        db.add(MediaRoom(room=uuid4(), worker=2, pinned_at=parts.clock()))
    assert state(the_admin.get("/desk/media").text, 2) == "away"
    with parts.db.begin() as db:
        db.execute(sa.update(MediaRoom).values(closed_at=parts.clock()))
    assert state(the_admin.get("/desk/media").text, 2) == "drained"


def test_when_every_worker_drains_the_page_says_that_no_interview_can_be_opened(workers, the_admin):
    for number in (1, 2):
        the_admin.post(f"/desk/media/{number}/drain")
    assert "现在开不了视频" in the_admin.get("/desk/media").text


@pytest.mark.req("K06")
def test_an_operator_reads_it_and_takes_nothing_away(workers, he_operates, bob_notarizes):
    page = he_operates.get("/desk/media").text
    assert "data-worker" in page
    assert "/drain" not in page
    assert he_operates.post("/desk/media/1/drain").status_code == 403
    assert bob_notarizes.get("/desk/media").status_code == 403


# /metrics


def read(text):
    """{name{labels}: value}, every line checked against the exposition format."""
    found, typed = {}, set()
    for line in text.splitlines():
        if kind := re.fullmatch(r"# TYPE ([a-z_]+) (gauge|counter)", line):
            assert kind[1] not in typed
            typed.add(kind[1])
        elif not line.startswith("# HELP "):
            name, value = re.fullmatch(r'([a-z_]+\{(?:[a-z_]+="[^"\\]*",?)+\}) (\S+)', line).groups()
            assert name.split("{")[0] in typed
            assert name not in found
            found[name] = float(value)
    return found


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_prometheus_reads_every_figure_with_its_token(workers, app):
    reply = app.test_client().get("/metrics", headers=bearer(TOKEN))

    assert reply.status_code == 200
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    found = read(reply.text)
    assert found['yuanzheng_media_up{worker="1"}'] == 1
    assert found['yuanzheng_media_up{worker="2"}'] == found['yuanzheng_media_draining{worker="1"}'] == 0
    assert found['yuanzheng_media_loss_ratio{worker="1",direction="down",of="worst"}'] == 0.5
    assert found['yuanzheng_media_round_trip_seconds{worker="1",of="median"}'] == 0.042
    assert found['yuanzheng_media_disk_free_bytes{worker="1"}'] == 200 << 30
    assert found['yuanzheng_media_strangers_total{worker="1"}'] == 7
    assert 'yuanzheng_media_rooms{worker="2"}' not in found


@pytest.mark.req("K06")
def test_metrics_are_closed_to_everybody_else(workers, app, visit, he_operates, bob_notarizes, alice_applies):
    assert he_operates.get("/metrics").status_code == 200
    for who in (bob_notarizes, alice_applies):
        assert who.get("/metrics").status_code == 403
    stranger = app.test_client()
    assert stranger.get("/metrics").status_code == 303
    for wrong in ("", "guessed", TOKEN + "x", TOKEN[:-1], "ключ"):
        assert stranger.get("/metrics", headers=bearer(wrong)).status_code == 401
    assert he_operates.get("/metrics", headers=bearer("guessed")).status_code == 401
    assert stranger.get("/desk/media", headers=bearer(TOKEN)).status_code == 303  # it opens nothing else


@pytest.mark.req("K06")
def test_guesses_at_the_token_run_out_and_no_token_is_none(workers, app, parts):
    stranger = app.test_client()
    said = [stranger.get("/metrics", headers=bearer(f"guess {n}")).status_code for n in range(25)]
    assert said[:20] == [401] * 20
    assert said[20:] == [429] * 5
    assert stranger.get("/metrics", headers=bearer(TOKEN)).status_code == 200
    parts.clock.at += timedelta(hours=1)
    closed = create_app(replace(parts, settings=replace(parts.settings, metrics_token="")))
    for nothing in ("", TOKEN):
        assert closed.test_client().get("/metrics", headers=bearer(nothing)).status_code == 401


@pytest.mark.req("K04")
def test_no_figure_names_anybody(workers, app, parts, the_admin):
    the_admin.post("/desk/media/1/drain")
    text = app.test_client().get("/metrics", headers=bearer(TOKEN)).text
    assert text.isascii()
    with parts.db() as db:
        assert db.scalar(sa.select(MediaWorker.draining_by).where(MediaWorker.number == 1)) not in text
