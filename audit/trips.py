"""Statements that travel to the database together: what one waits for costs more than what it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def one_trip() -> Iterator[None]:
    """Send what is executed within without waiting for each answer; the first row that is fetched waits for all.

    Only for statements written by hand: the ORM looks at how many rows were changed, which is not known here
    before the end. What the database refuses is raised at the next fetch, or at the end.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield
