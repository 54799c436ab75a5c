"""The same face throughout: another one at the camera is noticed within seconds, and nothing is signed until new proof."""

import time
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from webrtc_parties import Clip

from identity import child
from notary.demo import peer
from notary.models import Case, Event, FaceCheck, Interview, Snapshot
from notary.office import hearing, safe
from notary.office.watching import Watchman, await_look, narrow

FACES = Path(__file__).resolve().parent.parent / "faces"


def clip_of(picture: Path) -> Clip:
    made = peer.Clip(picture, 300)
    return Clip(made.pictures, made.sounds, peer.PICTURES)


@pytest.fixture
def watched(office, interviewing, tmp_path):
    """An interview with a face at the camera that the notary has accepted, and the other clips."""
    nobody = tmp_path / "nobody.jpg"
    Image.fromarray(np.full((500, 400, 3), 120, np.uint8)).save(nobody)
    clips = {"applicant": clip_of(FACES / "1.jpg"), "notary": clip_of(FACES / "2.jpg")}
    one = interviewing(office, clips)
    one.start().consent()
    one.notary.does("consent/face")
    one.applicant.does("consent/face", given="yes")
    one.notary.does("phase", phase="identity")
    for _n in range(2):
        one.notary.does("snapshot", kind="face")
    with one.parts.db.begin() as db:
        row, now = db.scalars(sa.select(Interview)).one(), one.parts.clock()
        frames = [{"sha256": shot.sha256, "media_time": shot.media_time} for shot in db.scalars(sa.select(Snapshot))]
        db.add(FaceCheck(interview_id=row.id, advice="supports", frames=frames, asked_at=now, done_at=now))
    one.other = {"stranger": clip_of(FACES / "2.jpg"), "nobody": clip_of(nobody), "same": clips["applicant"]}
    yield one
    one.end()
    child.close()


def show(one, who: str) -> None:
    one.parties[0].tracks["video"].frames = one.other[who].video


def until(watchman: Watchman, name: UUID, event: str, seconds: float) -> float:
    began = time.monotonic()
    while watchman.look(name) != event:
        assert time.monotonic() - began < seconds, f"no {event!r} in {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - began


@pytest.mark.req("B08", "C06", "B12", "B13")
def test_another_face_locks_signing_until_one_identity_step(watched):
    name, watchman = UUID(watched.room), Watchman(watched.parts)
    assert "" == watchman.look(name)  # nobody is watched before the notary has accepted a face
    watched.notary.does("face/decide", decision="same", reason="")
    until(watchman, name, "same", 20)

    show(watched, "stranger")
    until(watchman, name, "other", 15)
    state = watched.notary.state()
    assert "swapped" == state["locked"]
    assert watched.applicant.state()["locked"]
    assert "看一眼还不够" in watched.notary.refused(409, "look")
    with watched.parts.db() as db:
        line = db.scalars(sa.select(Event).where(Event.kind == "face.swapped")).one()
        assert line.payload["media_time"] > 0
        assert db.scalars(sa.select(Snapshot).where(Snapshot.sha256 == line.payload["sha256"])).one()
        frames = [
            safe.fetch(watched.parts, db.get_one(Case, watched.case_id), one.object_key, one.sha256)
            for one in db.scalars(sa.select(Snapshot))
        ]
    for kept in (path for path in watched.parts.settings.home.rglob("*") if path.is_file()):
        data = kept.read_bytes()
        assert not any(frame[len(frame) // 2 :][:64] in data for frame in frames), f"{kept.name} holds an open picture"
    show(watched, "same")
    until(watchman, name, "same", 15)
    assert "swapped" == watched.notary.state()["locked"]
    watched.notary.does("identity/talk", result="confirmed")
    assert "" == watched.notary.state()["locked"]

    show(watched, "nobody")
    until(watchman, name, "lost", 20)
    assert "face-lost" == watched.notary.state()["locked"]
    show(watched, "same")
    until(watchman, name, "same", 15)
    assert "" == watched.notary.state()["locked"]

    watched.notary.does("face/without", reason="对方要求不再用机器看脸")
    assert "" == watchman.look(name)


@pytest.mark.req("B08", "C06")
def test_on_a_narrow_way_looks_are_seldom_and_signing_waits_for_one(watched):
    name, watchman = UUID(watched.room), Watchman(watched.parts)
    watched.notary.does("face/decide", decision="same", reason="")
    watched.until(lambda: narrow(watched.parts, watched.room))
    until(watchman, name, "same", 20)

    def waits():
        """A second of key frames that were held up on a busy machine is no narrow one; there is another after it."""
        with watched.parts.db.begin() as db:
            at = hearing.live(db, db.get_one(Case, watched.case_id), lock=True)
            await_look(db, watched.parts, at, watched.parts.clock())
        return "face-fresh" == watched.notary.state()["locked"]

    watched.until(waits)
    assert {name: True} == watchman._open()
    end = time.monotonic() + 20
    while watched.notary.state()["locked"]:
        assert time.monotonic() < end, "nobody looked"
        watchman.turn((name, True))
    looks = []
    watchman.look = looks.append
    watched.until(lambda: narrow(watched.parts, watched.room))
    watchman.turn((name, False))
    assert looks == [], "it looked a moment ago"
    watchman._looked.clear()
    watchman.turn((name, False))
    assert looks == [name]
