"""Reminders before an appointment and requests to rate: once each, in the applicant's language, never after a change."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from notary import work
from notary.ledger import SYSTEM, Actor
from notary.lifecycle import Act, Need, Role
from notary.models import Applicant, Case, Interview, Message, Office, Party, Person, Rating
from notary.office import booking, counting, reminding, safe
from notary.office.step import advance
from notary.rules import rules
from tests.conftest import NOON

PHONE = "+16475550100"
FRIDAY = NOON + timedelta(days=3, hours=2)


class Booked:
    """Alice's accepted case, and what she was told."""

    def __init__(self, parts, clock, locale="zh"):
        self.parts, self.clock, self.id = parts, clock, uuid4()
        with parts.db.begin() as db:
            alice = Applicant(phone=PHONE, created_at=NOON)
            db.add(alice)
            db.flush()
            self.alice = Actor(Role.APPLICANT, alice.id)
            case = Case(
                id=self.id, office_id=db.scalars(sa.select(Office.id)).one(), reference="2026-远-000001",
                matter="declaration", profile="cn-domestic", rules_digest=rules().matters["declaration"].digest,
                data_key=safe.new_key(parts, self.id), code="ABCDEFGHJK", created_at=NOON, applicant_id=alice.id,
                locale=locale,
            )  # fmt: skip
            db.add(case)
            db.flush()
            db.add(Party(case_id=self.id, name="样本甲", birth=date(1968, 4, 21), phone=PHONE))
            db.execute(sa.update(Case).where(Case.id == self.id).values(state="accepted"))

    def do(self, verb, *args, **more):
        with self.parts.db.begin() as db:
            return verb(db, db.get_one(Case, self.id), *args, **more)

    def book(self, at=FRIDAY, zone="America/Toronto"):
        return self.do(booking.book, at, zone, self.alice, self.clock())

    def hears(self):
        """What the minute's look says now."""
        before = self.said()
        reminding.remind(self.parts)
        reminding.remind(self.parts)
        return self.said()[len(before) :]

    def said(self):
        with self.parts.db() as db:
            return list(db.scalars(sa.select(Message.text).order_by(Message.at, Message.once)))

    def at(self, moment):
        self.clock.at = moment
        return self

    def ends_interview(self, ended=""):
        with self.parts.db.begin() as db:
            notary = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
            db.add(
                Interview(
                    case_id=self.id, notary_id=notary.id, opened_at=self.clock(), closed_at=self.clock(),
                    identity_since=self.clock(), ended=ended, number=2 if ended else 1,
                )
            )  # fmt: skip
        return self


@pytest.fixture(autouse=True)
def queue():
    from notary import jobs

    jobs.load()


@pytest.fixture
def booked(parts, clock):
    return Booked(parts, clock)


@pytest.mark.req("L09")
def test_a_day_and_a_quarter_of_an_hour_before_each_once_with_both_zones_and_the_device_check(booked):
    booked.book()
    assert booked.at(FRIDAY - timedelta(hours=24, minutes=1)).hears() == []
    (day,) = booked.at(FRIDAY - timedelta(hours=24)).hears()
    assert "提醒" in day
    assert "北京时间" in day
    assert "多伦多 2026 年 11 月 27 日周五 01:00" in day
    assert f"http://localhost/my/{booked.id}/device-check" in day
    assert booked.at(FRIDAY - timedelta(hours=10)).hears() == []
    assert booked.at(FRIDAY - timedelta(minutes=16)).hears() == []
    (soon,) = booked.at(FRIDAY - timedelta(minutes=15)).hears()
    assert "提醒" in soon
    assert booked.at(FRIDAY - timedelta(minutes=1)).hears() == []
    assert booked.at(FRIDAY + timedelta(minutes=1)).hears() == []


@pytest.mark.req("L10")
def test_a_reminder_speaks_the_applicants_language_without_a_request_around_it(parts, clock):
    booked = Booked(parts, clock, "en")
    booked.book()
    (day,) = booked.at(FRIDAY - timedelta(hours=23)).hears()
    assert day.startswith("Reminder: your video with the notary is at Fri 27 November 2026, 14:00 Beijing time")
    assert "Toronto" in day


def test_a_time_that_is_cancelled_moved_or_missed_is_not_reminded_of(booked):
    booked.book()
    booked.do(booking.cancel, booked.alice, NOON)
    assert booked.at(FRIDAY - timedelta(hours=24)).hears() == []
    booked.at(NOON).book()
    booked.book(FRIDAY + timedelta(hours=1))
    assert booked.at(FRIDAY - timedelta(hours=24)).hears() == []
    (day,) = booked.at(FRIDAY - timedelta(hours=23)).hears()
    assert "15:00（北京时间）" in day
    booked.at(FRIDAY + timedelta(hours=1, minutes=15)).do(booking.cancel, SYSTEM, booked.clock(), missed=True)
    assert booked.hears() == []


