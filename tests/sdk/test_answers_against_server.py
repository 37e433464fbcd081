"""Exact binding and the newer answers, between the client and the real server."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import httpx
import pytest

from agents.models import Action, Agent, Run, ToolSchema
from agents.transitions import policy as policies
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.sdk.conftest import eventually, waiting_hold
from watchfloor import Asked, Client, Conflict, PolicyChanged, Rejected
from watchfloor.binding import digest, why_not

Aside = Callable[..., "Future[Any]"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"amount": 250, "rate": 2.5, "whole": 5.0, "none": None, "yes": True},
        {"small": 1e-7, "tiny": 5e-324, "third": 1 / 3, "minus": -0.0, "safe": 2**53 - 1},
        {"größe": '€ 5 \\ " \u2028 \U0001f600', "\u20ac": 1, "\r": 2, "1": 3, "ö": 4},
        {"deep": [[{"a": [1, [2.0, {"b": []}]]}], {}]},
    ],
)
def test_client_and_server_bind_the_same_bytes(
    client: Client, ada: Person, aside: Aside, arguments: dict[str, Any]
) -> None:
    with client.run("payer") as run:
        approval = run.approval("refund.issue", arguments)
        holds.approve(waiting_hold(), by=ada)
        given = run.perform(approval, lambda **arguments: arguments)

    assert given == arguments
    assert digest(approval.action, given) == approval.action.digest
    assert bytes(Action.objects.get().approval_digest or b"").hex() == approval.action.digest


def test_an_edit_reaches_the_function_with_its_types_and_bound(
    client: Client, ada: Person, aside: Aside
) -> None:
    edited = {"amount": 40.0, "urgent": False, "order": "7", "lines": [1, "1", True]}
    with client.run("payer") as run:
        proposed = {"amount": 40, "urgent": 0, "order": 7, "lines": [True, 1, "1"]}
        done = aside(run.step, "refund.issue", lambda **a: a, arguments=proposed, ask=True)
        holds.edit(waiting_hold(), by=ada, arguments=edited)
        given = done.result(10)

    assert repr(given["lines"]) == "[1, '1', True]"
    assert (given["urgent"], given["order"]) == (False, "7")
    assert type(given["urgent"]) is bool


def test_no_approval_is_worth_anything_for_other_arguments(client: Client, ada: Person) -> None:
    with client.run("payer") as run:
        approval = run.approval("refund.issue", {"amount": 90})
        holds.approve(waiting_hold(), by=ada)
        with approval:
            assert why_not(approval.action, {"amount": 90}, "closed") == ""
            assert "differs" in why_not(approval.action, {"amount": 91}, "closed")


def test_a_question_is_answered_by_a_new_version(client: Client, ada: Person, aside: Aside) -> None:
    with client.run("payer") as run:
        done = aside(run.step, "refund.issue", pytest.fail, arguments={"amount": 90}, ask=True)
        first = waiting_hold()
        holds.ask(first, by=ada, note="Which order?")
        with pytest.raises(Asked, match="Which order") as asked:
            done.result(10)
        assert asked.value.action is not None
        again = run.approval(
            "refund.issue", {"amount": 90, "order": "B"}, revises=asked.value.action.id,
            reason="It is order B.",
        )  # fmt: skip
        holds.approve(eventually(lambda: Hold.objects.filter(state="open").first()), by=ada)
        assert run.perform(again, lambda **a: a["order"]) == "B"

    assert again.action.revises == asked.value.action.id


def test_a_repeated_request_is_rejected_from_memory(
    client: Client, ada: Person, aside: Aside
) -> None:
    with client.run("payer") as run:
        done = aside(run.step, "refund.issue", pytest.fail, arguments={"amount": 90}, ask=True)
        holds.reject(waiting_hold(), by=ada, note="No photo.")
        with pytest.raises(Rejected) as first:
            done.result(10)
        with pytest.raises(Rejected, match="No photo") as second:
            run.step("refund.issue", pytest.fail, arguments={"amount": 90}, ask=True)

    assert (first.value.remembered, second.value.remembered) == (False, True)
    assert Hold.objects.count() == 1


def test_two_callers_of_one_request_are_one_request_and_one_of_them_does_it(
    client: Client, ada: Person, aside: Aside
) -> None:
    did: list[int] = []
    proposed: list[str] = []

    def refund(amount: int) -> str:
        did.append(amount)
        return f"refunded {amount}"

    def heard(response: httpx.Response) -> None:
        if response.request.url.path.endswith("/actions"):
            proposed.append(response.request.url.path)

    client._io._http.event_hooks["response"].append(heard)
    with client.run("payer") as run:
        arguments = {"amount": 90}
        both = [
            aside(run.step, "refund.issue", refund, arguments=arguments, ask=True) for _ in "12"
        ]
        eventually(lambda: len(proposed) == 2)
        holds.approve(waiting_hold(), by=ada)
        results = [each.result(20) for each in both]

    assert results == ["refunded 90"] * 2
    assert did == [90]
    assert Action.objects.count() == 1


def test_of_two_approvals_for_one_request_one_can_be_used(client: Client, ada: Person) -> None:
    with client.run("payer") as run:
        one, other = (run.approval("refund.issue", {"amount": 90}) for _ in "12")
        holds.approve(waiting_hold(), by=ada)

        assert one.id == other.id
        assert run.perform(one, lambda amount: amount) == 90
        with pytest.raises(Conflict, match="already_claimed"):
            run.perform(other, pytest.fail)


def test_stricter_rules_after_the_yes_ask_again(client: Client, ada: Person, scout: Agent) -> None:
    with client.run("payer") as run:
        approval = run.approval("refund.issue", {"amount": 90})
        holds.approve(waiting_hold(), by=ada)
        stricter = {"tools": ["search"], "rules": []}
        policies.write(policies.of_agent(scout), stricter, by=ada, why="No refunds today.")

        with pytest.raises(PolicyChanged):
            run.perform(approval, pytest.fail)


def test_whose_wish_it_is_travels_with_the_run(client: Client, ada: Person) -> None:
    with client.run("payer", on_behalf_of="person:ada") as run:
        approval = run.approval("refund.issue", {"amount": 90})
        assert approval.action.on_behalf_of == "person:ada"

    assert Run.objects.get().on_behalf_of == "person:ada"


def test_the_schemas_of_tools_are_known_by_name(client: Client) -> None:
    def refund(amount: float, order: str = "A") -> str:
        """Give money back."""
        return order

    client.register_version("v1", schemas={"refund.issue": refund})

    schema = ToolSchema.objects.get().schema
    assert schema["properties"]["amount"] == {"type": "number"}
