"""Keeps a restarted database from costing anyone a click."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, OperationalError

from audit.connections import has_hung_up


def check_is_open(connection: Connection[Any]) -> None:
    """Called for a pooled connection before it is used. Raises OperationalError when the server has hung up."""
    if has_hung_up(connection.fileno()):
        connection.close()  # else the pool would offer it again
        raise OperationalError("the server has hung up")
