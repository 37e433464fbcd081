"""A question and its answer, and what nobody is asked twice: rejected before, asked already."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Action, Agent, Breaker, Run
from agents.transitions import action as actions
from agents.transitions import agent as agents
from agents.transitions import run as runs
from audit.errors import Conflict, Invalid
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from reviews.tasks import sweep
from reviews.transitions import hold as holds
from tests.cast import Door

from .conftest import Ask, Rule

type Held = Callable[..., Hold]
type Asked = Callable[..., Action]


@pytest.fixture
def asked(held: Held, ada: Person) -> Asked:
    """A refund that ada had a question about."""

    def asking(**more: Any) -> Action:
        hold = holds.ask(held(**more), by=ada, note="Which order is this?")
        return Action.objects.get(pk=hold.pk)

    return asking


@pytest.fixture
def rejected(held: Held, ada: Person) -> Action:
    return Action.objects.get(pk=holds.reject(held(), by=ada, note="No photo, no refund.").pk)


# -- a question


def test_a_question_is_what_the_agent_reads_and_no_yes(
    held: Held, ada: Person, take: Callable[[Any], Any]
) -> None:
    hold = holds.ask(held(), by=ada, note="Which order is this?")

    action = Action.objects.get()
    assert (hold.state, hold.decision, hold.decider) == ("decided", "asked", "ada")
    assert (action.state, action.decision, action.message) == (
        "rejected",
        "asked",
        "Which order is this?",
    )
    with pytest.raises(Conflict):
        take(action.pk)


def test_the_answer_is_a_new_version_of_the_request(asked: Asked, ask: Ask, ada: Person) -> None:
    first = asked()

    told = ask(arguments={"amount": 80, "order": "A-17"}, revises=str(first.pk))

    assert (told["admission"], told["action"]["revises"]) == ("held", str(first.pk))
    second = Hold.objects.waiting().get()
    assert holds.approve(second, by=ada).decision == "approved"
    assert second.action is not None
    assert second.action.revises == first


def test_the_request_it_answers_is_found_by_itself(asked: Asked, ask: Ask) -> None:
    asked(arguments={"amount": 70})
    newest = asked(arguments={"amount": 75})

    assert ask(arguments={"amount": 90})["action"]["revises"] == str(newest.pk)


def test_the_same_arguments_may_be_the_answer(asked: Asked, ask: Ask) -> None:
    """The model says why instead of asking for something else."""
    first = asked()

    told = ask(reason="It is order A-17.")

    assert (told["admission"], told["action"]["revises"]) == ("held", str(first.pk))


def test_only_the_same_tool_in_the_same_run_is_found_by_itself(
    asked: Asked, ask: Ask, scout: Agent
) -> None:
    asked()
    another = runs.start(scout, name="weekly")[0]

    assert ask(run=another)["action"]["revises"] is None
    assert ask(tool="mail.read", ask=True)["action"]["revises"] is None


def test_another_run_may_answer_by_name(asked: Asked, ask: Ask, scout: Agent) -> None:
    """The process that was asked died; the next one takes it up."""
    first = asked()

    told = ask(run=runs.start(scout, name="weekly")[0], revises=str(first.pk))

    assert told["action"]["revises"] == str(first.pk)


def test_what_nobody_asked_about_has_no_next_version(
    held: Held, ask: Ask, asked: Asked, rejected: Action, ada: Person
) -> None:
    waiting = held(arguments={"amount": 81})
    approved = holds.approve(held(arguments={"amount": 82}), by=ada)

    for wrong in (rejected.pk, waiting.pk, approved.pk, "0" * 8 + "-0000-0000-0000-" + "0" * 12):
        with pytest.raises(Invalid, match="revises"):
            ask(arguments={"amount": 90}, revises=str(wrong))

    assert Hold.objects.waiting().count() == 1


def test_another_agents_question_cannot_be_answered(
    asked: Asked, ask: Ask, support: Team, run: Run
) -> None:
    first = asked()
    other = agents.create("other", team=support, by="test", tools=["refund.issue"])[0]
    Action.objects.filter(pk=first.pk).update(agent=other, run=runs.start(other, name="other")[0])

    with pytest.raises(Invalid, match="revises"):
        ask(revises=str(first.pk))


def test_a_request_has_one_next_version(asked: Asked, ask: Ask) -> None:
    first = asked()
    second = ask(arguments={"amount": 90}, revises=str(first.pk))

    with pytest.raises(Invalid, match="revises"):
        ask(arguments={"amount": 91}, revises=str(first.pk))
    third = ask(arguments={"amount": 92})["action"]

    assert third["revises"] is None
    with pytest.raises(IntegrityError, match="request_has_one_next_version"), transaction.atomic():
        Action.objects.filter(pk=third["id"]).update(revises=first)
    assert Action.objects.get(revises=first).pk.hex == second["action"]["id"].replace("-", "")


def test_a_new_version_that_needs_no_person_answers_the_question(asked: Asked, ask: Ask) -> None:
    first = asked()

    told = ask(arguments={"amount": 40}, revises=str(first.pk))

    assert (told["admission"], told["action"]["revises"]) == ("allowed", str(first.pk))
    with pytest.raises(Invalid, match="revises"):
        ask(arguments={"amount": 41}, revises=str(first.pk))


def test_the_hot_door_keeps_what_a_call_answers(door: Door, ada: Person) -> None:
    first = door.propose("1", "refund.issue", arguments={"amount": 80}).json()["action"]["id"]
    holds.ask(Hold.objects.get(pk=first), by=ada, note="Why so much?")

    told = door.propose("2", "refund.issue", arguments={"amount": 40}, revises=first)
    wrong = door.propose("3", "refund.issue", arguments={"amount": 41}, revises=first)

    assert told.json()["action"]["revises"] == first
    assert told.json()["admission"] == "allowed"
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


def test_questions_form_a_chain(asked: Asked) -> None:
    first = asked()
    second = asked(arguments={"amount": 90})
    third = asked(arguments={"amount": 91})

    assert (third.revises, second.revises, first.revises) == (second, first, None)


# -- rejected before


def test_what_was_rejected_is_answered_from_memory_and_nobody_is_asked(
    rejected: Action, ask: Ask
) -> None:
    told = ask()

    action = told["action"]
    assert (told["admission"], told["code"]) == ("denied", "rejected_before")
    assert (action["state"], action["decision"]) == ("rejected", "rejected")
    assert (action["message"], action["decided_by"]) == ("No photo, no refund.", "person:ada")
    assert action["hold_id"] == str(rejected.pk)
    assert Hold.objects.count() == 1
    again = Action.objects.get(pk=action["id"])
    assert again.remembered == rejected
    assert Entry.objects.filter(kind="action.remembered", about=again.record_name).count() == 1


def test_another_run_of_the_agent_is_answered_from_memory(
    rejected: Action, ask: Ask, scout: Agent
) -> None:
    assert ask(run=runs.start(scout, name="weekly")[0])["code"] == "rejected_before"


@pytest.mark.parametrize(
    "other",
    [
        {"arguments": {"amount": 81}},
        {"arguments": {"amount": "80"}},
        {"arguments": {"amount": 80, "x": None}},
        {"subject": "order:A-17"},
        {"tool": "mail.read", "ask": True},
    ],
    ids=str,
)
def test_another_request_is_asked_about(rejected: Action, ask: Ask, other: dict[str, Any]) -> None:
    assert ask(**other)["admission"] == "held"


def test_the_same_number_written_otherwise_is_the_same_request(rejected: Action, ask: Ask) -> None:
    assert ask(arguments={"amount": 80.0})["code"] == "rejected_before"


def test_another_agent_is_asked_about(
    rejected: Action, support: Team, rule: Rule, ask: Ask
) -> None:
    other = agents.create("other", team=support, by="test", tools=["refund.issue"])[0]
    Action.objects.filter(pk=rejected.pk).update(
        agent=other, run=runs.start(other, name="other")[0]
    )

    assert ask()["admission"] == "held"


@pytest.mark.parametrize("verb", ["answer", "ask"])
def test_words_and_questions_are_no_rejection(held: Held, ask: Ask, ada: Person, verb: str) -> None:
    getattr(holds, verb)(held(), by=ada, note="Hm.")

    assert ask()["admission"] == "held"


def test_what_nobody_answered_was_not_rejected(held: Held, ask: Ask) -> None:
    Hold.objects.filter(pk=held().pk).update(expires_at=timezone.now())
    sweep()
    assert Hold.objects.get().state == "expired"

    assert ask()["admission"] == "held"


def test_what_the_agent_withdrew_was_not_rejected(held: Held, ask: Ask, scout: Agent) -> None:
    actions.cancel(Action.objects.get(pk=held().pk), by=scout)

    assert ask()["admission"] == "held"


def test_memory_ends_when_policy_says(rule: Rule, held: Held, ask: Ask, ada: Person) -> None:
    rule(remember="2h")
    hold = holds.reject(held(), by=ada, note="No.")
    assert ask()["code"] == "rejected_before"
    Action.objects.filter(pk=hold.pk).update(decided_at=timezone.now() - timedelta(hours=2))

    assert ask()["admission"] == "held"


def test_memory_can_be_switched_off(rule: Rule, held: Held, ask: Ask, ada: Person) -> None:
    rule(remember="0s")
    holds.reject(held(), by=ada, note="No.")

    assert ask()["admission"] == "held"


def test_memory_is_of_a_person_and_does_not_prolong_itself(rejected: Action, ask: Ask) -> None:
    """A model that tries for ever is not refused for ever by its own refusals."""
    ask()
    long_ago = timezone.now() - timedelta(hours=25)
    assert ask()["action"]["hold_id"] == str(rejected.pk)
    Action.objects.filter(pk=rejected.pk).update(decided_at=long_ago)

    assert ask()["admission"] == "held"


def test_what_policy_allows_by_now_is_not_refused_from_memory(
    rejected: Action, ask: Ask, scout: Agent
) -> None:
    from agents.transitions import policy as policies

    policies.write(policies.of_agent(scout), {"tools": ["*"], "rules": []}, by="test", why="")

    assert ask()["admission"] == "allowed"


def test_a_later_yes_ends_the_memory_of_a_no(rule: Rule, held: Held, ask: Ask, ada: Person) -> None:
    rule(remember="0s")
    holds.reject(held(), by=ada, note="No.")
    holds.approve(held(), by=ada)
    rule(remember="24h")

    assert ask()["admission"] == "held"


# -- asked already


def test_one_request_under_two_names_is_asked_once(ask: Ask, ada: Person) -> None:
    first = ask()
    second = ask(arguments={"amount": 80.0})

    assert (second["admission"], second["action"]["id"]) == ("replayed", first["action"]["id"])
    assert Hold.objects.count() == Action.objects.count() == 1


def test_two_runs_ask_each_for_themselves(ask: Ask, scout: Agent) -> None:
    first = ask()
    second = ask(run=runs.start(scout, name="weekly")[0])

    assert (second["admission"], Hold.objects.count()) == ("held", 2)
    assert first["action"]["id"] != second["action"]["id"]


@pytest.mark.parametrize(
    "other",
    [
        {"arguments": {"amount": 81}},
        {"subject": "order:A-17"},
        {"on_behalf_of": "ada"},
        {"amount": "800"},
        {"amount": "80", "currency": "EUR"},
    ],
    ids=str,
)
def test_what_differs_in_anything_a_person_or_rule_looks_at_is_asked_itself(
    ask: Ask, other: dict[str, Any]
) -> None:
    ask()

    assert ask(**other)["admission"] == "held"


def test_what_was_answered_is_asked_anew(held: Held, ask: Ask, ada: Person) -> None:
    holds.approve(held(), by=ada)

    assert ask()["admission"] == "held"


def test_a_request_that_changed_hands_is_still_the_same(held: Held, ask: Ask, ada: Person) -> None:
    hold = holds.claim(held(), by=ada)
    holds.escalate(hold, by=ada, queue="ops", note="Not mine.")

    assert ask()["action"]["id"] == str(hold.pk)


ENDINGS = st.sampled_from(["approve", "reject", "answer", "ask", "expire", "cancel", "forget"])


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(moves=st.lists(st.tuples(st.booleans(), st.integers(80, 81), ENDINGS), max_size=7))
def test_whatever_happens_a_request_waits_once_and_only_a_persons_no_is_remembered(
    ask: Ask, scout: Agent, run: Run, ada: Person, moves: list[tuple[bool, int, str]]
) -> None:
    """A model beside the real thing: per amount, the newest word of a person; per run, what waits."""
    with transaction.atomic():
        Breaker.objects.filter(condition="repeats").update(state="disabled")
        other = runs.start(scout, name="weekly")[0]
        refused: set[int] = set()
        waits: dict[tuple[Any, int], str] = {}

        for elsewhere, amount, ending in moves:
            where = other if elsewhere else run
            told = ask(run=where, arguments={"amount": amount})
            if (where.pk, amount) in waits:
                assert told["admission"] == "replayed"
                assert told["action"]["id"] == waits[where.pk, amount]
            elif amount in refused:
                assert told["code"] == "rejected_before"
                continue
            else:
                assert told["admission"] == "held"
                waits[where.pk, amount] = told["action"]["id"]
            if ending == "forget":
                continue
            finish(waits.pop((where.pk, amount)), ending, ada, scout)
            if ending in ("approve", "reject"):
                (refused.add if ending == "reject" else refused.discard)(amount)
        connection.set_rollback(True)


def finish(pk: str, ending: str, ada: Person, scout: Agent) -> None:
    hold = Hold.objects.get(pk=pk)
    if ending == "cancel":
        actions.cancel(Action.objects.get(pk=pk), by=scout)
    elif ending == "expire":
        Hold.objects.filter(pk=pk).update(expires_at=timezone.now())
        holds.expire(hold)
    else:
        words = {} if ending == "approve" else {"note": "Hm."}
        getattr(holds, ending)(hold, by=ada, **words)
