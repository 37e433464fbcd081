"""What a budget would have done to the past: when it had been used up, and what was spent beyond it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..budgets import exhausted
from ..facts import BudgetFacts
from .past import Moment
from .replay import Point, Replayed, WouldTrip

FOR_GOOD = timedelta(days=36_500)


class TriedBudget(NamedTuple):
    """A budget to try: as in `models.Budget`."""

    name: str
    scope: str
    per: str
    unit: str
    limit: Decimal
    time_zone: str = "UTC"


def period(tried: TriedBudget, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Where the period that a moment falls into begins and ends; of a run neither."""
    if tried.per == "run":
        return None, None
    zone = ZoneInfo(tried.time_zone)
    begin = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if tried.per == "hour":
        return begin, begin + timedelta(hours=1)
    begin = begin.replace(hour=0)
    if tried.per == "day":
        return begin, begin + timedelta(days=1)
    begin = begin.replace(day=1)
    return begin, (begin + timedelta(days=32)).replace(day=1)


def replay_budget(
    tried: TriedBudget,
    past: Iterable[Moment],
    *,
    team: str,
    judge_from: datetime | None = None,
) -> Replayed:
    """Used up, it stops its run, agent or team until its period ends: nobody raised it. What was done then is saved."""
    found = Replayed()
    used: dict[tuple[str, datetime | None], Decimal] = defaultdict(Decimal)
    reserved: dict[str, tuple[tuple[str, datetime | None], Decimal]] = {}
    stops: dict[str, WouldTrip] = {}
    never: set[str] = set()
    for moment in past:
        done, event = moment.done, moment.event
        if done is None or done.id in never or (event and event.moment == "denied"):
            continue
        owner = {"run": moment.run, "agent": moment.agent}.get(tried.scope, team)
        begin, end = period(tried, moment.at)
        account = (owner, begin)
        if event is None or event.moment == "settled":
            account, amount = reserved.pop(done.id, (account, Decimal(0)))
            used[account] -= amount
            if event is not None:
                used[account] += cost(tried, done.tokens, done.cost_usd)
        else:
            stop = stops.get(owner)
            if stop is not None and moment.at < stop.until:
                stop.save(done)
                never.add(done.id)
                continue
            if event.moment == "observed":
                used[account] += cost(tried, done.tokens, done.cost_usd)
            elif made := tripped(tried, moment, owner, used[account], end):
                never.add(done.id)
                made.save(done)
                if judge_from is None or moment.at >= judge_from:
                    found.trips.append(made)
                stops[owner] = made
            else:
                amount = cost(tried, event.tokens, event.cost_usd)
                used[account] += amount
                reserved[done.id] = (account, amount)
        if judge_from is None or moment.at >= judge_from:
            found.judged += 1
            found.course.append(Point(moment.at, owner, used[account]))
    return found


def cost(tried: TriedBudget, tokens: int, cost_usd: Decimal) -> Decimal:
    return Decimal(tokens) if tried.unit == "tokens" else cost_usd


def tripped(
    tried: TriedBudget, moment: Moment, owner: str, used: Decimal, end: datetime | None
) -> WouldTrip | None:
    """The live rule, on what the account held then."""
    event = moment.event
    assert event is not None
    facts = BudgetFacts(
        account="", budget="", name=tried.name, scope=tried.scope, unit=tried.unit, period=tried.per,
        limit=tried.limit, reserved=Decimal(0), spent=used,
    )  # fmt: skip
    full = exhausted([facts], tokens=event.tokens, cost_usd=event.cost_usd)
    if full is None:
        return None
    return WouldTrip(
        at=moment.at,
        until=end or moment.at + FOR_GOOD,
        owner=owner,
        agent=moment.agent,
        run=moment.run,
        action=moment.done.id if moment.done else "",
        tool=event.tool,
        reason=full.reason,
        value=full.value,
    )
