"""Django behind ASGI, at half the price of its own handler.

Django changes thread twice for every middleware and once for every signal, and starts a thread for every request:
2.3 ms for a page that does nothing. Here a request has one thread of a fixed few, from its first signal to
its last: 1.1 ms. What it gives up, nobody here needs: async views still run, but in that thread, and a
visitor who leaves is not noticed before the answer is ready (a decision is to be finished anyway).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import IO, Any

from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from . import deciding

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[Mapping[str, Any]]]
type Send = Callable[[Mapping[str, Any]], Awaitable[None]]


LARGEST_BODY = 8 * 1024 * 1024
"""Nothing here takes more; without an end, any stranger could fill the disk that bodies are kept on."""


class Limited:
    """`receive` that ends as if the visitor had left once the body is longer than it may be."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.size = 0

    @property
    def is_too_large(self) -> bool:
        return self.size > LARGEST_BODY

    async def __call__(self) -> Mapping[str, Any]:
        message = await self.receive()
        self.size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_too_large else message


class Site(ASGIHandler):
    """The part of the house that is written with Django: pages, and whatever is not hot."""

    def __init__(self) -> None:
        super().__init__()
        # As many as there are connections in the pool: more would only wait for one.
        self.threads = ThreadPoolExecutor(settings.SITE_THREADS, thread_name_prefix="site")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = Limited(receive)
        try:
            body = await self.read_body(limited)
        except RequestAborted:
            if limited.is_too_large:
                await self.send_response(HttpResponse("That is too large.\n", status=413), send)
            return
        await deciding.beforehand(self, scope, body)
        response = await self._in_thread(self._answer, scope, body)
        await self.send_response(response, send)
        if response.streaming:
            await self._in_thread(response.close)

    async def _in_thread[**P, T](
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        # In a context of its own: a time zone or language set by one request is not the next one's.
        run = copy_context().run
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, lambda: run(function, *args, **kwargs))

    def _answer(self, scope: Scope, body: IO[bytes]) -> HttpResponseBase:
        with body:
            set_script_prefix(get_script_prefix(scope))
            signals.request_started.send(sender=self.__class__, scope=scope)
            request, refusal = self.create_request(scope, body)
            response = self._respond(request) if request else refusal
            assert response  # one of the two is always there
        if not response.streaming:
            response.close()  # sends request_finished, which gives the database connection back
        return response

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        return response
