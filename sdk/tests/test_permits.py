"""Permits against a scripted world: what is sent, how long is waited, what is given back."""

from __future__ import annotations

from typing import Any

import pytest

from sdk.tests.world import World
from watchfloor import ApiError, NoPermit, Paused, Terminated, Unreachable
from watchfloor.core import Core
from watchfloor.effects import Bell, Sleep
from watchfloor.flows.permitting import Wanted, keep, permit
from watchfloor.models import Control, PermitInfo
from watchfloor.protocol import Lost
from watchfloor.state import RunState

WANTED = Wanted("openai")
RUNNING = {"state": "running", "version": "1", "directives": []}
PAUSED = {"state": "paused", "version": "2", "reason": "Wait.", "directives": []}
NOW = {"id": "p1", "granted": True}
FULL = {"id": "p1", "granted": False, "waiting": True}
LEASE: dict[str, Any] = {
    **NOW,
    "starts_at": "2026-11-21T03:00:00Z",
    "lease_id": "p1",
    "lease_until": "2026-11-21T03:00:30Z",
}


@pytest.fixture
def run() -> RunState:
    return RunState("nightly", id="r1")


def bodies(world: World) -> list[Any]:
    return [sent.body for sent in world.sent if sent.path == "/permits"]


def paths(world: World) -> list[str]:
    return [f"{sent.method} {sent.path}" for sent in world.sent]


def test_what_is_granted_now_is_used_now(world: World, core: Core, run: RunState) -> None:
    world.will_answer(NOW)

    info = world.run(permit(core, run, Wanted("openai", 3, max_wait=5, lease=2.5)))

    assert info == PermitInfo("p1", True)
    (body,) = bodies(world)
    assert (body["resource"], body["n"], body["lease_s"], body["run_id"]) == ("openai", 3, 3, "r1")
    assert 4 < body["max_wait_s"] <= 5
    assert world.slept == []


def test_a_booked_slot_is_slept_for_and_nobody_is_asked_again(world: World, core: Core) -> None:
    world.will_answer({**NOW, "wait_s": 4.0})

    world.run(permit(core, None, WANTED))

    assert len(world.sent) == 1
    (slept,) = world.slept
    assert 4.0 <= slept <= 4.1


def test_a_refusal_is_tried_again_after_what_the_server_says(world: World, core: Core) -> None:
    world.will_answer({"id": "p1", "retry_after_s": 0.5}, NOW)

    world.run(permit(core, None, WANTED))

    (slept,) = world.slept
    assert 0.5 <= slept <= 0.6
    first, second = bodies(world)
    assert first["id"] != second["id"]


def test_whoever_stands_in_line_asks_again_at_once_under_the_same_id(
    world: World, core: Core
) -> None:
    world.will_answer(FULL, FULL, NOW)

    world.run(permit(core, None, WANTED))

    assert world.slept == []
    assert len({body["id"] for body in bodies(world)}) == 1
    assert {sent.wait for sent in world.sent} == {25.0}


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "p1", "wait_s": 90.0, "retry_after_s": 60.0},
        {"id": "p1", "wait_s": 31.0, "retry_after_s": 1.0},  # what is left then suffices no better
    ],
)
def test_what_cannot_be_in_time_is_said_at_once(
    world: World, core: Core, answer: dict[str, Any]
) -> None:
    world.will_answer(answer)

    with pytest.raises(NoPermit) as refusal:
        world.run(permit(core, None, WANTED))

    assert refusal.value.retry_after == answer["wait_s"]
    assert isinstance(refusal.value, TimeoutError)
    assert world.slept == []


def test_no_such_limit_fails_closed(world: World, core: Core) -> None:
    world.will_answer((404, {"code": "no_such_limit", "detail": "Ask a lead."}))

    with pytest.raises(ApiError) as refusal:
        world.run(permit(core, None, Wanted("openai", on_unreachable="open")))

    assert refusal.value.code == "no_such_limit"


def test_an_unreachable_server_fails_closed(world: World, core: Core) -> None:
    with pytest.raises(Unreachable):
        world.run(permit(core, None, WANTED))


def test_open_goes_on_without_a_permit_when_so_chosen(world: World, core: Core) -> None:
    assert world.run(permit(core, None, Wanted("openai", on_unreachable="open"))) is None


def test_a_paused_run_waits_and_asks_anew(world: World, core: Core, run: RunState) -> None:
    world.will_answer(
        (409, {"code": "paused", "detail": "odd"}), PAUSED, {**RUNNING, "version": "3"}, NOW
    )

    world.run(permit(core, run, WANTED))

    assert paths(world) == [
        "POST /permits",
        "GET /runs/r1/control",
        "GET /runs/r1/control",
        "POST /permits",
    ]


def test_a_pause_during_the_wait_gives_the_place_back_and_asks_anew(
    world: World, core: Core, run: RunState
) -> None:
    class Pausing(World):
        def perform(self, effect: Any) -> Any:
            if isinstance(effect, Sleep) and not self.slept:
                run.heard(Control(state="paused", version="2"))
            return super().perform(effect)

    pausing = Pausing()
    pausing.will_answer({**LEASE, "wait_s": 2.0}, {}, {**RUNNING, "version": "3"}, LEASE)

    pausing.run(permit(core, run, WANTED))

    assert paths(pausing) == [
        "POST /permits",
        "DELETE /permits/p1",
        "GET /runs/r1/control",
        "POST /permits",
    ]


def test_a_run_that_is_terminated_during_the_wait_gives_the_place_back(
    core: Core, run: RunState
) -> None:
    class Ending(World):
        def perform(self, effect: Any) -> Any:
            if isinstance(effect, Sleep):
                run.terminated("enough")
            return super().perform(effect)

    world = Ending()
    world.will_answer({**LEASE, "wait_s": 2.0}, {})

    with pytest.raises(Terminated, match="enough"):
        world.run(permit(core, run, WANTED))

    assert paths(world)[-1] == "DELETE /permits/p1"


def test_an_interrupt_on_the_way_gives_back_what_may_have_been_given(
    world: World, core: Core
) -> None:
    world.will_answer(KeyboardInterrupt(), {})

    with pytest.raises(KeyboardInterrupt):
        world.run(permit(core, None, WANTED))

    (body,) = bodies(world)
    assert paths(world)[-1] == f"DELETE /permits/{body['id']}"


def test_without_a_run_a_pause_is_raised(world: World, core: Core) -> None:
    world.will_answer((409, {"code": "paused", "detail": "odd answers"}))

    with pytest.raises(Paused, match="odd answers"):
        world.run(permit(core, None, WANTED))


def test_a_lease_is_renewed_at_a_third_until_it_is_lost(world: World, core: Core) -> None:
    lost: list[bool] = []
    renewed = {"lease_id": "p1", "lease_until": "2026-11-21T03:01:00Z"}
    world.will_answer(renewed, Lost("away"), (409, {"code": "lease_expired"}))
    info = PermitInfo(**LEASE)

    world.run(keep(core, info, WANTED, Bell(), lambda: lost.append(True)))

    assert world.slept[0] == 10.0
    assert paths(world)[0] == "POST /permits/p1/renew"
    assert lost == [True]


def test_whoever_is_done_renews_no_more(world: World, core: Core) -> None:
    done = Bell()
    done.ring()

    world.run(keep(core, PermitInfo(**LEASE), WANTED, done, lambda: None))

    assert world.sent == []
