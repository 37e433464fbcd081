"""An outcome stops its agent: the hot door writes the very same as the ordinary verb, or leaves it to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from agents.hot.pool import in_django
from agents.models import Action, Agent, Breaker, Run, Trip
from agents.models.breaker import BreakerState
from agents.transitions import agent as agents
from agents.transitions import halting
from agents.transitions import run as runs
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Alert, Channel, Hold, Notification, Queue, Route
from reviews.rules.alert_routes import parse_route
from reviews.transitions import alert
from reviews.transitions import channel as channels
from reviews.transitions import hold as holds
from reviews.transitions import route as routes
from tests.cast import Door
from tests.test_races import at_once


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which outcomes were left to the ordinary verb."""
    left: list[str] = []

    async def noting(verb: Any, *args: Any) -> Any:
        left.append(verb.__name__)
        return await in_django(verb, *args)

    monkeypatch.setattr("agents.hot.actions.in_django", noting)
    return left


@pytest.fixture(autouse=True)
def stopped_before(support: Team) -> Queue:
    """Where the questions of its stops are put: the very first one makes it, the ordinary way."""
    return Queue.objects.create(team=support, name="paused")


@pytest.fixture
def desk(support: Team, ada: Person, settings: Settings) -> Channel:
    settings.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.0/8"]
    return channels.create(support, name="desk", address="json://127.0.0.1:9/a-secret", by=ada)


@pytest.fixture
def routed(support: Team, desk: Channel, ada: Person) -> Callable[..., Route]:
    def routing(**words: Any) -> Route:
        return routes.create(support, parse_route({"name": "all", "to": ["desk"]} | words), by=ada)

    return routing


@pytest.fixture
def another(support: Team, knock: Callable[[str, Run], Door]) -> Callable[[str], Door]:
    def making(name: str) -> Door:
        made, key = agents.create(name, team=support, by="test", tools=["search", "model"])
        return knock(key, runs.start(made, name="nightly")[0])

    return making


BREAKERS: dict[str, dict[str, Any]] = {
    "errors": {"limit": 3},
    "failure_rate": {"limit": 50, "minimum": 3},
    "malformed": {"limit": 3},
    "slow": {"limit": 3, "threshold": 1},
    "spend": {"limit": 100, "unit": "tokens"},
    "loop": {"limit": 2},
}
"""One breaker of each condition that an outcome can trip."""


def watch(door: Door, condition: str = "errors", **more: Any) -> Breaker:
    """Only this breaker watches the door's agent."""
    Breaker.objects.filter(agent=door.run.agent_id).delete()
    words: dict[str, Any] = {"window": timedelta(minutes=5)} | BREAKERS[condition] | more
    return Breaker.objects.create(agent=door.run.agent, condition=condition, **words)


def act(door: Door, n: int) -> Any:
    """An action that went wrong in every way."""
    told = door.propose(
        f"f{n}", tool="model", kind="model", subject=f"s{n % 2}", claim_id="c"
    ).json()
    return door.settle(
        told["action"]["id"],
        "failed",
        claim_id="c",
        error={"type": "JSONDecodeError", "message": f"Not JSON {n % 2}."},
        duration_ms=3000,
        input_tokens=40,
    ).json()


def act_until_stopped(door: Door) -> int:
    """The newest entry before the one that did it."""
    for n in range(12):
        before: int = Entry.objects.order_by("-pk").values_list("pk", flat=True)[0]
        if act(door, n)["control"]["state"] == "paused":
            return before
    raise AssertionError("It was never stopped.")


