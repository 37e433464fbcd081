"""The client's permits at the real server: in order, renewed, given back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Agent, Permit
from agents.models import Run as RunRow
from agents.rules.limits import parse_limit
from agents.transitions import agent as agents
from agents.transitions import limit as limits
from agents.transitions import run as runs
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.sdk.conftest import eventually
from tests.sdk.wire import Wire
from watchfloor import ApiError, AsyncClient, Client, NoPermit, Terminated, Unreachable

Aside = Callable[..., "Future[Any]"]


@pytest.fixture
def places(support: Team) -> None:
    limits.set(
        support,
        parse_limit({"resource": "crm", "concurrency": 2, "lease": "3s"}),
        by="test",
    )


def leases() -> int:
    now = timezone.now()
    return Permit.objects.filter(is_lease=True, starts_at__isnull=False, until__gt=now).count()


def somebody_waits() -> None:
    """In a thread of its own, whose connection is closed."""
    try:
        eventually(Permit.objects.filter(starts_at=None).exists)
    finally:
        connection.close()


def test_workers_use_an_api_at_its_rate(client: Client, support: Team) -> None:
    limits.set(support, parse_limit({"resource": "openai", "rate": "50/1s"}), by="test")
    used: list[float] = []

    def work(_: int) -> None:
        with client.permit("openai", max_wait=10):
            used.append(time.monotonic())

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(40)))

    assert len(used) == 40
    assert max(used) - min(used) >= 38 / 50


def test_patience_that_does_not_suffice_is_said_at_once(client: Client, support: Team) -> None:
    limits.set(support, parse_limit({"resource": "openai", "rate": "1/1m"}), by="test")
    with client.permit("openai", max_wait=0):
        pass
    began = time.monotonic()

    with pytest.raises(NoPermit) as refusal, client.permit("openai", max_wait=30):
        raise AssertionError("this must not run")

    assert refusal.value.retry_after == pytest.approx(60, abs=2)
    assert time.monotonic() - began < 5


def test_a_place_is_given_back_also_after_an_error(client: Client, places: None) -> None:
    def work() -> None:
        with client.run("nightly") as run, run.permit("crm") as permit:
            assert leases() == 1
            assert permit.limit["concurrency"] == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    assert leases() == 0


def test_a_lease_outlives_its_length_while_it_is_used(client: Client, places: None) -> None:
    with client.permit("crm", lease=1) as permit:
        row = Permit.objects.get()
        eventually(lambda: Permit.objects.get().until > row.until)

        assert not permit.is_lost


def test_places_are_waited_for_by_plain_and_async_code(
    client: Client, connect: Callable[..., AsyncClient], places: None
) -> None:
    most: list[int] = []
    holding: list[int] = []

    async def one(other: AsyncClient, number: int) -> None:
        async with other.permit("crm", max_wait=20):
            holding.append(number)
            most.append(len(holding))
            await asyncio.sleep(0.01)
            holding.remove(number)

    async def all_of_them() -> None:
        async with connect() as other:
            await asyncio.gather(*(one(other, n) for n in range(20)))

    with client.permit("crm"):
        asyncio.run(all_of_them())

    assert len(most) == 20
    assert max(most) == 1
    assert leases() == 0


def test_a_cancelled_task_leaves_the_line_and_its_place(
    connect: Callable[..., AsyncClient], places: None
) -> None:
    async def cancelled() -> None:
        async with connect() as other, other.permit("crm"), other.permit("crm"):
            waiting = asyncio.ensure_future(other.permit("crm").__aenter__())
            await asyncio.to_thread(somebody_waits)
            waiting.cancel()
            await asyncio.wait([waiting])

    asyncio.run(cancelled())

    assert leases() == 0
    eventually(lambda: not Permit.objects.filter(starts_at=None, until__gt=timezone.now()).exists())


def test_a_pause_keeps_a_run_waiting_and_a_resume_lets_it_ask_again(
    client: Client, places: None, scout: Agent, ada: Person, aside: Aside
) -> None:
    entered = threading.Event()

    def work() -> None:
        with client.run("nightly") as run:
            entered.set()
            with run.permit("crm"):
                pass

    trip = agents.stop(scout, by=ada, reason="look first")
    working = aside(work)
    entered.wait(10)
    time.sleep(0.3)
    assert not working.done()

    holds.resume(Hold.objects.get(trip=trip), by=ada)

    working.result(20)
    assert Permit.objects.count() == 1


def test_a_terminated_run_gets_none(client: Client, places: None, ada: Person) -> None:
    def work() -> None:
        with client.run("nightly", watch=False) as run:
            runs.terminate(RunRow.objects.get(), by=ada, reason="enough")
            with run.permit("crm"):
                raise AssertionError("this must not run")

    with pytest.raises(Terminated):
        work()


def test_what_nobody_limits_is_refused(client: Client) -> None:
    with pytest.raises(ApiError, match="nothing says how often"), client.permit("nowhere"):
        raise AssertionError("this must not run")


def test_away_is_closed_unless_said_otherwise(wire: Wire, key: str, places: None) -> None:
    with Client(wire.url, key, patience=0.1, timeout=0.5) as client:
        wire.cut()
        with pytest.raises(Unreachable), client.permit("crm"):
            raise AssertionError("this must not run")
        with client.permit("crm", on_unreachable="open") as permit:
            assert permit.info is None
        wire.mend()
