"""What one agent sends is kept once, however many are stopped because of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from agents.models import Agent, Breaker, Trip
from agents.models.breaker import Condition, Scope, Unit
from agents.transitions import agent as agents
from people.models import Team
from tests.cast import Door


@pytest.mark.django_db(transaction=True)
def test_a_long_proposal_is_kept_with_the_one_who_made_it(
    door: Door, scout: Agent, support: Team
) -> None:
    for n in range(3):
        agents.create(f"mate {n}", team=support, by="test")
    Breaker.objects.create(
        team=support,
        scope=Scope.TEAM,
        condition=Condition.SPEND,
        unit=Unit.USD,
        limit=Decimal(1),
        window=timedelta(hours=1),
    )

    told = door.propose("1", estimated_cost_usd="2", arguments={"q": "x" * 200_000}).json()

    assert told["code"] == "tripped"
    made = {trip.agent_id: trip for trip in Trip.objects.all()}
    assert len(made) == 4
    mine = made.pop(scout.pk)
    assert len(mine.evidence["proposal"]["arguments"]["q"]) == 200_000
    assert all("proposal" not in trip.evidence for trip in made.values())
    assert all(trip.evidence["offender"] == mine.evidence["offender"] for trip in made.values())
