"""What tokens cost: the price that was valid at a moment, for a team, by a model's name. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from uuid import UUID

import msgspec

from audit.errors import Invalid

MILLION = Decimal(1_000_000)
SMALLEST = Decimal("0.000001")
MOST = Decimal(1_000_000)
"""Dollars a million tokens; more is a slip of the point."""
LONGEST_NAME = 120
KEPT_MODELS = 4096


class PriceRow(msgspec.Struct, frozen=True):
    """One row of the table: dollars a million tokens. Rows with higher numbers correct those with lower ones."""

    id: int
    team: UUID | None
    name: str
    input: Decimal
    output: Decimal
    cached_input: Decimal | None
    cache_write: Decimal | None
    withdrawn: bool
    valid_from: datetime

    def cost(self, *, input: int, output: int, cached: int, cache_write: int) -> Decimal:
        """Cached tokens and those written to the cache are part of the input."""
        plain = max(0, input - cached - cache_write)
        total = plain * self.input + output * self.output
        total += cached * (self.input if self.cached_input is None else self.cached_input)
        total += cache_write * (self.input if self.cache_write is None else self.cache_write)
        return (total / MILLION).quantize(SMALLEST, ROUND_HALF_UP)


class PriceBook:
    """All prices. A team's own come before the house's; of each, the name itself, then its longest beginning."""

    def __init__(self, rows: Iterable[PriceRow], version: int = 0) -> None:
        self.version = version
        self._names: dict[UUID | None, dict[str, list[PriceRow]]] = {}
        for row in rows:
            self._names.setdefault(row.team, {}).setdefault(row.name.lower(), []).append(row)
        for names in self._names.values():
            for found in names.values():
                found.sort(key=newest, reverse=True)
        self._candidates = lru_cache(KEPT_MODELS)(self._matching)

    def __bool__(self) -> bool:
        return bool(self._names)

    def find(self, model: str, *, at: datetime, team: UUID | None = None) -> PriceRow | None:
        """The row that says what this model costs a team at a moment."""
        for owner in (team, None) if team is not None else (None,):
            for rows in self._candidates(owner, model.lower()):
                row = next((row for row in rows if row.valid_from <= at), None)
                if row is not None and not row.withdrawn:
                    return row
        return None

    def price(
        self,
        model: str,
        input_tokens: int,
        output_tokens: int,
        cached: int = 0,
        *,
        at: datetime,
        team: UUID | None = None,
        cache_write: int = 0,
    ) -> Decimal | None:
        """US dollars, or None when nobody knows. `cached` and `cache_write` are part of `input_tokens`."""
        row = self.find(model, at=at, team=team) if model else None
        if row is None:
            return None
        return row.cost(
            input=input_tokens, output=output_tokens, cached=cached, cache_write=cache_write
        )

    def _matching(self, team: UUID | None, model: str) -> tuple[list[PriceRow], ...]:
        names = self._names.get(team, {})
        stars = [
            name
            for name in names
            if name.endswith("*") and model.startswith(name.removesuffix("*"))
        ]
        stars.sort(key=len, reverse=True)
        return tuple(names[name] for name in ([model] if model in names else []) + stars)


def newest(row: PriceRow) -> tuple[datetime, int]:
    return row.valid_from, row.id


@dataclass(frozen=True, slots=True)
class PriceSetting:
    """A price as people write it: dollars a million tokens, from a moment on (None: from now)."""

    name: str
    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    valid_from: datetime | None = None
    note: str = ""
    withdrawn: bool = False


def checked(setting: PriceSetting) -> PriceSetting:
    """Raises Invalid in a sentence."""
    name = setting.name.strip()
    if not name or len(name) > LONGEST_NAME or "*" in name[:-1] or not name.isprintable():
        raise Invalid(
            f"A model’s name is needed, up to {LONGEST_NAME} characters; a star may stand at its end, "
            "for all that begin so (gpt-4o*)."
        )
    for what in ("input", "output", "cached_input", "cache_write"):
        value = getattr(setting, what)
        if value is not None and (not value.is_finite() or not 0 <= value <= MOST):
            raise Invalid(
                f"{name}: {what.replace('_', ' ')} must be dollars a million tokens, from 0 to {MOST:,}."
            )
    if setting.valid_from is not None and setting.valid_from.tzinfo is None:
        raise Invalid(f"{name}: valid from needs a time zone.")
    if len(setting.note) > 500 or "\0" in setting.note:
        raise Invalid(f"{name}: a note can be 500 characters long.")
    return setting
