"""Requests over the protocol, with its own client: replay, conflict, wait, cancel, consume, outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

import httpx
import pytest
from agentapprovalprotocol import Client, ConflictError, CredentialRefused, NotFound, Request

from agents.models import Action, Agent, Run
from agents.models.aap import AAPRequest, Provisioner
from agents.tasks import sweep
from agents.transitions import agent as agents
from audit.errors import Conflict
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds

from .conftest import REFUND, hold_of, long_ago, submission


def test_what_policy_allows_is_approved_at_once(client: Client) -> None:
    request = client.create(submission(), "1")

    assert request.status == "approved"
    assert request.decision is not None
    assert request.decision.expires_at is not None
    assert request.decision.expires_at > request.decision.decided_at
    assert request.deadline_at - request.created_at == timedelta(minutes=10)
    assert Run.objects.get().key == "aap"
    assert Action.objects.get().state == "allowed"


def test_what_policy_refuses_is_denied_with_its_words(client: Client) -> None:
    request = client.create(submission(tool="rm"), "1")

    assert request.status == "denied"
    assert request.decision is not None
    assert request.decision.note is not None
    assert "rm" in request.decision.note


def test_a_server_is_part_of_the_tools_name(client: Client) -> None:
    request = client.create(submission(server="github"), "1")

    assert request.status == "denied"
    assert request.server == "github"
    assert Action.objects.get().tool == "github.search"


def test_a_person_answers_whoever_waits(client: Client, ada: Person) -> None:
    request = client.create({**REFUND, "agent_reasoning": "Charged twice."}, "1")
    assert request.status == "pending"
    answers: list[tuple[Request, float]] = []

    def wait() -> None:
        answers.append((client.get(request.id, wait=25), time.monotonic()))

    waiter = threading.Thread(target=wait)
    waiter.start()
    decided = time.monotonic()
    holds.approve(hold_of(request.id), by=ada, note="fine")
    waiter.join(30)

    answer, at = answers[0]
    assert answer.status == "approved"
    assert answer.decision is not None
    assert answer.decision.note == "fine"
    assert at - decided < 5
    assert (answer.id, answer.created_at, answer.deadline_at) == (
        request.id,
        request.created_at,
        request.deadline_at,
    )


def test_a_wait_ends_with_the_pending_request(client: Client) -> None:
    request = client.create(REFUND, "1")

    assert client.get(request.id, wait=1).status == "pending"


def test_a_rejection_reaches_the_model(client: Client, ada: Person) -> None:
    request = client.create(REFUND, "1")

    holds.reject(hold_of(request.id), by=ada, note="Too much.")

    answer = client.get(request.id)
    assert answer.status == "denied"
    assert answer.decision is not None
    assert answer.decision.note == "Too much."


def test_words_instead_of_a_yes_are_a_denial(client: Client, ada: Person) -> None:
    answered, asked = client.create(REFUND, "1"), client.create(REFUND, "2")

    holds.answer(hold_of(answered.id), by=ada, note="It was paid already.")
    holds.ask(hold_of(asked.id), by=ada, note="Which order?")

    notes = [client.get(r.id).decision for r in (answered, asked)]
    assert [(d.status, d.note) for d in notes if d] == [
        ("denied", "It was paid already."),
        ("denied", "Which order?"),
    ]


def test_a_rejection_is_remembered(client: Client, ada: Person) -> None:
    first = client.create(REFUND, "1")
    holds.reject(hold_of(first.id), by=ada, note="Never.")

    again = client.create(REFUND, "2")

    assert again.status == "denied"
    assert again.decision is not None
    assert again.decision.note == "Never."
    assert Hold.objects.count() == 1


def test_identical_requests_are_requests_of_their_own(client: Client, ada: Person) -> None:
    first, second = client.create(REFUND, "1"), client.create(REFUND, "2")

    holds.approve(hold_of(first.id), by=ada)

    assert first.id != second.id
    assert client.get(first.id).status == "approved"
    assert client.get(second.id).status == "pending"


def test_the_same_key_is_the_same_request(wire: httpx.Client) -> None:
    key = {"Idempotency-Key": "k"}

    first = wire.post("/v1/requests", json=REFUND, headers=key)
    again = wire.post(
        "/v1/requests",
        content=b'{ "timeout":"10m", "arguments":{"amount":8.0e1,"order":"A-17"}, "tool":"refund.issue" }',
        headers=key,
    )

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert AAPRequest.objects.count() == Action.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {"order": "A-17", "amount": 81}},
        {"arguments": {"order": "A-17", "amount": "80"}},
        {"timeout": "600s"},
        {"agent_reasoning": ""},
        {"context": {}},
    ],
)
def test_the_same_key_for_something_else_is_a_conflict(
    client: Client, change: dict[str, object]
) -> None:
    client.create(REFUND, "k")

    with pytest.raises(ConflictError) as refusal:
        client.create({**REFUND, **change}, "k")

    assert refusal.value.code == "idempotency_conflict"
    assert Action.objects.count() == 1


def test_a_request_without_a_key_is_refused(wire: httpx.Client) -> None:
    told = wire.post("/v1/requests", json=REFUND)

    error = told.json()["error"]
    assert told.status_code == 400
    assert (error["type"], error["code"]) == ("invalid_request", "missing_idempotency_key")
    assert error["request_id"] == told.headers["X-Request-ID"]


def test_the_agent_withdraws_what_waits(client: Client, ada: Person) -> None:
    request = client.create(REFUND, "1")

    first, again = client.cancel(request.id), client.cancel(request.id)

    assert first == again
    assert first.status == "cancelled"
    assert Hold.objects.get().state == "cancelled"
    with pytest.raises(Conflict):
        holds.approve(hold_of(request.id), by=ada)


def test_what_is_decided_is_not_withdrawn(client: Client, ada: Person) -> None:
    request = client.create(REFUND, "1")
    holds.approve(hold_of(request.id), by=ada)

    with pytest.raises(ConflictError) as refusal:
        client.cancel(request.id)

    assert refusal.value.code == "already_terminal"
    assert client.get(request.id).status == "approved"


def test_a_request_expires_at_its_deadline(client: Client) -> None:
    request = client.create({**REFUND, "timeout": "1s"}, "1")

    answer = client.get(request.id, wait=20)

    assert answer.status == "expired"
    assert answer.decision is not None
    assert answer.decision.decided_at - request.deadline_at < timedelta(seconds=5)
    assert Hold.objects.get().state != "open"
    assert Action.objects.get().state == "expired"


def test_the_clock_expires_what_nobody_reads(client: Client) -> None:
    request = client.create(REFUND, "1")
    long_ago(request.id)

    sweep()
    sweep()

    assert AAPRequest.objects.get().status == "expired"
    assert Entry.objects.filter(kind="request.expired").count() == 1


def test_nobody_approves_after_the_agent_stopped_waiting(client: Client, ada: Person) -> None:
    request = client.create(REFUND, "1")
    long_ago(request.id)

    with pytest.raises(Conflict, match="stopped waiting"):
        holds.approve(hold_of(request.id), by=ada)

    assert client.get(request.id).status == "expired"


def test_strangers_and_other_agents_see_nothing(
    client: Client,
    connect: Callable[[str], Client],
    wire: httpx.Client,
    support: Team,
    provisioner: tuple[Provisioner, str],
) -> None:
    request = client.create(REFUND, "1")
    _, key = agents.create("intruder", team=support, by="test")
    intruder, stranger, platform = connect(key), connect("wf_no"), connect(provisioner[1])

    for visitor, refusal in (
        (intruder, NotFound),
        (stranger, CredentialRefused),
        (platform, CredentialRefused),
    ):
        works: list[Callable[[], Request]] = [
            partial(visitor.get, request.id),
            partial(visitor.get, request.id, wait=1),
            partial(visitor.cancel, request.id),
            partial(visitor.consume, request.id, "a"),
            partial(visitor.report_outcome, request.id, "failed"),
        ]
        for work in works:
            with pytest.raises(refusal):
                work()
    with pytest.raises(NotFound):
        client.get(str(uuid4()))
    forbidden = wire.get(
        f"/v1/requests/{request.id}", headers={"Authorization": f"Bearer {provisioner[1]}"}
    )
    unknown = wire.get(f"/v1/requests/{request.id}", headers={"Authorization": "Bearer x"})
    assert (forbidden.status_code, forbidden.json()["error"]["type"]) == (403, "authorization")
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (401, "authentication")


def test_a_key_is_one_agents(
    client: Client, connect: Callable[[str], Client], support: Team
) -> None:
    _, key = agents.create("other", team=support, by="test", tools=["search"])

    first, second = client.create(submission(), "k"), connect(key).create(submission(), "k")

    assert first.id != second.id


def test_a_revoked_key_is_refused(client: Client, scout: Agent, ada: Person) -> None:
    agents.revoke_key(scout.keys.get(), by=ada)

    with pytest.raises(CredentialRefused):
        client.create(submission(), "1")


def test_people_are_not_shown_a_later_deadline_than_the_agents(
    connect: Callable[[str], Client], support: Team
) -> None:
    rule = {"name": "Slow", "then": "approve", "approval": {"within": "4h"}}
    patient = connect(agents.create("patient", team=support, by="test", rules=[rule])[1])

    short, long = (
        patient.create(submission(timeout=timeout), timeout) for timeout in ("10m", "24h")
    )

    ends = [hold_of(request.id).expires_at for request in (short, long)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert abs(ends[0] - short.deadline_at) < timedelta(seconds=1)
    assert abs(ends[1] - long.created_at - timedelta(hours=4)) < timedelta(seconds=5)


def test_two_must_say_yes_where_policy_says_so(
    connect: Callable[[str], Client], support: Team, ada: Person, otto: Person
) -> None:
    rule = {"name": "Two", "then": "approve", "approval": {"votes": 2}}
    careful = connect(agents.create("careful", team=support, by="test", rules=[rule])[1])
    request = careful.create(submission(), "1")

    holds.approve(hold_of(request.id), by=ada)
    between = careful.get(request.id).status
    holds.approve(hold_of(request.id), by=otto)

    assert (between, careful.get(request.id).status) == ("pending", "approved")
