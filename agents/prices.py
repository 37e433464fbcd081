"""The price table, kept by each process for as long as its version lasts.

The version is the number of the newest row. Facts that are read under lock carry it, so that an outcome is priced
by the table as it stands at that moment; whoever prices a batch calls `book()` once its agents are locked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from .rules.prices import PriceBook, PriceRow
from .statements import PRICES

VERSION = "select coalesce(max(id), 0) from agents_price"

_kept = PriceBook([])


def known(version: int) -> PriceBook | None:
    """The table of that version, where this process has it."""
    return _kept if _kept.version == version else None


def learn(rows: Iterable[Any]) -> PriceBook:
    """The table from what PRICES answered, kept from now on."""
    global _kept
    found = [PriceRow(*row) for row in rows]
    book = PriceBook(found, max((row.id for row in found), default=0))
    if book.version >= _kept.version or not found:
        _kept = book
    return book


def book() -> PriceBook:
    """The table as it stands: one short query, and another one where it has changed."""
    with connection.cursor() as cursor:
        cursor.execute(VERSION)
        found = known(cursor.fetchone()[0])
        if found is None:
            cursor.execute(PRICES)
            found = learn(cursor.fetchall())
    return found


def price(
    model: str,
    input_tokens: int,
    output_tokens: int,
    cached: int = 0,
    *,
    at: datetime,
    team: UUID | None = None,
    cache_write: int = 0,
) -> Decimal | None:
    """What one call costs; who prices many takes `book()` once."""
    return book().price(
        model, input_tokens, output_tokens, cached, at=at, team=team, cache_write=cache_write
    )
