"""Real commits, real concurrency: one key is one request, one approval is one call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
from agentapprovalprotocol import Client

from agents.models import Action, Agent, Run
from agents.models.aap import AAPRequest
from agents.transitions import agent as agents
from audit.errors import Conflict
from audit.models import Entry
from people.models import Person
from reviews.transitions import hold as holds
from tests.test_races import at_once

from .conftest import REFUND, hold_of, submission


def together(work: Callable[[int], Any], times: int) -> list[Any]:
    barrier = threading.Barrier(times)

    def one(n: int) -> Any:
        barrier.wait(30)
        return work(n)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_twenty_submissions_with_one_key_are_one_request(wire: httpx.Client) -> None:
    answers = together(
        lambda _: wire.post("/v1/requests", json=REFUND, headers={"Idempotency-Key": "k"}), 20
    )

    assert sorted(a.status_code for a in answers) == [200] * 19 + [201]
    assert len({a.text for a in answers}) == 1
    assert AAPRequest.objects.count() == Action.objects.count() == Run.objects.count() == 1


def test_twenty_consumers_take_it_once(client: Client, wire: httpx.Client) -> None:
    request = client.create(submission(), "1")

    answers = together(
        lambda n: wire.post(
            f"/v1/requests/{request.id}/consume", headers={"Idempotency-Key": f"{n}"}
        ),
        20,
    )

    assert sorted(a.status_code for a in answers) == [200] + [409] * 19
    assert {a.json()["error"]["code"] for a in answers if a.status_code == 409} == {
        "already_consumed"
    }
    assert Entry.objects.filter(kind="action.executing").count() == 1


def test_one_consumer_that_retries_gets_its_answer(client: Client, wire: httpx.Client) -> None:
    request = client.create(submission(), "1")

    answers = together(
        lambda _: wire.post(
            f"/v1/requests/{request.id}/consume", headers={"Idempotency-Key": "mine"}
        ),
        20,
    )

    assert {a.status_code for a in answers} == {200}
    assert len({a.text for a in answers}) == 1
    assert Entry.objects.filter(kind="action.executing").count() == 1


def test_a_decision_and_a_withdrawal_leave_one_outcome(
    client: Client, wire: httpx.Client, ada: Person
) -> None:
    for n in range(8):
        request = client.create({**REFUND, "arguments": {"amount": 80 + n}}, f"{n}")
        hold = hold_of(request.id)

        decided, withdrawn = at_once(
            partial(holds.approve, hold, by=ada),
            partial(wire.delete, f"/v1/requests/{request.id}"),
        )

        status = client.get(request.id).status
        if withdrawn.status_code == 200:
            assert status == "cancelled"
            assert isinstance(decided, Conflict)
        else:
            assert withdrawn.json()["error"]["code"] == "already_terminal"
            assert status == "approved"
    assert Entry.objects.filter(kind__in=["request.approved", "request.cancelled"]).count() == 8


def test_a_stop_racing_requests_approves_none_after_it(
    wire: httpx.Client, scout: Agent, ada: Person
) -> None:
    answers = at_once(
        lambda: agents.stop(scout, by=ada, reason="now"),
        *[
            lambda n=n: wire.post(
                "/v1/requests",
                json=submission(arguments={"q": n}),
                headers={"Idempotency-Key": f"{n}"},
            )
            for n in range(15)
        ],
    )

    pause = Entry.objects.get(kind="agent.paused")
    statuses = [a.json()["status"] for a in answers[1:]]
    assert set(statuses) <= {"approved", "pending"}
    assert not Entry.objects.filter(kind="action.allowed", id__gt=pause.id).exists()
    assert statuses.count("approved") == Action.objects.count()
    assert statuses.count("pending") == AAPRequest.objects.filter(action=None).count()
