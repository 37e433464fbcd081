"""What is filed is filed once, and what the agent remembers survives it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from triage.desk import Desk, connect
from triage.directions import Directions, review_key
from triage.ledger import Ledger
from triage.messages import Message

from watchfloor import Directive


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Desk, Ledger]]:
    database, lock = connect(tmp_path / "store.sqlite3"), threading.Lock()
    yield Desk(database, lock), Ledger(database, lock)
    database.close()


@pytest.fixture
def ledger(store: tuple[Desk, Ledger]) -> Ledger:
    return store[1]


def test_a_transaction_is_filed_once(store: tuple[Desk, Ledger]) -> None:
    desk = store[0]

    first = desk.file("ticket", "ticket:m", "m", category="card")
    again = desk.file("ticket", "ticket:m", "m", category="cash")

    assert again == first == {"number": 1, "kind": "ticket", "category": "card"}
    assert desk.find("ticket:other") is None


def test_two_processes_file_one_ticket(tmp_path: Path) -> None:
    databases = [connect(tmp_path / "store.sqlite3") for _ in range(2)]
    desks = [Desk(database) for database in databases]
    numbers: list[int] = []

    def file_all(desk: Desk) -> None:
        numbers.extend(desk.file("ticket", f"t:{n}", str(n))["number"] for n in range(50))

    threads = [threading.Thread(target=file_all, args=[desk]) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [(filed,)] = databases[0].execute("SELECT count(*) FROM filed").fetchall()
    for database in databases:
        database.close()
    assert filed == 50
    assert len(numbers) == 100
    assert len(set(numbers)) == 50


def test_messages_known_already_keep_their_place(ledger: Ledger) -> None:
    ledger.take_in("one", [Message("a", "x"), Message("b", "y")])
    ledger.end("a", "ticket")

    ledger.take_in("two", [Message("a", "x"), Message("b", "y")])

    assert ledger.open("one") == []
    assert ledger.open("two") == [("b", False)]
    assert ledger.counts("one") == {"ticket": 1}


def test_a_plan_and_a_wait_are_remembered(ledger: Ledger) -> None:
    ledger.take_in("one", [Message("a", "x")])

    ledger.plan("a", {"step": "refund"})
    ledger.wait("a")

    entry = ledger.entry("a")
    assert entry is not None
    assert entry.plan == {"step": "refund"}
    assert ledger.open("one") == [("a", True)]
    assert ledger.before_people() == 1
    assert ledger.unfinished() == ["one"]


def test_an_instruction_goes_into_the_prompt_of_this_batch_only(ledger: Ledger) -> None:
    here = Directions(ledger, "one")

    here.apply(Directive("d1", "instruction", {"text": "Be brief."}))
    here.apply(Directive("d1", "instruction", {"text": "Be brief."}))

    assert here.instructions() == ("Be brief.",)
    assert Directions(ledger, "two").instructions() == ()


def test_state_renames_categories_and_skips_messages(ledger: Ledger) -> None:
    directions = Directions(ledger, "one")

    directions.apply(
        Directive("d", "state", {"skip": "message:a", "categories": {"card": "cash", "cash": "x"}})
    )

    assert directions.skips("a")
    assert directions.category("card") == "cash"
    assert directions.category("cash") == "cash"


@pytest.mark.parametrize(
    ("body", "plan", "stands"),
    [
        ({"decision": "retried"}, None, "open"),
        (
            {"decision": "resolved", "payload": {"category": "cash"}},
            {"step": "file", "category": "cash", "by": "a person"},
            "open",
        ),
        ({"decision": "resolved", "payload": {"category": "boats"}}, None, "review"),
        ({"decision": "resolved", "payload": None}, None, "review"),
        ({"decision": "discarded"}, None, "review"),
    ],
)
def test_answers_to_reviews(
    ledger: Ledger, body: dict[str, object], plan: dict[str, str] | None, stands: str
) -> None:
    ledger.take_in("one", [Message("a", "x")])
    ledger.end("a", "review", "unclear")
    answer = Directive("d", "review", {"key": review_key("a", 1), **body})

    Directions(ledger, "two").apply(answer)
    Directions(ledger, "two").apply(answer)

    entry = ledger.entry("a")
    assert entry is not None
    assert entry.plan == plan
    assert ledger.counts("two" if stands == "open" else "one") == {stands: 1}
    assert ledger.before_people() == 0


def test_an_answer_to_an_earlier_review_is_too_late(ledger: Ledger) -> None:
    ledger.take_in("one", [Message("a", "x")])
    ledger.end("a", "review")
    ledger.again("a", 1, "one")
    ledger.end("a", "review")
    late = Directive("d", "review", {"key": review_key("a", 1), "decision": "retried"})

    Directions(ledger, "one").apply(late)

    assert ledger.counts("one") == {"review": 1}
