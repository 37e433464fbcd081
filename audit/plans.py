"""Plans made for what is asked: a statement prepared for anything at all walks a million lines to find the rare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def custom_plans() -> Iterator[None]:
    """Inside, PostgreSQL plans every statement with its values, however often it came before."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set local plan_cache_mode = force_custom_plan")
        yield
