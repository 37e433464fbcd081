"""An approval is taken once, within its time, and how the call ended is told once."""

from __future__ import annotations

import httpx
import pytest
from agentapprovalprotocol import Client, ConflictError

from agents.models import Action, Agent
from agents.transitions import policy as policies
from audit.models import Entry
from people.models import Person
from reviews.transitions import hold as holds

from .conftest import REFUND, hold_of, long_ago, submission


def test_an_approved_call_is_taken_and_reported(client: Client) -> None:
    request = client.create(submission(agent_reasoning="I look for cards."), "1")

    taken = client.consume(request.id, "take")
    told = client.report_outcome(request.id, "succeeded", "found 3")

    assert taken.consumption is not None
    assert told.consumption is not None
    assert told.consumption.outcome is not None
    assert (told.consumption.outcome.status, told.consumption.outcome.note) == (
        "succeeded",
        "found 3",
    )
    action = Action.objects.get()
    assert (action.state, action.reason) == ("succeeded", "I look for cards.")
    assert action.result == {"note": "found 3"}
    kinds = list(Entry.objects.order_by("id").values_list("kind", flat=True))
    assert kinds[-4:] == [
        "action.allowed",
        "request.approved",
        "action.executing",
        "action.succeeded",
    ]


def test_an_approval_is_taken_once(client: Client, ada: Person) -> None:
    request = client.create(REFUND, "1")
    with pytest.raises(ConflictError) as early:
        client.consume(request.id, "a")
    holds.approve(hold_of(request.id), by=ada)

    first, again = client.consume(request.id, "a"), client.consume(request.id, "a")
    with pytest.raises(ConflictError) as second:
        client.consume(request.id, "b")

    assert first == again
    assert (early.value.code, second.value.code) == ("not_approved", "already_consumed")
    assert Entry.objects.filter(kind="action.executing").count() == 1


def test_taking_needs_a_key(client: Client, wire: httpx.Client) -> None:
    request = client.create(submission(), "1")

    told = wire.post(f"/v1/requests/{request.id}/consume")

    assert (told.status_code, told.json()["error"]["code"]) == (400, "missing_idempotency_key")


def test_an_approval_that_was_not_used_in_time_is_void(client: Client) -> None:
    request = client.create(submission(), "1")
    long_ago(request.id)

    with pytest.raises(ConflictError) as refusal:
        client.consume(request.id, "a")

    assert refusal.value.code == "approval_expired"
    assert client.get(request.id).status == "approved"


def test_the_native_door_cannot_hand_out_what_was_taken(
    client: Client, live: str, scout_with_key: tuple[Agent, str]
) -> None:
    request = client.create(submission(), "1")
    client.consume(request.id, "a")
    action = Action.objects.get()

    told = httpx.post(
        f"{live}/api/v1/actions/{action.pk}/claim",
        json={"claim_id": f"aap:{request.id}"},
        headers={"Authorization": f"Bearer {scout_with_key[1]}"},
    )

    assert told.status_code == 409


def test_what_the_native_door_took_is_consumed(
    client: Client, live: str, scout_with_key: tuple[Agent, str]
) -> None:
    request = client.create(submission(), "1")
    httpx.post(
        f"{live}/api/v1/actions/{Action.objects.get().pk}/claim",
        json={},
        headers={"Authorization": f"Bearer {scout_with_key[1]}"},
    ).raise_for_status()

    with pytest.raises(ConflictError) as refusal:
        client.consume(request.id, "a")

    assert refusal.value.code == "already_consumed"


def test_what_policy_refuses_by_now_is_not_begun(client: Client, scout: Agent, ada: Person) -> None:
    request = client.create(submission(), "1")
    policies.write(policies.of_agent(scout), {"tools": ["mail.read"]}, by=ada, why="No search.")

    with pytest.raises(ConflictError) as refusal:
        client.consume(request.id, "a")

    assert refusal.value.code == "policy_changed"


def test_an_outcome_is_told_once(client: Client) -> None:
    request = client.create(submission(), "1")
    with pytest.raises(ConflictError) as early:
        client.report_outcome(request.id, "failed")
    client.consume(request.id, "a")

    first = client.report_outcome(request.id, "failed", "no route")
    again = client.report_outcome(request.id, "failed", "no route")
    with pytest.raises(ConflictError) as other:
        client.report_outcome(request.id, "succeeded")

    assert first == again
    assert (early.value.code, other.value.code) == ("not_consumed", "outcome_conflict")
    action = Action.objects.get()
    assert (action.state, action.error) == ("failed", {"type": "", "message": "no route"})
