"""Keeps a restarted database from costing anyone a click."""

from __future__ import annotations

import select
from typing import Any

from psycopg import Connection, OperationalError


def check_is_open(connection: Connection[Any]) -> None:
    """Called for a pooled connection before it is used. Raises OperationalError when the server has hung up.

    Without asking the server, which would add a trip to every page: an idle connection on which something can
    be read has been told that it is over.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        connection.close()  # else the pool would offer it again
        raise OperationalError("the server has hung up")
