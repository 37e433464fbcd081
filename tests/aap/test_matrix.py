"""Every state × every verb: what the protocol answers, and that an outcome once told never changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from agentapprovalprotocol import Client, ConflictError, Request

from agents.models import Agent
from agents.tasks import sweep
from agents.transitions import agent as agents
from people.models import Person
from reviews.transitions import hold as holds

from .conftest import REFUND, hold_of, long_ago, submission

ANSWERS = {
    #            cancel              consume             report
    "pending": ("cancelled", "not_approved", "not_consumed"),
    "deferred": ("cancelled", "not_approved", "not_consumed"),
    "allowed": ("already_terminal", "consumed", "not_consumed"),
    "approved": ("already_terminal", "consumed", "not_consumed"),
    "lapsed": ("already_terminal", "approval_expired", "not_consumed"),
    "stopped": ("already_terminal", "paused", "not_consumed"),
    "consumed": ("already_terminal", "already_consumed", "reported"),
    "reported": ("already_terminal", "already_consumed", "outcome_conflict"),
    "unknown": ("already_terminal", "already_consumed", "reported"),
    "edited": ("already_terminal", "not_approved", "not_consumed"),
    "rejected": ("already_terminal", "not_approved", "not_consumed"),
    "refused": ("already_terminal", "not_approved", "not_consumed"),
    "terminated": ("already_terminal", "not_approved", "not_consumed"),
    "expired": ("already_terminal", "not_approved", "not_consumed"),
    "cancelled": ("cancelled", "not_approved", "not_consumed"),
}
VERBS: tuple[Callable[[Client, str], Request], ...] = (
    lambda client, pk: client.cancel(pk),
    lambda client, pk: client.consume(pk, "another key"),
    lambda client, pk: client.report_outcome(pk, "failed", "no"),
)


def brought_to(state: str, client: Client, scout: Agent, ada: Person) -> str:
    """A request in this state."""
    if state == "deferred":
        agents.stop(scout, by=ada, reason="wait")
    asked = {"refused": submission(tool="rm"), "deferred": submission(), "allowed": submission()}
    request = client.create(asked.get(state, REFUND), "1")
    if state in ("pending", "deferred", "refused", "allowed"):
        return request.id
    if state == "edited":
        holds.edit(hold_of(request.id), by=ada, arguments={"amount": 60})
    elif state == "rejected":
        holds.reject(hold_of(request.id), by=ada, note="no")
    elif state == "terminated":
        holds.terminate(agents.stop(scout, by=ada, reason="stop").hold, by=ada, note="stop")
    elif state == "expired":
        long_ago(request.id)
        sweep()
    elif state == "cancelled":
        client.cancel(request.id)
    else:
        holds.approve(hold_of(request.id), by=ada)
        taken(state, request.id, client, scout, ada)
    return request.id


def taken(state: str, request_id: str, client: Client, scout: Agent, ada: Person) -> None:
    if state == "lapsed":
        long_ago(request_id)
    elif state == "stopped":
        agents.stop(scout, by=ada, reason="stop")
    elif state != "approved":
        client.consume(request_id, "mine")
    if state == "reported":
        client.report_outcome(request_id, "succeeded")
    elif state == "unknown":
        scout.actions.update(lease_until="2026-01-01T00:00:00Z")
        sweep()


@pytest.mark.parametrize("verb", range(len(VERBS)), ids=["cancel", "consume", "report"])
@pytest.mark.parametrize("state", ANSWERS)
def test_every_state_and_verb(
    client: Client, scout: Agent, ada: Person, state: str, verb: int
) -> None:
    request_id = brought_to(state, client, scout, ada)
    before = client.get(request_id)

    try:
        told = VERBS[verb](client, request_id)
        answer = status_of(told)
    except ConflictError as refusal:
        answer = refusal.code

    assert answer == ANSWERS[state][verb]
    if before.decision is not None:
        assert client.get(request_id).decision == before.decision


def status_of(request: Request) -> str:
    if request.consumption is None:
        return request.status
    return "reported" if request.consumption.outcome else "consumed"
