"""A limit that nobody will reach is a way to say “never”: it must not fail everybody's proposals, nor the clock."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from agents import overdue
from agents.models import Agent, Breaker
from agents.models.breaker import Condition, Scope
from agents.rules.breaker_settings import parse_breakers
from agents.transitions import breaker as breakers
from agents.transitions import run as runs
from agents.transitions.rows import every
from audit.errors import Invalid
from people.models import Person, Team
from tests.cast import Door

NEVER = 900_000_000_000


def of_team(team: Team, condition: str, limit: int = NEVER) -> Breaker:
    (setting,) = parse_breakers(
        [{"when": condition, "limit": limit, "within": "1h"}], of_agent=False
    )
    return Breaker.objects.create(
        team=team,
        scope=Scope.TEAM,
        condition=setting.when,
        limit=setting.limit,
        window=setting.window,
    )


@pytest.mark.django_db(transaction=True)
class TestNever:
    def test_actions_go_on(self, door: Door, support: Team) -> None:
        of_team(support, "repeats")

        assert door.propose("1", subject="a").json()["admission"] == "allowed"
        told = door.http.post(
            f"/runs/{door.run.pk}/observations",
            json={
                "observations": [
                    {"id": "2", "tool": "search", "subject": "a", "outcome": "succeeded"}
                ]
            },
        )
        assert told.status_code < 300

    def test_also_with_what_is_granted_once(self, door: Door, scout: Agent, ada: Person) -> None:
        mine = Breaker.objects.get(agent=scout, condition=Condition.REPEATS)
        breakers.grant(mine, by=ada, extra=Decimal(NEVER))

        assert door.propose("1", subject="a").json()["admission"] == "allowed"

    def test_runs_begin(self, scout: Agent, support: Team) -> None:
        of_team(support, "often")

        assert runs.start(scout, name="another")[1]

    def test_the_clock_goes_on_for_everybody(self, scout: Agent, support: Team) -> None:
        watch = of_team(support, "rarely")
        later = timezone.now() + 2 * watch.window
        wanted = {"agent": None, "run": None, "breaker": None, "most": 10}

        found = every(overdue.CONDITIONS["rarely"], now=later, **wanted)

        assert [row.breaker for row in found] == [watch.pk]

    def test_probation_ends_some_day(self, door: Door, scout: Agent, ada: Person) -> None:
        with pytest.raises(Invalid, match="probation"):
            parse_breakers(
                [{"when": "errors", "limit": 1, "within": "1m", "probation": "99999999d"}],
                of_agent=True,
            )
