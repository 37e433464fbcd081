"""One transaction in two trips, straight over libpq (`psycopg.pq`).

psycopg's own pipeline sends each statement and each request for its rows by itself, and asks the event loop anew
for every one of them: five writes, six polls and a dozen changes of what is waited for in an admission, which is
most of what the web process did. Here a trip is one write and one wait; values are still psycopg's to convert.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.adapt import Transformer
from psycopg.generators import fetch_many
from psycopg.waiting import Ready

from ..compiling import NO_ANSWER, Key, Prepared, end_of, rows_of

CANCEL_TIMEOUT_S = 2.0
UNUSABLE = frozenset({"0A000", "26000"})
"""A table changed under what was prepared, or it is gone: the connection begins anew."""


class HotConnection(AsyncConnection[Any]):
    """A connection that remembers what was prepared on it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared = Prepared()


class Answer:
    """What a statement answers: at hand after the trip that it travels with, asked for before by reading it."""

    __slots__ = ("_pipeline", "error", "result")

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.result: pq.abc.PGresult | None = None
        self.error: psycopg.Error | None = None

    async def fetchone(self) -> Any:
        """The first row by the names of its columns; None when there is none."""
        rows = await self._rows(1)
        return rows[0] if rows else None

    async def fetchall(self) -> list[Any]:
        return await self._rows(None)

    async def _rows(self, most: int | None) -> list[Any]:
        if self.result is None and self.error is None:
            await self._pipeline.trip(self)
        if self.error is not None:
            raise self.error
        return self._pipeline.rows(self.result, most)


class Pipeline:
    """Statements of one transaction. PostgreSQL takes what travels up to a sync for one; `commit` sends it."""

    def __init__(self, conn: HotConnection) -> None:
        self.conn, self.pgconn = conn, conn.pgconn
        self._transformer = Transformer(conn)
        self._waiting: deque[tuple[Answer, Key | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._socket = self.pgconn.socket
        self._reading = False
        self._readable: asyncio.Future[None] | None = None
        self._broken = select.poll()  # asks for nothing: it only ever tells of errors
        self._broken.register(self._socket, 0)

    async def __aenter__(self) -> Pipeline:
        self.pgconn.enter_pipeline_mode()
        if self.conn.prepared.is_full:
            self.conn.prepared.names.clear()
            await self.execute("deallocate all")
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                await self._end()
            elif isinstance(error, Exception):
                await self.execute("rollback")
                await self._end(quietly=True)
                if isinstance(error, psycopg.Error) and error.sqlstate in UNUSABLE:
                    self._give_up()
            else:  # cancelled somewhere: nobody knows what is still to come, and others wait for its locks
                with suppress(psycopg.Error):
                    await self.conn.cancel_safe(timeout=CANCEL_TIMEOUT_S)
                self._give_up()
        except psycopg.Error as problem:
            if problem.sqlstate in UNUSABLE or problem.sqlstate is None:
                self._give_up()
            raise
        except BaseException:
            self._give_up()
            raise
        finally:
            self._stop_reading()

    async def execute(
        self, statement: str, params: Mapping[str, Any] = MappingProxyType({})
    ) -> Answer:
        """Put a statement on the next trip."""
        answer = Answer(self)
        preparing = self.conn.prepared.send(self.pgconn, self._transformer, statement, params)
        if preparing is not None:
            self._waiting.append((Answer(self), preparing))
        self._waiting.append((answer, None))
        return answer

    async def go(self) -> None:
        """Send what was put on the trip, and do not wait: there is something else to do meanwhile."""
        self.pgconn.send_flush_request()
        await self._send()

    async def trip(self, wanted: Answer) -> None:
        """Send what was put on it, and wait until `wanted` is answered."""
        await self.go()
        while wanted.result is None and wanted.error is None and self._waiting:
            await self._receive()

    def rows(self, result: Any, most: int | None) -> list[Any]:
        return rows_of(self._transformer, result, most)

    async def _end(self, *, quietly: bool = False) -> None:
        """Commit, or end what was refused. Raises what was refused first and nobody read."""
        left = [answer for answer, _ in self._waiting]
        self.pgconn.pipeline_sync()
        await self._send()
        for _ in left:
            await self._receive()
        refused = await self._synced()
        self.pgconn.exit_pipeline_mode()
        for error in (*(answer.error for answer in left), refused):
            if error is not None and not quietly:
                raise error

    async def _synced(self) -> psycopg.Error | None:
        """What was refused at the end."""
        refused: psycopg.Error | None = None
        while results := await self._fetch():
            end = end_of(results)
            refused = refused or end.error
            if end.is_synced:
                return refused
        raise psycopg.OperationalError(NO_ANSWER)

    async def _receive(self) -> None:
        """The next answer in line."""
        results = await self._fetch()
        answer, preparing = self._waiting.popleft()
        if not results:
            answer.error = psycopg.OperationalError(NO_ANSWER)
            return
        result = results[-1]
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            answer.result = result
            return
        if preparing is not None:
            self.conn.prepared.names.pop(preparing, None)
        answer.error = (
            psycopg.errors.PipelineAborted("An earlier statement was refused.")
            if result.status == pq.ExecStatus.PIPELINE_ABORTED
            else psycopg.errors.error_from_result(result)
        )

    async def _fetch(self) -> list[Any]:
        """What libpq has for the statement that is next; waits for it."""
        fetching = fetch_many(self.pgconn)
        try:
            next(fetching)
            while True:
                await self._until_readable()
                fetching.send(Ready.R)
        except StopIteration as done:
            return list(done.value)

    async def _send(self) -> None:
        while self.pgconn.flush():  # a document larger than the socket's buffer
            writable = self._loop.create_future()
            self._loop.add_writer(self._socket, _wake, writable)
            try:
                await writable
            finally:
                self._loop.remove_writer(self._socket)
            self.pgconn.consume_input()  # the server may wait for us to read before it reads on

    async def _until_readable(self) -> None:
        """uvloop tells of a broken socket once, whatever is still to be read from it, unless it is asked anew."""
        self._readable = self._loop.create_future()
        if self._reading and self._broken.poll(0):
            self._stop_reading()
        if not self._reading:
            self._loop.add_reader(self._socket, self._on_readable)
            self._reading = True
        try:
            await self._readable
        finally:
            self._readable = None

    def _on_readable(self) -> None:
        if self._readable is not None:
            _wake(self._readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._socket)
        self._reading = False

    def _give_up(self) -> None:
        """The pool replaces a closed connection; the server takes back what it had begun."""
        self._stop_reading()
        self.pgconn.finish()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
