"""Reports are priced, and spent from the budgets of their runs; one that is used up stops them"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from .. import batches as sql
from ..models.action import CostSource
from ..rules.budgets import Exhausted, exhausted
from ..rules.done import Done
from ..rules.facts import BudgetFacts, Event
from ..rules.prices import PriceBook
from . import spending, tripping
from .trip import Trip
from .watching import NOTHING, Report

decoder = msgspec.json.Decoder(list[BudgetFacts])


@dataclass
class Charged:
    """What a batch did to budgets."""

    accounts: dict[UUID, str]
    """By run, as COPY reads an array."""
    exhausted: dict[UUID, Exhausted]
    ids: frozenset[UUID]


def price(reports: Iterable[Report], book: PriceBook) -> None:
    """What nobody said the cost of is priced; twice is harmless."""
    for report in reports:
        for one in report.done:
            if one.cost_source:
                continue
            if one.cost_usd:
                one.cost_source = CostSource.REPORTED
            elif one.model and one.tokens and book:
                one.cost_usd = book.price(
                    one.model,
                    one.input_tokens,
                    one.output_tokens,
                    one.cached_tokens,
                    at=one.ended_at,
                    team=report.team,
                )
                one.cost_source = "" if one.cost_usd is None else CostSource.PRICED


def charge(reports: Sequence[Report], now: datetime) -> Charged:
    """Spend from the accounts of the runs, which are locked by it."""
    of_runs = columns(reports)
    with Trip() as trip:
        spent = trip.ask(
            sql.CHARGE,
            **of_runs,
            tokens=[sum(done.tokens for done in one.done) for one in reports],
            costs=[cost_of(one.done) for one in reports],
            now=now,
        )
        left = trip.ask(sql.BUDGETS, **of_runs, now=now)
    rows = spent.fetchall()
    found = {
        row.run: exhausted(decoder.decode(row.budgets), tokens=0, cost_usd=NOTHING)
        for row in left
        if row.budgets
    }
    return Charged(
        {row.run: "{" + ",".join(map(str, row.accounts)) + "}" for row in rows},
        {run: one for run, one in found.items() if one is not None},
        frozenset(id for row in rows for id in row.accounts),
    )


def tell(charged: Charged, reports: Sequence[Report], now: datetime) -> None:
    """Say which budgets are nearly spent, and stop whoever used one up. Breakers had the first word."""
    if charged.ids:
        spending.tell_low(sorted(charged.ids))
    stopped: set[UUID] = set()
    for report in reports:
        found = charged.exhausted.get(report.run)
        if found is None or not report.is_under_way or report.agent in stopped:
            continue
        if found.budget.scope != "run":
            stopped.add(report.agent)
        tripping.exhausted(
            found,
            Event("observed", at=now),
            agent_id=report.agent,
            run_id=report.run,
            at=now,
            evidence={"tool": report.done[-1].tool},
        )


def columns(reports: Sequence[Report]) -> dict[str, list[UUID]]:
    return {
        "agents": [one.agent for one in reports],
        "teams": [one.team for one in reports],
        "runs": [one.run for one in reports],
    }


def cost_of(done: Sequence[Done]) -> Decimal:
    return sum((one.cost_usd for one in done if one.cost_usd), NOTHING)
