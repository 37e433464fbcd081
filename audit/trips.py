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


@contextmanager
def last_trip() -> Iterator[None]:
    """`one_trip`, and the COMMIT travels along where the transaction is the verb's own: nobody may write after it.

    Within somebody else's transaction nothing is committed here. What the database refuses, also at the COMMIT,
    is raised at the end, as it would be by `transaction.atomic`, which then finds that it has nothing left to do.
    """
    with one_trip():
        yield
        if len(connection.atomic_blocks) == 1 and not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("commit")
