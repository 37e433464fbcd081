"""Budgets: what may still be reserved. One function, over accounts that were read under lock."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from .breakers.words import amount
from .facts import BudgetFacts

PERIODS = {"run": "this run", "hour": "this hour", "day": "today", "month": "this month"}
SHARES = (100, 80)
"""Percent of a budget at which people are told, once each; as in `statements.py`."""


class Exhausted(NamedTuple):
    """A budget that has no room for this, the sentence that says so, and how much it would come to."""

    budget: BudgetFacts
    reason: str
    value: Decimal


def needs(budget: BudgetFacts, *, tokens: int, cost_usd: Decimal) -> Decimal:
    """What an action takes of a budget, in the budget's unit."""
    return Decimal(tokens) if budget.unit == "tokens" else cost_usd


def exhausted(
    budgets: Sequence[BudgetFacts], *, tokens: int, cost_usd: Decimal
) -> Exhausted | None:
    """The first budget that is used up, or would be overspent by reserving this."""
    for budget in budgets:
        used = budget.reserved + budget.spent
        total = used + needs(budget, tokens=tokens, cost_usd=cost_usd)
        if total > budget.limit or used >= budget.limit:
            return Exhausted(budget, sentence(budget, used, total), total)
    return None


def is_low(budgets: Sequence[BudgetFacts], *, tokens: int, cost_usd: Decimal) -> bool:
    """Whether reserving this brings a budget to a share that nobody was told of yet."""
    return any(
        share_of(b.reserved + b.spent + needs(b, tokens=tokens, cost_usd=cost_usd), b.limit)
        > b.warned
        for b in budgets
    )


def share_of(used: Decimal, limit: Decimal) -> int:
    """The share that was reached: 100, 80 or 0."""
    return next((share for share in SHARES if used * 100 >= limit * share), 0)


def low(name: str, unit: str, period: str, limit: Decimal, used: Decimal) -> str:
    """What people are told: `80 % of “Day” for today is used: $40.12 of $50.00.`"""
    share = share_of(used, limit)
    said = f"{amount(used, unit)} of {amount(limit, unit)}"
    what = f"“{name}” for {PERIODS.get(period, period)}"
    return (
        f"{what} is used up: {said}." if share == 100 else f"{share} % of {what} is used: {said}."
    )


def sentence(budget: BudgetFacts, used: Decimal, total: Decimal) -> str:
    limit = amount(budget.limit, budget.unit)
    when = PERIODS.get(budget.period, budget.period)
    if used >= budget.limit:
        return f"The budget “{budget.name}” of {limit} for {when} is used up: {amount(used, budget.unit)}."
    return (
        f"The budget “{budget.name}” of {limit} for {when} has {amount(budget.limit - used, budget.unit)} left, "
        f"and this wants {amount(total - used, budget.unit)}."
    )
