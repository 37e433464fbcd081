"""Flows against a scripted world: what is sent, how long is waited, what comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sdk.tests.world import World
from watchfloor import Backoff, Denied, Paused, ResultNotStored, Stop, Terminated, Unreachable
from watchfloor.core import Core, ask
from watchfloor.effects import Listen
from watchfloor.flows.control import check, watching
from watchfloor.flows.parsing import parse
from watchfloor.flows.stepping import Step, run_step
from watchfloor.models import Control
from watchfloor.protocol import Lost, agent
from watchfloor.state import RunState

RUNNING = {"state": "running", "version": "1", "directives": []}
PAUSED = {"state": "paused", "version": "2", "reason": "Wait.", "directives": []}


class Bubble(Exception):
    """As LangGraph's own: known by name."""


Bubble.__name__, Bubble.__module__ = "GraphBubbleUp", "langgraph.errors"


@pytest.fixture
def run() -> RunState:
    return RunState("nightly", id="r1")


class Admitting(World):
    """Admits whatever is proposed, and notes how it was settled."""

    def __init__(self, **states: Any) -> None:
        super().__init__()
        self.settled: list[str] = []
        self.seen = states

    def perform(self, effect: Any) -> Any:
        request = getattr(effect, "request", None)
        if request is None:
            return super().perform(effect)
        if request.path.endswith("/actions"):
            self.answers.insert(0, self.admission(request.body))
        elif request.path.endswith("/settle"):
            self.settled.append(request.body["outcome"])
            self.answers.insert(0, {"control": RUNNING})
        return super().perform(effect)

    def admission(self, body: dict[str, Any]) -> dict[str, Any]:
        before = self.seen.get(body["call_id"].rpartition("/")[2])
        action = {
            "id": body["call_id"],
            "run_id": "r1",
            "call_id": body["call_id"],
            "tool": body["tool"],
            "kind": body["kind"],
            "state": "executing",
            "claim_id": body["claim_id"],
            "arguments": json.loads(json.dumps(body["arguments"])),
        }
        word = "allowed" if before is None else "replayed"
        return {"admission": word, "control": RUNNING, "action": {**action, **(before or {})}}


def test_passing_answers_are_repeated_as_long_as_the_server_asks(core: Core, world: World) -> None:
    core.patience = 60.0
    world.will_answer(Lost("reset"), (503, {}, {"retry-after": "2"}), {"name": "scout"})

    assert world.run(ask(core, agent())) == {"name": "scout"}
    assert 0.1 <= world.slept[0] <= 0.3
    assert world.slept[1] == 2


def test_patience_ends(core: Core, world: World) -> None:
    core.patience = 5.0
    world.will_answer((429, {}, {"retry-after": "3600"}))

    with pytest.raises(Unreachable):
        world.run(ask(core, agent()))
    assert world.slept == []


def test_backoff_grows_with_jitter(core: Core, run: RunState) -> None:
    def fails() -> None:
        raise ValueError

    world, backoff = Admitting(), Backoff(first=1, most=3, jitter=0.5)
    with pytest.raises(ValueError):  # noqa: PT011
        world.run(run_step(core, run, Step("search", fails, retries=3, backoff=backoff)))

    assert [int(pause) for pause in world.slept] == [1, 2, 3]
    assert world.settled == ["failed"] * 4


def test_errors_that_are_not_worth_retrying_come_at_once(core: Core, run: RunState) -> None:
    def fails() -> None:
        raise KeyError("bug")

    world = Admitting()
    step = Step("search", fails, retry_on=OSError, fallbacks=[("other", lambda: 1)])
    with pytest.raises(KeyError):
        world.run(run_step(core, run, step))

    assert world.settled == ["failed"]


def test_what_never_parses_goes_to_the_fallback(core: Core, run: RunState) -> None:
    world = Admitting()
    step = Step("model", lambda instruction: "seven", fallbacks=[("rules", lambda: 7)], retries=0)

    assert world.run(parse(core, run, step, int, attempts=2, stronger=None)) == 7
    told = [r.body["arguments"].get("instruction") for r in world.sent if "arguments" in r.body]
    assert told[0] is None
    assert "seven" in told[1]
    assert world.settled == ["failed", "failed", "succeeded"]


