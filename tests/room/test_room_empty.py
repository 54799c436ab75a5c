"""A room that both browsers have left: nobody polls, and the table for a broken call holds all the same."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from notary.media import Workers
from notary.models import Case, Event, Interview, Message, Moment, Ticket
from notary.office import breaking, closing
from notary.rules import rules

LIMIT = rules().profile.call.end_interrupted_s


def case_of(interview):
    with interview.parts.db() as db:
        return db.get_one(Case, interview.case_id)


def row_of(interview):
    with interview.parts.db() as db:
        return db.scalars(sa.select(Interview).where(Interview.case_id == interview.case_id)).one()


def passes(interview, seconds):
    """Time goes by, and the minute's look finds what there is; a second look beside it changes nothing."""
    interview.parts.clock.pass_by(seconds=seconds)
    breaking.watch_all(interview.parts)
    breaking.watch_all(interview.parts)
    return case_of(interview).state


def all_leave(interview):
    for party in interview.parties:
        interview.run(party.leave())
    interview.parties.clear()
    interview.until(lambda: not any(interview.running(leg) for leg in ("applicant", "notary")))


@pytest.mark.req("C06", "C07")
def test_a_room_that_both_have_left_is_suspended_and_then_ended_and_both_are_told(interview):
    interview.start().consent()
    assert passes(interview, 1) == "interview"
    all_leave(interview)
    assert passes(interview, 1) == "interview"
    assert passes(interview, 6) == "suspended"
    assert row_of(interview).interruptions == 1
    assert passes(interview, LIMIT - 20) == "suspended"
    assert passes(interview, 30) == "accepted"

    row = row_of(interview)
    assert (row.ended, row.closed_at is not None, row.manifest["intact"]) == ("room-empty", True, True)
    assert row.manifest_seal
    with interview.parts.db() as db:
        said = list(db.scalars(sa.select(Message.text).where(Message.case_id == interview.case_id)))
        assert db.scalars(sa.select(Ticket)).one().case_id == interview.case_id
        ended = db.scalars(sa.select(Event.payload).where(Event.kind == "case.break-off")).all()
    assert [text for text in said if f"/my/{interview.case_id}/book" in text] == [said[-1]]
    assert [one["reason"] for one in ended] == ["room-empty"]
    assert "再约一个时间" in interview.applicant.state()["why"]
    assert "双方都离开" in interview.notary.page().text


@pytest.mark.req("C07")
def test_while_one_of_them_is_there_the_notary_decides_when_it_ends(interview):
    interview.start().consent()
    away = interview.parties.pop()
    interview.run(away.leave())
    interview.until(lambda: not interview.running("notary"))
    passes(interview, 1)
    assert passes(interview, 6) == "suspended"
    assert passes(interview, LIMIT + 60) == "suspended"


@pytest.mark.req("C07")
def test_a_room_that_nobody_ever_came_to_is_ended_too(interview):
    interview.notary.page()
    interview.notary.does("open")
    assert passes(interview, LIMIT - 30) == "interview"
    assert passes(interview, 60) == "accepted"
    assert row_of(interview).ended == "room-empty"


@contextmanager
def media_away(interview):
    """The media worker does not answer, as after its end."""
    there = interview.parts
    nobody = Workers([there.settings.under("run", "nobody.sock")], there.db, there.clock, timeout=1)
    interview.parts = replace(there, media=nobody)
    yield
    interview.parts = there


@pytest.mark.req("C06", "C07")
def test_a_media_worker_that_is_down_ends_nothing_before_the_table_does_and_loses_nothing_afterwards(interview):
    interview.start().consent()
    with media_away(interview):
        assert passes(interview, 1) == "interview"
        assert passes(interview, 6) == "suspended"
        assert passes(interview, LIMIT / 2) == "suspended"
    assert passes(interview, 1) == "suspended"  # they are there again: the count begins anew
    with media_away(interview):
        passes(interview, 1)
        assert passes(interview, LIMIT - 10) == "suspended"
        assert passes(interview, 3600) == "suspended"  # without the recording it cannot be ended
    assert row_of(interview).closed_at is None
    assert passes(interview, 1) == "suspended"
    with interview.parts.db() as db:
        assert "ended" not in set(db.scalars(sa.select(Moment.kind)))


@pytest.mark.req("C07")
def test_an_interview_that_cannot_be_ended_yet_is_ended_at_a_later_look(interview, monkeypatch):
    interview.start().consent()
    all_leave(interview)

    def no_recording(*_given):
        raise closing.Unavailable

    monkeypatch.setattr(closing, "close_room", no_recording)
    passes(interview, 1)
    assert passes(interview, LIMIT + 10) == "suspended"  # what was seen is kept, and no error stops the look
    assert row_of(interview).closed_at is None
    monkeypatch.undo()
    assert passes(interview, 1) == "accepted"
