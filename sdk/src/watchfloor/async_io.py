"""Performing effects on an event loop."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, TypeVar

import httpx

from watchfloor.core import Core
from watchfloor.effects import Bell, Call, Effect, Flow, Listen, Send, Sleep
from watchfloor.errors import StepTimeout, Terminated
from watchfloor.jsonable import encode
from watchfloor.protocol import Lost, Reply, refusal
from watchfloor.sse import SseReader
from watchfloor.sync_io import CONNECTIONS, STREAM_SILENCE

T = TypeVar("T")


class AsyncIO:
    """The outside world for `AsyncClient`. Belongs to one event loop."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._http = httpx.AsyncClient(headers=core.headers, limits=CONNECTIONS)

    async def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its end; what an effect raises is raised inside the flow."""
        try:
            effect = next(flow)
            while True:
                try:
                    answer = await self._perform(effect)
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    async def close(self) -> None:
        await self._http.aclose()

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return await self._send(effect)
        if isinstance(effect, Call):
            return await call(effect)
        if isinstance(effect, Sleep):
            return await _sleep(effect)
        return await self._listen(effect)

    async def _send(self, effect: Send) -> Reply:
        request = effect.request
        timeout = httpx.Timeout(self._core.timeout, read=self._core.timeout + request.wait)
        try:
            reply = await self._http.request(
                request.method,
                self._core.address(request),
                params=request.params,
                content=None if request.body is None else encode(request.body),
                timeout=timeout,
            )
        except httpx.TransportError as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        return Reply(reply.status_code, reply.headers, reply.content)

    async def _listen(self, effect: Listen) -> None:
        reading = asyncio.ensure_future(self._read_events(effect))
        try:
            await _either(reading, effect.until)
            if reading.done():
                reading.result()
        finally:
            await _stop(reading)

    async def _read_events(self, effect: Listen) -> None:
        timeout = httpx.Timeout(self._core.timeout, read=STREAM_SILENCE)
        headers = {"Accept": "text/event-stream"}
        address = self._core.address(effect.request)
        reader = SseReader()
        try:
            async with self._http.stream("GET", address, headers=headers, timeout=timeout) as reply:
                if reply.status_code != 200:
                    raise refusal(Reply(reply.status_code, reply.headers, await reply.aread()))
                async for line in reply.aiter_lines():
                    event = reader.feed(line)
                    if event:
                        effect.heard(*event)
        except (httpx.TransportError, httpx.StreamError) as error:
            raise Lost(f"{type(error).__name__}: {error}") from error


async def call(effect: Call) -> Any:
    """Coroutines on the loop, plain functions in a thread; cancelled at a timeout or terminate."""
    is_async = inspect.iscoroutinefunction(effect.fn)
    task = asyncio.ensure_future(_called(effect, is_async))
    try:
        await _either(task, effect.until, effect.timeout)
        if task.done():
            return task.result()
    finally:
        await _stop(task)
    if effect.until is not None and effect.until.is_rung():
        raise Terminated("the run was terminated during this step")
    name = getattr(effect.fn, "__name__", "the step")
    raise StepTimeout(name, still_running=not is_async)


async def _called(effect: Call, is_async: bool) -> Any:
    if is_async:
        return await effect.fn(*effect.args, **effect.kwargs)
    result = await asyncio.to_thread(effect.fn, *effect.args, **effect.kwargs)
    return await result if inspect.isawaitable(result) else result


async def _sleep(effect: Sleep) -> None:
    if effect.until is None:
        await asyncio.sleep(effect.seconds)
    else:
        await _either(None, effect.until, effect.seconds)


async def _either(
    task: asyncio.Future[Any] | None, bell: Bell | None, timeout: float | None = None
) -> None:
    """Return when the task is done, the bell rings (from any thread) or the time is over."""
    loop = asyncio.get_running_loop()
    rung = loop.create_future()

    def resolve() -> None:
        if not rung.done():
            rung.set_result(None)

    def ring() -> None:
        loop.call_soon_threadsafe(resolve)

    if bell is not None:
        bell.listen(ring)
    try:
        waited: set[asyncio.Future[Any]] = {rung} if task is None else {rung, task}
        await asyncio.wait(waited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if bell is not None:
            bell.forget(ring)


async def _stop(task: asyncio.Future[Any]) -> None:
    """Cancel what still runs and let it clean up; a cancelled caller does not wait for it twice."""
    if task.done():
        return
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # looked at, so that asyncio does not complain
