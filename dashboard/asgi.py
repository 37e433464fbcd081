"""Every door in one process: agents' hot calls, people's sockets, static files, and Django for the rest."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django

django.setup(set_prefix=False)

# What follows reads models, so it comes after setup.
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.handlers.asgi import ASGIHandler
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path

from agents import hot
from audit import bell
from dashboard import static
from dashboard.consumers import Live

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Site(ASGIHandler):
    """Django, with middleware and view in one go in the request's thread.

    Left alone, Django under ASGI changes thread twice for every middleware, which costs an operator's
    click more than all the SQL it runs.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)


site = static.served_before(Site())
sockets = AllowedHostsOriginValidator(
    AuthMiddlewareStack(URLRouter([path("live", Live.as_asgi())]))
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application that servers run."""
    if scope["type"] == "http":
        await (hot.app if hot.matches(scope) else site)(scope, receive, send)
    elif scope["type"] == "websocket":
        await sockets(scope, receive, send)
    else:
        await _lifespan(receive, send)


def _close_pool() -> None:
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close_pool()  # type: ignore[attr-defined]


async def _lifespan(receive: Receive, send: Send) -> None:
    """Open what a process keeps for all its requests, and close it again: the bell and the hot door's pool."""
    await receive()
    try:
        await bell.start()
        await hot.startup()
    except Exception as error:
        await send(
            {"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"}
        )
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await hot.shutdown()
    await bell.stop()
    await sync_to_async(_close_pool)()
    await send({"type": "lifespan.shutdown.complete"})
