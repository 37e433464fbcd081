"""Proposals of several agents in one transaction: each is judged by its own facts, and pays for nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextvars import copy_context
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from agents import tasks
from agents.hot import admitting, pool
from agents.hot.admitting import Asked, Further
from agents.models import Account, Action, Agent, Bucket, Budget, Run
from agents.rules.budget_settings import BudgetSetting
from agents.shapes import Propose, Proposed
from agents.transitions import agent as agents
from agents.transitions import budget as budgets
from agents.transitions import habits, judging, lapsing, schedule
from agents.transitions import run as runs
from audit.errors import Conflict
from audit.models import Entry
from people.models import Person, Team

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crew(support: Team) -> list[tuple[Agent, Run, str]]:
    """Four agents at work, whose policies this process knows: whose it does not, is admitted alone."""
    made = [agents.create(f"hand-{n}", team=support, by="test") for n in range(4)]
    learn(agent for agent, _ in made)
    return [(agent, runs.start(agent, name="nightly")[0], key) for agent, key in made]


@pytest.fixture
def shared_budget(crew: list[tuple[Agent, Run, str]], support: Team, ada: Person) -> Budget:
    """Ten dollars a day for the team."""
    setting = BudgetSetting(name="day", scope="team", per="day", unit="usd", limit=Decimal(10))
    made = budgets.set(support, None, setting, by=ada)
    learn(agent for agent, _, _ in crew)
    return made


def learn(several: Iterable[Agent]) -> None:
    for agent in several:
        judging.policies_for(Action(agent=agent))


def asked(one: tuple[Agent, Run, str], call_id: str = "1", key: str = "", **more: Any) -> Asked:
    _, run, own = one
    request = Propose(call_id=call_id, tool="search", subject=f"{run.pk}:{call_id}", **more)
    return Asked(
        sha256((key or own).encode()).digest(), run.pk, Proposed.of(request), copy_context()
    )


def together(*several: Asked) -> list[Any]:
    """What each is told; the connections are the test's own."""

    async def work() -> list[Any]:
        of_the_server = pool._pool
        await pool.startup()
        try:
            return list(await admitting.in_company(several))
        finally:
            await pool.shutdown()
            pool._pool = of_the_server

    return asyncio.run(work())


def admissions(told: list[Any]) -> list[Any]:
    return [one if isinstance(one, Further) else one[0].admission for one in told]


def test_all_are_admitted_with_an_entry_each_and_counted_for_themselves(
    crew: list[tuple[Agent, Run, str]],
) -> None:
    told = together(*(asked(one, estimated_tokens=10 + n) for n, one in enumerate(crew)))

    assert admissions(told) == ["allowed"] * 4
    assert Action.objects.count() == 4
    for n, (agent, run, _) in enumerate(crew):
        action = Action.objects.get(agent=agent)
        assert action.run_id == run.pk
        assert str(action.pk).encode() in told[n][1]
        assert Entry.objects.get(kind="action.allowed", agent=str(agent.pk)).run == str(run.pk)
        windows = Bucket.objects.filter(owner=agent.pk)
        assert {(w.actions, w.tokens) for w in windows} == {(1, 10 + n)}
        run.refresh_from_db()
        assert (run.actions_count, run.seen_at) == (1, action.created_at)


def test_one_that_is_refused_takes_nobody_along(crew: list[tuple[Agent, Run, str]]) -> None:
    together(asked(crew[1]))
    other = Proposed.of(Propose(call_id="1", tool="search", subject="something else"))

    told = together(asked(crew[0]), asked(crew[1])._replace(proposed=other), asked(crew[2]))

    assert told[0][0].admission == told[2][0].admission == "allowed"
    assert isinstance(told[1], Conflict)
    assert Action.objects.filter(agent=crew[1][0]).count() == 1


def test_a_replay_is_answered_with_what_was_written(crew: list[tuple[Agent, Run, str]]) -> None:
    first = together(asked(crew[0]))
    again = together(asked(crew[0]), asked(crew[1]))

    assert [told[0].admission for told in again] == ["replayed", "allowed"]
    action = str(Action.objects.get(agent=crew[0][0]).pk).encode()
    assert action in first[0][1]
    assert action in again[0][1]


