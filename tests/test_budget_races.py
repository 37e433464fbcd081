"""Nobody overspends: fifty at once, through the hot door and the ordinary verbs, over every kind of budget at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import psycopg
import pytest
from django.db import connection
from django.db.utils import OperationalError

from agents import ledger
from agents.hot import pool
from agents.models import Account, Action, Agent, Breaker, Budget, Price, Run
from agents.rules.budget_settings import parse_budgets
from agents.rules.prices import PriceSetting
from agents.shapes import Propose, Proposed, Settle
from agents.transitions import action as actions
from agents.transitions import agent as agents
from agents.transitions import budget as budgets
from agents.transitions import correcting
from agents.transitions import price as prices
from agents.transitions import run as runs
from audit.errors import Conflict
from people.models import Person, Team
from tests.cast import Door
from tests.served import InServer

AT_ONCE = 50
EVERY_KIND = parse_budgets(
    [
        {"name": "Run", "per": "run", "limit": "9k tokens"},
        {"name": "Hour of each", "scope": "agent", "per": "hour", "limit": "$12"},
        {"name": "Day of each", "scope": "agent", "per": "day", "limit": "9k tokens"},
        {"name": "Day", "scope": "team", "per": "day", "limit": "$30"},
        {"name": "Month", "scope": "team", "per": "month", "limit": "25k tokens"},
    ]
)


class Member:
    """One agent, which asks through both doors."""

    def __init__(self, agent: Agent, secret: str, door: Door) -> None:
        self.agent, self.door, self.run = agent, door, door.run
        self.key = sha256(secret.encode()).digest()

    def propose(self, call: str, body: dict[str, Any], *, hot: bool) -> dict[str, Any]:
        """The answer; `{}` when the database went away meanwhile."""
        if hot:
            answer = self.door.propose(call, subject=call, **body)
            return answer.json() if answer.status_code == 200 else {}
        request = {"call_id": call, "tool": "search", "subject": call, **body}
        parsed = msgspec.json.decode(msgspec.json.encode(request), type=Propose)
        told = actions.propose(self.key, self.run.pk, Proposed.of(parsed))[1]
        return dict(msgspec.json.decode(told))

    def settle(self, action: str, outcome: str, cost: Decimal, tokens: int, *, hot: bool) -> None:
        if hot:
            report = {"cost_usd": str(cost), "input_tokens": tokens, "claim_id": "c"}
            self.door.settle(action, outcome, **report)
        else:
            given = Settle(outcome=outcome, cost_usd=cost, input_tokens=tokens, claim_id="c")  # type: ignore[arg-type]
            actions.settle(self.key, action, given)  # type: ignore[arg-type]


@pytest.fixture
def team_of_five(
    live: str, support: Team, ada: Person, knock: Callable[[str, Run], Door]
) -> Iterator[list[Member]]:
    budgets.apply(support, None, EVERY_KIND, by=ada)
    members = []
    for n in range(5):
        agent, secret = agents.create(f"worker-{n}", team=support, by="test", tools=["search"])
        members.append(Member(agent, secret, knock(secret, runs.start(agent, name=f"run {n}")[0])))
    Breaker.objects.all().delete()
    yield members
    assert ledger.check() == []


def storm(works: list[Callable[[], Any]]) -> list[Any]:
    """All at once, each on a connection of its own."""
    barrier = threading.Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        barrier.wait(30)
        try:
            return work()
        except (Conflict, OperationalError, psycopg.OperationalError) as refusal:
            return refusal
        finally:
            with suppress(Exception):
                connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def overdrawn() -> list[Any]:
    """Accounts that hold more than they may."""
    return [
        (one.budget.name, one.reserved, one.spent)
        for one in Account.objects.select_related("budget")
        if one.reserved + one.spent > one.budget.limit + one.raised
    ]


def one_of(members: list[Member], chance: random.Random, n: int) -> Callable[[], Any]:
    """Ask for something, and perhaps do it for as much as was asked, or less, or give it up."""
    member, hot = chance.choice(members), chance.random() < 0.6
    cost, tokens = Decimal(chance.randint(1, 300)) / 100, chance.randint(1, 2_000)
    then, share = chance.choice(["settle", "settle", "fail", "cancel", "leave"]), chance.random()
    body: dict[str, Any] = {"estimated_cost_usd": str(cost), "estimated_tokens": tokens}
    if then != "leave":
        body["claim_id"] = "c"

    def work() -> Any:
        told = member.propose(f"{n}", body, hot=hot)
        if told.get("admission") == "allowed" and then in ("settle", "fail"):
            outcome = "succeeded" if then == "settle" else "failed"
            used = (cost * Decimal(str(round(share, 3)))).quantize(Decimal("0.000001"))
            member.settle(told["action"]["id"], outcome, used, int(tokens * share), hot=not hot)
        elif told.get("admission") == "allowed" and then == "leave":
            action = Action.objects.get(pk=told["action"]["id"])
            actions.cancel(action, by=member.agent)
        return told

    return work


@pytest.mark.parametrize("seed", range(4))
def test_fifty_at_once_never_overspend_any_budget(team_of_five: list[Member], seed: int) -> None:
    chance = random.Random(seed)
    admitted = refused = 0
    for round_ in range(2):
        works = [one_of(team_of_five, chance, round_ * 100 + n) for n in range(AT_ONCE)]
        seen: list[Any] = []
        looking = threading.Event()

        def look(seen: list[Any] = seen, looking: threading.Event = looking) -> None:
            while not looking.is_set():
                seen.extend(overdrawn())
            connection.close()

        watcher = threading.Thread(target=look)
        watcher.start()
        answers = storm(works)
        looking.set()
        watcher.join()

        assert seen == []
        told = [one for one in answers if isinstance(one, dict)]
        assert len(told) == AT_ONCE, [one for one in answers if not isinstance(one, dict)]
        admitted += sum(one["admission"] == "allowed" for one in told)
        refused += sum(one["code"] in ("budget", "paused") for one in told)
    assert overdrawn() == []
    assert admitted > 5
    assert refused > 5


def test_outcomes_that_cost_more_are_kept_and_stop_the_next(team_of_five: list[Member]) -> None:
    def dear(member: Member, n: int) -> Any:
        body = {"estimated_cost_usd": "0.5", "claim_id": "c"}
        told = member.propose(f"{n}", body, hot=n % 2 == 0)
        if told["admission"] == "allowed":
            member.settle(told["action"]["id"], "succeeded", Decimal(9), 10, hot=n % 2 == 1)
        return told

    storm([partial(dear, team_of_five[n % 5], n) for n in range(AT_ONCE)])

    day = Account.objects.get(budget__name="Day")
    assert day.spent >= 30
    assert day.warned == 100
    later = [m.propose("later", {"estimated_cost_usd": "0.1"}, hot=True) for m in team_of_five]
    assert {one["code"] for one in later} <= {"budget", "paused"}


def test_connections_that_die_in_between_leave_nothing_half(
    team_of_five: list[Member], in_server: InServer
) -> None:
    chance = random.Random(99)
    over = threading.Event()

    def kill() -> None:
        with connection.cursor() as cursor:
            while not over.wait(0.02):
                cursor.execute(
                    """select pg_terminate_backend(pid) from pg_stat_activity
                        where datname = current_database() and pid <> pg_backend_pid()
                          and state <> 'idle' and query like '%agents_%' order by random() limit 1"""
                )
        connection.close()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        storm([one_of(team_of_five, chance, n) for n in range(AT_ONCE)])
    finally:
        over.set()
        killer.join()
        in_server(pool.pool().check())  # who comes next finds no dead connection
    connection.close()
    assert overdrawn() == []


def test_people_and_agents_at_one_account(
    team_of_five: list[Member], support: Team, ada: Person
) -> None:
    """Raising, voiding, re-pricing and removing while fifty ask: nobody waits in a circle, and it adds up."""
    prices.add(None, PriceSetting("m", Decimal(100), Decimal(100)), by="test")
    for n, member in enumerate(team_of_five):
        told = member.propose(f"before {n}", {"claim_id": "c"}, hot=True)
        done = Settle(outcome="succeeded", model="m", input_tokens=1_000, claim_id="c")
        actions.settle(member.key, told["action"]["id"], done)
    first = Price.objects.get()
    settled = list(Action.objects.all())
    made = prices.add(
        None, PriceSetting("m", Decimal(1), Decimal(1), valid_from=first.valid_from), by="test"
    )
    day = Budget.objects.get(name="Day")
    month = Budget.objects.get(name="Month")
    chance = random.Random(7)

    def reprice() -> None:
        while prices.step(made.pk):
            pass

    answers = storm(
        [
            lambda: budgets.raise_for_good(day, Decimal(60), by=ada),
            lambda: budgets.raise_for_now(
                Account.objects.get(budget__name="Day"), Decimal(70), by=ada
            ),
            lambda: budgets.remove(month, by=ada),
            lambda: correcting.void(settled[0], by=ada, reason="credited"),
            lambda: correcting.void(settled[1], by=ada, reason="credited"),
            reprice,
            *[one_of(team_of_five, chance, n) for n in range(AT_ONCE)],
        ]
    )

    assert not [
        one for one in answers if isinstance(one, Exception) and not isinstance(one, Conflict)
    ]
    while prices.step(made.pk):
        pass
    assert {a.cost_usd for a in Action.objects.filter(pk__in=[a.pk for a in settled])} == {
        Decimal(0),
        Decimal("0.001"),
    }
