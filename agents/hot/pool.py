"""The hot doors' own connections: autocommit, prepared statements, no Django in between."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from channels.db import database_sync_to_async
from django import db
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool

from audit.connections import has_hung_up

from .pipeline import HotConnection, Pipeline

SIZE = int(os.environ.get("WATCHFLOOR_HOT_POOL", "8"))
TIMEOUT_S = 5.0

BY_INDEX = " ".join(
    f"-c {setting}"
    for setting in (
        "plan_cache_mode=force_generic_plan",
        "enable_seqscan=off",
        "enable_hashjoin=off",
        "enable_mergejoin=off",
        "enable_material=off",
        "jit=off",
    )
)
"""Every statement of the hot doors looks a few rows up. A plan made while a table was small would read all of it
when it has grown, and making one anew takes ten times as long as running it."""

_pool: AsyncConnectionPool[HotConnection] | None = None


async def startup() -> None:
    """Open the connections. The database may still be coming up: the pool keeps trying."""
    global _pool
    given = db.connection.get_connection_params()
    wanted = ("host", "port", "dbname", "user", "password", "sslmode")
    _pool = AsyncConnectionPool(
        connection_class=HotConnection,
        kwargs={
            **{name: given[name] for name in wanted if given.get(name)},
            "autocommit": True,
            "prepare_threshold": 0,
            "row_factory": namedtuple_row,
            "options": f"-c timezone=UTC {BY_INDEX}",
        },
        min_size=min(2, SIZE),
        max_size=SIZE,
        timeout=TIMEOUT_S,
        open=False,
        name="hot",
    )
    await _pool.open()


async def shutdown() -> None:
    global _pool
    if _pool is not None:
        await _pool.close()
    _pool = None


def pool() -> AsyncConnectionPool[HotConnection]:
    if _pool is None:
        raise RuntimeError("The hot doors are not open: startup() has not run.")
    return _pool


@asynccontextmanager
async def connection() -> AsyncIterator[HotConnection]:
    """One of the pool's, for a while. Raises PoolTimeout.

    Those that died while nobody used them are replaced; the pool's own `check` would wait longer for each of them.
    """
    of = pool()  # this one may be closed, and another one opened, before it is given back
    until = monotonic() + TIMEOUT_S
    its = await of.getconn()
    while has_hung_up(its.fileno()):
        await its.close()
        await of.putconn(its)
        its = await of.getconn(until - monotonic())
    try:
        async with its:
            yield its
    finally:
        await of.putconn(its)


@asynccontextmanager
async def transaction() -> AsyncIterator[Pipeline]:
    """One transaction on a pooled connection; rolled back by any exception.

    No `begin` and no `commit` travel: PostgreSQL takes what is pipelined up to a sync for one transaction. Its
    rows are read by flushing, the sync at the end commits. Two trips, and trips are what an admission costs.
    """
    async with connection() as conn, Pipeline(conn) as pipeline:
        yield pipeline


async def first(conn: Pipeline, statement: str, params: dict[str, Any]) -> Any:
    """The first row of a statement."""
    return await (await conn.execute(statement, params)).fetchone()


async def one(statement: str, params: dict[str, Any]) -> Any:
    """The first row of a single statement, in its own transaction: one trip."""
    async with transaction() as pipeline:
        answer = await pipeline.execute(statement, params)
    return await answer.fetchone()


async def in_django[**P, R](verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call an ordinary verb in a thread of its own; its connection goes back to Django's pool."""
    result: R = await database_sync_to_async(verb, thread_sensitive=False)(*args, **kwargs)
    return result
