"""Rows written by statements that are composed once, and may travel with others (`audit.trips.one_trip`).

The ORM composes its SQL anew for every row and waits for its answer. Where an agent waits to be told to stop,
half of the time went there. What fields do before they are saved, they do here as well.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model

type Statement = tuple[str, dict[str, Any]]
"""What is sent, with its parameters by name: the hot doors' pipeline takes it as Django's cursor does."""


def insert(row: Model) -> None:
    """A new row whose key is known already; signals of models are not sent."""
    send(insertion(row))
    row._state.adding, row._state.db = False, connection.alias


def update(row: Model, *names: str) -> None:
    """These fields of a row that is locked, or else nobody else's: whether it is there is not looked at."""
    send(changes(row, *names))


def send(*statements: Statement) -> None:
    with connection.cursor() as cursor:
        for statement, params in statements:
            cursor.execute(statement, params)


def insertion(row: Model) -> Statement:
    """What `insert` sends."""
    fields: Any = row._meta.concrete_fields
    here = connections[DEFAULT_DB_ALIAS]  # looked up once: every field looks several times
    return _insert(type(row)), {
        field.column: field.get_db_prep_save(field.pre_save(row, True), here) for field in fields
    }


def changes(row: Model, *names: str) -> Statement:
    """What `update` sends."""
    fields: list[Any] = [row._meta.get_field(name) for name in names]
    here = connections[DEFAULT_DB_ALIAS]
    values = {
        field.column: field.get_db_prep_save(getattr(row, field.attname), here) for field in fields
    }
    return _update(type(row), names), {**values, "pk": row.pk}


@cache
def _insert(model: type[Model]) -> str:
    names = [field.column for field in model._meta.concrete_fields]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(f"%({name})s" for name in names)
    return f'insert into "{model._meta.db_table}" ({columns}) values ({values})'


@cache
def _update(model: type[Model], names: tuple[str, ...]) -> str:
    columns = [model._meta.get_field(name).column for name in names]  # type: ignore[union-attr]
    changes = ", ".join(f'"{column}" = %({column})s' for column in columns)
    return f'update "{model._meta.db_table}" set {changes} where id = %(pk)s'