def test_who_booked_an_hour_ago_is_not_reminded_of_what_was_due_before(booked):
    booked.at(FRIDAY - timedelta(hours=2)).book()
    assert booked.at(FRIDAY - timedelta(hours=1)).hears() == []
    assert len(booked.at(FRIDAY - timedelta(minutes=14)).hears()) == 1


@pytest.mark.req("M01")
def test_who_was_in_an_interview_is_asked_how_it_was_and_once_more_within_a_day(booked, parts):
    (first,) = booked.ends_interview().hears()
    assert f"http://localhost/my/{booked.id}/rate/interview" in first
    assert booked.at(NOON + timedelta(hours=22)).hears() == []
    (again,) = booked.at(NOON + timedelta(hours=23, minutes=1)).hears()
    assert again == first
    assert booked.at(NOON + timedelta(hours=30)).hears() == []
    with parts.db() as db:
        times = db.scalars(sa.select(Message.at).where(Message.once.contains("rate:")).order_by(Message.at)).all()
    assert times[1] - times[0] <= timedelta(hours=24)


@pytest.mark.req("M01")
def test_who_rated_is_not_asked_again_nor_whose_interview_was_broken_off(booked, parts):
    assert booked.ends_interview("connection").hears() == []
    assert len(booked.ends_interview().hears()) == 1
    booked.do(counting.rate, "interview", 5, "", NOON)
    assert booked.at(NOON + timedelta(hours=23, minutes=1)).hears() == []
    with parts.db() as db:
        assert db.scalars(sa.select(Rating)).one().stars == 5


@pytest.mark.req("M01")
def test_who_has_the_deed_is_asked_about_the_whole_and_no_longer_about_the_interview(booked):
    assert len(booked.ends_interview().hears()) == 1
    with booked.parts.db.begin() as db:
        db.execute(sa.update(Case).where(Case.id == booked.id).values(state="issued"))
    booked.at(NOON + timedelta(hours=1)).do(advance, Act.DELIVER, SYSTEM, booked.clock(), frozenset({Need.RECEIPTS}))
    (whole,) = booked.hears()
    assert "/rate/delivery" in whole
    (again,) = booked.at(NOON + timedelta(hours=24, minutes=1)).hears()
    assert again == whole


def test_a_case_that_waits_again_after_a_broken_interview_can_be_claimed(booked):
    """The time of the interview that was broken off is given up; it stood in the way of the next."""
    booked.book()
    with booked.parts.db.begin() as db:
        db.execute(sa.update(Case).where(Case.id == booked.id).values(state="accepted"))
        notary = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
        by = Actor(Role.NOTARY, notary.id, notary.name, notary.office_id)
    booked.do(booking.join_queue, booked.alice, NOON)
    assert booked.do(booking.claim, by, NOON).starts_at == NOON


def test_every_periodic_task_has_its_lock_and_is_known_to_the_worker():
    names = {one.task.name: one.task.queueing_lock for one in work.jobs.queue.periodic_registry.periodic_tasks.values()}
    assert set(names) == {
        "rescue-jobs", "finish-deeds", "watch-rooms", "send-reminders", "blank-codes", "tidy-queue", "publish-log", "renew-stamps", "watch-keys",
        "forget-answers", "watch-workers",
    }  # fmt: skip
    assert all(name == lock for name, lock in names.items())


def test_every_minutes_look_runs_beside_nothing_to_do_and_twice(parts):
    work.jobs.use(parts)
    for name in ("finish-deeds", "watch-rooms", "send-reminders", "blank-codes"):
        for _twice in range(2):
            work.jobs.queue.tasks[name].func(timestamp=0)


def test_what_was_done_two_days_ago_leaves_the_queue_and_what_failed_stays(parts, booked):
    """The looks of every five seconds would else fill it for ever."""
    import asyncio

    import procrastinate

    from notary.database import JOBS_SCHEMA, libpq

    booked.book()
    with parts.db.begin() as db:
        booked.do(booking.cancel, booked.alice, NOON)
        ids = db.scalars(sa.text("SELECT id FROM procrastinate_jobs ORDER BY id")).all()
        assert len(ids) == 2
        for job_id, status in zip(ids, ("succeeded", "failed"), strict=True):
            db.execute(
                sa.text("UPDATE procrastinate_jobs SET status = cast(:s AS procrastinate_job_status) WHERE id = :id"),
                {"s": status, "id": job_id},
            )
        db.execute(sa.text("UPDATE procrastinate_events SET at = at - interval '3 days'"))

    async def tidy():
        connector = procrastinate.PsycopgConnector(
            conninfo=libpq(parts.settings.database_url), kwargs={"options": f"-c search_path=public,{JOBS_SCHEMA}"}
        )
        with work.jobs.queue.replace_connector(connector) as queue:
            async with queue.open_async():
                from types import SimpleNamespace

                await work.jobs.queue.tasks["tidy-queue"].func(SimpleNamespace(app=queue), timestamp=0)

    asyncio.run(tidy())
    with parts.db() as db:
        assert db.scalars(sa.text("SELECT status::text FROM procrastinate_jobs")).all() == ["failed"]
