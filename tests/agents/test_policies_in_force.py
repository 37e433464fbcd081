"""What a process keeps of policies: each version compiled once, and never the wrong one."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace as Row
from uuid import UUID

import pytest
from django.db import connection

from agents import policies
from agents.hot.admitting import policies_of
from agents.hot.pipeline import HotConnection, Pipeline
from agents.models import Agent
from audit.ids import new_id


def document(pk: UUID, tool: str) -> Row:
    text = json.dumps({"tools": [tool], "rules": [{"name": "a", "then": "deny"}]})
    return Row(id=pk, document=text)


def test_the_two_versions_of_one_agent_are_known_together_however_few_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policies, "MOST_KEPT", 1)
    team, own = new_id(), new_id()
    row = Row(team_policy=team, policy=own, policy_version="1.1")

    learned = policies.learn(row, [document(team, "a"), document(own, "b")])

    assert (learned.version, learned.team.tools, learned.agent.tools) == ("1.1", ("a",), ("b",))  # type: ignore[union-attr]
    assert policies.known(row) == learned


def test_what_was_let_go_is_learned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "MOST_RULES", 1)
    first, second = (Row(team_policy=None, policy=new_id(), policy_version="0.1") for _ in "ab")
    policies.learn(first, [document(first.policy, "a")])

    policies.learn(second, [document(second.policy, "b")])

    assert policies.known(first) is None
    assert policies.known(second) is not None


def test_what_is_learned_again_does_not_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "MOST_RULES", 2)
    policies._compiled.clear()
    team = new_id()
    first, second = (Row(team_policy=team, policy=new_id(), policy_version="1.1") for _ in "ab")

    for row in (first, second):
        policies.learn(row, [document(team, "a"), document(row.policy, "b")])

    assert policies.known(first) is None
    assert policies.known(second) is not None


def test_a_version_that_cannot_be_read_any_more_refuses_everything() -> None:
    row = Row(team_policy=None, policy=new_id(), policy_version="0.1")
    broken = Row(id=row.policy, document='{"tools": ["*"], "rules": [{"then": "perhaps"}]}')

    known = policies.learn(row, [broken])

    assert known.agent is not None
    assert known.agent.rules[0].rule.then == "deny"


async def test_compiling_waits_for_no_thread_that_may_wait_for_the_agent(
    transactional_db: None, scout: Agent
) -> None:
    """Every thread of the ordinary verbs wants the agent, which is locked while its policy is compiled."""
    version = scout.policy.current_id
    assert version is not None
    row = Row(team_policy=None, policy=version, policy_version="0.1")
    policies._compiled.pop(version, None)
    door, loop = threading.Event(), asyncio.get_running_loop()
    busy = [loop.run_in_executor(None, door.wait) for _ in range(64)]
    given = connection.get_connection_params()
    wanted = {name: given[name] for name in ("host", "port", "dbname", "user") if given.get(name)}

    conn = await HotConnection.connect(**wanted, autocommit=True)
    try:
        async with asyncio.timeout(20), Pipeline(conn) as pipeline:
            known, _ = await policies_of(pipeline, row)
    finally:
        door.set()
        await asyncio.gather(*busy)
        await conn.close()

    assert known.agent is not None
