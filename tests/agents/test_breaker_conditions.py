"""Conditions are pure, so their tests are tables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agents.rules.breakers import Watch, opening, shadowed
from agents.rules.facts import BreakerFacts, Event


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


@pytest.mark.parametrize(("before", "expected"), [(0, False), (4, False), (5, True), (50, True)])
def test_repeats_trips_past_its_limit(before: int, expected: bool) -> None:
    assert trips(breaker(value=Decimal(before)), Event("proposed", tool="search")) is expected


@pytest.mark.parametrize(
    ("before", "failed", "expected"),
    [(8, True, False), (9, True, True), (9, False, False), (30, False, False)],
)
def test_errors_trips_at_its_limit(before: int, failed: bool, expected: bool) -> None:
    watched = breaker("errors", limit=Decimal(10), value=Decimal(before))

    assert trips(watched, Event("settled", failed=failed)) is expected


@pytest.mark.parametrize(
    ("unit", "before", "tokens", "cost", "expected"),
    [
        ("usd", "24.99", 0, "0.01", False),
        ("usd", "24.99", 0, "0.02", True),
        ("usd", "30", 0, "0", False),
        ("tokens", "20", 5, "99", False),
        ("tokens", "20", 6, "0", True),
    ],
)
def test_spend_trips_past_its_limit(
    unit: str, before: str, tokens: int, cost: str, expected: bool
) -> None:
    watched = breaker("spend", unit=unit, limit=Decimal(25), value=Decimal(before))

    assert trips(watched, Event("proposed", tokens=tokens, cost_usd=Decimal(cost))) is expected


@pytest.mark.parametrize("state", ["open", "disabled", "shadow", "forced_open"])
def test_only_watching_breakers_trip(state: str) -> None:
    assert not trips(breaker(state=state, value=Decimal(99)), Event("proposed"))
    assert not trips(
        breaker("errors", state=state, value=Decimal(99)), Event("settled", failed=True)
    )


def test_a_shadow_says_what_it_would_do() -> None:
    watched = breaker(state="shadow", value=Decimal(9))

    assert [one.breaker for one in shadowed(Watch([watched]).step(Event("proposed")))] == [watched]


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
