"""The triage agent as a process of its own, at the real server, with people answering."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from agents.models import Action, Agent, Run
from agents.rules.policy.shorthand import over
from agents.transitions import agent as agents
from dashboard.demonstration import EXAMPLES
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.resilience.house import wait_for

MAIL = [
    {"id": "card", "text": "How do I activate my card?"},
    {"id": "large", "text": "Please refund the hotel, it was $129.00."},
    {"id": "small", "text": "I want my money back for the parking, $12.00."},
    {"id": "insult", "text": "You idiots. Go to hell."},
    {"id": "what", "text": "Hello?"},
]

type Triage = Callable[..., str]


@pytest.fixture
def triage(live: str, support: Team, tmp_path: Path) -> Triage:
    """Runs the agent to its end; returns what it said."""
    _, key = agents.create(
        "triage",
        team=support,
        by="test",
        rules=[over("refund.issue", "amount", 50)],
    )
    mail = tmp_path / "mail.jsonl"
    mail.write_text("\n".join(json.dumps(each) for each in MAIL))

    def run(*more: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "triage", "--input", str(mail), "--store"]
            + [str(tmp_path / "desk.sqlite3"), "--leave-pending", "--seed", "1", *more],
            cwd=EXAMPLES,
            env={**os.environ, "WATCHFLOOR_URL": live, "WATCHFLOOR_API_KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    return run


@contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[None]:
    """Somebody does this at their desk while the agent runs."""
    failures: list[BaseException] = []

    def doing() -> None:
        try:
            do()
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=doing)
    thread.start()
    yield
    thread.join()
    assert not failures, failures


def outcomes(folder: Path) -> dict[str, str | None]:
    return dict(ask(folder, "SELECT id, outcome FROM message"))


def ask(folder: Path, question: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "desk.sqlite3")
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


def test_a_large_refund_waits_for_a_person_while_the_rest_is_done(
    triage: Triage, tmp_path: Path
) -> None:
    said = triage()

    assert "waits for people" in said
    assert outcomes(tmp_path) == {
        "card": "ticket",
        "large": None,
        "small": "ticket",
        "insult": "refusal",
        "what": "review",
    }
    assert ask(tmp_path, "SELECT amount FROM filed WHERE kind = 'refund'") == [("12.00",)]
    assert Run.objects.get().metadata["stand_in"] is True
    assert Action.objects.filter(tool="classify", model="stand-in").count() == len(MAIL)
    assert Hold.objects.get(kind="review").queue.name == "unclassified"


def test_an_edited_refund_is_issued_as_edited(triage: Triage, tmp_path: Path, ada: Person) -> None:
    triage()
    hold = Hold.objects.get(kind="approval")
    assert hold.action is not None
    holds.edit(hold, by=ada, arguments={**hold.action.arguments, "amount": "60.00"})

    triage()

    assert outcomes(tmp_path)["large"] == "ticket"
    assert ask(
        tmp_path, "SELECT amount FROM filed WHERE message_id = 'large' AND amount != ''"
    ) == [("60.00",)]
    assert Run.objects.get().state == "completed"


def test_a_rejected_refund_is_a_refusal_with_its_reason(
    triage: Triage, tmp_path: Path, ada: Person
) -> None:
    triage()
    holds.reject(Hold.objects.get(kind="approval"), by=ada, note="It was delivered.")

    triage()

    assert outcomes(tmp_path)["large"] == "refusal"
    assert ask(tmp_path, "SELECT kind, words FROM filed WHERE message_id = 'large'") == [
        ("refusal", "No refund: It was delivered.")
    ]


def test_a_question_about_a_refund_is_answered_once_and_then_a_person_s_work(
    triage: Triage, tmp_path: Path, ada: Person
) -> None:
    triage()
    first = Hold.objects.get(kind="approval")
    holds.ask(first, by=ada, note="Is there a photo?")
    triage()
    second = Hold.objects.exclude(pk=first.pk).get(kind="approval")
    assert second.action is not None
    assert second.action.revises_id == first.action_id
    assert "You asked: Is there a photo?" in second.action.reason
    holds.ask(second, by=ada, note="And a receipt?")

    triage()

    assert outcomes(tmp_path)["large"] == "review"
    assert Hold.objects.filter(kind="review", reason__contains="And a receipt?").count() == 1


def test_an_answered_review_files_the_ticket(triage: Triage, tmp_path: Path, ada: Person) -> None:
    triage()
    review = Hold.objects.get(kind="review")
    payload = dict(review.payload or {})
    holds.resolve(review, by=ada, payload=payload | {"category": "account"})

    triage()

    assert outcomes(tmp_path)["what"] == "ticket"
    assert ask(tmp_path, "SELECT category FROM filed WHERE message_id = 'what'") == [("account",)]


def test_once_everything_is_done_another_start_does_nothing(
    triage: Triage, tmp_path: Path, ada: Person
) -> None:
    triage()
    holds.approve(Hold.objects.get(kind="approval"), by=ada)
    triage()
    before = Action.objects.count()

    assert "Done before" in triage()
    assert Action.objects.count() == before


def test_a_loop_trips_the_breaker_and_an_instruction_ends_it(
    triage: Triage, ada: Person, tmp_path: Path
) -> None:
    def tell() -> None:
        wait_for(lambda: Hold.objects.filter(kind="trip").exists(), "the breaker to trip")
        assert Agent.objects.get().is_paused
        assert Action.objects.filter(tool="classify", subject="message:card").count() == 5
        holds.modify(Hold.objects.get(kind="trip"), by=ada, instruction="Decide.")

    with meanwhile(tell):
        triage("--loop-on", "card")

    assert outcomes(tmp_path)["card"] == "ticket"
