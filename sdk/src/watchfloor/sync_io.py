"""Performing effects with threads and blocking sockets."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import inspect
import socket
import threading
import time
from typing import Any, TypeVar

import httpx

from watchfloor.core import Core
from watchfloor.effects import Call, Effect, Flow, Listen, Send, Sleep
from watchfloor.errors import StepTimeout
from watchfloor.jsonable import encode
from watchfloor.protocol import Lost, Reply, refusal
from watchfloor.sse import SseReader

T = TypeVar("T")

STREAM_SILENCE = 20.0
"""Seconds without a byte after which a stream is dead; the server sends a comment every 15."""

CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=32)
"""Waiting agents hold connections, so their number is not capped here."""


class SyncIO:
    """The outside world for `Client`. One per process: forked children make their own."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._http = httpx.Client(headers=core.headers, limits=CONNECTIONS)
        self._parents: httpx.Client | None = None

    def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its end; what an effect raises is raised inside the flow."""
        try:
            effect = next(flow)
            while True:
                try:
                    answer = self._perform(effect)
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    def close(self) -> None:
        self._http.close()

    def renew(self) -> None:
        """In a forked child: the parent's connections stay the parent's."""
        self._parents = self._http  # kept, since closing would end the parent's requests too
        self._http = httpx.Client(headers=self._core.headers, limits=CONNECTIONS)

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return self._send(effect)
        if isinstance(effect, Call):
            return call(effect)
        if isinstance(effect, Sleep):
            return _sleep(effect)
        return self._listen(effect)

    def _send(self, effect: Send) -> Reply:
        request = effect.request
        timeout = httpx.Timeout(self._core.timeout, read=self._core.timeout + request.wait)
        try:
            reply = self._http.request(
                request.method,
                self._core.address(request),
                params=request.params,
                content=None if request.body is None else encode(request.body),
                timeout=timeout,
            )
        except httpx.TransportError as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        return Reply(reply.status_code, reply.headers, reply.content)

    def _listen(self, effect: Listen) -> None:
        timeout = httpx.Timeout(self._core.timeout, read=STREAM_SILENCE)
        headers = {"Accept": "text/event-stream"}
        address = self._core.address(effect.request)
        try:
            with self._http.stream("GET", address, headers=headers, timeout=timeout) as reply:
                if reply.status_code != 200:
                    raise refusal(Reply(reply.status_code, reply.headers, reply.read()))
                hang_up = _hanging_up(reply)
                effect.until.listen(hang_up)
                try:
                    _read_events(reply, effect)
                finally:
                    effect.until.forget(hang_up)
        except (httpx.TransportError, httpx.StreamError) as error:
            if not effect.until.is_rung():
                raise Lost(f"{type(error).__name__}: {error}") from error


def _read_events(reply: httpx.Response, effect: Listen) -> None:
    reader = SseReader()
    for line in reply.iter_lines():
        event = reader.feed(line)
        if event:
            effect.heard(*event)
        if effect.until.is_rung():
            return


def _hanging_up(reply: httpx.Response) -> Any:
    """Wakes the thread that reads: closing would not, shutting the socket down does."""
    stream = reply.extensions["network_stream"]

    def hang_up() -> None:
        sock = stream.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    return hang_up


def _sleep(effect: Sleep) -> None:
    if effect.until is None:
        time.sleep(effect.seconds)
    else:
        effect.until.event.wait(effect.seconds)


def call(effect: Call) -> Any:
    """In the caller's own thread; with a timeout in another one, which is abandoned when late."""
    if effect.timeout is None:
        return _plain(effect.fn(*effect.args, **effect.kwargs))
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            future.set_result(context.run(effect.fn, *effect.args, **effect.kwargs))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="watchfloor-step", daemon=True).start()
    if not concurrent.futures.wait([future], effect.timeout).done:
        name = getattr(effect.fn, "__name__", "the step")
        raise StepTimeout(name, still_running=True)
    return _plain(future.result())


def _plain(result: Any) -> Any:
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("this step function is async: use AsyncClient")
    return result
