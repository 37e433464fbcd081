"""Rows of handwritten statements, on Django's own connection and so in its transaction."""

from __future__ import annotations

from typing import Any

from django.db import connection
from psycopg import Cursor
from psycopg.rows import namedtuple_row


def first(statement: str, **params: Any) -> Any:
    """The first row, or None."""
    connection.ensure_connection()
    with connection.connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(statement, params).fetchone()


def every(statement: str, **params: Any) -> list[Any]:
    connection.ensure_connection()
    with connection.connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(statement, params).fetchall()
        return rows


def ask(statement: str, **params: Any) -> Cursor[Any]:
    """A statement whose rows are fetched later, or never."""
    connection.ensure_connection()
    cursor: Cursor[Any] = connection.connection.cursor(row_factory=namedtuple_row)
    return cursor.execute(statement, params)
