"""PURE. Working days, deadlines and slots. A day is a day in the office's zone; moments are aware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from notary.rules import Hours, Year

OFFICE_ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)


class NoCalendar(LookupError):
    """A day in a year that nobody wrote down; guessing would move a deadline that the law sets."""


def today(now: datetime) -> date:
    """The day in the office at this moment. `now`: aware."""
    return now.astimezone(OFFICE_ZONE).date()


def is_working(day: date, years: Mapping[int, Year]) -> bool:
    """By the State Council's table first, then Monday to Friday. Raises NoCalendar."""
    year = years.get(day.year)
    if year is None:
        raise NoCalendar(f"no calendar for {day.year}")
    if day in year.makeup.days:
        return True
    if any(holiday.from_ <= day <= holiday.to for holiday in year.holidays):
        return False
    return day.isoweekday() <= 5


def is_provisional(day: date, years: Mapping[int, Year]) -> bool:
    """Whether `day` falls in a year whose table is 暂定; an unknown year is."""
    year = years.get(day.year)
    return year is None or year.provisional


def add_working_days(day: date, days: int, years: Mapping[int, Year]) -> date:
    """The `days`-th working day after `day`; 0 is `day` itself, or the next working day."""
    if days < 0:
        raise ValueError("working days are counted forwards")
    if days == 0:
        while not is_working(day, years):
            day += DAY
        return day
    while days:
        day += DAY
        days -= is_working(day, years)
    return day


def working_days_between(start: date, end: date, years: Mapping[int, Year]) -> int:
    """Working days after `start` up to and with `end`; negative when `end` is before `start`."""
    if end < start:
        return -working_days_between(end, start, years)
    return sum(is_working(start + DAY * n, years) for n in range(1, (end - start).days + 1))


def deadline(accepted: datetime, days: int, hours: Hours, years: Mapping[int, Year], paused: int = 0) -> datetime:
    """When a case accepted at `accepted` is due: the last moment of its last working day, aware UTC.

    `days` 0: the same day if accepted on a working day before `hours.same_day_until`, else the next one.
    `paused`: working days that do not count (公证法 30: force majeure, missing papers, verification).
    """
    local = accepted.astimezone(OFFICE_ZONE)
    if days:
        last = add_working_days(local.date(), days + paused, years)
    else:
        late = not is_working(local.date(), years) or local.time() >= hours.same_day_until
        last = add_working_days(local.date(), int(late) + paused, years)
    return datetime.combine(last + DAY, time(), OFFICE_ZONE).astimezone(UTC) - timedelta(microseconds=1)


def is_open(now: datetime, hours: Hours, years: Mapping[int, Year]) -> bool:
    """Whether the office is open at this moment. Outside `hours.days` only make-up workdays count."""
    local = now.astimezone(OFFICE_ZONE)
    return _opens(local.date(), hours, years) and hours.opens <= local.time() < hours.closes


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A time to meet a notary, aware UTC."""

    start: datetime
    end: datetime


def slots(day: date, hours: Hours, years: Mapping[int, Year]) -> tuple[Slot, ...]:
    """The slots of a day, back to back from opening; none on a day off; none that would end after closing."""
    if not _opens(day, hours, years):
        return ()
    step = timedelta(minutes=hours.slot_minutes)
    start = datetime.combine(day, hours.opens, OFFICE_ZONE)
    close = datetime.combine(day, hours.closes, OFFICE_ZONE)
    found = []
    while start + step <= close:
        found.append(Slot(start.astimezone(UTC), (start + step).astimezone(UTC)))
        start += step
    return tuple(found)


def in_zone(moment: datetime, zone: str) -> datetime:
    """`moment` as clocks show it there. ValueError for a name that is no IANA zone."""
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {zone!r}") from error


def both_zones(moment: datetime, zone: str) -> tuple[datetime, datetime | None]:
    """Office time, and local time where it differs: the second is None while both clocks agree."""
    office, local = moment.astimezone(OFFICE_ZONE), in_zone(moment, zone)
    return office, None if local.utcoffset() == office.utcoffset() else local


def _opens(day: date, hours: Hours, years: Mapping[int, Year]) -> bool:
    if not is_working(day, years):
        return False
    return day.isoweekday() in hours.days or day in years[day.year].makeup.days
