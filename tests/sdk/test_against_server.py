"""The client drives the real server: over real HTTP, against the real database, with people deciding."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Action, Agent
from agents.models import Run as RunRow
from agents.transitions import run as runs
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.sdk.conftest import eventually, waiting_hold
from tests.sdk.wire import Wire
from watchfloor import (
    Answered,
    Backoff,
    Client,
    Denied,
    Found,
    HandedOver,
    HandOver,
    NotFound,
    OutcomeUnknown,
    Rejected,
    RunFinished,
    StepTimeout,
    StillHeld,
    Terminated,
    Unparseable,
    Unreachable,
    Usage,
    VersionConflict,
)

QUICK = Backoff(first=0.001, most=0.002, jitter=0.001)

Aside = Callable[..., "Future[Any]"]


def never(**_: Any) -> str:
    raise AssertionError("this must not run")


def states() -> list[str]:
    return list(Action.objects.order_by("id").values_list("state", flat=True))


def row(run: Any) -> RunRow:
    return RunRow.objects.get(pk=run.id)


def test_a_step_is_admitted_done_and_settled(client: Client) -> None:
    with client.run("nightly", key="n1") as run:
        answer = run.step(
            "search",
            lambda q: {"found": q},
            arguments={"q": "card"},
            subject="mail:1",
            usage=lambda _: Usage(10, 5, "0.25", "m"),
        )
        run.output = {"done": 1}

    action = Action.objects.get()
    assert answer == {"found": "card"}
    assert (action.state, action.subject, action.result) == (
        "succeeded",
        "mail:1",
        {"found": "card"},
    )
    assert (action.input_tokens, action.output_tokens) == (10, 5)
    assert row(run).state == "completed"


def test_a_failing_step_is_repeated_then_replaced_then_handed_over(client: Client) -> None:
    def fails() -> None:
        raise ValueError("no answer")

    with client.run("nightly") as run, pytest.raises(HandedOver) as handed:
        run.step(
            "model",
            fails,
            retries=1,
            backoff=QUICK,
            fallbacks=[("search", fails)],
            subject="mail:7",
            hand_over=HandOver("unclassified", "Cannot read mail 7", {"text": "?"}),
        )

    assert states() == ["failed"] * 4
    assert [a.attempt for a in Action.objects.order_by("id")] == [1, 2, 1, 2]
    assert (handed.value.review.key, handed.value.review.queue) == ("mail:7", "unclassified")
    assert Hold.objects.get(kind="review").title == "Cannot read mail 7"


def test_a_run_that_raises_has_failed_and_one_that_is_interrupted_goes_on(client: Client) -> None:
    with pytest.raises(ValueError, match="broken"), client.run("one") as failed:
        raise ValueError("broken")
    with pytest.raises(KeyboardInterrupt), client.run("two", key="k") as left:
        raise KeyboardInterrupt
    with client.run("two", key="k") as continued:
        pass

    assert row(failed).state == "failed"
    assert continued.id == left.id
    assert row(left).state == "completed"
    with pytest.raises(RunFinished), client.run("two", key="k"):
        pass


def test_an_outage_ends_no_run_that_can_be_continued(client: Client, wire: Wire) -> None:
    with suppress(Unreachable), client.run("one", key="k") as left:
        wire.cut()
        left.step("search", never)
    wire.mend()
    with suppress(KeyboardInterrupt), client.run("two") as lost:
        raise KeyboardInterrupt

    assert row(left).state == "running"
    assert row(lost).state == "failed"


def test_a_continued_run_does_not_repeat_what_it_has_done(client: Client) -> None:
    calls: list[int] = []

    def work(n: int) -> int:
        calls.append(n)
        return n * 2

    for _ in range(2):
        with suppress(KeyboardInterrupt), client.run("long", key="k") as run:
            results = [run.step("search", work, arguments={"n": n}) for n in (1, 1, 2)]
            raise KeyboardInterrupt

    assert results == [2, 2, 4]
    assert calls == [1, 1, 2]


def test_an_approval_is_waited_for_and_performed(client: Client, ada: Person, aside: Aside) -> None:
    with client.run("payer") as run:
        approval = run.approval(
            "refund.issue", {"amount": 250}, reason="damaged", amount=250, currency="USD"
        )
        done = aside(run.perform, approval, lambda amount: f"paid {amount}")
        holds.approve(waiting_hold(), by=ada, note="Fine.")

        assert done.result(10) == "paid 250"
    assert (approval.message, states()) == ("Fine.", ["succeeded"])


def test_an_edit_changes_what_runs(client: Client, ada: Person, aside: Aside) -> None:
    with client.run("payer") as run:
        done = aside(
            run.step,
            "refund.issue",
            lambda amount, order: (amount, order),
            arguments={"amount": 250, "order": "A"},
            ask=True,
        )
        holds.edit(waiting_hold(), by=ada, arguments={"amount": 40, "order": "A"})

        assert done.result(10) == (40, "A")


@pytest.mark.parametrize(("verb", "error"), [("reject", Rejected), ("answer", Answered)])
def test_a_refusal_carries_what_the_person_said(
    client: Client, ada: Person, aside: Aside, verb: str, error: type[Rejected]
) -> None:
    with client.run("payer") as run:
        done = aside(run.step, "refund.issue", never, arguments={"amount": 90})
        getattr(holds, verb)(waiting_hold(), by=ada, note="Ask for a photo first.")

        with pytest.raises(error, match="photo") as refused:
            done.result(10)
    assert refused.value.message == "Ask for a photo first."


def test_an_approval_is_picked_up_by_another_process(
    client: Client, ada: Person, wire: Wire, key: str
) -> None:
    with suppress(KeyboardInterrupt), client.run("payer", key="k") as run:
        asked = run.approval("refund.issue", {"amount": 99}, resume={"thread": "t1"})
        with pytest.raises(StillHeld):
            asked.wait(0.01)
        raise KeyboardInterrupt
    holds.approve(waiting_hold(), by=ada)

    with Client(wire.url, key) as other:
        with other.approval(asked.id) as approval:
            assert approval.resume == {"thread": "t1"}
            approval.result = {"paid": approval.arguments["amount"]}
        again = other.approval(asked.id)

    assert (again.state, again.action.result) == ("succeeded", {"paid": 99})


def test_a_tool_that_is_not_listed_is_denied(client: Client) -> None:
    with client.run("nightly") as run, pytest.raises(Denied) as denied:
        run.step("rm", never)

    assert denied.value.code == "tool_not_listed"


CRASHING = """
import os, signal, sys
from pathlib import Path
from watchfloor import Client

