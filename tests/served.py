"""The real server in a thread, with a door that closes between tests.

A browser that goes away, an agent that hangs up: what they asked for is still being answered. If that were
so while the tables are emptied after a test, the two would meet as a deadlock, and what had not begun to read
would be refused by pytest. So a test's end closes the door, hangs up, and waits for what began before.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from agents.hot import wait

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Any, Any, Any], Awaitable[None]]

PATIENCE_S = 20.0
"""No answer takes so long once its caller has hung up."""


class Door:
    """An application that knows what it is doing, and can be closed."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.is_open = True
        self.busy: dict[asyncio.Task[Any], str] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.loop = asyncio.get_running_loop()
            await self.application(scope, receive, send)
        elif not self.is_open:
            await _refuse(scope, send)
        else:
            task = asyncio.current_task()
            assert task is not None
            self.busy[task] = f"{scope.get('method', 'socket')} {scope['path']}"
            try:
                await self.application(scope, receive, send)
            finally:
                del self.busy[task]

    async def idle(self) -> None:
        """Wait until nothing is being done, neither an answer nor what was put off until after it."""
        if self.busy:
            await asyncio.wait(self.busy, timeout=PATIENCE_S)
        stuck = sorted(f"{what} at {where(task)}" for task, what in self.busy.items())
        assert not stuck, f"still running after the test: {stuck}"
        await asyncio.wait_for(wait.put_off(), PATIENCE_S)


def where(task: asyncio.Task[Any]) -> str:
    """What a task waits for, down to the innermost frame: a traceback of it would end at the outermost."""
    frames: list[str] = []
    at: Any = task.get_coro()
    while at is not None:
        known = {kind: getattr(at, kind, None) for kind in ("cr_frame", "ag_frame", "gi_frame")}
        frames += [f"{f.f_code.co_qualname}:{f.f_lineno}" for f in known.values() if f is not None]
        further = (getattr(at, kind, None) for kind in ("cr_await", "ag_await", "gi_yieldfrom"))
        # `__anext__` of an asynchronous generator does not say whose it is.
        at = next(filter(None, further), None) or next(
            filter(inspect.isasyncgen, gc.get_referents(at)), None
        )
    return " → ".join(frames[-5:])


async def _refuse(scope: Any, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b"The test is over.\n"})


type InServer = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs something where the server runs."""


class Server:
    """A running server at `url`; tests let callers in by `open()`."""

    def __init__(self, application: Application) -> None:
        self.door = Door(application)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self.door, log_level="warning", lifespan="on", timeout_graceful_shutdown=2
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [listener]}, daemon=True
        )

    def start(self) -> None:
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive(), "the server did not start: its error stands above"
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)

    @contextmanager
    def open(self) -> Iterator[str]:
        """Its address. Afterwards nobody is connected, and nothing of what they asked for still runs."""
        self.door.is_open = True
        yield self.url
        assert self.door.loop is not None
        asyncio.run_coroutine_threadsafe(self._close(), self.door.loop).result(PATIENCE_S * 3)

    async def _close(self) -> None:
        self.door.is_open = False
        for connection in list(self.server.server_state.connections):
            connection.transport.close()
        await self.door.idle()
