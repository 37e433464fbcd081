"""The protocol cannot carry changed arguments: the agent is told what to ask for, and need not wait for it again."""

from __future__ import annotations

import json

import pytest
from agentapprovalprotocol import Client, ConflictError

from agents.models import Action, Agent
from agents.models.aap import AAPRequest
from agents.transitions import policy as policies
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds

from .conftest import REFUND, hold_of

LESS = {"order": "A-17", "amount": 60}


def told(client: Client, request_id: str) -> str:
    answer = client.get(request_id)
    assert answer.status == "denied"
    assert answer.decision is not None
    assert answer.decision.note is not None
    return answer.decision.note


def test_an_approval_with_changes_is_a_denial_that_says_what_to_ask(
    client: Client, ada: Person
) -> None:
    request = client.create(REFUND, "1")

    holds.edit(hold_of(request.id), by=ada, arguments=LESS, note="Shipping is not paid back.")

    note = told(client, request.id)
    assert note.startswith("Shipping is not paid back.\n")
    assert json.loads(note[note.index("{") :]) == LESS
    with pytest.raises(ConflictError) as refusal:
        client.consume(request.id, "a")
    assert refusal.value.code == "not_approved"


def test_asking_for_the_changed_arguments_needs_no_second_yes(client: Client, ada: Person) -> None:
    first = client.create(REFUND, "1")
    holds.edit(hold_of(first.id), by=ada, arguments=LESS)

    asked = client.create({**REFUND, "arguments": LESS}, "2")
    again = client.create({**REFUND, "arguments": LESS}, "3")

    assert asked.status == "approved"
    assert again.status == "pending"
    assert client.consume(asked.id, "a").consumption is not None
    client.report_outcome(asked.id, "succeeded")
    action = Action.objects.get(state="succeeded")
    assert action.effective_arguments == LESS
    assert Hold.objects.filter(state="open").count() == 1
    assert AAPRequest.objects.filter(action=action).count() == 2


def test_the_yes_is_for_nothing_else(client: Client, ada: Person) -> None:
    first = client.create(REFUND, "1")
    holds.edit(hold_of(first.id), by=ada, arguments=LESS)

    other = client.create({**REFUND, "arguments": {**LESS, "amount": 61}}, "2")

    assert other.status == "pending"


def test_numbers_that_nobody_changed_stay_exact(client: Client, ada: Person) -> None:
    big = 12345678901234567890123
    request = client.create({**REFUND, "arguments": {"amount": 80, "account": big}}, "1")
    hold = hold_of(request.id)
    assert hold.action is not None

    holds.edit(hold, by=ada, arguments={**hold.action.arguments, "amount": 60})

    note = told(client, request.id)
    wanted = json.loads(note[note.index("{") :])
    assert wanted == {"amount": 60, "account": big}
    assert client.create({**REFUND, "arguments": wanted}, "2").status == "approved"


def test_the_yes_is_for_the_tool_of_that_server(client: Client, ada: Person) -> None:
    """`a.b` + `c` and `a` + `b.c` read alike, and are two tools of two servers."""
    document = {"tools": ["*"], "rules": [{"name": "Ask", "then": "approve"}]}
    policies.write(policies.of_agent(Agent.objects.get()), document, by="test", why="")
    first = client.create({**REFUND, "server": "shop.refund", "tool": "issue"}, "1")
    holds.edit(hold_of(first.id), by=ada, arguments=LESS)

    other = client.create(
        {**REFUND, "server": "shop", "tool": "refund.issue", "arguments": LESS}, "2"
    )
    same = client.create(
        {**REFUND, "server": "shop.refund", "tool": "issue", "arguments": LESS}, "3"
    )

    assert (other.status, same.status) == ("pending", "approved")