ledger = Path(sys.argv[1])

def file_ticket():
    with ledger.open("a") as f:
        f.write("T-1\\n")
    os.kill(os.getpid(), signal.SIGKILL)

with Client() as client, client.run("filing", key="k") as run:
    run.once("ticket-1", "search", file_ticket)
"""


def crash(script: str, wire: Wire, key: str, *arguments: str) -> None:
    environment = {**os.environ, "WATCHFLOOR_URL": wire.url, "WATCHFLOOR_API_KEY": key}
    ended = subprocess.run([sys.executable, "-c", script, *arguments], env=environment)
    assert ended.returncode == -signal.SIGKILL


def test_a_write_is_done_once_across_a_crash(
    client: Client, wire: Wire, key: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "tickets"
    crash(CRASHING, wire, key, str(ledger))

    def find(transaction: str) -> Found | NotFound:
        return Found(ledger.read_text().strip()) if ledger.exists() else NotFound()

    with client.run("filing", key="k") as run:
        with pytest.raises(OutcomeUnknown):
            run.once("ticket-1", "search", never, wait_for_lease=False)
        found = run.once("ticket-1", "search", never, verify=find, takeover=True)
    with client.run("another") as later:
        replayed = later.once("ticket-1", "search", never)

    assert (found, replayed) == ("T-1", "T-1")
    assert ledger.read_text() == "T-1\n"
    assert states() == ["succeeded"]


def test_a_write_that_verifiably_did_not_happen_is_done(
    client: Client, wire: Wire, key: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "tickets"
    crash(CRASHING, wire, key, str(ledger))
    ledger.unlink()

    with client.run("filing", key="k") as run:
        result = run.once(
            "ticket-1", "search", lambda: "T-2", verify=lambda _: NotFound(), takeover=True
        )

    assert result == "T-2"
    assert states() == ["failed", "succeeded"]


def test_the_lease_of_another_process_is_waited_for(
    client: Client, wire: Wire, key: str, tmp_path: Path
) -> None:
    script = CRASHING.replace("file_ticket)\n", "file_ticket, lease=1)\n")
    crash(script, wire, key, str(tmp_path / "tickets"))
    leases: list[bool] = []

    def find(transaction: str) -> Found:
        lease_until = Action.objects.get().lease_until
        leases.append(lease_until is not None and lease_until > timezone.now())
        return Found("T-1")

    with client.run("filing", key="k") as run:
        result = run.once("ticket-1", "search", never, verify=find)

    assert result == "T-1"
    assert leases == [False]


def test_two_at_one_write_do_it_once(client: Client, aside: Aside) -> None:
    calls: list[int] = []
    began, go_on = threading.Event(), threading.Event()

    def write() -> str:
        calls.append(1)
        began.set()
        assert go_on.wait(10)
        return "T-1"

    with client.run("one") as first, client.run("two") as second:
        slow = aside(first.once, "t", "search", write)
        assert began.wait(10)
        other = aside(second.once, "t", "search", write)
        go_on.set()

        assert (slow.result(10), other.result(10)) == ("T-1", "T-1")
    assert calls == [1]


def test_a_timeout_leaves_a_write_open_until_verified(client: Client) -> None:
    held = threading.Event()
    with client.run("filing") as run:
        with pytest.raises(OutcomeUnknown):
            run.once("a", "search", held.wait, timeout=0.01)
        found: Any = run.once("b", "search", held.wait, timeout=0.01, verify=lambda _: Found("B"))
        held.set()

    assert found == "B"
    assert states() == ["executing", "succeeded"]


def test_a_late_attempt_is_a_failed_one(client: Client) -> None:
    held = threading.Event()
    with client.run("nightly") as run, pytest.raises(StepTimeout):
        run.step("search", held.wait, timeout=0.01, retries=1, backoff=QUICK)
    held.set()

    assert states() == ["failed", "failed"]


def test_output_that_does_not_parse_is_asked_for_again(client: Client) -> None:
    told: list[str | None] = []

    def call(instruction: str | None) -> str:
        told.append(instruction)
        return "7" if len(told) == 3 else "seven"

    with client.run("nightly") as run:
        number = run.parse(call, int, tool="model", stronger=lambda why, n: f"{n}: digits only")
        with pytest.raises(Unparseable, match="seven"):
            run.parse(lambda _: "seven", int, tool="model", attempts=2)

    assert number == 7
    assert told == [None, "2: digits only", "3: digits only"]
    assert states() == ["failed", "failed", "succeeded", "failed", "failed"]


def test_a_pause_is_obeyed_and_an_instruction_arrives(
    client: Client, scout: Agent, ada: Person, aside: Aside
) -> None:
    with client.run("nightly") as run:
        run.check()
        runs.stop(row(run), by=ada, reason="Wait.")
        waiting = aside(run.step, "search", lambda: "done")
        hold = waiting_hold("trip")
        holds.modify(hold, by=ada, instruction="Be brief.")
        result = waiting.result(10)
        fresh = run.check()
        run.ack(*fresh)

    assert result == "done"
    assert run.instructions == ["Be brief."]
    assert [d.kind for d in fresh] == ["instruction"]


def test_a_long_step_learns_of_a_pause_and_a_termination_within_a_second(
    client: Client, ada: Person, aside: Aside
) -> None:
    began = threading.Event()

    def long() -> str:
        began.set()
        assert run.cancelled.wait(10)
        return "gave way"

    with client.run("nightly") as run:
        eventually(lambda: run._state.is_live)
        step = aside(run.step, "search", long)
        assert began.wait(10)

        runs.stop(row(run), by=ada, reason="Hold on.")
        paused_at = time.monotonic()
        stop = eventually(lambda: run.stop)
        noticed_after = time.monotonic() - paused_at
        assert (stop.kind, stop.reason) == ("paused", "Hold on.")
        terminated_at = time.monotonic()
        runs.terminate(row(run), by=ada, reason="Enough.")
        with pytest.raises(Terminated, match="Enough"):
            step.result(10)
        gone_after = time.monotonic() - terminated_at
        with pytest.raises(Terminated):
            run.check()

    assert noticed_after < 1
    assert gone_after < 1
    assert states() == ["succeeded"]
    assert row(run).state == "terminated"


def test_gated_steps_stop_without_the_server_and_observations_follow(
    client: Client, wire: Wire
) -> None:
    with client.run("nightly") as run:
        wire.cut()
        with pytest.raises(Unreachable):
            run.step("search", never)
        run.step("search", lambda: 1, gated=False)
        run.step("mail.read", lambda: 2, on_unreachable="open")
        assert client.unsent == 2
        wire.mend()
        assert client.flush()

    assert sorted(Action.objects.values_list("tool", "state")) == [
        ("mail.read", "succeeded"),
        ("search", "succeeded"),
    ]


def test_an_outcome_that_cannot_be_told_is_told_later(client: Client, wire: Wire) -> None:
    def write() -> str:
        wire.cut()
        return "written"

    with client.run("nightly") as run:
        assert run.step("search", write) == "written"
        assert states() == ["executing"]
        wire.mend()
        assert client.flush()

    assert states() == ["succeeded"]


SPILLING = """
import os, signal, sys
from watchfloor import Client

