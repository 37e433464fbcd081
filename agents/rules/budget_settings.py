"""Budgets as people write them: `{name: Day, scope: agent, per: day, limit: $50}`.

Pure. What is refused is refused in a sentence that names the place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from audit.errors import Invalid

from .breakers.words import amount, plain
from .policy.words import nearest

KEYS = ("name", "scope", "per", "limit")
SCOPES = ("run", "agent", "team")
PERIODS = ("run", "hour", "day", "month")
DOLLARS = re.compile(r"\$\s*(\d[\d,]*(?:\.\d{1,6})?)")
TOKENS = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*([kM]?)\s*tokens")
SIZES = {"": 1, "k": 1_000, "M": 1_000_000}
MOST = {"usd": Decimal(1_000_000_000), "tokens": Decimal(100_000_000_000)}
MOST_BUDGETS = 50
LONGEST_NAME = 80
SPOKEN = {"run": "each run", "agent": "each agent", "team": "the team together"}
EXAMPLE = "{name: Day, scope: agent, per: day, limit: $50}"


@dataclass(frozen=True, slots=True)
class BudgetSetting:
    """How much may be spent (`limit`, in `unit` usd or tokens) by each run or agent, or by the team, in a period."""

    name: str
    scope: str
    per: str
    unit: str
    limit: Decimal

    def as_dict(self) -> dict[str, Any]:
        """The one form in which a budget is kept: equal budgets are equal dicts."""
        return {
            "name": self.name,
            "scope": self.scope,
            "per": self.per,
            "limit": written(self.limit, self.unit),
        }

    def __str__(self) -> str:
        """`$50.00 a day for each agent`, `200,000 tokens for each run`."""
        when = "" if self.per == "run" else f" {'an' if self.per == 'hour' else 'a'} {self.per}"
        return f"{amount(self.limit, self.unit)}{when} for {SPOKEN[self.scope]}"


def parse_budgets(value: Any, *, of_agent: bool = False) -> tuple[BudgetSetting, ...]:
    """All budgets of one owner: a team, or one agent (`of_agent`). Raises Invalid in a sentence."""
    if not isinstance(value, list | tuple):
        raise Invalid(f"budgets: A list is needed, of budgets such as {EXAMPLE}.")
    if len(value) > MOST_BUDGETS:
        raise Invalid(f"budgets: There can be {MOST_BUDGETS} of them.")
    found: dict[str, BudgetSetting] = {}
    for number, each in enumerate(value, 1):
        setting = parse_budget(each, f"budgets: Budget {number}: ", of_agent=of_agent)
        if setting.name in found:
            raise Invalid(f"budgets: “{setting.name}” stands there twice.")
        found[setting.name] = setting
    return tuple(found.values())


def parse_budget(value: Any, place: str = "", *, of_agent: bool = False) -> BudgetSetting:
    """One budget. Raises Invalid in a sentence that begins with `place`."""
    if not isinstance(value, Mapping):
        raise Invalid(f"{place}It must be written as {EXAMPLE}.")
    name = value.get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME or "\0" in name:
        raise Invalid(f"{place}name: Give it a name, up to {LONGEST_NAME} characters long.")
    place = f"budgets: “{name.strip()}”: " if place else ""
    for key in value:
        if key not in KEYS:
            hint = nearest(str(key), KEYS)
            meant = f" Did you mean “{hint}”?" if hint else ""
            raise Invalid(f"{place}It knows no “{key}”.{meant}")
    per = one_of(value.get("per", "day"), PERIODS, f"{place}per")
    usual = "run" if per == "run" else "agent" if of_agent else "team"
    scope = one_of(value.get("scope", usual), SCOPES, f"{place}scope")
    if (scope == "run") != (per == "run"):
        raise Invalid(
            f"{place}A budget of each run lasts a run, and only that: scope: run, per: run."
        )
    if of_agent and scope == "team":
        raise Invalid(f"{place}One agent’s budget cannot be its team’s: write it with the team.")
    unit, limit = limit_of(value.get("limit"), place)
    return BudgetSetting(name.strip(), scope, per, unit, limit)


def one_of(value: Any, known: tuple[str, ...], place: str) -> str:
    if value not in known:
        raise Invalid(f"{place}: It must be one of {', '.join(known)}.")
    return str(value)


def limit_of(value: Any, place: str = "") -> tuple[str, Decimal]:
    """`("usd", 50)` of `$50`, `("tokens", 200000)` of `200k tokens`. Raises Invalid."""
    text = value.strip() if isinstance(value, str) else ""
    if found := DOLLARS.fullmatch(text):
        unit, number = "usd", Decimal(found[1].replace(",", ""))
    elif found := TOKENS.fullmatch(text):
        unit, number = "tokens", Decimal(found[1].replace(",", "")) * SIZES[found[2]]
    else:
        raise Invalid(f"{place}limit: Write how much: $50, $0.25, 200k tokens, 1.5M tokens.")
    if not 0 < number <= MOST[unit] or (unit == "tokens" and number % 1):
        raise Invalid(f"{place}limit: It can be up to {amount(MOST[unit], unit)}, and not nothing.")
    return unit, number


def written(limit: Decimal, unit: str) -> str:
    """As `limit_of` reads it."""
    if unit == "usd":
        return f"${plain(limit)}"
    for letter, size in (("M", 1_000_000), ("k", 1_000)):
        if limit % size == 0:
            return f"{plain(limit / size)}{letter} tokens"
    return f"{plain(limit)} tokens"
