"""For load balancers and scripts: does this process answer, and can it work?"""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import granting
from audit.models import Log


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
    database = _database()
    return {
        "database": database,
        "migrations": _migrations() if database == "ok" else "unknown",
        "redis": _redis(),
        "record": _record() if database == "ok" else "unknown",
    }


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError:
        return "unreachable"
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
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
