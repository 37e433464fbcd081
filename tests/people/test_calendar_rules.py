"""Working time: tables of moments, and what must hold of any calendar."""

from __future__ import annotations

import zoneinfo
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from people.rules.calendar import (
    Hours,
    add_working,
    at_share,
    is_working,
    mistakes,
    working_between,
)

H = timedelta(hours=1)
BERLIN = Hours("Europe/Berlin", frozenset(range(5)), time(9), time(17))
NEW_YORK = Hours(
    "America/New_York", frozenset(range(5)), time(9, 30), time(16), country="US", subdivision="NY"
)
NIGHTS = Hours("Europe/Berlin", frozenset({4, 5}), time(22), time(6))
WHOLE_DAYS = Hours("Europe/Berlin", frozenset(range(5)), time(0), time(0))
ALWAYS = Hours("Europe/Berlin", frozenset(range(7)), time(0), time(0))


def local(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-03-04T10:00", 2 * H, "2026-03-04T12:00"),  # within a day
        ("2026-03-04T16:00", 4 * H, "2026-03-05T12:00"),  # over a night
        ("2026-03-06T16:30", 1 * H, "2026-03-09T09:30"),  # over a weekend
        (
            "2026-03-07T12:00",
            8 * H,
            "2026-03-09T17:00",
        ),  # from a Saturday; a day ends when it closes
        ("2026-03-04T07:00", 1 * H, "2026-03-04T10:00"),  # before opening
        ("2026-03-04T17:00", 1 * H, "2026-03-05T10:00"),  # at closing
        ("2026-03-04T10:00", 0 * H, "2026-03-04T10:00"),
        ("2026-03-04T17:00", 0 * H, "2026-03-05T09:00"),  # nothing to wait for but the door
        ("2026-03-07T00:00", 0 * H, "2026-03-09T09:00"),
        ("2026-03-04T10:00", 40 * H, "2026-03-11T10:00"),  # a week of work
        ("2026-03-27T16:00", 2 * H, "2026-03-30T10:00"),  # the clocks go forward on the Sunday
        ("2026-10-23T16:00", 2 * H, "2026-10-26T10:00"),  # and back
    ],
)
def test_working_hours_pass(start: str, duration: timedelta, end: str) -> None:
    assert add_working(local(start), duration, BERLIN) == local(end)


@pytest.mark.parametrize(
    ("calendar", "start", "duration", "end"),
    [
        # Independence Day 2026 is a Saturday: it is kept on Friday the third.
        (NEW_YORK, "2026-07-02T15:30", 1 * H, "2026-07-06T10:00"),
        (NEW_YORK, "2026-12-24T15:00", 2 * H, "2026-12-28T10:30"),
        (replace(BERLIN, country="DE"), "2026-12-24T16:00", 2 * H, "2026-12-28T10:00"),
        (replace(BERLIN, country="DE", subdivision="BY"), "2026-01-05T16:00", 2 * H, "2026-01-07T10:00"),
        (replace(BERLIN, country="DE"), "2026-01-05T16:00", 2 * H, "2026-01-06T10:00"),
        (
            replace(BERLIN, holidays=frozenset({date(2026, 3, 5), date(2026, 3, 6)})),
            "2026-03-04T16:00",
            2 * H,
            "2026-03-09T10:00",
        ),
    ],
)  # fmt: skip
def test_holidays_do_not_count(calendar: Hours, start: str, duration: timedelta, end: str) -> None:
    zone = calendar.time_zone

    assert add_working(local(start, zone), duration, calendar) == local(end, zone)


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-03-06T21:00", 3 * H, "2026-03-07T01:00"),  # Friday's shift reaches into Saturday
        ("2026-03-07T05:00", 2 * H, "2026-03-07T23:00"),  # and Saturday's begins in the evening
        ("2026-03-08T05:00", 2 * H, "2026-03-13T23:00"),
        ("2026-03-28T22:00", 7 * H, "2026-03-29T06:00"),  # seven hours: one is skipped
        ("2026-10-24T22:00", 9 * H, "2026-10-25T06:00"),  # nine: one comes twice
    ],
)
def test_a_shift_may_end_on_the_next_day(start: str, duration: timedelta, end: str) -> None:
    assert add_working(local(start), duration, NIGHTS) == local(end)


def test_a_day_of_a_changing_clock_has_23_or_25_hours() -> None:
    assert working_between(local("2026-03-29T00:00"), local("2026-03-30T00:00"), ALWAYS) == 23 * H
    assert working_between(local("2026-10-25T00:00"), local("2026-10-26T00:00"), ALWAYS) == 25 * H


def test_without_a_calendar_the_clock_just_runs() -> None:
    start = local("2026-03-07T03:00")

    assert add_working(start, 5 * H, None) == start + 5 * H
    assert is_working(start, None)
    assert at_share(start, start + 10 * H, 0.5, None) == start + 5 * H


