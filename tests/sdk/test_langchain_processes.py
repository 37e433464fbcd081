"""A graph whose process is gone: another one continues from the checkpoint, and nothing runs twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from agents.models import Action
from agents.models import Run as RunRow
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.sdk.conftest import hold_of, waiting_hold
from tests.sdk.graphs import agent, calls, inbox
from tests.sdk.wire import Wire
from watchfloor import AsyncClient, Client, Conflict, OutcomeUnknown, StillHeld
from watchfloor.langchain import AsyncWatch, Watch

Aside = Callable[..., "Future[Any]"]

PROJECT = Path(__file__).parents[2]
THREAD: dict[str, Any] = {"configurable": {"thread_id": "t1"}}
HELLO = {"messages": [("user", "Please.")]}

PROCESS = """
import os, signal, sys
from pathlib import Path
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.sqlite import SqliteSaver
from tests.sdk.graphs import agent, calls
from watchfloor import Client, StillHeld
from watchfloor.langchain import Watch

database, ledger, mode, end = sys.argv[1:]

class Killer(BaseCallbackHandler):
    run_inline = True

    def on_tool_end(self, output, **more):
        os.kill(os.getpid(), signal.SIGKILL)

config = {"configurable": {"thread_id": "t1"}, "callbacks": [Killer()] if end == "in the tool" else []}
timeout = None if end == "in the tool" else 0

with SqliteSaver.from_conn_string(database) as saver, Client() as client:
    with client.run("payer", key="t1", interrupts=(StillHeld,)) as run:
        graph = agent(saver, Path(ledger), calls({"amount": 900}), mode=mode)
        watch = Watch(run, graph, lease=1)
        try:
            watch.invoke({"messages": [("user", "Please.")]}, config, timeout=timeout)
        except StillHeld:
            if end == "waiting":
                os.kill(os.getpid(), signal.SIGKILL)
            raise
