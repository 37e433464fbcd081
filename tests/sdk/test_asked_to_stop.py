"""A person asks to stop what is under way: the agent hears it, stops where it can, and says what came of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from agents.models import Action
from agents.transitions import cancelling
from dashboard.templatetags.controls import stopping
from people.models import Person
from tests.sdk import conftest
from tests.sdk.conftest import eventually
from watchfloor import (
    Client,
    OutcomeUnknown,
    StepCancelled,
    on_stop_requested,
    stop_if_requested,
    stop_requested,
)

from .test_async_against_server import Connect, aside

type Aside = Callable[..., Future[Any]]


def executing() -> Action:
    found: Action = eventually(lambda: Action.objects.executing().first())
    return found


def test_a_plain_step_stops_where_it_looks(client: Client, aside: Aside, ada: Person) -> None:
    told = threading.Event()
    rounds = []

    def long() -> str:
        on_stop_requested(told.set)
        while True:
            rounds.append(stop_requested())
            assert told.wait(10)
            stop_if_requested()

    with client.run("nightly") as run:
        eventually(lambda: run._state.is_live)
        step = aside(run.step, "search", long)
        action = executing()
        assert stopping(action) == ""

        cancelling.ask(action, by=ada)
        with pytest.raises(StepCancelled):
            step.result(10)
        assert not stop_requested()
        assert run.step("search", lambda: "goes on", subject="another") == "goes on"

    action.refresh_from_db()
    assert rounds == [False]
    assert action.error is not None
    assert (action.state, action.error["type"]) == ("failed", "cancelled")
    assert stopping(action) == "stopped"


def test_saving_is_a_place_to_stop(client: Client, aside: Aside, ada: Person) -> None:
    told = threading.Event()

    def long() -> None:
        on_stop_requested(told.set)
        assert told.wait(10)
        run.save({"cursor": 4})

    with client.run("nightly") as run:
        eventually(lambda: run._state.is_live)
        step = aside(run.step, "search", long)
        cancelling.ask(executing(), by=ada)

        with pytest.raises(StepCancelled):
            step.result(10)


def test_what_had_happened_says_so(client: Client, aside: Aside, ada: Person) -> None:
    told = threading.Event()

    def long() -> str:
        on_stop_requested(told.set)
        assert told.wait(10)
        return "done all the same"

    with client.run("nightly") as run:
        eventually(lambda: run._state.is_live)
        step = aside(run.step, "search", long)
        action = executing()
        cancelling.ask(action, by=ada)

        assert step.result(10) == "done all the same"

    action.refresh_from_db()
    assert stopping(action) == "could not stop"


async def test_a_task_is_cancelled(connect: Connect, ada: Person) -> None:
    cleaned = []

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    async with connect() as client, client.run("nightly") as run:
        await aside(conftest.eventually, lambda: run._state.is_live)
        step = asyncio.ensure_future(run.step("search", long))
        action = await aside(executing)
        await aside(cancelling.ask, action, by=ada)
        with pytest.raises(StepCancelled):
            async with asyncio.timeout(5):
                await step

    await aside(action.refresh_from_db)
    assert cleaned == [True]
    assert (action.state, stopping(action)) == ("failed", "stopped")


async def test_a_write_that_was_cut_off_is_unknown(connect: Connect, ada: Person) -> None:
    async def long(**_: Any) -> None:
        await asyncio.Event().wait()

    async with connect() as client, client.run("nightly") as run:
        await aside(conftest.eventually, lambda: run._state.is_live)
        step = asyncio.ensure_future(run.step("search", long, kind="write"))
        action = await aside(executing)
        await aside(cancelling.ask, action, by=ada)
        with pytest.raises(OutcomeUnknown, match="stopped in the middle"):
            async with asyncio.timeout(5):
                await step

    await aside(action.refresh_from_db)
    assert (action.state, stopping(action)) == ("executing", "asked to stop")
