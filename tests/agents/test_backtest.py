"""Backtests over recorded actions: the live rules find the live trips again, and history offers better limits."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agents.backtest import backtest, backtest_budget, suggest, tried_of
from agents.history import Whose
from agents.models import Action, Agent, AgentKey, Breaker, BreakerState, Run, Trip
from agents.replay import first_id
from agents.rules.backtest import TriedBudget
from agents.shapes import Propose, Proposed, Settle
from agents.transitions import agent as agents
from agents.transitions import breaker as breakers
from agents.transitions import run as runs
from agents.transitions.action import propose, settle
from people.models import Person, Team

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(scout_with_key: tuple[Agent, str]) -> bytes:
    return bytes(AgentKey.objects.get(agent=scout_with_key[0]).hash)


def act(key: bytes, run: Run, item: str, outcome: Literal["succeeded", "failed"], cost: str) -> str:
    """Propose, and when it may, do it. Returns what became of it."""
    asked = Propose(
        call_id=str(uuid4()), tool="search", subject=item, claim_id="c",
        estimated_cost_usd=Decimal("0.1"),
    )  # fmt: skip
    judgement, _ = propose(key, run.pk, Proposed.of(asked))
    if judgement.admission == "allowed":
        action = Action.objects.latest("id")
        settle(key, action.pk, Settle(outcome=outcome, claim_id="c", cost_usd=Decimal(cost)))
    return judgement.admission


def answer(trip: Trip, by: Person) -> None:
    """As people do: it goes on. Probation is not what is tried here, so it ends at once."""
    breakers.resume(trip, by=by)
    Breaker.objects.filter(state=BreakerState.HALF_OPEN).update(
        state=BreakerState.CLOSED, probation_until=None
    )


STEPS: Any = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["succeeded", "succeeded", "failed"]),
        st.sampled_from(["0", "0.05", "0.4"]),
    ),
    min_size=5,
    max_size=40,
)
WATCHES: dict[str, dict[str, Any]] = {
    "repeats": {"limit": Decimal(4)},
    "errors": {"limit": Decimal(4)},
    "failure_rate": {"limit": Decimal(40), "minimum": 5},
    "spend": {"limit": Decimal("1.2"), "unit": "usd"},
}


@override_settings(WATCHFLOOR_FLEET_SHARE=1.0)
@pytest.mark.parametrize("condition", WATCHES)
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_replaying_the_breaker_that_was_live_finds_the_trips_that_happened(
    support: Team,
    ada: Person,
    condition: str,
    steps: list[tuple[str, Literal["succeeded", "failed"], str]],
) -> None:
    agent, _ = agents.create(f"a-{uuid4()}", team=support, by="test")
    key = bytes(AgentKey.objects.get(agent=agent).hash)
    Breaker.objects.filter(agent=agent).delete()
    watching = Breaker.objects.create(
        agent=agent, condition=condition, window=timedelta(hours=1), **WATCHES[condition]
    )
    run = runs.start(agent, name="nightly")[0]
    for item, outcome, cost in steps:
        act(key, run, item, outcome, cost)
        for trip in Trip.objects.filter(agent=agent, ended_at=None):
            answer(trip, ada)

    found = backtest(tried_of(watching), Whose.of(watching))

    happened = list(Trip.objects.filter(agent=agent).order_by("id"))
    assert [trip.at for trip in found.trips] == [trip.opened_at for trip in happened]
    assert [round(trip.value, 6) for trip in found.trips] == [trip.value for trip in happened]
    assert [trip.reason for trip in found.trips] == [trip.reason for trip in happened]
    assert not found.missed
    assert not found.fresh


def history(agent: Agent, run: Run, count: int, *, ago: timedelta, item: str) -> None:
    """So many tries of one item, a second apart, that long ago."""
    begin = timezone.now() - ago
    for n in range(count):
        at = begin + timedelta(seconds=n)
        Action.objects.create(
            id=new_id_at(at), agent=agent, run=run, call_id=f"{ago}{n}", tool="search", item=item,
            digest=b"", state="succeeded", created_at=at, settled_at=at + timedelta(seconds=1),
            cost_usd=Decimal("0.01"),
        )  # fmt: skip


def new_id_at(at: datetime) -> UUID:
    return UUID(int=first_id(at).int | uuid4().int & ((1 << 62) - 1))


def test_a_limit_is_tried_before_it_holds(scout: Agent, run: Run) -> None:
    history(scout, run, 9, ago=timedelta(days=1), item="mail 7")
    breaker = Breaker.objects.get(agent=scout, condition="repeats")
    tried = tried_of(breaker)

    as_is = backtest(tried, Whose.of(breaker))
    wider = backtest(tried._replace(limit=Decimal(9)), Whose.of(breaker))
    short = backtest(tried, Whose.of(breaker), since=timedelta(hours=1))

    assert [len(result.trips) for result in (as_is, wider, short)] == [1, 0, 0]
    assert (as_is.saved_actions, as_is.saved_usd) == (4, Decimal("0.04"))
    assert (as_is.looked_at, as_is.complete, short.looked_at) == (9, True, 0)


def test_a_false_trip_is_offered_a_limit_that_spares_it(
    scout: Agent, run: Run, key: bytes, ada: Person
) -> None:
    Breaker.objects.filter(agent=scout).exclude(condition="repeats").delete()
    history(scout, run, 3, ago=timedelta(days=1), item="mail 7")
    for _ in range(6):
        act(key, run, "mail 8", "succeeded", "0")
    trip = Trip.objects.get(agent=scout)
    answer(trip, ada)

    offered = suggest(trip, was_true=False)
    kept = suggest(trip, was_true=True)

    assert offered.limit == 6
    assert (offered.spared, offered.false_trips) == (1, 1)
    assert offered.would_have
    assert not offered.would_have.trips
    assert offered.sentence == "What was fine came to 6 at most."
    assert kept.limit == 3
    assert (kept.caught, kept.true_trips) == (1, 1)
    assert (
        kept.sentence == "What was fine came to 3 at most, and what was really wrong to 6 or more."
    )


def test_a_stop_by_hand_has_no_limit(scout: Agent, ada: Person) -> None:
    trip = agents.stop(scout, by=ada, reason="Look at it.")

    assert suggest(trip).limit is None


def test_more_than_can_be_read_is_said(
    scout: Agent, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(scout, run, 9, ago=timedelta(days=1), item="mail 7")
    monkeypatch.setattr("agents.history.MOST", 5)
    breaker = Breaker.objects.get(agent=scout, condition="repeats")

    found = backtest(tried_of(breaker), Whose.of(breaker))

    assert not found.complete
    assert found.looked_at == 5


def test_where_there_was_no_time_left_is_said(
    scout: Agent, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(scout, run, 9, ago=timedelta(days=1), item="mail 7")
    monkeypatch.setattr("agents.backtest.LONGEST_S", -1.0)
    breaker = Breaker.objects.get(agent=scout, condition="repeats")

    found = backtest(tried_of(breaker), Whose.of(breaker))

    assert not found.complete
    assert found.until < timezone.now() - timedelta(hours=23)
    assert not found.trips


def test_a_budget_is_tried_by_its_periods(scout: Agent, run: Run) -> None:
    for days in (1, 2):
        history(scout, run, 9, ago=timedelta(days=days), item="mail 7")
    whose = Whose(scout.team_id, scout.pk)

    day = backtest_budget(TriedBudget("Day", "agent", "day", "usd", Decimal("0.05")), whose)
    roomy = backtest_budget(TriedBudget("Day", "agent", "day", "usd", Decimal("0.09")), whose)

    assert [trip.saved_actions for trip in day.trips] == [4, 4]
    assert day.trips[0].reason.startswith("The budget “Day” of $0.05 for today is used up")
    assert not roomy.trips