def test_of_two_keys_of_one_agent_only_one_travels(crew: list[tuple[Agent, Run, str]]) -> None:
    agent = crew[0][0]
    _, second = agents.issue_key(agent, by="test")

    told = together(asked(crew[0], "1"), asked(crew[0], "2", key=second))

    assert sorted(map(str, admissions(told))) == sorted(map(str, ["allowed", Further.ALONE]))
    assert Action.objects.count() == 1


def test_who_needs_a_person_or_does_not_exist_is_left_to_others(
    crew: list[tuple[Agent, Run, str]],
) -> None:
    nobody = asked(crew[3], key="wf_nobody")
    elsewhere = asked(crew[2])._replace(run=crew[3][1].pk)

    told = together(asked(crew[0]), asked(crew[1], ask=True), elsewhere, nobody)

    assert admissions(told) == ["allowed", Further.VERB, Further.ALONE, Further.ALONE]
    assert Action.objects.count() == 1


def test_an_agent_that_somebody_holds_keeps_nobody_waiting(
    crew: list[tuple[Agent, Run, str]],
) -> None:
    with Holding(crew[1][0]):
        told = together(*map(asked, crew))

    assert admissions(told) == ["allowed", Further.ALONE, "allowed", "allowed"]


def test_a_budget_is_not_overspent_by_those_who_share_it_in_one_transaction(
    crew: list[tuple[Agent, Run, str]], shared_budget: Budget
) -> None:
    told = together(*(asked(one, estimated_cost_usd=Decimal("4")) for one in crew))

    assert set(admissions(told)) == {Further.ALONE}, "together they have no room: each by itself"
    assert not Action.objects.exists()
    told = together(*(asked(one, estimated_cost_usd=Decimal("1")) for one in crew))
    assert admissions(told) == ["allowed"] * 4
    assert Account.objects.get().reserved == 4


def test_what_is_reserved_for_several_is_what_each_of_them_keeps(
    crew: list[tuple[Agent, Run, str]], shared_budget: Budget
) -> None:
    told = together(*(asked(one, estimated_cost_usd=Decimal("0.0000015")) for one in crew))

    assert admissions(told) == ["allowed"] * 4
    kept = sum(action.estimated_cost_usd for action in Action.objects.all())
    assert Account.objects.get().reserved == kept
    Action.objects.update(expires_at=timezone.now())
    for action in Action.objects.all():
        lapsing.lapse(action)
    assert Account.objects.get().reserved == 0


def test_an_account_that_somebody_holds_keeps_no_other_team_waiting(
    crew: list[tuple[Agent, Run, str]], shared_budget: Budget, eve: Person
) -> None:
    together(asked(crew[0], estimated_tokens=1))
    agent, key = agents.create("stranger", team=Team.objects.get(name="elsewhere"), by="test")
    stranger = agent, runs.start(agent, name="nightly")[0], key
    learn([agent])

    with Holding(Account.objects.get()):
        told = together(asked(crew[1]), asked(stranger))
        assert admissions(told) == [Further.ALONE] * 2, (
            "nobody's locks are kept for the other's sake"
        )
        assert admissions(together(asked(stranger))) == ["allowed"]


def test_the_sweep_goes_on_after_what_fails(
    crew: list[tuple[Agent, Run, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[int] = []

    def fails(_: int) -> None:
        raise ValueError("a bad row")

    monkeypatch.setattr(schedule, "sweep", fails)
    monkeypatch.setattr(habits, "sweep", reached.append)
    tasks.sweep()
    assert reached == [tasks.AT_ONCE]


class Holding:
    """Another connection holds this row meanwhile."""

    def __init__(self, row: Agent | Account) -> None:
        self.row, self.is_held, self.is_over = row, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        try:
            with transaction.atomic():
                type(self.row)._default_manager.select_for_update(no_key=True).get(pk=self.row.pk)
                self.is_held.set()
                self.is_over.wait(30)
        finally:
            connection.close()

    def __enter__(self) -> None:
        self.thread.start()
        assert self.is_held.wait(30)

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join(30)
