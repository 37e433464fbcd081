"""An agent that people move to another environment is judged as one of that environment, whatever was said before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from agents.transitions import agent as agents
from agents.transitions import policy as policies
from audit.errors import Conflict
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds

from .conftest import TOOLS, Ask

REFUND = {"tools": ["refund.issue"]}
IN_PRODUCTION = REFUND | {"when": "environment == 'production'"}


@pytest.fixture
def on_trial(scout: Agent) -> Agent:
    """In staging one yes is enough for a refund, in production it takes two; there a search takes one."""
    rules: list[dict[str, Any]] = [
        {"name": "Real", "then": "approve", "approval": {"votes": 2}, **IN_PRODUCTION},
        {"name": "Trial", "then": "approve", **REFUND},
        {
            "name": "Real searches",
            "tools": ["search"],
            "when": "environment == 'production'",
            "then": "approve",
        },
    ]
    agents.move(scout, to="staging", by="test")
    document = {"tools": TOOLS, "rules": rules}
    policies.write(policies.of_agent(scout), document, by="test", why="")
    return scout


def test_a_yes_from_a_trial_is_none_for_production(
    on_trial: Agent, ask: Ask, take: Callable[[Any], dict[str, Any]], ada: Person
) -> None:
    hold = Hold.objects.get(pk=ask()["action"]["id"])
    holds.approve(hold, by=ada)

    agents.move(on_trial, to="production", by="test")

    with pytest.raises(Conflict) as refusal:
        take(hold.pk)
    assert refusal.value.code == "policy_changed"


def test_what_waits_since_a_trial_takes_the_votes_of_production(
    on_trial: Agent, ask: Ask, ada: Person, otto: Person
) -> None:
    hold = Hold.objects.get(pk=ask()["action"]["id"])

    agents.move(on_trial, to="production", by="test")

    assert holds.approve(hold, by=ada).is_open
    assert not holds.approve(hold, by=otto).is_open


def test_what_was_let_in_on_trial_is_not_begun_in_production(
    on_trial: Agent, ask: Ask, take: Callable[[Any], dict[str, Any]]
) -> None:
    allowed = ask(tool="search")
    assert allowed["admission"] == "allowed"

    agents.move(on_trial, to="production", by="test")

    with pytest.raises(Conflict) as refusal:
        take(allowed["action"]["id"])
    assert refusal.value.code == "policy_changed"


def test_a_move_to_where_it_is_already_changes_nothing(on_trial: Agent) -> None:
    before = policies.of_agent(on_trial).current

    agents.move(on_trial, to="staging", by="test")

    assert policies.of_agent(on_trial).current == before
