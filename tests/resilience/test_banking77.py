"""3,080 real messages, and everybody is killed on the way: none is lost, none is filed twice."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .house import House, wait_for

KILLS: list[tuple[int, list[str]]] = [
    (300, ["web"]),
    (700, ["triage"]),
    (1100, ["worker"]),
    (1500, ["web", "triage"]),
    (1900, ["triage"]),
    (2300, ["worker", "web"]),
    (2700, ["triage"]),
]
"""So many messages at their end, then these are killed with SIGKILL and started again."""


def test_every_message_ends_once_though_everybody_is_killed(house: House, banking77: Path) -> None:
    store = house.data / "desk.sqlite3"
    house.add("people", "-m", "tests.resilience.decider")
    house.add_agent(
        "triage",
        "support-triage",
        *("-m", "triage", "--input", str(banking77), "--store", str(store), "--workers", "4"),
    )
    house.start("people")
    house.start("triage")

    for ended, victims in KILLS:
        wait_for(at_end(store, ended), f"{ended} messages at their end", within=180)
        for name in victims:
            house.kill(name)
        for name in victims:
            house.start(name)
    wait_for(lambda: house.ended("triage") is not None, "the agent to be done", within=300)

    assert house.ended("triage") == 0, house.said("triage")[-2000:]
    with banking77.open(encoding="utf-8", newline="") as file:
        expected = sum(1 for _ in csv.DictReader(file))
    outcomes = dict(ask(store, "SELECT id, outcome FROM message"))
    assert len(outcomes) == expected == 3080
    assert set(outcomes.values()) == {"ticket", "review", "refusal"}
    assert_the_desk_agrees(store, outcomes)
    assert_the_floor_agrees(house, store, outcomes)


def assert_the_desk_agrees(store: Path, outcomes: dict[str, str]) -> None:
    """What was filed is what the agent remembers: one ticket or one refusal, or none and a review."""
    filed = {
        kind: Counter(
            of for (of,) in ask(store, "SELECT message_id FROM filed WHERE kind = ?", kind)
        )
        for kind in ("ticket", "refusal", "refund")
    }
    assert {kind: max(numbers.values()) for kind, numbers in filed.items()} == {
        "ticket": 1,
        "refusal": 1,
        "refund": 1,
    }
    assert filed["ticket"].keys() == {m for m, outcome in outcomes.items() if outcome == "ticket"}
    assert filed["refusal"].keys() == {m for m, outcome in outcomes.items() if outcome == "refusal"}
    assert filed["refund"].keys() <= filed["ticket"].keys()


def assert_the_floor_agrees(house: House, store: Path, outcomes: dict[str, str]) -> None:
    """What the server recorded is what happened, and nothing is left hanging."""
    reviews = house.ask(
        "select subject, count(*) from reviews_hold where kind = 'review' group by 1"
    )
    wanted = {f"message:{m}" for m, outcome in outcomes.items() if outcome == "review"}
    assert dict(reviews) == dict.fromkeys(wanted, 1)

    for tool, kind in (("ticket.file", "ticket"), ("refund.issue", "refund")):
        succeeded = house.ask(
            "select subject, count(*) from agents_action"
            " where tool = %s and state = 'succeeded' group by 1",
            tool,
        )
        there = ask(store, "SELECT message_id FROM filed WHERE kind = ?", kind)
        assert dict(succeeded) == {f"message:{message_id}": 1 for (message_id,) in there}

    unfinished = house.ask(
        "select tool, state, count(*) from agents_action"
        " where state not in ('succeeded', 'failed', 'rejected') group by 1, 2"
    )
    assert unfinished == []
    unasked = house.ask(
        "select count(*) from agents_action where tool = 'refund.issue' and state = 'succeeded'"
        " and amount > 50 and decision = ''"
    )
    assert unasked == [(0,)]
    assert house.ask("select state, count(*) from agents_run group by 1") == [("completed", 1)]


def at_end(store: Path, wanted: int) -> Callable[[], bool]:
    """A question whether so many messages have come to their end."""

    def is_reached() -> bool:
        if not store.exists():
            return False
        try:
            [(reached,)] = ask(store, "SELECT count(*) FROM message WHERE outcome IS NOT NULL")
        except sqlite3.OperationalError:  # the agent has not laid it out yet
            return False
        return int(reached) >= wanted

    return is_reached


def ask(store: Path, question: str, *values: object) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(question, values).fetchall()
    finally:
        connection.close()
