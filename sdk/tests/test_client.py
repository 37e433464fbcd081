"""The two clients on real sockets, against a server small enough to misbehave on purpose."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from sdk.tests.loopback import Server
from watchfloor import AsyncClient, Client, Unreachable

RUN = {"id": "r1", "name": "n", "control": {"state": "running", "version": "1", "directives": []}}


@pytest.fixture
def accepting(server: Server) -> Server:
    server.routes["POST /runs"] = lambda body: (201, {}, RUN)
    server.routes["POST /runs/r1/finish"] = lambda body: (200, {}, RUN)
    return server


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    server.routes["GET /agent"] = lambda body: (200, {}, {"name": "scout"})
    monkeypatch.setenv("WATCHFLOOR_URL", f"{server.url}/")
    monkeypatch.setenv("WATCHFLOOR_API_KEY", "wf_x")

    with Client() as client:
        assert client.agent() == {"name": "scout"}


def test_a_missing_key_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHFLOOR_API_KEY", raising=False)

    with pytest.raises(ValueError, match="WATCHFLOOR_API_KEY"):
        Client("http://localhost")


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with Client("http://127.0.0.1:9", "wf_x", patience=0.0) as client:
        with pytest.raises(Unreachable):
            client.agent()
        with pytest.raises(Unreachable), client.run("nightly"):
            raise AssertionError("a gated run must not start")


def test_retry_after_is_obeyed(server: Server) -> None:
    answers: list[Any] = [
        (503, {"Retry-After": "0"}, {"code": "unavailable"}),
        (200, {}, {"name": "scout"}),
    ]
    server.routes["GET /agent"] = lambda body: answers.pop(0)

    with Client(server.url, "wf_x") as client:
        assert client.agent() == {"name": "scout"}
    assert server.heard == ["GET /agent"] * 2


def test_one_refused_observation_does_not_take_the_others_along(accepting: Server) -> None:
    taken: list[str] = []

    def observe(body: Any) -> tuple[int, dict[str, str], Any]:
        ids = [each["id"] for each in body["observations"]]
        if "bad" in ids:
            return 422, {}, {"code": "invalid", "detail": "observations[1]"}
        taken.extend(ids)
        return 200, {}, {"accepted": len(ids)}

    accepting.routes["POST /runs/r1/observations"] = observe
    with Client(accepting.url, "wf_x") as client:
        with client.run("nightly", watch=False) as run:
            for name in ("a", "bad", "b"):
                run.observe("search", id=name)

        assert client.dropped == 1
    assert sorted(taken) == ["a", "b"]


def test_a_step_function_sees_the_callers_own_objects(accepting: Server) -> None:
    class Mailbox:
        pass

    mailbox = Mailbox()
    accepting.routes["POST /runs/r1/observations"] = lambda body: (200, {}, {"accepted": 1})
    with Client(accepting.url, "wf_x") as client, client.run("n", watch=False) as run:
        assert run.step("read", lambda box: box, arguments={"box": mailbox}, gated=False) is mailbox


def test_an_async_function_in_plain_code_is_told_so(accepting: Server) -> None:
    async def read() -> None: ...

    accepting.routes["POST /runs/r1/observations"] = lambda body: (200, {}, {"accepted": 1})
    with Client(accepting.url, "wf_x") as client, client.run("n", watch=False) as run:
        step = run.guarded("read", gated=False, retries=0)(read)
        with pytest.raises(TypeError, match="AsyncClient"):
            _ = step()


def test_a_forked_child_speaks_for_itself(accepting: Server) -> None:
    accepting.routes["GET /agent"] = lambda body: (200, {}, {"name": "scout"})
    with Client(accepting.url, "wf_x") as client:
        client.agent()
        child = os.fork()
        if child == 0:
            os._exit(0 if client.agent() == {"name": "scout"} else 1)

        assert os.waitpid(child, 0)[1] == 0
        assert client.agent() == {"name": "scout"}


def test_threads_share_a_client(accepting: Server) -> None:
    accepting.routes["POST /runs/r1/observations"] = lambda body: (
        200,
        {},
        {"accepted": len(body["observations"])},
    )
    with Client(accepting.url, "wf_x") as client, client.run("n", watch=False) as run:
        threads = [
            threading.Thread(target=lambda: run.step("s", lambda: 1, gated=False))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush()
        assert client.dropped == 0


async def test_observations_may_come_from_a_thread_of_an_async_run(accepting: Server) -> None:
    accepting.routes["POST /runs/r1/observations"] = lambda body: (200, {}, {"accepted": 1})
    async with AsyncClient(accepting.url, "wf_x") as client:
        async with client.run("n", watch=False) as run:
            await asyncio.to_thread(run.observe, "search")
        assert client.unsent == 0
    assert "POST /runs/r1/observations" in accepting.heard
