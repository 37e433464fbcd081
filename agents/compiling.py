"""Statements as libpq takes them, and rows as it gives them: for those who talk to it without psycopg's cursors."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat

MOST_PREPARED = 200
NO_ANSWER = "The database gave no answer."
type Key = tuple[str, tuple[int, ...]]
"""A statement, and the types of its values."""


class End(NamedTuple):
    """What libpq gave where a sync was to come."""

    is_synced: bool
    error: psycopg.Error | None
    """What was refused only at the end: keys between tables are looked at when it is committed."""


def end_of(results: Sequence[Any]) -> End:
    refused = [result for result in results if result.status == pq.ExecStatus.FATAL_ERROR]
    return End(
        any(result.status == pq.ExecStatus.PIPELINE_SYNC for result in results),
        psycopg.errors.error_from_result(refused[0]) if refused else None,
    )


class Compiled(NamedTuple):
    """A statement as PostgreSQL numbers its parameters, and their names in that order."""

    query: bytes
    names: tuple[str, ...]
    formats: list[PyFormat]


@cache
def compiled(statement: str) -> Compiled:
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "%"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    query = re.sub(r"%(?:\((\w+)\)s|%)", numbered, statement).encode()
    return Compiled(query, tuple(names), [PyFormat.AUTO] * len(names))


class Prepared:
    """What is prepared on one connection: names by statement and types of its values."""

    def __init__(self) -> None:
        self.names: dict[Key, bytes] = {}
        self._made = 0

    def send(
        self, pgconn: Any, transformer: Any, statement: str, params: Mapping[str, Any]
    ) -> Key | None:
        """Put a statement on its way. The first time, it is prepared on the way: that has an answer of its own, and this its key."""
        query, names, formats = compiled(statement)
        values = transformer.dump_sequence([params[name] for name in names], formats)
        key = statement, tuple(transformer.types or ())
        name = known = self.names.get(key)
        if name is None:
            name = self._name(key)
            pgconn.send_prepare(name, query, param_types=key[1])
        pgconn.send_query_prepared(name, values, param_formats=transformer.formats)
        return None if known is not None else key

    @property
    def is_full(self) -> bool:
        return len(self.names) >= MOST_PREPARED

    def _name(self, key: Key) -> bytes:
        """None is kept once there are very many."""
        if self.is_full:
            return b""
        self._made += 1
        name = self.names[key] = b"wf_%d" % self._made
        return name


@cache
def row_of(*names: bytes) -> Callable[..., Any]:
    make: Callable[..., Any] = namedtuple("Row", [n.decode() for n in names], rename=True)._make  # type: ignore[attr-defined]
    return make


def rows_of(transformer: Any, result: Any, most: int | None = None) -> list[Any]:
    """The rows of a result by the names of their columns, at most so many."""
    transformer.set_pgresult(result)
    count = result.ntuples if most is None else min(result.ntuples, most)
    if not count:
        return []
    names = (result.fname(column) for column in range(result.nfields))
    rows: list[Any] = transformer.load_rows(0, count, row_of(*names))
    return rows
