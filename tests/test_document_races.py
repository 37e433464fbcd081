"""Documents and what they set, changed from both sides at once, while agents go on: real commits, real connections."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agents.models import Action, Agent, Breaker
from agents.rules.budget_settings import parse_budget
from agents.rules.limits import parse_limit
from agents.transitions import breaker as breakers
from agents.transitions import budget as budgets
from agents.transitions import documenting
from agents.transitions import limit as limits
from agents.transitions import policy as policies
from people.models import Person, Team
from tests.cast import Door
from tests.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def failures(answers: list[Any]) -> list[Any]:
    return [answer for answer in answers if isinstance(answer, Exception)]


def test_an_agents_breaker_changed_from_both_sides_ends_as_its_document_says(
    door: Door, scout: Agent, ada: Person, otto: Person
) -> None:
    own = policies.of_agent(scout)
    repeats = Breaker.objects.get(agent=scout, condition="repeats")

    def saving(n: int) -> Any:
        said = {"when": "repeats", "limit": 10 + n, "within": "1m"}
        document = {"tools": ["*"], "rules": [], "breakers": [said]}
        return lambda: policies.save(own, document, by=ada, why=f"{n}")

    def changing(n: int) -> Any:
        return lambda: breakers.change(repeats, by=otto, limit=Decimal(50 + n))

    answers = at_once(
        *[saving(n) for n in range(6)],
        *[changing(n) for n in range(6)],
        *[lambda n=n: door.propose(f"{n}", subject=f"{n}") for n in range(20)],
    )

    assert failures(answers) == []
    own = policies.of_agent(scout)
    assert own.document == documenting.in_force(own)
    assert own.versions.count() == 13
    assert Action.objects.count() == 20


def test_a_teams_settings_changed_from_both_sides_end_as_its_document_says(
    door: Door, scout: Agent, support: Team, ada: Person, otto: Person
) -> None:
    own = policies.of_team(support)

    def saving(n: int) -> Any:
        document = {
            "rules": [],
            "breakers": [{"when": "spend", "limit": 100 + n, "within": "1d"}],
            "budgets": [{"name": "Day", "limit": f"${100 + n}"}],
            "limits": [{"resource": "crm", "concurrency": 2 + n}],
        }
        return lambda: policies.save(own, document, by=ada, why=f"{n}")

    saving(50)()
    spend = Breaker.objects.get(team=support)
    answers = at_once(
        *[saving(n) for n in range(4)],
        *[lambda n=n: breakers.change(spend, by=otto, limit=Decimal(500 + n)) for n in range(4)],
        *[
            lambda n=n: budgets.set(
                support, None, parse_budget({"name": "Day", "limit": f"${200 + n}"}), by=otto
            )
            for n in range(4)
        ],
        *[
            lambda n=n: limits.set(
                support, parse_limit({"resource": "crm", "concurrency": 20 + n}), by=otto
            )
            for n in range(4)
        ],
        *[lambda n=n: door.propose(f"{n}", subject=f"{n}") for n in range(10)],
    )

    assert failures(answers) == []
    own = policies.of_team(support)
    assert own.document == documenting.in_force(own)
