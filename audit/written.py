"""Rows written by statements that are composed once, and may travel with others (`audit.trips.one_trip`).

The ORM composes its SQL anew for every row and waits for its answer. Where an agent waits to be told to stop,
half of the time went there. What fields do before they are saved, they do here as well.
"""

from __future__ import annotations

from functools import cache

from django.db import connection
from django.db.models import Model


def insert(row: Model) -> None:
    """A new row whose key is known already; signals of models are not sent."""
    model = type(row)
    values = [
        field.get_db_prep_save(field.pre_save(row, True), connection)
        for field in model._meta.concrete_fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(_insert(model), values)
    row._state.adding, row._state.db = False, connection.alias


def update(row: Model, *names: str) -> None:
    """These fields of a row that is locked, or else nobody else's: whether it is there is not looked at."""
    fields = [row._meta.get_field(name) for name in names]
    values = [
        field.get_db_prep_save(getattr(row, field.attname), connection)  # type: ignore[union-attr]
        for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(_update(type(row), names), [*values, row.pk])


@cache
def _insert(model: type[Model]) -> str:
    columns = [f'"{field.column}"' for field in model._meta.concrete_fields]
    into = f'insert into "{model._meta.db_table}" ({", ".join(columns)})'
    return f"{into} values ({', '.join(['%s'] * len(columns))})"


@cache
def _update(model: type[Model], names: tuple[str, ...]) -> str:
    columns = [model._meta.get_field(name).column for name in names]  # type: ignore[union-attr]
    changes = ", ".join(f'"{column}" = %s' for column in columns)
    return f'update "{model._meta.db_table}" set {changes} where id = %s'
