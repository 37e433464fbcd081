"""An action cannot belong to one agent and to the run of another: PostgreSQL refuses it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from agents.models import Action, Agent, Run
from agents.transitions import agent as agents
from people.models import Team
from tests.cast import Door


def test_an_action_cannot_be_given_to_another_agent(
    door: Door, scout: Agent, run: Run, support: Team
) -> None:
    door.propose()
    other, _ = agents.create("other", team=support, by="test")

    with pytest.raises(IntegrityError, match="action_of_its_agents_run"):
        give(to=other)

    assert Action.objects.get().agent_id == scout.pk


@transaction.atomic
def give(*, to: Agent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("update agents_action set agent_id = %s", [to.pk])
