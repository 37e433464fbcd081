"""For load balancers and scripts: does this process answer, and can it work?"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from threading import Timer

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import granting
from audit.models import Log

PATIENCE = 4.0
"""Seconds the database may take with all its answers; one that hangs is as good as gone."""


@require_safe
@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """This process answers; says nothing about anything it needs."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """503 without the database or with migrations to do; `degraded` without Redis, which nothing depends on."""
    found = parts()
    if found["migrations"] != "ok":
        return JsonResponse({"status": "unavailable", **found}, status=503)
    return JsonResponse({"status": "ok" if found["redis"] == "ok" else "degraded", **found})


def parts() -> dict[str, str]:
    """How each thing we need is: `ok`, or in a word what is wrong with it."""
    try:
        with _hanging_up(after=PATIENCE):
            found = _of_database()
    except DatabaseError:
        found = {"database": "unreachable", "migrations": "unknown", "record": "unknown"}
    return {**found, "redis": _redis()}


@contextlib.contextmanager
def _hanging_up(*, after: float) -> Iterator[None]:
    """A database that stands still ends no wait by itself: its connection is shut, and every wait fails."""
    connection.ensure_connection()  # the pool gives up after five seconds
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as line:
        clock = Timer(after, _shut, [line])
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()
            clock.join()


def _shut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was over already
        line.shutdown(socket.SHUT_RDWR)


def _of_database() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return {"database": "ok", "migrations": _migrations(), "record": _record()}


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "unknown"
    return f"{len(waiting)} to apply" if waiting else "ok"


def _record() -> str:
    """Whether the application could rewrite the record, and whether its log goes on."""
    try:
        if not granting.standing().is_guarded:
            return "the application owns its tables: it could rewrite the record"
        if Log.objects.exclude(halted_at=None).exists():
            return "its log stands still"
    except DatabaseError:
        return "unknown"
    return "ok"


def _redis() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
        ) as client:
            client.ping()
    except redis.RedisError:
        return "unreachable"
    return "ok"
