"""Every door in one process: agents' hot calls, people's sockets, static files, and Django for the rest."""

from __future__ import annotations

import os
import sys
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
from django.db import connection
from django.urls import path

from agents import hot
from audit import bell
from dashboard import house_settings, static, urls  # noqa: F401  # read now: the first visitor does not wait
from dashboard.consumers import Live
from dashboard.site import Scope, Send, Site

# A page that is being rendered must not keep a waiting agent from its answer: with Python's default, a
# thread that computes gives way only after 5 ms, and an answer needs its turn some five times.
sys.setswitchinterval(0.00005)

type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

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
        await sync_to_async(house_settings.tell_if_possible)()
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