"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "checkpoints.sqlite")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
def process(
    live: str, wire: Wire, key: str, database: str, ledger: Path
) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts the agent of PROCESS."""

    def start(mode: str, end: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "WATCHFLOOR_URL": wire.url,
            "WATCHFLOOR_API_KEY": key,
            "PYTHONPATH": str(PROJECT),
        }
        arguments = [database, str(ledger), mode, end]
        return subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], env=environment)

    return start


@contextmanager
def watched(
    client: Client, database: str, ledger: Path, mode: str = "batched", **options: Any
) -> Iterator[Watch]:
    """The same agent in this process, from the same file."""
    with (
        SqliteSaver.from_conn_string(database) as saver,
        client.run("payer", key="t1", interrupts=(StillHeld, OutcomeUnknown, Conflict)) as run,
    ):
        graph = agent(saver, ledger, calls({"amount": 900}), mode=mode)
        yield Watch(run, graph, **options)


def state() -> str:
    return Action.objects.get().state


@pytest.mark.parametrize("mode", ["batched", "per_call"])
def test_a_killed_process_is_continued_by_another_and_the_tool_runs_once(
    client: Client, ada: Person, process: Any, database: str, ledger: Path, mode: str
) -> None:
    assert process(mode, "waiting").wait(60) == -signal.SIGKILL
    holds.edit(waiting_hold(), by=ada, arguments={"amount": 5, "order": "B"})

    with watched(client, database, ledger, mode) as watch:
        went_on = watch.pick_up()
        again = watch.pick_up()

    assert list(went_on) == ["t1"]
    assert "refunded 5" in went_on["t1"]["messages"][-1].content
    assert again == {}
    assert ledger.read_text() == "5 B\n"
    assert (state(), RunRow.objects.get().state) == ("succeeded", "completed")


def test_what_nobody_has_decided_yet_is_left_where_it_is(
    client: Client, ada: Person, process: Any, database: str, ledger: Path
) -> None:
    assert process("batched", "leaving").wait(60) == 1  # StillHeld, and the run stays open

    with watched(client, database, ledger) as watch:
        assert watch.pick_up() == {}
        assert Hold.objects.count() == 1
        holds.approve(waiting_hold(), by=ada)
        output = watch.invoke(None, THREAD)

    assert "refunded 900" in output["messages"][-1].content
    assert ledger.read_text() == "900 A\n"


@pytest.mark.parametrize("mode", ["batched", "per_call"])
def test_a_process_killed_after_the_tool_ran_is_not_repeated(
    client: Client, ada: Person, process: Any, database: str, ledger: Path, mode: str
) -> None:
    running = process(mode, "in the tool")
    holds.approve(waiting_hold(), by=ada)
    assert running.wait(60) == -signal.SIGKILL
    assert (ledger.read_text(), state()) == ("900 A\n", "executing")

    with watched(client, database, ledger, mode) as watch, pytest.raises(OutcomeUnknown):
        watch.pick_up()

    assert ledger.read_text() == "900 A\n"


def test_two_processes_that_pick_up_the_same_thread_do_it_once(
    client: Client, ada: Person, process: Any, database: str, ledger: Path, aside: Aside,
    wire: Wire, key: str,
) -> None:  # fmt: skip
    assert process("batched", "waiting").wait(60) == -signal.SIGKILL
    holds.approve(waiting_hold(), by=ada)

    def pick_up() -> Any:
        with Client(wire.url, key) as other, watched(other, database, ledger) as watch:
            return watch.pick_up()

    locked_out = 0
    for each in [aside(pick_up) for _ in range(3)]:
        try:
            each.result(30)
        except (Conflict, OutcomeUnknown):  # who came too late
            pass
        except sqlite3.OperationalError:  # SQLite is locked: whoever that hits, also the first
            locked_out += 1

    if locked_out and not ledger.read_text():
        assert state() in ("approved", "executing"), "not done, and nobody says that it is"
    else:
        assert ledger.read_text() == "900 A\n"
        assert state() == "succeeded"


def test_a_request_that_another_process_is_at_is_not_taken_from_it(
    client: Client, ada: Person, database: str, ledger: Path
) -> None:
    with watched(client, database, ledger, lease=2) as watch:
        with pytest.raises(StillHeld):
            watch.invoke(HELLO, THREAD, timeout=0)
        holds.approve(waiting_hold(), by=ada)
        client.approval(str(Action.objects.get().pk)).claim()
        Action.objects.update(lease_until=Action.objects.get().claimed_at)

        with pytest.raises(OutcomeUnknown):
            watch.pick_up()

    assert ledger.read_text() == ""


def test_one_thread_that_cannot_go_on_keeps_no_other_from_it(
    client: Client, ada: Person, database: str, ledger: Path
) -> None:
    with watched(client, database, ledger) as watch:
        for name, amount in (("t1", 900), ("t2", 900)):
            with pytest.raises(StillHeld):
                watch.invoke(HELLO, {"configurable": {"thread_id": name}}, timeout=0)
            holds.edit(waiting_hold(), by=ada, arguments={"amount": amount, "order": name})
        stuck = Action.objects.order_by("id")[0]
        client.approval(str(stuck.pk)).claim()
        Action.objects.filter(pk=stuck.pk).update(lease_until=stuck.created_at)

        with pytest.raises(OutcomeUnknown):
            watch.pick_up()

    assert ledger.read_text() == "900 t2\n"


async def test_async_graphs_are_driven_alike(
    connect: Callable[..., AsyncClient], ada: Person, ledger: Path
) -> None:
    turn = calls({"amount": 1}, {"amount": 2})
    graph = agent(InMemorySaver(), ledger, turn, mode="per_call")

    def decide() -> None:
        holds.approve(hold_of(1), by=ada)
        holds.reject(hold_of(2), by=ada, note="No.")

    async with connect() as client, client.run("payer", key="t1") as run:
        watch = AsyncWatch(run, graph)
        deciding = asyncio.ensure_future(asyncio.to_thread(in_own_connection, decide))
        output = await watch.ainvoke(HELLO, THREAD)
        await deciding

    assert await asyncio.to_thread(ledger.read_text) == "1 A\n"
    assert "No." in output["messages"][-1].content


async def test_async_processes_pick_up_too(
    connect: Callable[..., AsyncClient], ada: Person
) -> None:
    graph = inbox(InMemorySaver())
    async with connect() as client, client.run("payer", key="t1") as run:
        watch = AsyncWatch(run, graph)
        with pytest.raises(StillHeld):
            await watch.ainvoke({"amounts": [7]}, THREAD, timeout=0)
        assert await watch.pick_up() == {}

        await asyncio.to_thread(in_own_connection, lambda: holds.approve(waiting_hold(), by=ada))
        went_on = await watch.pick_up()

    assert went_on["t1"]["told"] == [{"type": "accept", "args": None}]


def in_own_connection(work: Callable[[], Any]) -> Any:
    from django.db import connection

    try:
        return work()
    finally:
        connection.close()
