"""The hot doors' transactions: what was pipelined happens as a whole, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
import uvloop

from agents.compiling import MOST_PREPARED
from agents.hot import pool
from agents.hot.pipeline import Pipeline
from agents.models import Bucket

OWNER = "01a1fda8-e6d4-7627-8118-f823bf2a8b95"

pytestmark = pytest.mark.django_db(transaction=True)


async def write(conn: Pipeline, slot: int) -> None:
    await conn.execute(
        """insert into agents_bucket (owner, width, slot, actions, finished, failures, slow, unusual,
                                      tokens, cost_usd)
           values (%(owner)s, 10, %(slot)s, 1, 0, 0, 0, 0, 0, 0)""",
        {"owner": OWNER, "slot": slot},
    )


def within(*work: Callable[[Pipeline], Awaitable[None]]) -> list[BaseException | None]:
    """Each piece of work in a transaction of its own, all on one pool; what each raised."""

    async def every() -> list[BaseException | None]:
        of_the_server = pool._pool  # that of the tests' server, in a loop of its own
        await pool.startup()
        try:
            return [await one(piece) for piece in work]
        finally:
            await pool.shutdown()
            pool._pool = of_the_server

    async def one(piece: Callable[[Pipeline], Awaitable[None]]) -> BaseException | None:
        try:
            async with pool.transaction() as conn:
                await piece(conn)
        except Exception as error:
            return error
        return None

    return uvloop.run(every())  # as the server does; it tells of a broken socket only once


def slots() -> list[int]:
    return sorted(Bucket.objects.filter(owner=OWNER).values_list("slot", flat=True))


def test_what_is_done_is_committed_without_saying_so() -> None:
    assert within(lambda conn: write(conn, 1)) == [None]

    assert slots() == [1]


def test_an_exception_after_a_write_leaves_nothing() -> None:
    async def fails(conn: Pipeline) -> None:
        await write(conn, 1)
        await (await conn.execute("select 1")).fetchone()
        raise KeyError("ours")

    raised = within(fails, lambda conn: write(conn, 2))

    assert [type(error) for error in raised] == [KeyError, type(None)]
    assert slots() == [2]


def test_what_the_server_refuses_takes_everything_before_it_along() -> None:
    async def twice(conn: Pipeline) -> None:
        await write(conn, 1)
        await write(conn, 1)

    async def fails_while_reading(conn: Pipeline) -> None:
        await write(conn, 1)
        await (await conn.execute("select 1 / 0")).fetchone()

    raised = within(twice, fails_while_reading, lambda conn: write(conn, 2))

    assert [type(error) for error in raised] == [
        psycopg.errors.UniqueViolation,
        psycopg.errors.DivisionByZero,
        type(None),
    ]
    assert slots() == [2]


def test_what_is_refused_at_the_end_is_refused() -> None:
    """Keys between tables are looked at when it is committed; nobody reads an answer then."""

    async def of_nobody(conn: Pipeline) -> None:
        await write(conn, 1)
        await conn.execute(
            "insert into agents_tooluse (agent_id, tool, uses) values (%(owner)s, 'a', 1)",
            {"owner": OWNER},
        )

    async def and_reads(conn: Pipeline) -> None:
        await of_nobody(conn)
        await (await conn.execute("select 1")).fetchone()

    raised = within(of_nobody, and_reads, lambda conn: write(conn, 2))

    refused = psycopg.errors.ForeignKeyViolation
    assert [type(error) for error in raised] == [refused, refused, type(None)]
    assert slots() == [2]


def test_very_many_statements_are_forgotten() -> None:
    left: list[int] = []

    async def many(conn: Pipeline) -> None:
        answers = [await conn.execute(f"select {n} as n") for n in range(MOST_PREPARED + 20)]
        assert [(await one.fetchone()).n for one in answers] == list(range(MOST_PREPARED + 20))

    async def counts(conn: Pipeline) -> None:
        answer = await conn.execute("select count(*) as n from pg_prepared_statements")
        left.append((await answer.fetchone()).n)

    assert within(many, counts, lambda conn: write(conn, 1)) == [None] * 3
    assert left[0] < 10
    assert slots() == [1]


def test_a_refusal_spoils_no_statement_for_later() -> None:
    async def refused(conn: Pipeline) -> None:
        await conn.execute("select 1 / 0")
        await write(conn, 1)

    raised = within(*[refused] * 4, *[lambda conn, n=n: write(conn, n) for n in range(10, 22)])

    assert [type(error) for error in raised[4:]] == [type(None)] * 12
    assert slots() == list(range(10, 22))


def test_locks_last_until_the_end() -> None:
    """What was read under lock stays so while the rules judge."""

    async def locks(conn: Pipeline) -> None:
        row = await (
            await conn.execute("select 1 from agents_bucket where slot = 1 for no key update")
        ).fetchone()
        assert row is not None
        async with pool.connection() as other:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await other.execute("select 1 from agents_bucket where slot = 1 for update nowait")

    assert within(lambda conn: write(conn, 1), locks) == [None, None]


def test_whoever_is_cancelled_leaves_nothing_behind_and_no_lock() -> None:
    """An agent hangs up while its admission waits for another's: nobody knows what the server still answers."""
    ended: list[str] = []

    async def cancelled(conn: Pipeline) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.05, task.cancel)
        await write(conn, 2)
        await (await conn.execute("select pg_sleep(60)")).fetchone()

    async def both() -> None:
        try:
            async with pool.transaction() as conn:
                await cancelled(conn)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            assert current is not None
            current.uncancel()
            ended.append("cancelled")

    async def asks(_: Pipeline) -> None:
        await both()

    assert within(asks, lambda conn: write(conn, 3)) == [None, None]
    assert ended == ["cancelled"]
    assert slots() == [3]


