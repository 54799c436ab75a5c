"""Working days as the State Council's table has them, deadlines, slots, zones."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notary import calendar
from notary.rules import rules

YEARS, HOURS = rules().years, rules().profile.hours
DAYS_2026 = st.dates(date(2026, 1, 1), date(2026, 12, 31))


def beijing(*parts):
    return datetime(*parts, tzinfo=calendar.OFFICE_ZONE)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ((2026, 1, 1), False),
        ((2026, 1, 4), True),
        ((2026, 2, 14), True),
        ((2026, 2, 16), False),
        ((2026, 2, 23), False),
        ((2026, 2, 24), True),
        ((2026, 2, 28), True),
        ((2026, 4, 6), False),
        ((2026, 5, 9), True),
        ((2026, 6, 19), False),
        ((2026, 9, 20), True),
        ((2026, 9, 25), False),
        ((2026, 10, 7), False),
        ((2026, 10, 10), True),
        ((2026, 11, 24), True),
        ((2026, 11, 28), False),
        ((2027, 1, 1), False),
        ((2027, 2, 8), False),
    ],
)
def test_working_days_are_those_of_the_notice(day, works):
    assert works is calendar.is_working(date(*day), YEARS)


def test_2026_has_248_working_days():
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]

    assert sum(calendar.is_working(day, YEARS) for day in days) == 248


def test_only_2027_is_provisional():
    assert not calendar.is_provisional(date(2026, 12, 31), YEARS)
    assert calendar.is_provisional(date(2027, 1, 1), YEARS)
    assert calendar.is_provisional(date(2031, 1, 1), YEARS)


def test_a_year_nobody_wrote_is_no_guess():
    with pytest.raises(calendar.NoCalendar, match="2028"):
        calendar.add_working_days(date(2027, 12, 30), 5, YEARS)


@pytest.mark.req("G07")
@pytest.mark.parametrize(
    ("accepted", "days", "due"),
    [
        (beijing(2026, 11, 24, 9), 0, (2026, 11, 24)),
        (beijing(2026, 11, 24, 15, 59, 59), 0, (2026, 11, 24)),
        (beijing(2026, 11, 24, 16), 0, (2026, 11, 25)),
        (beijing(2026, 11, 28, 9), 0, (2026, 11, 30)),
        (beijing(2026, 11, 24, 9), 5, (2026, 12, 1)),
        (beijing(2026, 11, 24, 9), 10, (2026, 12, 8)),
        (beijing(2026, 11, 24, 9), 15, (2026, 12, 15)),
        (beijing(2026, 9, 18, 9), 5, (2026, 9, 24)),
        (beijing(2026, 9, 30, 9), 5, (2026, 10, 13)),
        (datetime(2026, 11, 23, 17, tzinfo=UTC), 0, (2026, 11, 24)),
    ],
)
def test_the_clock_ends_with_the_last_working_day(accepted, days, due):
    at = calendar.deadline(accepted, days, HOURS, YEARS).astimezone(calendar.OFFICE_ZONE)

    assert date(*due) == at.date()
    assert (at.hour, at.minute, at.second) == (23, 59, 59)


@given(DAYS_2026, st.integers(1, 40))
def test_adding_working_days_is_undone_by_counting_them(day, days):
    end = calendar.add_working_days(day, days, YEARS)

    assert days == calendar.working_days_between(day, end, YEARS)
    assert -days == calendar.working_days_between(end, day, YEARS)
    assert calendar.is_working(end, YEARS)


@given(DAYS_2026, st.integers(0, 20), st.integers(0, 20))
def test_a_longer_clock_or_pause_never_ends_sooner(day, days, more):
    noon = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    first = calendar.deadline(noon, days, HOURS, YEARS)

    assert first <= calendar.deadline(noon, days + more, HOURS, YEARS)
    assert first <= calendar.deadline(noon, days, HOURS, YEARS, paused=more)


def test_nobody_counts_backwards():
    with pytest.raises(ValueError, match="forwards"):
        calendar.add_working_days(date(2026, 11, 24), -1, YEARS)


@given(DAYS_2026)
def test_slots_fill_the_day_without_gap_or_overlap(day):
    found = calendar.slots(day, HOURS, YEARS)

    assert bool(found) is calendar.is_working(day, YEARS)
    for one, after in itertools.pairwise(found):
        assert one.end == after.start
    if found:
        assert len(found) == 23
        assert HOURS.opens == found[0].start.astimezone(calendar.OFFICE_ZONE).time()
        assert calendar.is_open(found[0].start, HOURS, YEARS)
        assert not calendar.is_open(found[-1].end, HOURS, YEARS)


def test_a_make_up_sunday_is_open_and_a_holiday_is_not():
    assert calendar.is_open(beijing(2026, 9, 20, 10), HOURS, YEARS)
    assert not calendar.is_open(beijing(2026, 10, 1, 10), HOURS, YEARS)


@pytest.mark.req("L09")
def test_both_zones_stand_together_and_survive_daylight_saving():
    winter, summer = datetime(2026, 11, 24, 2, 30, tzinfo=UTC), datetime(2026, 7, 1, 2, 30, tzinfo=UTC)

    assert [(t.day, t.hour) for t in calendar.both_zones(winter, "America/Toronto")] == [(24, 10), (23, 21)]
    assert calendar.both_zones(summer, "America/Toronto")[1].hour == 22
    assert calendar.both_zones(winter, "Asia/Singapore")[1] is None


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)),  # noqa: DTZ001
    st.sampled_from(sorted(available_timezones())),
)
def test_any_zone_shows_the_same_moment(naive, zone):
    moment = naive.replace(tzinfo=UTC)
    office, local = calendar.both_zones(moment, zone)

    assert moment == office
    assert local is None or moment == local
    assert (local or office).utcoffset() == moment.astimezone(ZoneInfo(zone)).utcoffset()


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc/passwd", "/etc/localtime", "a\0b"])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(ValueError, match="no time zone"):
        calendar.in_zone(datetime(2026, 1, 1, tzinfo=UTC), zone)
