"""Statements of Django's transaction that go to the database in one write, straight over libpq

psycopg's own pipeline sends each of them by itself and looks at the socket in between: half of what a small batch of
spans cost. What a statement answers is at hand when the trip is over. See `hot.pipeline`, which does the same for an event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import psycopg
from django.db import connection
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.generators import fetch_many, send

from ..compiling import NO_ANSWER, Key, Prepared, end_of, rows_of

STALE = frozenset({"0A000", "26000"})
"""A table changed under what was prepared, or somebody did away with it: the next transaction prepares anew."""
OK = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Rows:
    """What a statement answered, once the trip that it travelled with is over."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[Any] | None = None

    def fetchall(self) -> list[Any]:
        assert self._found is not None, "the trip is not over"
        return self._found

    def fetchone(self) -> Any:
        found = self.fetchall()
        return found[0] if found else None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


def prepared_on(conn: Any) -> Prepared:
    """psycopg does away with all that is prepared, after every rollback: whoever prepared it, and if it had any itself."""
    known: Prepared | None = getattr(conn, "_prepared_for_trips", None)
    if known is not None:
        return known
    prepared = conn._prepared_for_trips = Prepared()
    let_go = conn._prepared.clear

    def clear() -> bool:
        is_done: bool = let_go()
        if is_done:
            prepared.names.clear()
        return is_done

    conn._prepared.clear = clear
    return prepared


class Trip:
    """`with Trip() as trip`: ask within, read afterwards. What the database refuses is raised at the end, as Django has it."""

    def __init__(self) -> None:
        connection.ensure_connection()
        self._conn: Any = connection.connection
        self._pgconn = self._conn.pgconn
        self._prepared = prepared_on(self._conn)
        self._transformer = Transformer(self._conn)
        self._sent: list[tuple[Rows | None, Key | None]] = []

    def __enter__(self) -> Trip:
        begins = not self._conn.autocommit and self._is_idle
        self._pgconn.enter_pipeline_mode()
        if begins:  # psycopg's cursors would have begun by themselves
            self._plain("begin")
        return self

    @property
    def _is_idle(self) -> bool:
        return bool(self._pgconn.transaction_status == pq.TransactionStatus.IDLE)

    def ask(self, statement: str, **params: Any) -> Rows:
        return self.send(statement, params)

    def send(self, statement: str, params: dict[str, Any]) -> Rows:
        """The same with a statement that somebody else composed, see `audit.written`."""
        preparing = self._prepared.send(self._pgconn, self._transformer, statement, params)
        if preparing is not None:
            self._sent.append((None, preparing))
        rows = Rows()
        self._sent.append((rows, None))
        return rows

    def commit(self) -> None:
        """The COMMIT travels along, where the transaction is the verb's own: nobody may write after it.

        As `audit.trips.last_trip` has it.
        """
        if len(connection.atomic_blocks) == 1 and not connection.needs_rollback:
            self._plain("commit")

    def _plain(self, statement: str) -> None:
        preparing = self._prepared.send(self._pgconn, self._transformer, statement, {})
        if preparing is not None:
            self._sent.append((None, preparing))
        self._sent.append((None, None))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with connection.wrap_database_errors:
            refused = self._end()
            if refused is not None and raised is None:
                raise refused

    def _end(self) -> psycopg.Error | None:
        """Send all, read all; what was refused first."""
        if not self._sent:
            self._pgconn.exit_pipeline_mode()
            return None
        self._pgconn.pipeline_sync()
        self._conn.wait(send(self._pgconn))
        results = [self._result() for _ in self._sent]
        at_the_end = self._synced()
        self._pgconn.exit_pipeline_mode()
        refused: psycopg.Error | None = None
        for (rows, preparing), result in zip(self._sent, results, strict=True):
            if result.status in OK:
                if rows is not None:
                    rows._found = rows_of(self._transformer, result)
                continue
            if preparing is not None:
                self._prepared.names.pop(preparing, None)
            if refused is None:
                refused = psycopg.errors.error_from_result(result)
        refused = refused or at_the_end
        if refused is not None and refused.sqlstate in STALE:
            self._prepared.names.clear()
        return refused

    def _result(self) -> Any:
        return self._fetch()[-1]

    def _synced(self) -> psycopg.Error | None:
        """What was refused at the end."""
        refused: psycopg.Error | None = None
        while True:
            end = end_of(self._fetch())
            refused = refused or end.error
            if end.is_synced:
                return refused

    def _fetch(self) -> Sequence[Any]:
        """What libpq has for the statement that is next; waits for it."""
        results: Sequence[Any] = self._conn.wait(fetch_many(self._pgconn))
        if not results:
            raise psycopg.OperationalError(NO_ANSWER)
        return results
