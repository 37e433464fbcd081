"""What people say beside yes and no, and what it is for the caller."""

from __future__ import annotations

from typing import Any

import pytest

from sdk.tests.world import World
from watchfloor import Asked, Backoff, Conflict, Denied, PolicyChanged, Refused, Rejected
from watchfloor.core import Core
from watchfloor.flows.admitting import Claim
from watchfloor.flows.approving import claim
from watchfloor.flows.once import Write, once
from watchfloor.flows.stepping import Step, run_step
from watchfloor.models import Action, read
from watchfloor.protocol import Request
from watchfloor.state import RunState

RUNNING = {"state": "running", "version": "1", "directives": []}
STRICTER = (409, {"code": "policy_changed", "detail": "Policy changed: two must agree."})
ASKED = {"id": "a1", "run_id": "r1", "tool": "refund", "state": "rejected", "decision": "asked",
         "message": "Which order?"}  # fmt: skip


@pytest.fixture
def run() -> RunState:
    return RunState("nightly", id="r1")


def admitted(word: str, action: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"admission": word, "control": RUNNING, "action": action, **more}


class Judging(World):
    """Answers each request by what `judge` makes of it."""

    def __init__(self, judge: Any) -> None:
        super().__init__()
        self.judge = judge

    def perform(self, effect: Any) -> Any:
        request = getattr(effect, "request", None)
        if request is not None:
            self.answers.insert(0, self.judge(request))
        return super().perform(effect)

    @property
    def proposed(self) -> list[dict[str, Any]]:
        return [each.body for each in self.sent if each.path.endswith("/actions")]


def test_a_question_is_an_answer_of_its_own(core: Core, run: RunState, world: World) -> None:
    world.will_answer(admitted("replayed", ASKED))

    with pytest.raises(Asked, match="Which order") as asked:
        world.run(run_step(core, run, Step("refund", pytest.fail)))

    assert isinstance(asked.value, Refused)
    assert asked.value.action == read(Action, ASKED)


def test_what_was_rejected_before_is_a_rejection_with_the_persons_words(
    core: Core, run: RunState, world: World
) -> None:
    before = {**ASKED, "decision": "rejected", "message": "No photo.", "code": "rejected_before"}
    told = admitted("denied", before, code="rejected_before", reason="No photo.")
    world.will_answer(
        told, admitted("replayed", before), admitted("replayed", {**before, "code": ""})
    )

    remembered = []
    for _ in range(3):
        with pytest.raises(Rejected, match="No photo") as rejected:
            world.run(run_step(core, run, Step("refund", pytest.fail)))
        remembered.append(rejected.value.remembered)

    assert remembered == [True, True, False]


def test_a_denial_by_policy_keeps_its_code(core: Core, run: RunState, world: World) -> None:
    action = {**ASKED, "state": "denied", "decision": "", "code": "tool_not_listed"}
    world.will_answer(
        admitted("denied", action, code="tool_not_listed", reason="No."),
        admitted("replayed", action),
    )

    for _ in range(2):
        with pytest.raises(Denied) as denied:
            world.run(run_step(core, run, Step("rm", pytest.fail)))
        assert denied.value.code == "tool_not_listed"


def test_stricter_rules_take_an_approval_back(core: Core, run: RunState, world: World) -> None:
    approved = {**ASKED, "state": "approved", "decision": "approved"}
    world.will_answer(STRICTER, approved)

    with pytest.raises(PolicyChanged, match="two must agree") as changed:
        world.run(claim(core, run, read(Action, approved), Claim("mine")))

    assert isinstance(changed.value, Conflict)
    assert changed.value.action is not None
    assert changed.value.action.id == "a1"


