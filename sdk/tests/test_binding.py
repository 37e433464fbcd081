"""Exact binding: what runs is what was approved, to the byte, or nothing runs."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.tests.world import World
from watchfloor import BindingBroken
from watchfloor.binding import digest, same, why_not
from watchfloor.core import Core
from watchfloor.flows.admitting import Claim
from watchfloor.flows.approving import perform_approved
from watchfloor.flows.performing import Work
from watchfloor.flows.stepping import Step, run_step
from watchfloor.models import Action, read
from watchfloor.protocol import Reply, claim, understand
from watchfloor.state import RunState

RUNNING = {"state": "running", "version": "1", "directives": []}

RECORDED: dict[str, Any] = {
    "id": "019aa6c1-5a3e-7a51-9b57-0d7d2c9b9a01",
    "agent_id": "019aa6c1-59aa-7000-8000-00000000a9e1",
    "run_id": "r1",
    "call_id": "refund/1",
    "kind": "tool",
    "tool": "refund.issue",
    "state": "approved",
    "decision": "edited",
    "requested_arguments": {"amount": 250, "order": "A-7", "urgent": True},
    "arguments": {"amount": 40.5, "order": "A-7", "urgent": True},
    "policy_version": "3.2",
    "digest": "",
    "resume": None,
}

CANONICAL = (
    b'{"agent":"019aa6c1-59aa-7000-8000-00000000a9e1",'
    b'"arguments":{"amount":40.5,"order":"A-7","urgent":true},"operation":"execute",'
    b'"policy_version":"3.2","run":"r1","tool":"refund.issue"}'
)


def recorded(**changes: Any) -> dict[str, Any]:
    return {**RECORDED, "digest": sha256(CANONICAL).hexdigest(), **changes}


@pytest.fixture
def approved() -> Action:
    return read(Action, recorded())


def test_the_digest_is_that_of_the_canonical_call(approved: Action) -> None:
    assert digest(approved, approved.arguments) == sha256(CANONICAL).hexdigest()
    assert why_not(approved, approved.arguments, "closed") == ""


@pytest.mark.parametrize(
    "change",
    [
        {"agent_id": "another"},
        {"run_id": "r2"},
        {"tool": "refund.all"},
        {"policy_version": "3.3"},
        {"policy_version": 3},
        {"arguments": {"amount": 40.5, "order": "A-7", "urgent": 1}},
        {"arguments": {"amount": "40.5", "order": "A-7", "urgent": True}},
        {"arguments": {"amount": 40.5, "order": "A-7"}},
        {"arguments": {"amount": 2**60 + 1, "order": "A-7", "urgent": True}},
    ],
)
def test_whatever_differs_must_not_run(approved: Action, change: dict[str, Any]) -> None:
    other = replace(approved, **change)

    assert why_not(other, other.arguments, "closed")
    assert why_not(other, other.arguments, "open"), "open only lets through what has no digest"


def test_numbers_that_postgresql_writes_out_are_what_was_bound(approved: Action) -> None:
    """RFC 8785 writes the double 1e21 with an exponent and 1e16 without; jsonb writes out both."""
    for number in (1e16, 1e21, 1.5e300, -1e16):
        bound = replace(approved, digest=digest(approved, {"n": number}))

        assert why_not(bound, {"n": int(Decimal(repr(number)))}, "closed") == ""
    assert same(1e16, 10**16)
    assert same(1.0, 1)
    assert not same(True, 1)
    assert not same(2**60 + 1, float(2**60))


def test_without_a_digest_an_approved_action_fails_closed(approved: Action) -> None:
    old = replace(approved, digest=None)

    assert "no digest" in why_not(old, old.arguments, "closed")
    assert why_not(old, old.arguments, "open") == ""


def test_what_needed_no_person_binds_nothing(approved: Action) -> None:
    allowed = replace(approved, digest=None, decision="", state="allowed")

    assert why_not(allowed, allowed.arguments, "closed") == ""


def test_a_step_runs_the_edited_arguments_with_their_types(
    core: Core, world: World, run: RunState
) -> None:
    world.answers = stepping(recorded())

    given = world.run(run_step(core, run, Step("refund.issue", lambda **a: a, **asked())))

    assert given == RECORDED["arguments"]
    assert [type(each) for each in given.values()] == [float, str, bool]
    assert world.sent[-1].body["outcome"] == "succeeded"


def test_a_step_that_differs_from_its_approval_does_not_run(
    core: Core, world: World, run: RunState
) -> None:
    world.answers = stepping(recorded(arguments={**RECORDED["arguments"], "amount": 4050}))

    with pytest.raises(BindingBroken, match="differs from what was approved") as broken:
        world.run(run_step(core, run, Step("refund.issue", pytest.fail, **asked())))

    assert broken.value.action.id == RECORDED["id"]
    assert world.sent[-1].path.endswith("/settle")
    assert world.sent[-1].body["outcome"] == "failed"
    assert world.sent[-1].body["error"]["type"] == "BindingBroken"


def test_an_approval_of_an_old_server_runs_only_where_that_was_chosen(
    core: Core, world: World, run: RunState
) -> None:
    old = {k: v for k, v in recorded().items() if k not in ("digest", "agent_id")}
    action, mine = read(Action, old), Claim("mine")
    held = {**old, "state": "executing", "claim_id": "mine"}

    world.will_answer(held, {"control": RUNNING})
    with pytest.raises(BindingBroken, match="no digest"):
        world.run(perform_approved(core, run, action, mine, Work("refund", pytest.fail)))

    core.on_unbound = "open"
    world.will_answer(held, {"control": RUNNING})
    done = world.run(perform_approved(core, run, action, mine, Work("refund", lambda **a: a)))
    assert done == RECORDED["arguments"]


def test_the_callers_own_object_is_not_used_once_it_changed(
    core: Core, world: World, run: RunState
) -> None:
    """It was approved as it stood; what is executed is that, not what it became meanwhile."""
    action = read(Action, recorded(requested_arguments=RECORDED["arguments"]))
    order = ["A-7"]
    held = replace(
        action, requested_arguments={"order": ["A-7"]}, arguments={"order": ["A-7"]}, digest=None
    )
    work = Work("refund.issue", pytest.fail, {"order": order})

    assert work.effective(held)["order"] is order
    order.append("A-8")
    assert work.effective(held)["order"] == ["A-7"]


@pytest.mark.parametrize(
    ("mine", "theirs"), [(True, 1), (1, True), (1, 1.0), (250, "250"), (None, False)]
)
def test_an_edit_that_python_would_take_for_equal_is_one(mine: Any, theirs: Any) -> None:
    action = Action("1", requested_arguments={"n": mine}, arguments={"n": theirs})
    given = Work("t", pytest.fail, {"n": mine}).effective(action)

    assert action.is_edited
    assert given["n"] is theirs


def test_a_large_double_stays_the_callers_own() -> None:
    """1e16 comes back from jsonb as an integer; nobody edited it."""
    action = Action("1", requested_arguments={"n": 10**16}, arguments={"n": 10**16})

    assert type(Work("t", pytest.fail, {"n": 1e16}).effective(action)["n"]) is float


def test_the_servers_numbers_are_read_as_they_are_written() -> None:
    body = b'{"id":"a","arguments":{"i":1,"f":1.0,"big":1234567890123456789,"t":true,"e":1e2}}'

    given = understand(claim("a", "c", None), Reply(200, {}, body)).arguments

    assert {name: type(each) for name, each in given.items()} == {
        "i": int, "f": float, "big": int, "t": bool, "e": float,
    }  # fmt: skip
    assert given["big"] == 1234567890123456789


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abcé€"), inner), max_leaves=8
)
ARGUMENTS = st.dictionaries(st.text("abcé€", min_size=1), VALUES, max_size=4)


def as_jsonb(value: Any) -> Any:
    """As PostgreSQL gives it back: keys in its own order, numbers written out."""
    if isinstance(value, dict):
        return {key: as_jsonb(value[key]) for key in sorted(value, key=lambda k: (len(k), k))}
    if isinstance(value, list):
        return [as_jsonb(each) for each in value]
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}"
        return json.loads(text)
    return value


@given(ARGUMENTS)
def test_whatever_was_approved_may_run_as_the_server_gives_it_back(given: dict[str, Any]) -> None:
    action = read(Action, recorded())
    bound = replace(action, digest=digest(action, given))

    assert why_not(bound, as_jsonb(given), "closed") == ""


@given(ARGUMENTS, ARGUMENTS)
def test_nothing_else_may_run(given: dict[str, Any], other: dict[str, Any]) -> None:
    action = read(Action, recorded())
    bound = replace(action, digest=digest(action, given))

    assert bool(why_not(bound, other, "closed")) == (not same(given, other))


@pytest.fixture
def run() -> RunState:
    return RunState("nightly", id="r1")


def asked() -> dict[str, Any]:
    return {"arguments": RECORDED["requested_arguments"], "ask": True}


def stepping(action: dict[str, Any]) -> list[Any]:
    """Replayed as approved, claimed by whoever asks, settled."""
    claimed = Claiming({**action, "state": "executing"})
    return [
        {"admission": "replayed", "control": RUNNING, "action": action},
        claimed,
        {"control": RUNNING},
    ]


class Claiming(dict[str, Any]):
    """An action that carries whatever claim was asked for; see `world` below."""


@pytest.fixture
def world() -> World:
    class Obliging(World):
        def perform(self, effect: Any) -> Any:
            if self.answers and isinstance(self.answers[0], Claiming):
                self.answers[0] = {**self.answers[0], "claim_id": effect.request.body["claim_id"]}
            return super().perform(effect)

    return Obliging()
