"""Exactly what was approved: nothing that a yes binds can be changed, and every number survives."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import pytest
import rfc8785
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agents.models import Action, Agent, Run
from agents.rules.digest import approval_digest
from agents.rules.policy.shorthand import over
from agents.shapes import Claim, Propose, Proposed
from agents.transitions import action as actions
from agents.transitions import agent as agents
from agents.transitions import policy as policies
from agents.transitions import run as runs
from audit.errors import Conflict, Refused
from people.models import Person, Team
from reviews.models import Hold, Vote
from reviews.transitions import hold as holds
from tests.cast import Door
from watchfloor.binding import digest as digest_of_client
from watchfloor.models import Action as ClientAction

MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = (
    st.integers(-(2**53) + 1, 2**53 - 1)
    | st.sampled_from([0.1, 1.0, 1e2, -0.0, 5e-324, 2**53 - 1])
    | FLOATS.filter(lambda f: abs(f) <= 2**53 or not f.is_integer())
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def objects(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        st.none() | st.booleans() | numbers | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(TEXT, values, max_size=4)


ARGUMENTS = objects(NUMBERS)
EDITED = objects(NUMBERS | FLOATS)
"""People may write what jsonb gives back as an integer that no double is: `1e22`."""


class Desk:
    """An agent's requests and a person's answers, by the verbs that the doors call."""

    def __init__(self, key: str, run: Run, ada: Person) -> None:
        self.key, self.run, self.ada = sha256(key.encode()).digest(), run, ada
        self.calls = iter(range(1_000_000))

    def propose(self, arguments: dict[str, Any]) -> UUID:
        body = {"call_id": str(next(self.calls)), "tool": "refund.issue", "ask": True}
        text = json.dumps(body | {"arguments": arguments}).encode()
        request = msgspec.json.decode(text, type=Propose)
        told = actions.propose(self.key, self.run.pk, Proposed.of(request), collapse=False)[1]
        return UUID(msgspec.json.decode(told)["action"]["id"])

    def claim(self, pk: UUID) -> dict[str, Any]:
        claimed: dict[str, Any] = json.loads(actions.claim(self.key, pk, Claim(claim_id="c")))
        return claimed


@pytest.fixture
def desk(scout_with_key: tuple[Agent, str], run: Run, ada: Person) -> Desk:
    return Desk(scout_with_key[1], run, ada)


def bound(arguments: dict[str, Any], action: dict[str, Any]) -> bytes:
    return approval_digest(
        agent=action["agent_id"],
        run=action["run_id"],
        tool=action["tool"],
        arguments=arguments,
        policy_version=action["policy_version"],
    )


def client_side(action: dict[str, Any]) -> str:
    """What the client makes of the answer, from its text alone."""
    fields = {name: action[name] for name in ("agent_id", "run_id", "tool", "policy_version")}
    known = ClientAction.__new__(ClientAction)
    for name, value in fields.items():
        object.__setattr__(known, name, value)
    return digest_of_client(known, action["arguments"])


@MANY
@given(arguments=ARGUMENTS)
@example(arguments={"a": 1, "b": 1.0, "c": 1e2, "d": 0.1, "e": 2**53 - 1, "f": -0.0})
def test_what_was_proposed_is_what_was_approved_is_what_runs(
    desk: Desk, arguments: dict[str, Any]
) -> None:
    """Through JSON, jsonb and back: the digest of the very values that the agent sent."""
    with transaction.atomic():
        pk = desk.propose(arguments)
        holds.approve(pk, by=desk.ada)

        claimed = desk.claim(pk)

        assert claimed["state"] == "executing"
        assert bytes.fromhex(claimed["digest"]) == bound(arguments, claimed)
        assert client_side(claimed) == claimed["digest"]
        assert bytes(Vote.objects.get(hold=pk).digest) == bound(arguments, claimed)
        connection.set_rollback(True)


@MANY
@given(before=ARGUMENTS, after=EDITED)
@example(before={"n": 1}, after={"n": 1e22})
@example(before={"n": 1}, after={"n": True})
@example(before={"n": 1}, after={"n": 1.0})
def test_what_a_person_made_of_it_is_what_runs(
    desk: Desk, before: dict[str, Any], after: dict[str, Any]
) -> None:
    with transaction.atomic():
        pk = desk.propose(before)
        holds.edit(pk, by=desk.ada, arguments=after)

        claimed = desk.claim(pk)

        assert bytes.fromhex(claimed["digest"]) == bound(after, claimed)
        assert client_side(claimed) == claimed["digest"]
        action = Action.objects.get(pk=pk)
        assert (rfc8785.dumps(before) == rfc8785.dumps(after)) is (action.decision == "approved")
        connection.set_rollback(True)


TAMPERED = st.sampled_from(["run", "tool", "arguments", "policy", "digest"])


@MANY
@given(arguments=ARGUMENTS, edit=st.none() | EDITED, what=TAMPERED, other=ARGUMENTS)
def test_whatever_is_changed_after_the_yes_is_not_begun(
    desk: Desk, arguments: dict[str, Any], edit: dict[str, Any] | None, what: str, other: Any
) -> None:
    """By whoever can write the table."""
    with transaction.atomic():
        pk = desk.propose(arguments)
        if edit is None:
            holds.approve(pk, by=desk.ada)
        else:
            holds.edit(pk, by=desk.ada, arguments=edit)
        action = Action.objects.get(pk=pk)
        before = bytes(action.approval_digest or b"")
        tamper(action, what, other)

        if what == "arguments" and bound(other, as_told(pk)) == before:
            assert desk.claim(pk)["state"] == "executing"
        else:
            with pytest.raises(Refused):
                desk.claim(pk)
            assert Action.objects.get(pk=pk).state == "approved"
        connection.set_rollback(True)


def tamper(action: Action, what: str, other: Any) -> None:
    if what == "run":
        changes: dict[str, Any] = {"run": runs.start(action.agent, name="another")[0]}
    else:
        changes = {
            "tool": {"tool": "mail.read"},
            "arguments": {"approved_arguments": other},
            "policy": {"policy_version": "0.99"},
            "digest": {"approval_digest": None},
        }[what]
    Action.objects.filter(pk=action.pk).update(**changes)


def as_told(pk: UUID) -> dict[str, Any]:
    action = Action.objects.get(pk=pk)
    return {
        "agent_id": str(action.agent_id),
        "run_id": str(action.run_id),
        "tool": action.tool,
        "policy_version": action.policy_version,
    }


def test_another_agent_cannot_use_the_yes(desk: Desk, support: Team, run: Run) -> None:
    pk = desk.propose({"amount": 80})
    holds.approve(pk, by=desk.ada)
    thief, key = agents.create("thief", team=support, by="test")
    thieving = Desk(key, run, desk.ada)

    with pytest.raises(Refused):
        thieving.claim(pk)
    Action.objects.filter(pk=pk).update(agent=thief, run=runs.start(thief, name="thief")[0])
    with pytest.raises(Conflict, match="does not bind"):
        thieving.claim(pk)


def test_a_policy_that_changed_between_yes_and_start_is_asked_again(
    desk: Desk, scout: Agent
) -> None:
    """The same rules under a new number are no reason to ask; stricter ones are."""
    first, second = desk.propose({"amount": 80}), desk.propose({"amount": 90})
    for pk in (first, second):
        holds.approve(pk, by=desk.ada)
    rules = [over("refund.issue", "amount", 50)]
    own = policies.of_agent(scout)

    policies.write(own, {"tools": ["refund.issue", "search"], "rules": rules}, by="test", why="")
    assert desk.claim(first)["state"] == "executing"
    policies.write(own, {"tools": ["search"], "rules": rules}, by="test", why="")
    with pytest.raises(Conflict) as refusal:
        desk.claim(second)

    assert refusal.value.code == "policy_changed"
    assert Hold.objects.get(pk=second).state == "decided"


@pytest.mark.parametrize(
    "number", [b"9007199254740993", b"1e400", b"-9007199254740992", b"1e22", b"1e300"]
)
def test_what_no_reader_reads_alike_is_refused_when_proposed(door: Door, number: bytes) -> None:
    body = b'{"call_id":"1","tool":"refund.issue","ask":true,"arguments":{"n":%b}}' % number

    told = door.http.post(f"/runs/{door.run.pk}/actions", content=body)

    assert told.status_code in (400, 422)
    assert not Action.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        b"1",
        b"1.0",
        b"1e2",
        b"100.00",
        b"0.1",
        b"1E-7",
        b"9007199254740991",
        b"-0",
    ],
)
def test_the_hot_door_binds_numbers_as_they_were_sent(
    door: Door, ada: Person, text: bytes, held_of: Callable[[Any], Hold]
) -> None:
    body = b'{"call_id":"1","tool":"refund.issue","ask":true,"arguments":{"n":%b}}' % text
    told = door.http.post(f"/runs/{door.run.pk}/actions", content=body)
    holds.approve(held_of(told), by=ada)

    claimed = door.claim(told.json()["action"]["id"], claim_id="c")

    assert claimed.status_code == 200, claimed.text
    action = claimed.json()
    assert bytes.fromhex(action["digest"]) == bound({"n": json.loads(text)}, action)
    assert client_side(action) == action["digest"]


@pytest.fixture
def held_of() -> Callable[[Any], Hold]:
    return lambda told: Hold.objects.get(pk=told.json()["action"]["id"])
