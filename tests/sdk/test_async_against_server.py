"""The async client drives the real server; what both share is tested with the plain one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connections

from agents.models import Action
from agents.models import Run as RunRow
from agents.transitions import run as runs
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.sdk import conftest
from tests.sdk.wire import Wire
from watchfloor import (
    AsyncClient,
    Backoff,
    Found,
    HandedOver,
    HandOver,
    Rejected,
    Terminated,
    Unreachable,
)

Connect = Callable[..., AsyncClient]

QUICK = Backoff(first=0.001, most=0.002, jitter=0.001)


async def aside(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """People decide in a thread of their own; the agent's loop goes on."""

    def work() -> Any:
        try:
            return verb(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(work)


def states() -> list[str]:
    return list(Action.objects.order_by("id").values_list("state", flat=True))


async def waiting_hold(kind: str = "approval") -> Hold:
    found: Hold = await aside(conftest.waiting_hold, kind)
    return found


async def test_steps_may_be_plain_or_async(connect: Connect) -> None:
    async def look(q: str) -> str:
        return f"async {q}"

    async with connect() as client, client.run("nightly") as run:
        first = await run.step("search", look, arguments={"q": "a"})
        second = await run.step("search", lambda q: f"plain {q}", arguments={"q": "b"})

        @run.guarded("mail.read")
        async def read(id: str) -> str:
            return f"mail {id}"

        third = await read("7")

    assert (first, second, third) == ("async a", "plain b", "mail 7")
    assert await aside(states) == ["succeeded"] * 3
    assert (await aside(RunRow.objects.get)).state == "completed"


async def test_a_late_attempt_is_cancelled_repeated_and_handed_over(connect: Connect) -> None:
    cancelled: list[str] = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("yes")
            raise

    async with connect() as client, client.run("nightly") as run:
        with pytest.raises(HandedOver):
            await run.step(
                "model",
                never,
                timeout=0.01,
                retries=1,
                backoff=QUICK,
                subject="mail:1",
                hand_over=HandOver(None, "No answer"),
            )

    assert cancelled == ["yes", "yes"]
    assert await aside(states) == ["failed", "failed"]


async def test_approvals_are_edited_and_rejected(connect: Connect, ada: Person) -> None:
    async def pay(amount: int) -> int:
        return amount

    async with connect() as client, client.run("payer") as run:
        approval = await run.approval("refund.issue", {"amount": 250})
        paying = asyncio.ensure_future(run.perform(approval, pay))
        await aside(holds.edit, await waiting_hold(), by=ada, arguments={"amount": 40})
        assert await paying == 40

        refused = asyncio.ensure_future(run.step("refund.issue", pay, arguments={"amount": 90}))
        await aside(holds.reject, await waiting_hold(), by=ada, note="No.")
        with pytest.raises(Rejected, match="No"):
            await refused


async def test_a_write_is_verified_after_a_timeout(connect: Connect) -> None:
    async def file() -> str:
        await asyncio.Event().wait()
        return "never"

    async def find(transaction: str) -> Found:
        return Found(f"found {transaction}")

    async with connect() as client, client.run("filing") as run:
        first = await run.once("t-1", "search", file, timeout=0.01, verify=find)
        again = await run.once("t-1", "search", file)

    assert (first, again) == ("found t-1", "found t-1")


async def test_a_running_step_is_cancelled_when_the_run_is_terminated(
    connect: Connect, ada: Person
) -> None:
    began = asyncio.Event()

    async def long() -> None:
        began.set()
        await asyncio.Event().wait()

    async with connect() as client:
        with suppress(Terminated):
            async with client.run("nightly") as run:
                await aside(conftest.eventually, lambda: run._state.is_live)
                step = asyncio.ensure_future(run.step("search", long))
                await began.wait()
                row = await aside(RunRow.objects.get, pk=run.id)
                await aside(runs.terminate, row, by=ada, reason="Enough.")
                async with asyncio.timeout(1):
                    await step
    assert run.stop is not None
    assert (run.stop.kind, run.stop.reason) == ("terminated", "Enough.")
    assert (await aside(RunRow.objects.get)).state == "terminated"


async def test_a_paused_step_waits_and_goes_on(connect: Connect, ada: Person) -> None:
    async with connect() as client, client.run("nightly") as run:
        row = await aside(RunRow.objects.get, pk=run.id)
        await aside(runs.stop, row, by=ada, reason="Wait.")
        step = asyncio.ensure_future(run.step("search", lambda: "done"))
        await aside(holds.resume, await waiting_hold("trip"), by=ada)

        assert await step == "done"


async def test_observations_wait_for_the_server(connect: Connect, wire: Wire) -> None:
    async with connect() as client, client.run("nightly") as run:
        wire.cut()
        with pytest.raises(Unreachable):
            await run.step("search", lambda: 1)
        await run.step("search", lambda: 1, gated=False)
        assert client.unsent == 1
        wire.mend()
        assert await client.flush()

    assert await aside(states) == ["succeeded"]


async def test_a_cancelled_task_leaves_its_run_open(connect: Connect) -> None:
    began = asyncio.Event()

    async def long() -> None:
        began.set()
        await asyncio.Event().wait()

    async def work(client: AsyncClient) -> None:
        async with client.run("nightly", key="k") as run:
            await run.step("search", long)

    async with connect() as client:
        task = asyncio.ensure_future(work(client))
        await began.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await client.flush()

    assert (await aside(RunRow.objects.get)).state == "running"
    assert await aside(states) == ["allowed"]
