"""Rates against a simulation that forgets nothing, and limits as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rules.gcra import Rate, booked_until, carried_over, next_slot, spent
from agents.rules.limits import LimitSetting, parse_limit, parse_limits
from agents.rules.permits import Standing, judge
from audit.errors import Invalid

START = datetime(2026, 11, 21, 3, tzinfo=UTC)
SLACK = timedelta(microseconds=1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def seconds(span: timedelta) -> float:
    return span.total_seconds()


# -- the formula -----------------------------------------------------------------------------------

TEN_A_MINUTE = Rate(10, timedelta(minutes=1), 3)  # T = 6 s, τ = 12 s


@pytest.mark.parametrize(
    ("tat", "n", "now", "wait", "new"),
    [
        (None, 1, 0, 0, 6),  # nothing used: new = now + T
        (6, 1, 0, 0, 12),  # new − T − τ = −6
        (12, 1, 0, 0, 18),  # new − T − τ = 0: just allowed
        (18, 1, 0, 6, 24),  # the burst is used up: one T later
        (24, 1, 0, 12, 30),
        (18, 1, 6, 0, 24),  # asked when its slot begins
        (5, 1, 100, 0, 106),  # long ago counts no more
        (None, 3, 0, 0, 18),  # the whole burst at once
        (6, 3, 0, 6, 24),  # it is the new time that counts: by the old one this would pass
        (12, 2, 0, 6, 24),
        (18, 3, 0, 18, 36),
    ],
)
def test_a_table_of_slots(tat: float | None, n: int, now: float, wait: float, new: float) -> None:
    slot = next_slot(TEN_A_MINUTE, None if tat is None else at(tat), n, at(now))

    assert (seconds(slot.wait), slot.tat) == (wait, at(new))


def test_costs_are_rounded_up_so_that_no_rate_is_exceeded() -> None:
    rate = Rate(7, timedelta(seconds=1))

    assert rate.cost(1) == timedelta(microseconds=142_858)
    assert rate.cost(7) == timedelta(seconds=1)


rates = st.builds(
    Rate,
    count=st.integers(1, 1000),
    period=st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)]),
    burst=st.integers(1, 50),
)
asks = st.lists(
    st.tuples(
        st.floats(0, 2),  # of a step: how long after the one before
        st.integers(1, 50),  # how much
        st.floats(0, 20),  # of a step: how patient
    ),
    min_size=1,
    max_size=80,
)


def begun(rate: Rate, asked: Any) -> list[tuple[datetime, int, datetime]]:
    """`(begins, n, asked at)` of all that were granted, in the order of asking."""
    now, tat, found = START, None, []
    step = rate.cost(1)
    for pause, units, patience in asked:
        now += step * pause
        n = min(units, rate.burst)
        slot = next_slot(rate, tat, n, now)
        if slot.wait <= step * patience:
            tat = slot.tat
            found.append((now + slot.wait, n, now))
    return found


@given(rates, asks)
def test_in_no_span_of_time_more_than_the_burst_and_the_rate(rate: Rate, asked: Any) -> None:
    found = begun(rate, asked)

    for first in range(len(found)):
        total = 0
        for begins, n, _ in found[first:]:
            total += n
            span = begins - found[first][0] + SLACK * len(found)
            assert total <= rate.burst + span * rate.count / rate.period + 1e-6


@given(rates, asks)
def test_who_asked_earlier_begins_earlier(rate: Rate, asked: Any) -> None:
    begins = [begin for begin, _, _ in begun(rate, asked)]

    assert begins == sorted(begins)


@given(rates, asks)
def test_it_gives_what_a_leaking_bucket_gives(rate: Rate, asked: Any) -> None:
    """The simulation: a bucket of tokens that fills by the rate and may go below zero, for those booked."""
    tokens, last = float(rate.burst), START
    step = rate.cost(1)

    for begins, n, now in begun(rate, asked):
        tokens = min(rate.burst, tokens + (now - last) * rate.count / rate.period)
        last = now
        tokens -= n
        wait = max(0.0, -tokens) * step
        assert abs(seconds(begins - now - wait)) < 1e-3


# -- a rate is changed -----------------------------------------------------------------------------


@given(rates, rates, asks, st.floats(0, 5))
def test_a_changed_rate_holds_from_the_last_that_was_promised(
    before: Rate, after: Rate, asked: Any, pause: float
) -> None:
    promised = begun(before, asked)
    now = promised[-1][2] + before.cost(1) * pause
    tat = None
    for _, n, asked_at in promised:
        tat = next_slot(before, tat, n, asked_at).tat
    last = booked_until(before, tat, now)

    changed = carried_over(before, after, tat, now)

    slot = next_slot(after, changed, 1, now)
    if last is None:
        assert slot.wait <= after.cost(1)
    else:
        assert now + slot.wait >= last + after.cost(1) - SLACK
        assert now + slot.wait <= last + after.cost(1) + SLACK


@pytest.mark.parametrize(
    ("tat", "after", "wait"),
    [
        (None, Rate(1, timedelta(minutes=1)), 0),
        (6, Rate(10, timedelta(minutes=1), 1), 6),  # one is used, and one is all there is
        (
            18,
            Rate(10, timedelta(minutes=1), 1),
            6,
        ),  # three are used: no longer penance than one step
        (6, Rate(1, timedelta(minutes=1), 3), 0),  # two of three are left
        (
            6 + 18,
            Rate(60, timedelta(minutes=1), 3),
            6 + 1,
        ),  # one is booked in 6 s, the next a second later
        (6 + 18, Rate(1, timedelta(minutes=1), 3), 6 + 60),
    ],
)
def test_a_table_of_changes(tat: float | None, after: Rate, wait: float) -> None:
    changed = carried_over(TEN_A_MINUTE, after, None if tat is None else at(tat), START)

    assert seconds(next_slot(after, changed, 1, START).wait) == wait


def test_how_far_ahead_is_said_in_units_and_as_a_time() -> None:
    assert spent(TEN_A_MINUTE, at(12), START) == 2
    assert booked_until(TEN_A_MINUTE, at(18), START) is None
    assert booked_until(TEN_A_MINUTE, at(30), START) == at(12)
    assert spent(TEN_A_MINUTE, None, START) == 0


# -- a place and a slot ----------------------------------------------------------------------------

LEASE = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("held", "ahead", "granted"), [(0, 0, True), (1, 0, True), (2, 0, False), (1, 1, False)]
)
def test_a_place_is_for_who_waits_longest(held: int, ahead: int, granted: bool) -> None:
    standing = Standing(
        None, None, START, concurrency=2, lease=LEASE, held=held, ahead=ahead, free_at=at(0.3)
    )

    verdict = judge(standing, 1, max_wait=timedelta(0), lease=None)

    assert (verdict.granted, verdict.is_full) == (granted, not granted)
    assert seconds(verdict.retry_after) == (0 if granted else 0.3)


def test_a_lease_begins_with_its_slot_and_is_never_longer_than_allowed() -> None:
    standing = Standing(TEN_A_MINUTE, at(24), START, concurrency=1, lease=LEASE)

    verdict = judge(standing, 1, max_wait=timedelta(minutes=1), lease=timedelta(hours=1))

    assert verdict.starts_at == at(12)
    assert verdict.lease_until == at(12 + 30)


# -- as people write them --------------------------------------------------------------------------


def test_what_is_written_is_read_and_kept_in_one_form() -> None:
    read = parse_limits(
        [
            {
                "resource": "openai",
                "rate": "60 / 1m",
                "burst": 10,
                "concurrency": 4,
                "lease": "300s",
            },
            {"resource": "api.example.com/search", "rate": "5/s"},
            {"resource": "crm", "concurrency": 2},
        ]
    )

    assert [each.as_dict() for each in read] == [
        {"resource": "openai", "rate": "60/1m", "burst": 10, "concurrency": 4, "lease": "5m"},
        {"resource": "api.example.com/search", "rate": "5/1s", "burst": 1},
        {"resource": "crm", "concurrency": 2, "lease": "5m"},
    ]
    assert parse_limits([each.as_dict() for each in read]) == read
    assert str(read[0]) == "60 in 1 minute, 10 at one moment; 4 at once"
    assert str(read[2]) == "2 at once"


def test_no_limits_are_no_limits() -> None:
    assert parse_limits([]) == ()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("openai", "A list is needed"),
        ({"resource": "a", "rate": "1/1s"}, "A list is needed"),
        (["openai"], "Limit 1: It must be written as"),
        ([{"rate": "1/1s"}], "Limit 1: resource: Name what is limited"),
        ([{"resource": "a b", "rate": "1/1s"}], "Name what is limited"),
        ([{"resource": "a\n", "rate": "1/1s"}], "Name what is limited"),
        ([{"resource": "x" * 81, "rate": "1/1s"}], "up to 80 characters"),
        ([{"resource": "a"}], "a: Say how often"),
        ([{"resource": "a", "rate": "60"}], "rate: Write how many in how long"),
        ([{"resource": "a", "rate": 60}], "rate: Write how many in how long"),
        ([{"resource": "a", "rate": "0/1s"}], "rate: A whole number from 1"),
        ([{"resource": "a", "rate": "1/0s"}], "from 1 second to 31 days"),
        ([{"resource": "a", "rate": "1/32d"}], "from 1 second to 31 days"),
        ([{"resource": "a", "rate": "1/1w"}], "rate: Write how many in how long"),
        ([{"resource": "a", "rate": "1/1s", "burst": 0}], "burst: A whole number from 1"),
        ([{"resource": "a", "rate": "1/1s", "burst": True}], "burst: A whole number"),
        ([{"resource": "a", "rate": "1/1s", "burst": "2"}], "burst: A whole number"),
        ([{"resource": "a", "rate": "1/31d", "burst": 13}], "more than a year"),
        ([{"resource": "a", "concurrency": 1, "burst": 2}], "A burst goes with a rate"),
        ([{"resource": "a", "rate": "1/1s", "lease": "5m"}], "A lease goes with concurrency"),
        ([{"resource": "a", "concurrency": 1, "lease": "0s"}], "lease: Write for how long"),
        ([{"resource": "a", "concurrency": 1, "lease": "2d"}], "from 1s to 1d"),
        ([{"resource": "a", "concurrency": 100_001}], "from 1 to 100,000"),
        ([{"resource": "a", "rate": "1/1s", "brust": 2}], "Did you mean “burst”?"),
        ([{"resource": "a", "rate": "1/1s"}] * 2, "“a” stands there twice"),
        ([{"resource": "a", "rate": "1/1s"}] * 501, "can have 500 limits"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_sentence(written: Any, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_limits(written)

    assert why in refusal.value.detail
    assert refusal.value.detail.startswith("limits: ")


settings = st.builds(
    LimitSetting,
    resource=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}", fullmatch=True),
    rate=rates,
    concurrency=st.integers(1, 100),
    lease=st.integers(1, 86_400).map(lambda s: timedelta(seconds=s)),
)


@given(settings)
def test_every_setting_survives_being_written(setting: LimitSetting) -> None:
    assert parse_limit(setting.as_dict()) == setting
