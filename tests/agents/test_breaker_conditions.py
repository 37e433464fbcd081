"""Conditions are pure, so their tests are tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agents.rules.breakers import Watch, malformed_of, opening, shadowed
from agents.rules.breakers.evidence import judged, rerun
from agents.rules.facts import BreakerFacts, Event

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def breaker(condition: str = "repeats", **more: Any) -> BreakerFacts:
    facts: dict[str, Any] = {
        "id": "b",
        "condition": condition,
        "unit": "",
        "scope": "agent",
        "run_id": None,
        "state": "closed",
        "limit": Decimal(5),
        "window_s": 60.0,
        "value": Decimal(0),
        "generation": 1,
        "probes_allowed": 5,
        "probes_leased": 0,
        "probes_succeeded": 0,
        "probation_until": None,
    }
    return BreakerFacts(**facts | more)


def trips(watched: BreakerFacts, *events: Event) -> bool:
    watch = Watch([watched])
    return any(opening(watch.step(event)) is not None for event in events)


def failed(**more: Any) -> Event:
    return Event("settled", failed=True, **more)


def succeeded(**more: Any) -> Event:
    return Event("settled", **more)


@pytest.mark.parametrize(("before", "expected"), [(0, False), (4, False), (5, True), (50, True)])
def test_repeats_trips_past_its_limit(before: int, expected: bool) -> None:
    assert trips(breaker(value=Decimal(before)), Event("proposed", tool="search")) is expected


@pytest.mark.parametrize("moment", ["denied", "settled", "started", "clock"])
def test_only_what_begins_is_a_repeat(moment: Any) -> None:
    assert not trips(breaker(value=Decimal(99)), Event(moment, tool="search"))


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        (8, failed(), False),
        (9, failed(), True),
        (9, succeeded(), False),
        (30, succeeded(), False),
        (30, Event("proposed"), False),
        (9, Event("observed", failed=True), True),
    ],
)
def test_errors_trips_at_its_limit(before: int, event: Event, expected: bool) -> None:
    assert trips(breaker("errors", limit=Decimal(10), value=Decimal(before)), event) is expected


@pytest.mark.parametrize(
    ("failures", "volume", "event", "expected"),
    [
        (9, 18, failed(), False),  # 10 of 19: fewer than the minimum say nothing
        (9, 19, failed(), False),  # 10 of 20 are the half that is allowed
        (10, 19, failed(), True),  # 11 of 20 are more
        (30, 40, succeeded(), False),  # a success is never what opens it
        (0, 0, failed(), False),
        (499, 999, failed(), False),  # 500 of 1,000
        (500, 999, failed(), True),
    ],
)
def test_the_failure_rate_needs_a_volume(
    failures: int, volume: int, event: Event, expected: bool
) -> None:
    watched = breaker(
        "failure_rate", limit=Decimal(50), minimum=20, value=Decimal(failures), volume=volume
    )

    assert trips(watched, event) is expected


@pytest.mark.parametrize(
    ("before", "took", "expected"),
    [(2, 10_001, True), (2, 10_000, False), (1, 10_001, False), (9, None, False), (9, 1, False)],
)
def test_slow_calls_are_those_over_the_threshold(
    before: int, took: int | None, expected: bool
) -> None:
    watched = breaker("slow", limit=Decimal(3), threshold=Decimal(10), value=Decimal(before))

    assert trips(watched, succeeded(duration_ms=took)) is expected


@pytest.mark.parametrize(
    ("unit", "before", "tokens", "cost", "expected"),
    [
        ("usd", "24.99", 0, "0.01", False),
        ("usd", "24.99", 0, "0.02", True),
        ("usd", "30", 0, "0", False),
        ("usd", "30", 0, "-1", False),
        ("tokens", "20", 5, "99", False),
        ("tokens", "20", 6, "0", True),
    ],
)
def test_spend_trips_past_its_limit(
    unit: str, before: str, tokens: int, cost: str, expected: bool
) -> None:
    watched = breaker("spend", unit=unit, limit=Decimal(25), value=Decimal(before))

    assert trips(watched, Event("proposed", tokens=tokens, cost_usd=Decimal(cost))) is expected


@pytest.mark.parametrize(
    ("window_s", "reserved_s", "expected"),
    [(3600, 60, False), (3600, 7200, True), (0, 7200, False)],
)
def test_what_was_reserved_before_the_window_began_is_spent_in_it_wholly(
    window_s: float, reserved_s: float, expected: bool
) -> None:
    watched = breaker("spend", unit="usd", limit=Decimal(25), value=Decimal(20), window_s=window_s)
    outcome = succeeded(cost_usd=Decimal(1), reserved_cost_usd=Decimal(5), reserved_s=reserved_s)

    assert trips(watched, outcome) is expected


@pytest.mark.parametrize(
    ("uses", "tool_uses", "expected"),
    [
        (99, 0, False),  # too short a history to call anything unusual
        (100, 0, True),  # never used
        (100, 1, True),  # 1 % is less than 2 %
        (100, 2, False),
        (10_000, 199, True),
        (10_000, 200, False),
    ],
)
def test_a_tool_is_unusual_against_the_agents_own_history(
    uses: int, tool_uses: int, expected: bool
) -> None:
    watched = breaker("unusual", limit=Decimal(1), minimum=100, threshold=Decimal(2))

    assert trips(watched, Event("proposed", uses=uses, tool_uses=tool_uses)) is expected


def test_what_policy_refuses_is_unusual_whatever_the_history() -> None:
    watched = breaker("unusual", limit=Decimal(2), minimum=100, threshold=Decimal(2))

    assert not trips(watched, Event("denied", tool="rm"))
    assert trips(watched, Event("denied", tool="rm"), Event("denied", tool="rm"))


@pytest.mark.parametrize(
    ("failures", "volume", "base", "base_volume", "expected"),
    [
        (9, 49, 10, 1000, False),  # 10 of 50 are 20 %, usual is 1 %: 19 points
        (11, 49, 10, 1000, True),  # 12 of 50 are 24 %: 23 points
        (11, 48, 10, 1000, False),  # 49 are too few to say anything
        (11, 49, 1, 49, False),  # and so is such a past
        (39, 49, 300, 500, False),  # it was bad before
        (40, 49, 300, 500, True),
        (49, 49, 0, 0, False),  # no past at all
    ],
)
def test_a_drop_is_measured_against_the_week_before(
    failures: int, volume: int, base: int, base_volume: int, expected: bool
) -> None:
    watched = breaker(
        "drop",
        limit=Decimal(20),
        minimum=50,
        value=Decimal(failures),
        volume=volume,
        base=base,
        base_volume=base_volume,
    )

    assert trips(watched, failed()) is expected


BAD = Event("settled", failed=True, malformed=True, kind="model")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([BAD] * 2, False),
        ([BAD] * 3, True),
        ([BAD, BAD, succeeded(kind="model"), BAD], False),
        ([BAD, BAD, succeeded(kind="tool"), BAD], True),  # mail was read in between
        ([BAD, BAD, failed(kind="model"), BAD], True),  # a timeout says nothing of the form
        ([BAD, BAD, Event("proposed"), BAD], True),
    ],
)
def test_malformed_outputs_in_a_row_are_those_of_models(
    events: list[Event], expected: bool
) -> None:
    assert trips(breaker("malformed", limit=Decimal(3)), *events) is expected


@pytest.mark.parametrize(
    ("error", "kind", "expected"),
    [
        ("malformed_output", "model", True),
        ("langchain_core.exceptions.OutputParserException", "model", True),
        ("json.decoder.JSONDecodeError", "model", True),
        ("Unparseable", "model", True),
        ("TimeoutError", "model", False),
        ("", "model", False),
        ("JSONDecodeError", "tool", False),
    ],
)
def test_errors_that_say_an_output_could_not_be_read(error: str, kind: str, expected: bool) -> None:
    assert malformed_of(error, kind) is expected


@pytest.mark.parametrize(("before", "expected"), [(0, False), (1, True), (9, True)])
def test_the_second_run_of_a_daily_report_is_one_too_often(before: int, expected: bool) -> None:
    watched = breaker("often", limit=Decimal(1), window_s=72_000.0, value=Decimal(before))

    assert trips(watched, Event("started")) is expected
    assert not trips(watched, Event("proposed"))


@pytest.mark.parametrize(("value", "expected"), [(0, True), (1, False), (2, False)])
def test_too_rarely_is_fewer_than_there_should_be(value: int, expected: bool) -> None:
    watched = breaker("rarely", limit=Decimal(1), window_s=90_000.0, value=Decimal(value))

    assert trips(watched, Event("clock")) is expected
    assert not trips(watched, Event("started"))


@pytest.mark.parametrize(("seconds", "expected"), [(599, False), (600, True), (9_999, True)])
def test_silence_is_a_whole_window_without_a_sign(seconds: int, expected: bool) -> None:
    watched = breaker("silence", limit=Decimal(1), window_s=600.0, value=Decimal(seconds))

    assert trips(watched, Event("clock")) is expected


ALL = [
    (breaker(value=Decimal(5)), Event("proposed", tool="x")),
    (breaker("errors", value=Decimal(4)), failed()),
    (breaker("failure_rate", value=Decimal(9), volume=9, minimum=10), failed()),
    (breaker("slow", value=Decimal(4), threshold=Decimal(1)), succeeded(duration_ms=2_000)),
    (breaker("spend", unit="usd", value=Decimal(5)), Event("proposed", cost_usd=Decimal("0.01"))),
    (breaker("spend", unit="tokens", window_s=0.0), succeeded(tokens=6)),
    (breaker("unusual", value=Decimal(4)), Event("denied", tool="rm")),
    (
        breaker("drop", value=Decimal(9), volume=9, base=1, base_volume=99, minimum=10),
        failed(),
    ),
    (breaker("malformed", value=Decimal(4)), BAD),
    (breaker("often", value=Decimal(5)), Event("started")),
    (breaker("rarely"), Event("clock")),
    (breaker("silence", value=Decimal(61)), Event("clock")),
    (
        breaker("loop", limit=Decimal(1), reset_at=NOON - timedelta(hours=1)),
        succeeded(tool="x", fingerprint=b"12345678", at=NOON),
    ),
]


@pytest.mark.parametrize(("watched", "event"), ALL, ids=lambda one: getattr(one, "condition", ""))
def test_every_trip_is_explained_by_what_was_kept_of_it(
    watched: BreakerFacts, event: Event
) -> None:
    (found,) = Watch([watched]).step(event)

    again = rerun(judged(watched, event))

    assert again == [found]
    assert found.verdict.reason.endswith(".")


@pytest.mark.parametrize(("watched", "event"), ALL, ids=lambda one: getattr(one, "condition", ""))
@pytest.mark.parametrize("state", ["open", "disabled", "forced_open"])
def test_only_watching_breakers_judge(state: str, watched: BreakerFacts, event: Event) -> None:
    import msgspec

    still = msgspec.structs.replace(watched, state=state)

    assert Watch([still]).step(event) == []


@pytest.mark.parametrize(("watched", "event"), ALL, ids=lambda one: getattr(one, "condition", ""))
def test_a_shadow_says_what_it_would_do_and_opens_nothing(
    watched: BreakerFacts, event: Event
) -> None:
    import msgspec

    shadow = msgspec.structs.replace(watched, state="shadow")
    found = Watch([shadow]).step(event)

    assert [one.breaker for one in shadowed(found)] == [shadow]
    assert opening(found) is None


def test_on_probation_it_trips_as_before() -> None:
    assert trips(breaker(state="half_open", value=Decimal(5)), Event("proposed"))


def test_a_report_is_judged_with_what_it_adds() -> None:
    report = [Event("observed", tool="x", item="m", failed=True, tokens=1, cost_usd=Decimal(1))] * 6

    assert trips(breaker(), *report)
    assert trips(breaker("errors", limit=Decimal(6)), *report)
    assert not trips(breaker("errors", limit=Decimal(7)), *report)
    assert trips(breaker("spend", unit="usd"), *report)


def test_the_first_breaker_that_opens_is_named() -> None:
    calm, full = breaker("spend", id="calm", unit="usd"), breaker(value=Decimal(9))

    found = opening(Watch([calm, full]).step(Event("proposed", tool="search")))

    assert found is not None
    assert found.breaker is full
    assert found.verdict.reason == (
        "search worked on one item 10 times within 60 s; the limit is 5."
    )