def test_a_document_larger_than_the_sockets_buffer_arrives_whole() -> None:
    sizes: list[int] = []

    async def large(conn: Pipeline) -> None:
        answer = await conn.execute(
            "select length(%(text)s::text) as size, %(text)s::text as text",
            {"text": "ä" * 5_000_000},
        )
        row = await answer.fetchone()
        sizes.extend([row.size, len(row.text)])

    assert within(large) == [None]
    assert sizes == [5_000_000, 5_000_000]


def test_a_table_that_changed_costs_one_refusal() -> None:
    """What was prepared before a migration cannot be used after it: the connection begins anew."""

    async def looks(conn: Pipeline) -> None:
        await (await conn.execute("select * from changing")).fetchone()

    async def changes(conn: Pipeline) -> None:
        await conn.execute("alter table changing add column more int")

    async def makes(conn: Pipeline) -> None:
        await conn.execute("create table changing (one int)")

    async def drops(conn: Pipeline) -> None:
        await conn.execute("drop table changing")

    raised = within(makes, looks, changes, *[looks] * 20, drops)

    refused = [error for error in raised if error is not None]
    assert len(refused) <= pool.SIZE
    assert {type(error) for error in refused} <= {psycopg.errors.FeatureNotSupported}
    assert raised[-2] is None


@pytest.mark.parametrize("reads", [True, False])
def test_a_server_process_that_dies_while_more_was_sent_is_an_error_and_no_wait(
    reads: bool,
) -> None:
    """It never read what was sent last, which the socket tells as an error, after which it is silent."""

    async def dies(conn: Pipeline) -> None:
        pid = (await (await conn.execute("select pg_backend_pid() as pid")).fetchone()).pid
        slow = await conn.execute("select pg_sleep(60) as slept")
        await conn.go()
        async with pool.connection() as other:
            while not await sleeps(other, pid):
                pass
            await conn.execute("select 1")
            await conn.go()
            await other.execute("select pg_terminate_backend(%s, 5000)", [pid])
        if reads:
            await slow.fetchone()

    async def in_time(conn: Pipeline) -> None:
        async with asyncio.timeout(20), pool.transaction() as its:
            await dies(its)

    raised = within(in_time, lambda conn: write(conn, 1))

    assert isinstance(raised[0], psycopg.OperationalError)
    assert raised[1] is None
    assert slots() == [1]


def test_connections_that_died_while_nobody_used_them_cost_nobody_a_refusal() -> None:
    """As after the database was restarted: there may be many of them, and each is found only when its turn comes."""
    pids: set[int] = set()

    async def both_are_open() -> None:
        async with pool.connection() as one, pool.connection() as other:
            pids.update((one.info.backend_pid, other.info.backend_pid))

    async def kills(conn: Pipeline) -> None:
        await both_are_open()
        for pid in pids:
            await conn.execute("select pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})

    async def finds_them(conn: Pipeline) -> None:
        await write(conn, 1)
        async with asyncio.timeout(0.9):
            await both_are_open()

    assert within(kills, finds_them) == [None, None]
    assert slots() == [1]


def test_who_holds_a_connection_while_the_pool_closes_ends_as_ever() -> None:
    held: list[psycopg.AsyncConnection[Any]] = []

    async def closes(_: Pipeline) -> None:
        async with pool.connection() as its:
            held.append(its)
            await pool.shutdown()
            await its.execute("select 1")

    assert within(closes) == [None]
    assert held[0].closed


async def sleeps(other: psycopg.AsyncConnection[Any], pid: int) -> bool:
    found = await other.execute(
        "select 1 from pg_stat_activity where pid = %s and wait_event = 'PgSleep'", [pid]
    )
    return await found.fetchone() is not None