@pytest.mark.parametrize(
    ("at", "works"),
    [
        ("2026-03-04T08:59", False),
        ("2026-03-04T09:00", True),
        ("2026-03-04T16:59", True),
        ("2026-03-04T17:00", False),
        ("2026-03-07T12:00", False),
    ],
)
def test_open_from_opening_until_closing(at: str, works: bool) -> None:
    assert is_working(local(at), BERLIN) is works


def test_shares_are_of_working_time() -> None:
    start, end = local("2026-03-05T13:00"), local("2026-03-09T13:00")  # 16 hours of work

    assert at_share(start, end, 0.5, BERLIN) == local("2026-03-06T13:00")
    assert at_share(start, end, 1.0, BERLIN) == end
    assert at_share(start, end, 0.0, BERLIN) == start


def test_a_share_of_no_working_time_is_one_of_plain_time() -> None:
    start = local("2026-03-07T10:00")

    assert at_share(start, start + 4 * H, 0.5, BERLIN) == start + 2 * H


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"time_zone": "Mars/Base"}, "time_zone", "no such time zone"),
        ({"days": frozenset()}, "days", "at least one day"),
        ({"days": frozenset({7})}, "days", "at least one day"),
        ({"opens": time(9), "closes": time(9, 30)}, "closes", "at least one hour"),
        ({"country": "XX"}, "country", "No holidays are known for XX"),
        ({"country": "DE", "subdivision": "NY"}, "subdivision", "no region of DE"),
        ({"subdivision": "NY"}, "subdivision", "no region"),
    ],
)
def test_what_cannot_be_meant_is_said(
    changes: dict[str, object], field: str, sentence: str
) -> None:
    assert sentence in mistakes(replace(BERLIN, **changes))[field]  # type: ignore[arg-type]


def test_what_can_be_meant_has_no_mistakes() -> None:
    for calendar in (BERLIN, NEW_YORK, NIGHTS, WHOLE_DAYS, ALWAYS):
        assert mistakes(calendar) == {}


def test_a_calendar_of_holidays_ends_somewhere() -> None:
    mondays = replace(BERLIN, days=frozenset({0}), closes=time(10))

    assert add_working(local("2026-01-01T00:00"), 720 * H, mondays) > local("2039-01-01T00:00")
    with pytest.raises(OverflowError):
        add_working(local("2026-01-01T00:00"), timedelta(days=3000), mondays)


# -- what holds of any calendar --------------------------------------------------------------------

CLOCK = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
ANY = st.builds(
    Hours,
    time_zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    ),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    opens=CLOCK,
    closes=CLOCK,
    country=st.sampled_from(["", "US", "DE", "JP"]),
    holidays=st.frozensets(st.dates(date(2026, 1, 1), date(2027, 1, 1)), max_size=3),
).filter(lambda calendar: not mistakes(calendar))
MOMENT = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001
    datetime(2026, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SPAN = st.timedeltas(timedelta(0), timedelta(days=6))


@settings(max_examples=150, deadline=None)
@given(ANY, MOMENT, SPAN, SPAN)
def test_in_two_steps_is_in_one(
    calendar: Hours, start: datetime, one: timedelta, two: timedelta
) -> None:
    two = max(two, timedelta(microseconds=1))

    stepwise = add_working(add_working(start, one, calendar), two, calendar)

    assert stepwise == add_working(start, one + two, calendar)


@settings(max_examples=150, deadline=None)
@given(ANY, MOMENT, MOMENT, SPAN, SPAN)
def test_later_and_longer_never_end_earlier(
    calendar: Hours, one: datetime, other: datetime, short: timedelta, more: timedelta
) -> None:
    first, second = sorted((one, other))

    assert add_working(first, short, calendar) <= add_working(second, short, calendar)
    assert add_working(first, short, calendar) <= add_working(first, short + more, calendar)


@settings(max_examples=150, deadline=None)
@given(ANY, MOMENT, SPAN)
def test_what_was_added_lies_between(calendar: Hours, start: datetime, span: timedelta) -> None:
    end = add_working(start, span, calendar)

    assert end >= start
    assert working_between(start, end, calendar) == span


@settings(max_examples=100, deadline=None)
@given(ANY, MOMENT)
def test_with_nothing_to_wait_for_it_is_open(calendar: Hours, start: datetime) -> None:
    begins = add_working(start, timedelta(0), calendar)

    assert is_working(begins, calendar)
    assert (begins == start) is is_working(start, calendar)


@settings(max_examples=100, deadline=None)
@given(ANY, MOMENT, SPAN, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_is_never_over_earlier(
    calendar: Hours, start: datetime, span: timedelta, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    end = start + span

    assert (
        start <= at_share(start, end, less, calendar) <= at_share(start, end, more, calendar) <= end
    )
