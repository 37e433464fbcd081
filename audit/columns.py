"""Rows of models from statements that are written once.

The ORM composes its SQL anew for every query: most of a millisecond where four tables with a hundred
columns are joined. That is nothing on a page, and a sixth of what an agent may wait for a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import JSONField, Model
from django.db.models.base import ModelState


class Part(NamedTuple):
    """A model's columns in a row, under an alias of its table."""

    model: type[Model]
    alias: str
    names: tuple[str, ...] = ()
    """Of these attributes alone; what else is looked at, the instance asks the database for. Empty: of all."""


@cache
def columns(model: type[Model], alias: str, *names: str) -> str:
    """Columns of a model, as `alias."column", …`. JSON as text, as Django reads it, on whatever connection."""
    return ", ".join(
        f'{alias}."{field.column}"{"::text" if isinstance(field, JSONField) else ""}'
        for field in _fields(model, names)
    )


def _fields(model: type[Model], names: tuple[str, ...]) -> list[Any]:
    every = list(model._meta.concrete_fields)
    if not names:
        return every
    by_name = {field.attname: field for field in every}
    return [by_name[name] for name in names]


class _Known(NamedTuple):
    names: list[str]
    converters: list[tuple[int, Any]]
    key: int
    """Where the primary key stands."""


@cache
def _known(model: type[Model], names: tuple[str, ...]) -> _Known:
    fields = _fields(model, names)
    converters = [
        (position, convert)
        for position, field in enumerate(fields)
        for convert in field.get_db_converters(connection)
    ]
    key = next(position for position, field in enumerate(fields) if field.primary_key)
    return _Known([field.attname for field in fields], converters, key)


def instance[M: Model](model: type[M], row: Sequence[Any], names: tuple[str, ...] = ()) -> M:
    """The model's instance from the values of `columns`, as the ORM would make it, but at a fifth of the price.

    The fields are put where `Model.__init__` would put them one by one, between signals nobody here listens to.
    """
    known = _known(model, names)
    values = list(row)
    for position, convert in known.converters:
        values[position] = convert(values[position], None, connection)
    made = model.__new__(model)
    made._state = ModelState()
    made._state.adding, made._state.db = False, connection.alias
    made.__dict__.update(zip(known.names, values, strict=True))
    return made


def parted(row: Sequence[Any], *models: type[Model] | Part) -> list[Any]:
    """One row of several models' columns, as their instances; None where an outer join found nothing."""
    found: list[Any] = []
    start = 0
    for one in models:
        model, names = (one.model, one.names) if isinstance(one, Part) else (one, ())
        known = _known(model, names)
        part = row[start : start + len(known.names)]
        start += len(known.names)
        found.append(None if part[known.key] is None else instance(model, part, names))
    return found