def left_by(door: Door, since: int) -> Any:
    """All that a stop left behind, without what differs between any two."""
    agent = Agent.objects.get(pk=door.run.agent_id)
    trip = Trip.objects.get(agent=agent)
    alert = Alert.objects.get(agent=agent)
    known: dict[str, Any] = {
        "agent": agent,
        "run": door.run,
        "breaker": trip.breaker,
        "trip": trip,
        "alert": alert,
    }
    rows: list[Any] = [Run.objects.get(pk=door.run.pk), agent, trip.breaker, trip, trip.hold, alert]
    rows += [*alert.occurrences.all(), *alert.notifications.order_by("channel")]
    found: list[Any] = [
        {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields} for row in rows
    ]
    found += Entry.objects.filter(pk__gt=since).order_by("pk").values()
    text = json.dumps(found, default=str)
    for name, one in known.items():
        text = text.replace(str(one.pk), name)
    for pk in agent.actions.values_list("pk", flat=True):
        text = text.replace(str(pk), "action")
    return without_times(json.loads(text.replace(agent.name, "its name")))


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: bool(v)
            if k in ("id", "at", "steps", "hash", "reserved_s") or k.endswith(("_at", "_until"))
            else without_times(v)
            for k, v in value.items()
        }
    return [without_times(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("condition", BREAKERS)
def test_both_doors_write_the_same(
    door: Door,
    another: Callable[[str], Door],
    routed: Callable[..., Route],
    ordinary: list[str],
    monkeypatch: pytest.MonkeyPatch,
    condition: str,
) -> None:
    routed(repeat="1h")
    other = another("rover")
    watch(door, condition)
    watch(other, condition)
    with monkeypatch.context() as patched:
        patched.setattr(halting, "_askers", [])
        by_the_verb = left_by(door, act_until_stopped(door))

    by_the_door = left_by(other, act_until_stopped(other))

    assert ordinary == ["settle"]
    assert by_the_door == by_the_verb
    assert Notification.objects.count() == 2


def test_an_agent_that_waits_is_told_at_once(door: Door, ordinary: list[str]) -> None:
    watch(door)
    seen = door.control()["version"]
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(door.control, wait=30, seen=seen)
        act_until_stopped(door)

        told = waits.result(10)

    assert told["state"] == "paused"
    assert ordinary == []


def test_a_probe_that_fails_too_often_opens_its_breaker_again(
    door: Door, ordinary: list[str], ada: Person
) -> None:
    breaker = watch(door)
    act_until_stopped(door)
    holds.resume(Hold.objects.get(), by=ada)

    act(door, 20)

    breaker.refresh_from_db()
    assert (breaker.state, breaker.reopenings) == (BreakerState.OPEN, 1)
    assert Entry.objects.filter(kind="breaker.reopened").count() == 1
    assert Alert.objects.filter(state="firing").count() == 1
    assert ordinary == ["propose", "settle"]


def test_what_is_not_plain_is_left_to_the_ordinary_verb(
    door: Door, ordinary: list[str], ada: Person
) -> None:
    watch(door)
    Breaker.objects.create(
        agent=door.run.agent, condition="errors", state="shadow", limit=3, window="00:10:00"
    )

    act_until_stopped(door)

    assert ordinary == ["settle"]
    assert Trip.objects.filter(is_shadow=True).count() == 1
    assert Trip.objects.filter(is_shadow=False).count() == 1


def test_a_run_is_stopped_by_the_ordinary_verb(door: Door, ordinary: list[str]) -> None:
    watch(door, scope="run")

    act_until_stopped(door)

    assert ordinary == ["settle"]
    assert Trip.objects.get().run == door.run


def test_one_agent_too_many_is_not_stopped(
    door: Door, another: Callable[[str], Door], ordinary: list[str]
) -> None:
    doors = [door, another("rover"), another("terrier")]
    for one in doors:
        watch(one)
    act_until_stopped(doors[0])
    act_until_stopped(doors[1])

    states = [act(doors[2], n)["control"]["state"] for n in range(4)]

    assert set(states) == {"running"}
    assert Entry.objects.filter(kind="breaker.guarded").count() == 1
    assert ordinary.count("settle") == 1
    assert Trip.objects.count() == 2


def test_a_stop_stands_although_nobody_can_be_told(
    door: Door, ordinary: list[str], routed: Callable[..., Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    routed()
    watch(door)
    Channel.objects.update(team=None)
    monkeypatch.setattr(alert, "HAPPENED", "insert into nowhere values (1)")

    act_until_stopped(door)

    assert ordinary == ["settle"]
    assert Hold.objects.get().state == "open"
    assert not Alert.objects.exists()


def test_a_storm_of_outcomes_stops_an_agent_once(door: Door, ordinary: list[str]) -> None:
    watch(door)
    claimed = [
        door.propose(f"{n}", subject=f"{n}", claim_id="c").json()["action"]["id"] for n in range(12)
    ]

    at_once(*[lambda one=one: door.settle(one, "failed", claim_id="c") for one in claimed])

    assert Action.objects.filter(state="failed").count() == 12
    assert Trip.objects.count() == Hold.objects.count() == Alert.objects.count() == 1
    assert ordinary == []
