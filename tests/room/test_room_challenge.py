"""The challenge through the pages: drawn by the server, shown one thing at a time, judged on what arrived, decided by the notary."""

import json
import threading

import pytest
import sqlalchemy as sa

from identity.challenge import Drawn, script
from notary.models import Challenge, Event, FaceCheck, IdentityStep, Interview, Moment, Snapshot
from notary.office import hearing, minutes, prompting, proving

SHORT = Drawn("n" * 32, ("left", "mouth", "blink"), "4711", ("red", "white", "green", "blue", "red", "green"), 0.4)
REASON = "对方颈椎不好转不了头，问答都对得上"


@pytest.fixture
def asked(interview):
    """An interview in which the applicant has agreed to both, and identity has begun."""
    interview.start().consent()
    interview.notary.does("consent/face")
    interview.applicant.does("consent/face", given="yes")
    interview.notary.does("phase", phase="identity")
    return interview


def row_of(interview) -> Challenge:
    with interview.parts.db() as db:
        return db.scalars(sa.select(Challenge).order_by(Challenge.asked_at.desc())).first()


def played(interview, **values) -> None:
    """What the job leaves, where a test wants another outcome than a camera gives."""
    verdict = {"outcome": "passed", "findings": [], "reasons": []} | values.pop("verdict", {})
    with interview.parts.db.begin() as db:
        row = db.scalars(sa.select(Challenge).order_by(Challenge.asked_at.desc())).first()
        row.state, row.verdict, row.done_at, row.media_time = "done", verdict, interview.parts.clock(), 12.5


def compared_same(interview) -> None:
    with interview.parts.db.begin() as db:
        at, now = db.scalars(sa.select(Interview)).one(), interview.parts.clock()
        db.add(FaceCheck(interview_id=at.id, advice="supports", asked_at=now, done_at=now))
    interview.notary.does("face/decide", decision="same", reason="")


@pytest.mark.req("B06", "B08", "B13", "D08")
def test_a_challenge_is_shown_step_by_step_and_a_camera_without_a_face_does_not_pass(asked, monkeypatch):
    monkeypatch.setattr(proving, "draw", lambda window, without: SHORT)
    monkeypatch.setattr(prompting, "AHEAD_AT_MOST_S", 2.0)
    asked.notary.does("challenge/start", slow="", out="", why="", reason="")
    assert "challenge" == asked.applicant.state()["kind"]
    assert 1 == asked.applicant.state()["panel"].count("<h1")
    page = json.dumps(asked.applicant.state(), ensure_ascii=False)
    assert "4711" not in page
    assert SHORT.nonce not in page
    assert "4711" not in json.dumps(asked.notary.state(), ensure_ascii=False)
    assert "等它做完" in asked.notary.refused(409, "challenge/start", slow="", out="", why="", reason="")
    row = row_of(asked)
    thread = threading.Thread(target=proving.run_challenge, args=(asked.parts, str(row.id)))
    thread.start()
    thread.join(120)
    events = [json.loads(one) for one in asked.parties[0].events if '"prompt"' in one or '"hint"' in one]
    shown = [(one["kind"], one["text"]) for one in events if one["event"] == "prompt" and "text" in one]
    assert [(kind, text) for kind, text, _seconds in script(SHORT)] == shown
    assert {"event": "hint", "key": "no-face"} in events

    row = row_of(asked)
    assert ("done", "failed") == (row.state, row.verdict["outcome"])
    assert "no-start" in row.verdict["reasons"]
    assert [one["kind"] for one in row.prompts] == [kind for kind, _t, _s in script(SHORT)]
    assert all(a["until"] <= b["at"] + 0.05 for a, b in zip(row.prompts, row.prompts[1:], strict=False))
    assert row.frames == []
    with asked.parts.db() as db:
        done = db.scalars(sa.select(Event).where(Event.kind == "challenge.done")).one()
        assert done.payload["prompts"] == row.prompts
        assert done.payload["nonce"] == SHORT.nonce
        assert "challenge.done" in {one.kind for one in db.scalars(sa.select(Moment))}
        assert not db.scalars(sa.select(Snapshot).where(Snapshot.kind == "challenge")).all()
    assert "talk" == asked.applicant.state()["kind"]
    assert "4711" in asked.notary.state()["regions"]["liveness"]

    asked.notary.refused(422, "challenge/decide", decision="accepted", reason="")
    asked.notary.does("challenge/heard", heard="right")
    asked.notary.refused(422, "challenge/decide", decision="accepted", reason="太短")
    asked.notary.does("challenge/decide", decision="accepted", reason=REASON)
    assert "accepted" == row_of(asked).decision
    marks = asked.parts.media.close_room(asked.room)["marks"]
    assert {"challenge-left", "challenge-say", "challenge-flash"} <= {one["phase"] for one in marks}


@pytest.mark.req("B06", "B07", "B09")
def test_a_likeness_alone_is_not_enough_and_a_waiver_stands_in_the_minutes(asked):
    compared_same(asked)
    for kind in ("card-front", "card-back"):
        asked.notary.does("snapshot", kind=kind)
    for step in ("look", "talk", "cross"):
        asked.notary.does(f"identity/{step}", result="confirmed")
    asked.notary.does("identity/device", result="waived", reason="没有识别仪，三项已确认")
    asked.notary.does("phase", phase="environment")
    asked.notary.does("present", who="alone")
    asked.notary.does("phase", phase="private_talk")
    for key in ("name", "place", "date", "free-will", "consent"):
        asked.notary.does(f"said/{key}")
    assert "活体核对" in asked.notary.refused(409, "phase", phase="notice")
    asked.notary.refused(422, "challenge/waive", reason="看过")
    asked.notary.does("challenge/waive", reason=REASON)
    asked.notary.does("phase", phase="notice")
    with asked.parts.db() as db:
        interview = db.scalars(sa.select(Interview)).one()
        lines = [
            one["text"]
            for one in minutes.data(db, hearing.of_room(db, interview.id), asked.parts.clock(), True)["notices"]
        ]
        assert any("免做机器活体核对" in one and REASON in one for one in lines)
        waived = db.scalars(sa.select(Event).where(Event.kind == "challenge.waived")).one()
        assert waived.payload["reason"] == REASON
        assert waived.payload["media_time"] > 0


