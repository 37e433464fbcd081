"""A test may end while its callers still wait: what they asked for is over before the tables are emptied."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from agents.models import Run
from people.models import Person
from tests.cast import Door
from tests.served import Receive, Send, Server

PAGES = ["/", "/inbox/", "/agents/", "/runs/"]


def call(url: str, path: str, *headers: str) -> socket.socket:
    """Ask, and do not listen."""
    at = urlsplit(url)
    line = "\r\n".join((f"GET {path} HTTP/1.1", f"host: {at.netloc}", *headers, "", ""))
    caller = socket.create_connection((str(at.hostname), at.port))
    caller.sendall(line.encode())
    return caller


@pytest.fixture
def begun() -> list[str]:
    return []


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def server(begun: list[str], ended: list[str]) -> Iterator[Server]:
    """Answers slowly, or only when the caller hangs up."""

    async def application(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        begun.append(scope["path"])
        if scope["path"] == "/slow":
            await asyncio.sleep(0.2)
        else:
            while (await receive())["type"] != "http.disconnect":
                pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        ended.append(scope["path"])

    server = Server(application)
    server.start()
    yield server
    server.stop()


def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        pass


@pytest.mark.parametrize("path", ["/slow", "/waits"])
def test_what_began_has_ended_when_the_door_is_closed(
    server: Server, begun: list[str], ended: list[str], path: str
) -> None:
    with server.open() as url, call(url, path):
        until(lambda: begun == [path])

    assert ended == [path]


def test_who_comes_late_is_refused_until_the_door_opens_again(
    server: Server, begun: list[str], ended: list[str]
) -> None:
    with server.open():
        pass

    with call(server.url, "/slow") as late:
        assert late.recv(100).startswith(b"HTTP/1.1 503 ")
    assert begun == []
    with server.open() as url, call(url, "/slow"):
        until(lambda: begun == ["/slow"])
    assert ended == ["/slow"]


@pytest.fixture
def callers() -> Iterator[list[socket.socket]]:
    """Those who still listen when `live` ends."""
    waiting: list[socket.socket] = []
    yield waiting
    for caller in waiting:
        caller.close()


@pytest.mark.parametrize("once", range(3))
def test_pages_and_agents_may_be_left_waiting(
    callers: list[socket.socket],
    once: int,
    live: str,
    ada: Person,
    door: Door,
    run: Run,
    scout_with_key: tuple[Any, str],
) -> None:
    """Emptying the tables under them was a deadlock, or an error of the next test."""
    client = Client()
    client.force_login(ada)
    cookie = "cookie: " + "; ".join(f"{k}={m.value}" for k, m in client.cookies.items())
    key = f"authorization: Bearer {scout_with_key[1]}"
    for n in range(4):
        door.propose(f"{n}", "refund.issue", arguments={"amount": 80 + n}, amount="80")

    callers += [call(live, PAGES[n % 4], cookie) for n in range(12)]
    callers.append(call(live, f"/api/v1/runs/{run.pk}/stream", key))
    callers.append(call(live, f"/api/v1/runs/{run.pk}/control?wait=30&seen=x", key))

    assert callers[-1].recv(1)
    for caller in callers[::2]:
        caller.close()
