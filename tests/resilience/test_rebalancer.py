"""A trade is a debit and a credit, also when the process dies between the two."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .house import House, wait_for


def test_a_crash_between_debit_and_credit_doubles_nothing(house: House) -> None:
    store = house.data / "broker.sqlite3"
    command = ("-m", "rebalancer", "--store", str(store))
    house.add("people", "-m", "tests.resilience.decider", "--always")
    house.add_agent("crashing", "rebalancer", *command, "--crash-after", "debit")
    house.add_agent("rebalancer", "rebalancer", *command)
    house.start("people")

    house.start("crashing")
    wait_for(lambda: house.ended("crashing") is not None, "the process to kill itself")
    debits = postings(store, "debit")
    assert house.ended("crashing") == -9
    assert debits
    assert postings(store, "credit") == {}

    house.start("rebalancer")
    wait_for(lambda: house.ended("rebalancer") is not None, "the day to be done")

    assert house.ended("rebalancer") == 0, house.said("rebalancer")[-2000:]
    after = postings(store, "debit")
    credits = postings(store, "credit")
    assert debits.items() <= after.items()
    assert after.keys() == credits.keys()
    placed = house.ask(
        "select arguments->>'trade', count(*) from agents_action"
        " where tool = 'trade.place' and state = 'succeeded' group by 1"
    )
    assert dict(placed) == dict.fromkeys(after, 1)
    under_way = house.ask(
        "select tool, subject, state, attempt, created_at, claimed_at from agents_action"
        " where state in ('executing', 'unknown', 'held')"
    )
    assert under_way == [], house.ask(
        "select tool, subject, state, created_at, settled_at from agents_action order by id"
    )


def postings(store: Path, leg: str) -> dict[str, str]:
    """Quantity by trade. The broker refuses a second posting of one leg, so one each is all."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)
    try:
        return dict(connection.execute("SELECT trade, quantity FROM posting WHERE leg = ?", [leg]))
    finally:
        connection.close()