client = Client(on_unreachable="open", patience=0.0, buffer_path=sys.argv[1])
run = client.run("dark", key="k").__enter__()
run.step("search", lambda: "seen", gated=False)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_report(
    client: Client, wire: Wire, key: str, tmp_path: Path
) -> None:
    wire.cut()
    crash(SPILLING, wire, key, str(tmp_path / "buffer"))
    wire.mend()

    with Client(wire.url, key, buffer_path=tmp_path / "buffer") as heir:
        assert heir.flush()

    assert Action.objects.get().result == "seen"
    assert RunRow.objects.get(name="dark").key == "k"


def test_checkpoints_are_not_overwritten_unseen(client: Client) -> None:
    with client.run("nightly") as run:
        assert run.load(default={"n": 0}) == {"n": 0}
        assert run.save({"n": 1}) == 1
        assert run.save({"n": 2}) == 2
        with pytest.raises(VersionConflict) as conflict:
            run.save({"n": 9}, expected_version=1)

        assert conflict.value.current_version == 2
        assert run.load() == {"n": 2}


def test_handed_over_work_comes_back_as_a_directive(client: Client, ada: Person) -> None:
    with client.run("nightly") as run:
        review = run.hand_over("mail:1", "Please read", {"text": "?"}, queue="unclassified")
        again = run.hand_over("mail:1", "Please read", {"text": "?"}, queue="unclassified")
        holds.resolve(waiting_hold("review"), by=ada, note="It is a complaint.")
        directives = eventually(run.check)

    assert again.id == review.id
    assert directives[0].body["note"] == "It is a complaint."
    assert client.review(review.id).decision == "resolved"


def test_a_framework_interrupt_is_no_error_and_comes_back(client: Client) -> None:
    class Interrupt(Exception):
        pass

    answers: list[Any] = [Interrupt(), "found"]

    def look(q: str, *, depth: int = 1) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return (answer, q, depth)

    with client.run("graph", key="k") as run:
        tool = run.guard_tool(look, "search", interrupts=Interrupt)
        with pytest.raises(Interrupt):
            tool("card", depth=2)
        assert states() == ["allowed"]

        assert tool("card", depth=2) == ("found", "card", 2)
    assert states() == ["succeeded"]
    assert Action.objects.get().arguments == {"q": "card", "depth": 2}


def test_versions_and_the_agent_are_told(client: Client) -> None:
    version = client.register_version("2026.11", tools=["search"], model="m")

    assert version.label == "2026.11"
    assert client.agent()["name"] == "scout"
