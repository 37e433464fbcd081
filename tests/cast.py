"""The cast: ada leads support, otto runs ops, iris audits, bob only reads, eve is a stranger, scout is an agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from agents.models import Agent, Run
from agents.rules.policy.shorthand import over
from agents.transitions import agent as agents
from agents.transitions import run as runs
from people.models import Person, Role, Team
from people.transitions import person as people

PASSWORD = "a long password"


ALL_AT_ONCE = httpx.Limits(max_connections=None, max_keepalive_connections=None)
"""For a client of many threads: httpcore closes what is idle beyond 20, also what another thread is about to use."""


@pytest.fixture
def support(db: None) -> Team:
    return Team.objects.create(name="support")


@pytest.fixture
def ada(support: Team) -> Person:
    return people.create("ada", role=Role.LEAD, team=support, password=PASSWORD, by="test")


@pytest.fixture
def otto(support: Team) -> Person:
    return people.create("otto", role=Role.OPS, password=PASSWORD, by="test")


@pytest.fixture
def iris(support: Team) -> Person:
    return people.create("iris", role=Role.AUDITOR, password=PASSWORD, by="test")


@pytest.fixture
def bob(support: Team) -> Person:
    return people.create("bob", role=Role.VIEWER, team=support, password=PASSWORD, by="test")


@pytest.fixture
def eve(db: None) -> Person:
    """Leads another team."""
    other = Team.objects.create(name="elsewhere")
    return people.create("eve", role=Role.LEAD, team=other, password=PASSWORD, by="test")


@pytest.fixture
def scout_with_key(support: Team) -> tuple[Agent, str]:
    return agents.create(
        "scout",
        team=support,
        by="test",
        tools=["search", "mail.read", "refund.issue", "model"],
        rules=[over("refund.issue", "amount", 50)],
    )


@pytest.fixture
def scout(scout_with_key: tuple[Agent, str]) -> Agent:
    return scout_with_key[0]


@pytest.fixture
def run(scout: Agent) -> Run:
    return runs.start(scout, name="nightly")[0]


@dataclass
class Door:
    """An agent's key at the real server."""

    http: httpx.Client
    run: Run

    def propose(self, call_id: str = "1", tool: str = "search", **more: Any) -> httpx.Response:
        return self.http.post(
            f"/runs/{self.run.pk}/actions", json={"call_id": call_id, "tool": tool, **more}
        )

    def claim(self, action: str, **body: Any) -> httpx.Response:
        return self.http.post(f"/actions/{action}/claim", json=body)

    def settle(self, action: str, outcome: str = "succeeded", **body: Any) -> httpx.Response:
        return self.http.post(f"/actions/{action}/settle", json={"outcome": outcome, **body})

    def read(self, action: str, **params: Any) -> Any:
        return self.http.get(f"/actions/{action}", params=params).json()

    def control(self, **params: Any) -> Any:
        return self.http.get(f"/runs/{self.run.pk}/control", params=params).json()

    def done(self, call_id: str, outcome: str = "succeeded", **more: Any) -> Any:
        """Propose, claim and settle one action; returns the settlement's answer."""
        settled = {
            k: more.pop(k)
            for k in ("input_tokens", "output_tokens", "cost_usd", "error", "result")
            if k in more
        }
        told = self.propose(call_id, claim_id="c", **more).json()
        if told["admission"] != "allowed":
            return told
        return self.settle(told["action"]["id"], outcome, claim_id="c", **settled).json()


@pytest.fixture
def knock(live: str) -> Iterator[Callable[[str, Run], Door]]:
    """Opens the agents' API of the running server with a key."""
    clients: list[httpx.Client] = []

    def knocking(key: str, run: Run) -> Door:
        http = httpx.Client(
            limits=ALL_AT_ONCE,
            base_url=f"{live}/api/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=70,
        )
        clients.append(http)
        return Door(http, run)

    yield knocking
    for client in clients:
        client.close()


@pytest.fixture
def door(knock: Callable[[str, Run], Door], scout_with_key: tuple[Agent, str], run: Run) -> Door:
    return knock(scout_with_key[1], run)
