"""What an agent may say at most must not be more than the tables hold: a number that does not fit dodges its own trip."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from agents.models import Agent, Breaker, Bucket, Run, Trip
from agents.models.breaker import Condition, Scope, Unit
from agents.rules.budget_settings import parse_budget
from agents.transitions import agent as agents
from agents.transitions import budget as budgets
from agents.transitions import run as runs
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door

MOST_TOKENS = 10**12
MOST_USD = "99999999999.999999"


@pytest.fixture
def tokens(scout: Agent) -> Breaker:
    return Breaker.objects.create(
        agent=scout,
        condition=Condition.SPEND,
        unit=Unit.TOKENS,
        limit=Decimal(1000),
        window=timedelta(hours=1),
    )


def state(of: Agent) -> str:
    return str(Agent.objects.get(pk=of.pk).state)


@pytest.mark.django_db(transaction=True)
class TestTokens:
    def test_the_most_that_can_be_reported_trips(
        self, door: Door, scout: Agent, tokens: Breaker
    ) -> None:
        told = door.done("1", input_tokens=MOST_TOKENS, output_tokens=MOST_TOKENS)

        assert told["control"]["state"] == "paused"
        assert state(scout) == "paused"

    def test_and_a_person_can_let_it_go_on(
        self, door: Door, scout: Agent, tokens: Breaker, ada: Person
    ) -> None:
        door.done("1", input_tokens=MOST_TOKENS)

        holds.resume(Hold.objects.get(kind="trip"), by=ada)

        assert state(scout) == "active"
        assert door.propose("2").json()["admission"] == "allowed"

    def test_what_is_only_reported_trips_as_well(
        self, door: Door, scout: Agent, tokens: Breaker
    ) -> None:
        told = door.http.post(
            f"/runs/{door.run.pk}/observations",
            json={
                "observations": [
                    {
                        "id": "1",
                        "tool": "search",
                        "outcome": "succeeded",
                        "input_tokens": MOST_TOKENS,
                    }
                ]
            },
        )

        assert told.status_code < 300
        assert state(scout) == "paused"

    def test_a_budget_that_was_overspent_by_that_much_stops_it(
        self, door: Door, scout: Agent, support: Team, ada: Person
    ) -> None:
        Breaker.objects.filter(agent=scout).delete()
        budgets.set(support, None, parse_budget({"name": "Day", "limit": "1k tokens"}), by=ada)
        door.done("1", input_tokens=MOST_TOKENS)

        told = door.propose("2").json()

        assert told["admission"] == "retry_later"
        assert state(scout) == "paused"
        assert (Trip.objects.get().value or 0) >= MOST_TOKENS


@pytest.mark.django_db(transaction=True)
def test_an_agent_that_reports_billions_leaves_its_teammates_working(
    door: Door, scout: Agent, support: Team, knock: Callable[[str, Run], Door]
) -> None:
    Breaker.objects.filter(agent=scout).delete()
    Breaker.objects.create(
        team=support,
        scope=Scope.TEAM,
        condition=Condition.ERRORS,
        limit=Decimal(1000),
        window=timedelta(hours=1),
    )
    for n in range(12):
        told: Any = door.done(f"{n}", cost_usd=MOST_USD)
        assert told["action"]["state"] == "succeeded"

    mate, key = agents.create("mate", team=support, by="test", tools=["search"])
    Breaker.objects.filter(agent=mate).delete()
    other = knock(key, runs.start(mate, name="work")[0])
    assert other.done("1", cost_usd="1")["action"]["state"] == "succeeded"
    assert max(Bucket.objects.filter(owner=support.pk).values_list("cost_usd", flat=True)) > 10**12
