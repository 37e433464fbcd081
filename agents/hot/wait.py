"""Waiting without a thread or a database connection: register, read the truth, sleep, read again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from audit.bell import hub

from .actions import (
    agent_of,
    mark_delivered,
    read_action,
    read_control,
    still_known,
    undelivered,
)
from .http import Gone, Receive, Send

LOOK_AGAIN_S = 10.0
LOOK_AGAIN_ALONE_S = 1.0
HEARTBEAT_S = 15.0
ANSWERED_AFTER_S = 0.005
"""By then an answer that was ready has gone out; begun at once, what comes later would go first."""

_background: set[asyncio.Task[None]] = set()


class Waiter:
    """Set by a ring of any of its topics."""

    def __init__(self, *topics: str) -> None:
        self.rung = asyncio.Event()
        self._brought: Any = None
        self._ends = [hub.subscribe(topic, self._ring) for topic in topics]

    def _ring(self, topic: str) -> None:
        self.rung.set()

    def bring(self, row: Any) -> None:
        """What it waits for, read just now: it need not look for itself."""
        self._brought = row
        self.rung.set()

    def take(self) -> Any:
        """What was brought, once; else None."""
        brought, self._brought = self._brought, None
        return brought

    def end(self) -> None:
        for end in self._ends:
            end()

    async def sleep(self, longest: float) -> None:
        """Until rung, but look again by yourself now and then: a lost ring costs time, not an answer."""
        patience = LOOK_AGAIN_S if hub.connected else LOOK_AGAIN_ALONE_S
        try:
            async with asyncio.timeout(min(longest, patience)):
                await self.rung.wait()
        except TimeoutError:
            pass
        self.rung.clear()


_of: dict[UUID, set[Waiter]] = {}
"""Who waits in this process for one thing, by its id."""


@contextmanager
def waiting(*topics: str, of: UUID | None = None) -> Iterator[Waiter]:
    waiter = Waiter(*topics)
    if of is not None:
        _of.setdefault(of, set()).add(waiter)
    try:
        yield waiter
    finally:
        waiter.end()
        if of is not None:
            _of[of].discard(waiter)
            if not _of[of]:
                del _of[of]


def bring(of: UUID, row: Any) -> None:
    """To whoever sleeps until this is decided: the row as its decision left it, read by whoever decided."""
    for waiter in _of.get(of, ()):
        waiter.bring(row)


async def until(
    read: Callable[[], Awaitable[Any]],
    done: Callable[[Any], bool],
    *,
    wait: float,
    topics: tuple[str, ...],
    of: UUID | None = None,
) -> Any:
    """What `read` gives once `done` says so, or when `wait` seconds are over. `bring` may bring it, by `of`."""
    if not wait:
        return await read()
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    with waiting(*topics, of=of) as waiter:
        while True:
            row = waiter.take() or await read()
            left = end - loop.time()
            if done(row) or left <= 0:
                return row
            await waiter.sleep(left)


async def wait_for_action(agent: UUID, key: bytes, action: UUID, wait: float) -> bytes:
    """The action once it is no longer held; the decision then counts as delivered. Raises Unauthorized."""
    row = await until(
        lambda: read_action(agent, action),
        lambda row: row.state != "held",
        wait=wait,
        topics=(f"action.{action}",),
        of=action,
    )
    still_known(key, row)
    if not row.delivered:
        later(mark_delivered(action))
    return bytes(row.json, "utf-8")


async def wait_for_control(agent: UUID, key: bytes, run: UUID, *, wait: float, seen: str) -> bytes:
    """What the run must obey, once it differs from what the agent has seen. Raises Unauthorized."""
    row = await until(
        lambda: read_control(agent, run),
        lambda row: row.version != seen,
        wait=wait if seen else 0,
        topics=(f"control.{run}", f"control.{agent}"),
    )
    still_known(key, row)
    return bytes(row.json, "utf-8")


async def put_off() -> None:
    """Until all is done that was left for later."""
    while _background:
        await asyncio.wait(_background)


def later(work: Awaitable[None]) -> None:
    """Do it after the answer, without making the agent wait."""
    task = asyncio.ensure_future(_once_answered(work))
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _once_answered(work: Awaitable[None]) -> None:
    await asyncio.sleep(ANSWERED_AFTER_S)
    await work


async def unless_gone[T](receive: Receive, work: Awaitable[T]) -> T:
    """Do the work, but give up when the client hangs up. Raises Gone."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(hung_up(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def stream(receive: Receive, send: Send, key: bytes, agent: UUID, run: UUID) -> None:
    """Server-sent events: `control` now and at every change, `action` at every decision."""
    await read_control(agent, run)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ],
        }
    )
    gone = asyncio.ensure_future(hung_up(receive))
    sending = asyncio.ensure_future(send_events(send, key, agent, run))
    try:
        await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
            await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        sending.cancel()


async def send_events(send: Send, key: bytes, agent: UUID, run: UUID) -> None:
    async for event in events(key, agent, run):
        await send({"type": "http.response.body", "body": event, "more_body": True})


async def events(key: bytes, agent: UUID, run: UUID) -> AsyncIterator[bytes]:
    """The stream's events, until the key is revoked. A decision is sent until it was sent once, also over reconnects."""
    seen = ""
    clock = asyncio.get_running_loop().time
    beat = clock() + HEARTBEAT_S
    with waiting(f"control.{run}", f"control.{agent}", f"decided.{run}") as waiter:
        while await agent_of(key) is not None:
            row = await read_control(agent, run)
            if row.version != seen:
                seen = row.version
                yield b"event: control\ndata: %s\n\n" % row.json.encode()
            for decided in await undelivered(run):
                yield b"event: action\ndata: %s\n\n" % decided.json.encode()
                await mark_delivered(decided.id)
            await waiter.sleep(max(0.0, beat - clock()))
            if clock() >= beat:
                beat = clock() + HEARTBEAT_S
                yield b": still here\n\n"