@pytest.mark.req("B08", "B16")
def test_parts_are_exchanged_with_a_reason_and_a_third_try_needs_one(asked):
    asked.notary.refused(422, "challenge/start", slow="yes", out="left", why="", reason="")
    asked.notary.refused(422, "challenge/start", slow="yes", out="dance", why="他不会跳舞", reason="")
    asked.notary.does("challenge/start", slow="yes", out="left", why="颈椎不好", reason="")
    assert "left" not in row_of(asked).drawn["actions"]
    assert 8.0 == row_of(asked).drawn["window"]
    played(asked, verdict={"outcome": "failed"})
    asked.notary.does("challenge/start", slow="", out="flash", why="怕屏幕闪", reason="")
    assert [("left", "颈椎不好"), ("flash", "怕屏幕闪")] == [
        (one["what"], one["reason"]) for one in row_of(asked).left_out
    ]
    played(asked, verdict={"outcome": "failed"})
    asked.notary.refused(422, "challenge/start", slow="", out="", why="", reason="")
    asked.notary.does("challenge/start", slow="", out="", why="", reason="换了亮的房间")


@pytest.mark.req("B07", "B08")
def test_the_notary_decides_and_a_refusal_locks_signing(asked):
    asked.notary.refused(409, "challenge/decide", decision="accepted", reason="")
    asked.notary.does("challenge/start", slow="", out="", why="", reason="")
    asked.notary.refused(409, "challenge/decide", decision="accepted", reason="")
    asked.notary.refused(409, "challenge/waive", reason=REASON)
    played(asked)
    asked.notary.refused(422, "challenge/decide", decision="refused", reason="")
    asked.notary.does("challenge/heard", heard="right")
    asked.notary.does("challenge/decide", decision="refused", reason="嘴和声音对不上")
    assert "challenge" == asked.notary.state()["locked"]
    asked.notary.does("challenge/start", slow="", out="", why="", reason="")
    played(asked)
    asked.notary.does("challenge/heard", heard="right")
    asked.notary.does("challenge/decide", decision="accepted", reason="")
    assert "" == asked.notary.state()["locked"]


@pytest.mark.req("B10", "B12", "B14")
def test_without_consent_no_frame_is_looked_at_and_one_that_nobody_began_expires(interview):
    interview.start().consent()
    interview.notary.does("phase", phase="identity")
    interview.notary.refused(403, "challenge/start", slow="", out="", why="", reason="")
    interview.notary.does("consent/face")
    interview.applicant.does("consent/face", given="yes")
    interview.notary.does("challenge/start", slow="", out="", why="", reason="")
    interview.parts.clock.pass_by(seconds=40)
    proving.run_challenge(interview.parts, str(row_of(interview).id))
    assert ("broken", ["expired"]) == (row_of(interview).state, row_of(interview).verdict["reasons"])
    interview.notary.does("challenge/start", slow="", out="", why="", reason="")
    interview.run(interview.parties[0].leave())
    interview.parts.media.close_leg(interview.room, "applicant")
    proving.run_challenge(interview.parts, str(row_of(interview).id))
    assert ["not-reached"] == row_of(interview).verdict["reasons"]
    interview.notary.refused(409, "challenge/decide", decision="accepted", reason=REASON)
    proving.run_challenge(interview.parts, str(row_of(interview).id))  # again: nothing more happens


@pytest.mark.req("B02", "B06")
def test_the_four_steps_guide_and_each_thing_looked_at_has_its_media_time(asked):
    for kind in ("card-front", "card-back"):
        asked.notary.does("snapshot", kind=kind)
    assert 404 == asked.notary.post("item/dance", result="fine", note="").status_code
    asked.notary.refused(422, "item/hand", result="odd", note="")
    asked.notary.refused(422, "item/unscripted", result="fine", note="")
    asked.notary.refused(422, "item/tilt", result="great", note="")
    asked.notary.does("item/tilt", result="fine", note="")
    asked.notary.does("item/hand", result="odd", note="手划过时下巴抖了一下")
    asked.notary.does("item/hand", result="fine", note="换了亮处再看，正常")
    asked.notary.does("item/profile", result="skipped", note="坐在墙边转不过去")
    asked.notary.does("identity/look", result="confirmed")
    asked.notary.does("item/unscripted", result="fine", note="问窗外是什么，答是银杏树")
    page = asked.notary.state()["regions"]["identity"]
    assert 'data-item="hand" data-result="fine"' in page
    with asked.parts.db() as db:
        step = db.scalars(sa.select(IdentityStep)).one()
        assert {"tilt": "fine", "hand": "fine", "profile": "skipped"} == {
            key: one["result"] for key, one in step.detail["items"].items()
        }
        assert all(one["media_time"] > 0 for one in step.detail["items"].values())
        lines = db.scalars(sa.select(Event).where(Event.kind == "identity.item")).all()
        assert 5 == len(lines)
        assert all(one.payload["media_time"] > 0 for one in lines)
