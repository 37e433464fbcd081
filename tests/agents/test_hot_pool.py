"""The hot doors' transactions: what was pipelined happens as a whole, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from agents.hot import pool
from agents.models import Bucket

OWNER = "01a1fda8-e6d4-7627-8118-f823bf2a8b95"

pytestmark = pytest.mark.django_db(transaction=True)


async def write(conn: AsyncConnection[Any], slot: int) -> None:
    await conn.execute(
        """insert into agents_bucket (owner, width, slot, actions, finished, failures, slow, unusual,
                                      tokens, cost_usd)
           values (%(owner)s, 10, %(slot)s, 1, 0, 0, 0, 0, 0, 0)""",
        {"owner": OWNER, "slot": slot},
    )


def within(*work: Callable[[AsyncConnection[Any]], Awaitable[None]]) -> list[BaseException | None]:
    """Each piece of work in a transaction of its own, all on one pool; what each raised."""

    async def every() -> list[BaseException | None]:
        of_the_server = pool._pool  # that of the tests' server, in a loop of its own
        await pool.startup()
        try:
            return [await one(piece) for piece in work]
        finally:
            await pool.shutdown()
            pool._pool = of_the_server

    async def one(piece: Callable[[AsyncConnection[Any]], Awaitable[None]]) -> BaseException | None:
        try:
            async with pool.transaction() as conn:
                await piece(conn)
        except Exception as error:
            return error
        return None

    return asyncio.run(every())


def slots() -> list[int]:
    return sorted(Bucket.objects.filter(owner=OWNER).values_list("slot", flat=True))


def test_what_is_done_is_committed_without_saying_so() -> None:
    assert within(lambda conn: write(conn, 1)) == [None]

    assert slots() == [1]


def test_an_exception_after_a_write_leaves_nothing() -> None:
    async def fails(conn: AsyncConnection[Any]) -> None:
        await write(conn, 1)
        await (await conn.execute("select 1")).fetchone()
        raise KeyError("ours")

    raised = within(fails, lambda conn: write(conn, 2))

    assert [type(error) for error in raised] == [KeyError, type(None)]
    assert slots() == [2]


def test_what_the_server_refuses_takes_everything_before_it_along() -> None:
    async def twice(conn: AsyncConnection[Any]) -> None:
        await write(conn, 1)
        await write(conn, 1)

    async def fails_while_reading(conn: AsyncConnection[Any]) -> None:
        await write(conn, 1)
        await (await conn.execute("select 1 / 0")).fetchone()

    raised = within(twice, fails_while_reading, lambda conn: write(conn, 2))

    assert [type(error) for error in raised] == [
        psycopg.errors.UniqueViolation,
        psycopg.errors.DivisionByZero,
        type(None),
    ]
    assert slots() == [2]


def test_a_refusal_spoils_no_statement_for_later() -> None:
    async def refused(conn: AsyncConnection[Any]) -> None:
        await conn.execute("select 1 / 0")
        await write(conn, 1)

    raised = within(*[refused] * 4, *[lambda conn, n=n: write(conn, n) for n in range(10, 22)])

    assert [type(error) for error in raised[4:]] == [type(None)] * 12
    assert slots() == list(range(10, 22))


def test_locks_last_until_the_end() -> None:
    """What was read under lock stays so while the rules judge."""

    async def locks(conn: AsyncConnection[Any]) -> None:
        row = await (
            await conn.execute("select 1 from agents_bucket where slot = 1 for no key update")
        ).fetchone()
        assert row is not None
        async with pool.pool().connection() as other:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await other.execute("select 1 from agents_bucket where slot = 1 for update nowait")

    assert within(lambda conn: write(conn, 1), locks) == [None, None]
