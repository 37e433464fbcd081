"""The hot doors' own connections: autocommit, prepared statements, no Django in between."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from channels.db import database_sync_to_async
from django.db import connection
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool

SIZE = int(os.environ.get("WATCHFLOOR_HOT_POOL", "8"))
TIMEOUT_S = 5.0

_pool: AsyncConnectionPool[AsyncConnection[Any]] | None = None


async def startup() -> None:
    """Open the connections. The database may still be coming up: the pool keeps trying."""
    global _pool
    given = connection.get_connection_params()
    wanted = ("host", "port", "dbname", "user", "password", "sslmode")
    _pool = AsyncConnectionPool(
        kwargs={
            **{name: given[name] for name in wanted if given.get(name)},
            "autocommit": True,
            "prepare_threshold": 0,
            "row_factory": namedtuple_row,
            "options": "-c timezone=UTC",
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


def pool() -> AsyncConnectionPool[AsyncConnection[Any]]:
    if _pool is None:
        raise RuntimeError("The hot doors are not open: startup() has not run.")
    return _pool


@asynccontextmanager
async def transaction() -> AsyncIterator[AsyncConnection[Any]]:
    """One transaction on a pooled connection; rolled back by any exception.

    Statements go out together: `begin` with the first one that is read, `commit` with the last one if its
    row is fetched after the block. Two trips instead of four, and trips are what an admission costs.
    """
    async with pool().connection() as conn:
        done = False
        try:
            async with conn.pipeline():
                await conn.execute("begin")
                yield conn
                await conn.execute("commit")
            done = True
        finally:
            if not done and not conn.closed:
                await conn.rollback()


async def first(conn: AsyncConnection[Any], statement: str, params: dict[str, Any]) -> Any:
    """The first row of a statement."""
    return await (await conn.execute(statement, params)).fetchone()


async def one(statement: str, params: dict[str, Any]) -> Any:
    """The first row of a single statement, in its own transaction."""
    async with pool().connection() as conn:
        return await first(conn, statement, params)


async def in_django[**P, R](verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call an ordinary verb in a thread of its own; its connection goes back to Django's pool."""
    result: R = await database_sync_to_async(verb, thread_sensitive=False)(*args, **kwargs)
    return result
