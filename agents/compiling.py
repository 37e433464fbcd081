"""Statements as libpq takes them, and rows as it gives them: for those who talk to it without psycopg's cursors."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from psycopg.adapt import PyFormat


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