def test_a_step_that_stricter_rules_took_back_is_proposed_again(core: Core, run: RunState) -> None:
    def judge(request: Request[Any]) -> Any:
        if request.path.endswith("/claim"):
            return STRICTER
        if request.path.endswith("/actions") and request.body["attempt"] == 1:
            return admitted("replayed", {**ASKED, "state": "approved", "decision": "approved"})
        if request.path.endswith("/actions"):
            return admitted("denied", {**ASKED, "state": "denied"}, code="policy", reason="Never.")
        return {**ASKED, "state": "approved", "decision": "approved"}

    world = Judging(judge)
    with pytest.raises(Denied, match="Never"):
        world.run(run_step(core, run, Step("refund", pytest.fail)))

    assert [body["attempt"] for body in world.proposed] == [1, 2]
    assert len({body["call_id"] for body in world.proposed}) == 2


def test_a_write_that_stricter_rules_took_back_frees_its_key_first(
    core: Core, run: RunState
) -> None:
    cancelled: list[str] = []

    def judge(request: Request[Any]) -> Any:
        state = "cancelled" if cancelled else "approved"
        first = {**ASKED, "state": state, "decision": "approved", "message": "".join(cancelled)}
        if request.path.endswith("/cancel"):
            cancelled.append(request.body["reason"])
            return {}
        if request.path.endswith("/claim"):
            return STRICTER
        if not request.path.endswith("/actions"):
            return {"control": RUNNING, **first}
        if request.body["attempt"] == 1:
            return admitted("replayed", first)
        mine = {"state": "executing", "claim_id": request.body["claim_id"], "decision": ""}
        return admitted("allowed", {**ASKED, **mine})

    for world in (Judging(judge), Judging(judge)):
        done = world.run(once(core, run, Write("t1", "refund", lambda: "paid")))
        assert done == "paid"
        assert [body["attempt"] for body in world.proposed] == [1, 2]
    assert len(cancelled) == 1


@pytest.mark.parametrize("word", ["replayed", "held"])
def test_the_same_request_of_another_caller_is_waited_for_and_not_repeated(
    core: Core, run: RunState, word: str
) -> None:
    """People were asked once for both; whoever lost the claim gets what the other one did."""
    theirs = {**ASKED, "call_id": "theirs", "state": "executing", "decision": "approved",
              "claim_id": "theirs", "lease_until": "2999-01-01T00:00:00Z"}  # fmt: skip
    looks: list[str] = []

    def judge(request: Request[Any]) -> Any:
        if request.path.endswith("/actions"):
            mine = {"call_id": request.body["call_id"]} if word == "held" else {}
            return admitted(word, {**theirs, "state": "approved", **mine})
        if request.path.endswith("/claim"):
            return 409, {"code": "already_claimed", "detail": "It is claimed."}
        looks.append(request.path)
        done = {**theirs, "state": "succeeded", "result": "paid once"}
        return theirs if len(looks) < 3 else done

    world = Judging(judge)
    result = world.run(run_step(core, run, Step("refund", pytest.fail, ask=True)))

    assert result == "paid once"
    assert len(world.slept) == 2


def test_what_the_other_caller_failed_at_is_proposed_again(core: Core, run: RunState) -> None:
    theirs = {**ASKED, "call_id": "theirs", "decision": "approved", "state": "failed"}

    def judge(request: Request[Any]) -> Any:
        if not request.path.endswith("/actions"):
            return {"control": RUNNING}
        if request.body["attempt"] == 1:
            return admitted("replayed", theirs)
        mine = {"claim_id": request.body["claim_id"], "call_id": request.body["call_id"]}
        return admitted("allowed", {**theirs, "decision": "", "state": "executing", **mine})

    assert Judging(judge).run(run_step(core, run, Step("refund", lambda: 1))) == 1


def test_what_is_said_of_a_proposal_travels_with_it(core: Core, run: RunState) -> None:
    world = Judging(lambda request: admitted("denied", ASKED, code="policy"))
    step = Step("refund", pytest.fail, revises="a0", on_behalf_of="person:ada", backoff=Backoff())
    with pytest.raises(Denied):
        world.run(run_step(core, run, step))

    (body,) = world.proposed
    assert (body["revises"], body["on_behalf_of"]) == ("a0", "person:ada")
    assert RunState("n", on_behalf_of="person:ada").wanted["on_behalf_of"] == "person:ada"