def test_a_framework_interrupt_is_known_by_name(core: Core, run: RunState) -> None:
    def interrupts() -> None:
        raise Bubble

    world = Admitting()
    with pytest.raises(Bubble):
        world.run(run_step(core, run, Step("ask", interrupts)))
    first = world.sent[0].body["call_id"]
    world.run(run_step(core, run, Step("ask", lambda: 1)))

    assert world.settled == ["interrupted", "succeeded"]
    assert world.sent[-2].body["call_id"] == first


def test_a_stored_result_is_given_again(core: Core, run: RunState) -> None:
    world = Admitting(**{"1": {"state": "succeeded", "result": {"n": 1}}})

    assert world.run(run_step(core, run, Step("search", pytest.fail))) == {"n": 1}


def test_a_result_that_was_not_stored_is_made_again_except_for_writes(
    core: Core, run: RunState
) -> None:
    gone = {"state": "succeeded", "result": {"$watchfloor": "not_stored", "text": "…"}}
    world = Admitting(**{"1": gone})

    assert world.run(run_step(core, run, Step("search", lambda: 2))) == 2
    with pytest.raises(ResultNotStored):
        world.run(run_step(core, run, Step("file", pytest.fail, kind="write")))


def test_an_attempt_that_a_crash_cut_short_is_closed_and_repeated(
    core: Core, run: RunState
) -> None:
    world = Admitting(**{"1": {"state": "executing", "claim_id": "of the dead"}})

    assert world.run(run_step(core, run, Step("search", lambda: 2))) == 2
    assert world.settled == ["failed", "succeeded"]


def test_an_approval_that_lost_its_tool_is_a_denial_not_a_loop(
    core: Core, run: RunState, world: World
) -> None:
    action = {"id": "a", "run_id": "r1", "state": "approved", "decision": "approved"}
    problem = (409, {"code": "not_claimable", "detail": "refund is no longer listed"})
    world.will_answer(
        {"admission": "replayed", "control": RUNNING, "action": action}, problem, action
    )

    with pytest.raises(Denied, match="no longer listed"):
        world.run(run_step(core, run, Step("refund", pytest.fail)))


def test_a_pause_is_waited_out_and_the_same_call_proposed_again(core: Core, run: RunState) -> None:
    world = Admitting()
    paused = {"admission": "retry_later", "code": "paused", "control": PAUSED}
    world.admission = lambda body: paused  # type: ignore[method-assign]

    def perform(effect: Any) -> Any:
        if "/control" in getattr(getattr(effect, "request", None), "path", ""):
            del world.admission
            world.answers.insert(0, RUNNING)
        return Admitting.perform(world, effect)

    world.perform = perform  # type: ignore[method-assign]

    assert world.run(run_step(core, run, Step("search", lambda: 1))) == 1
    proposals = [r.body["call_id"] for r in world.sent if r.path.endswith("/actions")]
    assert len(set(proposals)) == 1
    assert [r.params for r in world.sent if "/control" in r.path] == [{"wait": "25", "seen": "2"}]


def test_without_waiting_a_pause_raises(core: Core, run: RunState, world: World) -> None:
    world.will_answer(PAUSED)

    with pytest.raises(Paused, match="Wait"):
        world.run(check(core, run, block=False))
    assert run.stop == Stop("paused", "Wait.")


def test_a_termination_is_never_unheard(run: RunState) -> None:
    run.heard(Control(state="terminated", reason="Enough."))
    run.heard(Control(state="running"))

    assert run.cancelled.is_rung()
    with pytest.raises(Terminated, match="Enough"):
        run.obey()


def test_watching_falls_back_to_long_polls(core: Core, run: RunState, world: World) -> None:
    def buffered_by_a_proxy(effect: Listen) -> None:
        raise Lost("silence")

    world.will_answer(
        buffered_by_a_proxy, buffered_by_a_proxy, PAUSED, {"state": "terminated", "version": "3"}
    )
    world.run(watching(core, run))

    assert [r.path.rpartition("/")[2] for r in world.sent] == ["stream"] * 2 + ["control"] * 2
    assert run.cancelled.is_rung()


def test_a_stream_that_ends_is_opened_again(core: Core, run: RunState, world: World) -> None:
    def told(control: dict[str, Any]) -> Any:
        return lambda effect: effect.heard("control", json.dumps(control))

    world.will_answer(told(PAUSED), told({"state": "completed", "version": "3"}))
    world.run(watching(core, run))

    assert [r.path for r in world.sent] == ["/runs/r1/stream"] * 2
    assert run.closed.is_rung()
