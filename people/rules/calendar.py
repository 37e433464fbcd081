"""Working time: when a team works, and the moment at which so much of its time has passed.

Everything is reckoned in UTC between openings that are local: an hour is an hour also on the day the clocks change.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import holidays

DAY = timedelta(days=1)
SHORTEST_DAY = timedelta(hours=1)
LONGEST_SEARCH = timedelta(days=400 * 366)


@dataclass(frozen=True)
class Hours:
    """When a team works. Closing at or before opening means the next day."""

    time_zone: str
    days: frozenset[int]
    """Weekdays, Monday is 0."""
    opens: time
    closes: time
    country: str = ""
    subdivision: str = ""
    holidays: frozenset[date] = frozenset()

    @property
    def ends_next_day(self) -> bool:
        return self.closes <= self.opens

    @property
    def length(self) -> timedelta:
        """How long a day's work is, when no clocks change."""
        spans = datetime.combine(date.min, self.closes) - datetime.combine(date.min, self.opens)
        return spans + DAY if self.ends_next_day else spans

    def is_off(self, day: date) -> bool:
        return (
            day.weekday() not in self.days
            or day in self.holidays
            or day in public_holidays(self.country, self.subdivision, day.year)
        )


type Calendar = Hours | None
"""None: a team without a calendar works round the clock."""


def mistakes(hours: Hours) -> dict[str, str]:
    """What cannot be meant, by field; empty when all is well."""
    found: dict[str, str] = {}
    if hours.time_zone not in zoneinfo.available_timezones():
        found["time_zone"] = "There is no such time zone."
    if not hours.days or not hours.days <= set(range(7)):
        found["days"] = "Choose at least one day of the week: a calendar must open some time."
    if hours.length < SHORTEST_DAY:
        found["closes"] = "A working day has at least one hour."
    known = holidays.list_supported_countries(include_aliases=False)
    if hours.country and hours.country not in known:
        found["country"] = (
            f"No holidays are known for {hours.country}: use a code such as US or DE."
        )
    elif hours.subdivision and hours.subdivision not in known.get(hours.country, ()):
        regions = ", ".join(known.get(hours.country, ())) or "none"
        found["subdivision"] = f"That is no region of {hours.country or 'no country'}: {regions}."
    return found


def is_working(at: datetime, calendar: Calendar) -> bool:
    if calendar is None:
        return True
    opens, closes = next(_windows(at, calendar))
    return opens <= at < closes


def add_working(start: datetime, duration: timedelta, calendar: Calendar) -> datetime:
    """The first moment by which `duration` of working time has passed since `start`; in UTC.

    With no duration: `start`, or the next opening. Raises OverflowError when that is centuries away.
    """
    start = start.astimezone(UTC)
    if duration < timedelta(0):
        raise ValueError("Working time only runs forward.")
    if calendar is None:
        return start + duration
    left = duration
    for opens, closes in _windows(start, calendar):
        begins = max(opens, start)
        if left <= closes - begins:
            return begins + left
        left -= closes - begins
    raise OverflowError("This calendar does not open often enough.")


def working_between(start: datetime, end: datetime, calendar: Calendar) -> timedelta:
    """How much working time lies between two moments."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        return timedelta(0)
    if calendar is None:
        return end - start
    total = timedelta(0)
    for opens, closes in _windows(start, calendar):
        if opens >= end:
            break
        total += min(closes, end) - max(opens, start)
    return total


def at_share(start: datetime, end: datetime, share: float, calendar: Calendar) -> datetime:
    """The moment at which this share (0.5, 0.9) of the working time from start to end is over.

    Where no working time lies between them, the plain share.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    total = working_between(start, end, calendar)
    if not total:
        return start + (end - start) * share
    return min(add_working(start, total * share, calendar), end)


def _windows(at: datetime, hours: Hours) -> Iterator[tuple[datetime, datetime]]:
    """The working days that are not over at `at`, in UTC, the earliest first; they never overlap."""
    zone = zoneinfo.ZoneInfo(hours.time_zone)
    # Two days back: a night shift may reach into today, and be cut short by the one before it.
    day = at.astimezone(zone).date() - 2 * DAY
    last, over = datetime.min.replace(tzinfo=UTC), at + LONGEST_SEARCH
    while True:
        if not hours.is_off(day):
            opens = max(_moment(day, hours.opens, zone), last)
            closes = _moment(day + DAY if hours.ends_next_day else day, hours.closes, zone)
            if closes > opens:  # a short day may fall into the hour that a clock skips
                last = closes
                if closes > at:
                    yield opens, closes
        day += DAY
        if day > over.date():
            return


def _moment(day: date, at: time, zone: zoneinfo.ZoneInfo) -> datetime:
    """A local time in UTC: of two that are the same the first, of one that is skipped as if it were not."""
    return datetime.combine(day, at, zone).astimezone(UTC)


@lru_cache(maxsize=2048)
def public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    """The days a country (and its region) does not work, days in lieu included."""
    if not country:
        return frozenset()
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))
