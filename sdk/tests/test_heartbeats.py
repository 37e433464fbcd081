"""A run says that it lives: by itself while it is open, and when it is told to."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from sdk.tests.loopback import Server
from watchfloor import AsyncClient, Client

RUN = {"id": "r1", "name": "n", "control": {"state": "running", "version": "1", "directives": []}}
PAUSED = {"state": "paused", "reason": "Wait.", "version": "2", "directives": []}
BEAT = "POST /runs/r1/heartbeat"


class Beats:
    """How often the server heard one, and a way to wait for the next."""

    def __init__(self, server: Server) -> None:
        self.count = 0
        self.came = threading.Semaphore(0)
        self.control: dict[str, Any] = RUN["control"]  # type: ignore[assignment]
        server.routes["POST /runs"] = lambda body: (201, {}, RUN)
        server.routes["POST /runs/r1/finish"] = lambda body: (200, {}, RUN)
        server.routes[BEAT] = self.hear

    def hear(self, body: Any) -> tuple[int, dict[str, str], Any]:
        self.count += 1
        self.came.release()
        return 200, {}, {"control": self.control}

    def wait(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.came.acquire(timeout=10)


@pytest.fixture
def beats(server: Server) -> Beats:
    return Beats(server)


def hearts() -> int:
    return sum(thread.name == "watchfloor-heart" for thread in threading.enumerate())


def test_an_open_run_says_that_it_lives_and_a_closed_one_does_not(
    server: Server, beats: Beats
) -> None:
    with Client(server.url, "wf_x") as client:
        with client.run("nightly", heartbeat=0.01, watch=False):
            beats.wait(3)
        after = beats.count

        with client.run("quiet", heartbeat=None, watch=False):
            assert client._core.open_runs == []

    assert beats.count <= after + 1  # one may have been on its way


def test_many_runs_have_one_thread(server: Server, beats: Beats) -> None:
    with Client(server.url, "wf_x") as client:
        runs = [client.run(f"n{n}", heartbeat=60, watch=False) for n in range(5)]
        for run in runs:
            run.__enter__()

        assert hearts() == 1


def test_a_run_can_say_it_itself_and_hears_what_it_must_obey(server: Server, beats: Beats) -> None:
    beats.control = PAUSED
    with Client(server.url, "wf_x") as client, client.run("n", heartbeat=None, watch=False) as run:
        run.heartbeat()

        assert beats.count == 1
        assert run.stop is not None
        assert run.stop.reason == "Wait."
        run._state.stop = None


def test_a_heartbeat_that_is_not_heard_costs_nothing(server: Server, beats: Beats) -> None:
    server.routes[BEAT] = lambda body: (503, {}, {"code": "unavailable"})

    with Client(server.url, "wf_x") as client, client.run("n", heartbeat=None, watch=False) as run:
        run.heartbeat()

    assert BEAT in server.heard


def test_async_runs_beat_as_well(server: Server, beats: Beats) -> None:
    async def nightly() -> None:
        async with (
            AsyncClient(server.url, "wf_x") as client,
            client.run("nightly", heartbeat=0.01, watch=False) as run,
        ):
            await asyncio.to_thread(beats.wait, 3)
            await run.heartbeat()

    asyncio.run(nightly())

    assert beats.count >= 4
