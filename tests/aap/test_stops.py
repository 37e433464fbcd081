"""A paused agent's requests stay pending, a terminated one's are denied."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from agentapprovalprotocol import Client, ConflictError, CredentialRefused

from agents.models import Action, Agent, Run, Trip
from agents.models.aap import AAPRequest
from agents.tasks import sweep
from agents.transitions import agent as agents
from agents.transitions import run as runs
from people.models import Person
from reviews.transitions import hold as holds

from .conftest import REFUND, hold_of, long_ago, submission


def stopped(scout: Agent, ada: Person) -> Trip:
    return agents.stop(scout, by=ada, reason="Look at this.")


def test_what_comes_while_the_agent_is_paused_is_judged_when_it_runs_again(
    client: Client, scout: Agent, ada: Person
) -> None:
    trip = stopped(scout, ada)
    allowed, gated = client.create(submission(), "1"), client.create(REFUND, "2")
    refused = client.create(submission(tool="rm"), "3")
    assert {r.status for r in (allowed, gated, refused)} == {"pending"}
    assert not Action.objects.exists()

    holds.resume(trip.hold, by=ada)

    assert client.get(allowed.id, wait=5).status == "approved"
    assert client.get(refused.id).status == "denied"
    assert client.get(gated.id).status == "pending"
    holds.approve(hold_of(gated.id), by=ada)
    assert client.get(gated.id).status == "approved"


def test_what_nobody_could_be_shown_is_refused_also_while_paused(
    wire: httpx.Client, scout: Agent, ada: Person
) -> None:
    stopped(scout, ada)

    told = wire.post(
        "/v1/requests",
        json=submission(arguments={"a": "x" * 300_000}),
        headers={"Idempotency-Key": "1"},
    )

    assert (told.status_code, told.json()["error"]["param"]) == (400, "arguments")
    assert not AAPRequest.objects.exists()


def test_a_paused_run_keeps_its_requests_waiting(client: Client, ada: Person) -> None:
    client.create(submission(), "1")
    trip = runs.stop(Run.objects.get(), by=ada, reason="Wait.")

    request = client.create(submission(arguments={"q": "later"}), "2")
    sweep()
    assert client.get(request.id).status == "pending"
    holds.resume(trip.hold, by=ada)

    assert client.get(request.id).status == "approved"
    assert Run.objects.count() == 1


def test_what_was_approved_before_a_stop_is_not_begun(
    client: Client, scout: Agent, ada: Person
) -> None:
    request = client.create(submission(), "1")
    trip = stopped(scout, ada)

    with pytest.raises(ConflictError) as refusal:
        client.consume(request.id, "a")
    holds.resume(trip.hold, by=ada)

    assert refusal.value.code == "paused"
    assert client.consume(request.id, "b").consumption is not None


def test_the_deadline_does_not_wait_for_a_paused_agent(
    client: Client, scout: Agent, ada: Person
) -> None:
    held = client.create(REFUND, "1")
    trip = stopped(scout, ada)
    waiting = client.create(submission(), "2")
    long_ago(held.id)
    long_ago(waiting.id)

    sweep()
    holds.resume(trip.hold, by=ada)

    assert {client.get(r.id).status for r in (held, waiting)} == {"expired"}
    assert Action.objects.get().state == "expired"


def test_the_agent_withdraws_what_was_put_off(client: Client, scout: Agent, ada: Person) -> None:
    trip = stopped(scout, ada)
    request = client.create(submission(), "1")

    assert client.cancel(request.id).status == "cancelled"
    holds.resume(trip.hold, by=ada)

    assert client.get(request.id).status == "cancelled"
    assert not Action.objects.exists()


def test_a_terminated_agents_requests_are_denied(
    client: Client, connect: Callable[[str], Client], scout: Agent, ada: Person
) -> None:
    held = client.create(REFUND, "1")
    trip = stopped(scout, ada)
    put_off = client.create(submission(), "2")

    holds.terminate(trip.hold, by=ada, note="Enough of this.")
    late = client.create(submission(), "3")

    for request in (held, put_off, late):
        answer = client.get(request.id)
        assert answer.status == "denied"
        assert answer.decision is not None
        assert answer.decision.note is not None
        assert "Enough of this." in answer.decision.note
    another = connect(agents.add_key(scout, by=ada)[1])
    assert another.create(submission(), "4").status == "approved"
    assert [r.key for r in Run.objects.order_by("id")] == ["aap", "aap-2"]


def test_a_run_that_was_never_begun_is_terminated_too(
    client: Client, scout: Agent, ada: Person
) -> None:
    trip = stopped(scout, ada)
    request = client.create(submission(), "1")

    holds.terminate(trip.hold, by=ada, note="Enough.")

    assert client.get(request.id).status == "denied"


def test_a_retired_agent_asks_no_more(client: Client, scout: Agent, ada: Person) -> None:
    held = client.create(REFUND, "1")
    stopped(scout, ada)
    put_off = client.create(submission(), "2")

    agents.retire(scout, by=ada)

    with pytest.raises(CredentialRefused):
        client.create(submission(), "3")
    sweep()
    assert set(
        AAPRequest.objects.filter(pk__in=[held.id, put_off.id]).values_list("status", flat=True)
    ) == {"denied"}


def test_a_loop_opens_a_breaker_and_its_request_waits(
    client: Client, scout: Agent, ada: Person
) -> None:
    for n in range(5):
        assert client.create(submission(), f"{n}").status == "approved"

    sixth = client.create(submission(), "6")

    trip = Trip.objects.get()
    assert sixth.status == "pending"
    assert Action.objects.count() == 5
    holds.resume(trip.hold, by=ada)
    assert client.get(sixth.id).status == "approved"


def test_the_sweep_finds_what_a_lost_hint_missed(client: Client, scout: Agent, ada: Person) -> None:
    stopped(scout, ada)
    request = client.create(submission(), "1")
    Trip.objects.update(ended_at="2026-01-01T00:00:00Z")
    Agent.objects.update(state="active")

    sweep()

    assert client.get(request.id).status == "approved"


def test_a_run_that_was_completed_is_followed_by_another(client: Client, scout: Agent) -> None:
    held = client.create(REFUND, "1")
    runs.finish(Run.objects.get(), outcome="completed", by=scout)

    request = client.create(submission(timeout="1h"), "2")

    assert client.get(held.id).status == "cancelled"
    assert request.status == "approved"
    assert request.deadline_at - request.created_at == timedelta(hours=1)
    assert Run.objects.filter(state="running").get().key == "aap-2"


def test_what_waits_for_a_probe_is_let_in_when_one_ends(
    client: Client, scout: Agent, ada: Person
) -> None:
    scout.breakers.exclude(condition="repeats").update(state="disabled")
    for n in range(6):
        client.create(submission(), f"{n}")
    holds.resume(Trip.objects.get().hold, by=ada)
    asked = [client.create(submission(arguments={"q": n}), f"p{n}") for n in range(6)]
    waiting = [request for request in asked if request.status == "pending"]
    assert 0 < len(waiting) < 6

    for probe in AAPRequest.objects.filter(status="approved"):
        client.consume(str(probe.pk), "a")
        client.report_outcome(str(probe.pk), "succeeded")
    sweep()

    assert client.get(waiting[0].id).status == "approved"
