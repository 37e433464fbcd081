"""Agents' things that people's affairs must not break."""

from __future__ import annotations

import pytest

from agents.models import Agent
from agents.transitions import policy as policies
from audit.errors import Conflict
from people.models import Group, Person, Team
from people.transitions import group as groups


def test_a_group_that_a_rule_names_stays(scout: Agent, support: Team, ada: Person) -> None:
    group = groups.create(support, "cashiers", by=ada)
    rule = {"name": "pay", "then": "approve", "approval": {"groups": ["cashiers"]}}
    policies.write(policies.of_agent(scout), {"tools": ["*"], "rules": [rule]}, by="test", why="")

    with pytest.raises(Conflict, match="the policy of scout names it"):
        groups.delete(group, by=ada)
    policies.write(policies.of_agent(scout), {"tools": ["*"], "rules": []}, by="test", why="")
    groups.delete(group, by=ada)

    assert not Group.objects.exists()
