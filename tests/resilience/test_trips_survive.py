"""Processes die while agents are stopped: no stop is lost, and nothing runs that must not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.commands import manage

from .house import House, wait_for

OFFENCE = "mail:1"


class Agent:
    """An agent at the door that goes on trying, whatever happens there, and notes what it was let do."""

    def __init__(self, house: House, told: dict[str, Any]) -> None:
        self.id, self.name = told["id"], told["name"]
        self.http = httpx.Client(
            base_url=f"{house.url}/api/v1",
            headers={"Authorization": f"Bearer {told['key']}"},
            timeout=5,
        )
        self.run = self.call("POST", "/runs", json={"name": "work", "key": self.name})["id"]
        self.tried = 0
        self.codes: list[str] = []

    def call(self, method: str, path: str, **more: Any) -> Any:
        """Until it is answered: what was lost on the way is sent again, with the same id."""
        for _ in range(200):
            try:
                answer = self.http.request(method, path, **more)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                return answer.json()
            time.sleep(0.05)
        raise AssertionError(f"{path} was never answered")

    def propose(self, subject: str) -> str:
        self.tried += 1
        body = {"call_id": f"{self.tried}", "tool": "search", "subject": subject, "claim_id": "c"}
        told = self.call("POST", f"/runs/{self.run}/actions", json=body)
        self.codes.append(told.get("code", "") or told.get("admission", ""))
        return self.codes[-1]

    def loop_until_stopped(self) -> None:
        for _ in range(40):
            if self.propose(OFFENCE) in ("tripped", "paused", "guarded"):
                return


@contextmanager
def at_work(agents: list[Agent]) -> Iterator[None]:
    """All of them loop at once, until each is stopped."""
    with ThreadPoolExecutor(len(agents)) as pool:
        doing = [pool.submit(agent.loop_until_stopped) for agent in agents]
        yield
        for one in doing:
            one.result(90)


def nothing_was_lost(house: House, agents: list[Agent]) -> None:
    """Every stop has its hold and its entries, every paused agent a stop; nothing was admitted after it."""
    paused = house.ask(
        "select a.id::text from agents_agent a join people_team t on t.id = a.team_id"
        " where t.name = 'fleet' and a.state = 'paused'"
    )
    stops = house.ask(
        "select x.agent_id::text, count(h.id), min(x.opened_at) from agents_trip x"
        " left join reviews_hold h on h.trip_id = x.id and h.state = 'open'"
        " where x.ended_at is null and not x.is_shadow group by 1"
    )
    assert {row[0] for row in paused} == {row[0] for row in stops}
    assert stops, [agent.codes for agent in agents]
    assert {row[1] for row in stops} == {1}
    late = house.ask(
        "select e.kind from audit_entry e join audit_entry p on p.agent = e.agent and p.kind = 'agent.paused'"
        " where e.id > p.id and e.kind in ('action.allowed', 'action.executing')"
    )
    assert late == []
    over = house.ask(
        "select agent_id, count(*) from agents_action where item = %s and state <> 'denied'"
        " group by 1 having count(*) > 10",
        OFFENCE,
    )
    assert over == []
    for agent in agents:
        if agent.id in {row[0] for row in paused}:
            assert agent.propose("something else") == "paused"


@pytest.fixture
def fleet(house: House) -> Iterator[list[Agent]]:
    """Two: with a third, the fleet guard would keep it from being paused."""
    creating = (f"agent create looper-{n} --team fleet --json" for n in range(2))
    made = [Agent(house, json.loads(told)) for _, told in manage(house.environment, *creating)]
    yield made
    for agent in made:
        agent.http.close()


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_process_that_dies_again_and_again(house: House, fleet: list[Agent], name: str) -> None:
    rounds = 3 if name == "web" else 6

    with at_work(fleet):
        for _ in range(rounds):
            house.restart(name)
            time.sleep(0.4)

    nothing_was_lost(house, fleet)


def test_valkey_dies(house: House, fleet: list[Agent]) -> None:
    with at_work(fleet):
        valkey = server(house, "valkey")
        valkey.process.kill()
        valkey.process.wait()

    nothing_was_lost(house, fleet)


def test_the_database_dies_and_comes_back(house: House, fleet: list[Agent]) -> None:
    house.keep_what_is_committed()

    with at_work(fleet):
        wait_for(lambda: any(agent.codes for agent in fleet), "the first answer", every=0.01)
        house.crash_database()

    wait_for(lambda: house.ask("select 1") == [(1,)], "the database to be back")
    nothing_was_lost(house, fleet)


def server(house: House, name: str) -> Any:
    return next(one for one in house.runtime.servers if one.name == name)
