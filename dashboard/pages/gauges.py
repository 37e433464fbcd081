"""Breakers as gauges: what each window holds now, against its limit.

Counts as `agents_breaker_value` in `agents/sql/facts.sql` does, for all of an agent's breakers at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Max, Sum

from agents.models import Action, Agent, Breaker, BreakerState, Bucket, Condition, Run
from agents.models.breaker import Scope, Unit
from agents.rules.breakers import amount, plain, span

from .ids import first_id_at

SLOT = 10
"""Width in seconds of the buckets that breakers look through."""
LONGEST_LOOK = 20_000
"""How many of an agent's newest actions are searched for its busiest item."""


@dataclass(frozen=True)
class Gauge:
    """One breaker with what its window holds now."""

    breaker: Breaker
    value: Decimal
    of: str = ""
    """What the value belongs to: the busiest item, or the run that is nearest to its limit."""

    @property
    def reading(self) -> str:
        return f"{measure(self.value, self.breaker)} of {measure(self.breaker.limit, self.breaker)}"

    @property
    def window(self) -> tuple[str, str]:
        """The window as a form shows it: `("5", "min")`."""
        count, unit = span(self.breaker.window.total_seconds()).split()
        return count, unit

    @property
    def rule(self) -> str:
        return rule(self.breaker)


def measure(value: Decimal, breaker: Breaker) -> str:
    """A reading in the breaker's own unit: `$1.20`, `12,000 tokens`, `4`."""
    if breaker.condition == Condition.SPEND:
        return amount(value, breaker.unit)
    return plain(value)


def rule(breaker: Breaker) -> str:
    """The breaker as a sentence."""
    window = span(breaker.window.total_seconds())
    limit = measure(breaker.limit, breaker)
    whose = "one run" if breaker.scope == Scope.RUN else "the agent"
    match breaker.condition:
        case Condition.REPEATS:
            return f"Pauses {whose} when one item is worked on more than {limit} times in {window}."
        case Condition.ERRORS:
            return f"Pauses {whose} at {limit} failures in {window}."
    return f"Pauses {whose} when more than {limit} is spent or reserved in {window}."


def gauges(agent: Agent, *, now: datetime) -> list[Gauge]:
    """Every breaker that is a setting of this agent, with what its window holds now."""
    settings = list(
        Breaker.objects.filter(agent=agent, run=None).order_by("condition", "unit", "id")
    )
    runs = list(
        Run.objects.filter(agent=agent).live().order_by("-id").values_list("pk", "name")[:200]
    )
    return [_gauge(breaker, runs, now) for breaker in settings]


def _gauge(breaker: Breaker, runs: Sequence[tuple[UUID, str]], now: datetime) -> Gauge:
    since = now - breaker.window
    if breaker.reset_at and breaker.reset_at > since:
        since = breaker.reset_at
    if breaker.condition == Condition.REPEATS:
        return _busiest(breaker, since)
    if breaker.scope == Scope.RUN:
        return _fullest(breaker, dict(runs), now)
    total = _sums(breaker, [breaker.owner], now).get(breaker.owner, Decimal(0))
    return Gauge(breaker, total)


def _busiest(breaker: Breaker, since: datetime) -> Gauge:
    grouped = ["tool", "item"] + (["run_id"] if breaker.scope == Scope.RUN else [])
    recent = (
        Action.objects.filter(agent=breaker.agent, id__gte=first_id_at(since))
        .order_by("-id")
        .values("pk")[:LONGEST_LOOK]
    )
    top = (
        Action.objects.filter(pk__in=recent, created_at__gt=since)
        .exclude(state="denied")
        .values(*grouped)
        .annotate(times=Count("pk"), subject=Max("subject"))
        .order_by("-times", "item")
        .first()
    )
    if top is None:
        return Gauge(breaker, Decimal(0))
    return Gauge(breaker, Decimal(top["times"]), of=top["subject"] or top["tool"])


def _fullest(breaker: Breaker, runs: dict[UUID, str], now: datetime) -> Gauge:
    sums = _sums(breaker, runs, now)
    if not sums:
        return Gauge(breaker, Decimal(0))
    owner, total = max(sums.items(), key=lambda item: item[1])
    return Gauge(breaker, total, of=runs[owner])


def _sums(breaker: Breaker, owners: Iterable[UUID], now: datetime) -> dict[UUID, Decimal]:
    first = slot(now - breaker.window) + 1
    reset = slot(breaker.reset_at) if breaker.reset_at else None
    field = "failures" if breaker.condition == Condition.ERRORS else _spent(breaker)
    rows = (
        Bucket.objects.filter(
            owner__in=list(owners), width=SLOT, slot__gte=max(first, reset or first)
        )
        .values("owner")
        .annotate(total=Sum(field))
        .values_list("owner", "total")
    )
    counted = breaker.baseline if reset is not None and reset >= first else Decimal(0)
    return {owner: max(Decimal(total) - counted, Decimal(0)) for owner, total in rows}


def _spent(breaker: Breaker) -> str:
    return "tokens" if breaker.unit == Unit.TOKENS else "cost_usd"


def slot(at: datetime, width: int = SLOT) -> int:
    """Which bucket of `width` seconds a moment falls into."""
    return int(at.timestamp() // width)


@dataclass(frozen=True)
class Spend:
    """What an agent used in the last 24 hours, `costs` by the hour for its chart, oldest first."""

    cost_usd: Decimal
    tokens: int
    actions: int
    failures: int
    costs: list[Decimal]


def spend(agent_id: UUID, *, now: datetime) -> Spend:
    hour = slot(now, 3600)
    rows = {
        row.slot: row
        for row in Bucket.objects.filter(
            owner=agent_id, width=3600, slot__gt=hour - 24, slot__lte=hour
        )
    }
    found = rows.values()
    return Spend(
        cost_usd=sum((row.cost_usd for row in found), Decimal(0)),
        tokens=sum(row.tokens for row in found),
        actions=sum(row.actions for row in found),
        failures=sum(row.failures for row in found),
        costs=[rows[n].cost_usd if n in rows else Decimal(0) for n in range(hour - 23, hour + 1)],
    )


def spend_since(owners: Iterable[UUID], *, since: datetime) -> dict[UUID, tuple[Decimal, int]]:
    """Cost and number of actions of several agents since the hour of `since`."""
    rows = (
        Bucket.objects.filter(owner__in=list(owners), width=3600, slot__gte=slot(since, 3600))
        .values("owner")
        .annotate(cost=Sum("cost_usd"), count=Sum("actions"))
    )
    return {row["owner"]: (row["cost"], row["count"]) for row in rows}


def worst_first(breakers: Iterable[Breaker]) -> list[Breaker]:
    """Open ones first, then those on probation."""
    order = [BreakerState.FORCED_OPEN, BreakerState.OPEN, BreakerState.HALF_OPEN]
    return sorted(
        breakers,
        key=lambda b: (order.index(BreakerState(b.state)) if b.state in order else 9, b.condition),
    )
