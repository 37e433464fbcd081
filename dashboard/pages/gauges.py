"""Breakers as gauges: what each window holds now against its limit, and how it came to that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, Sum

from agents.models import Agent, Breaker, BreakerState, Bucket, Condition, Trip
from agents.models.breaker import Scope
from agents.rules.breakers import span

from . import courses, readings
from .charts import Chart
from .ids import first_id_at
from .measures import AT_LEAST, against, counted, rule, said
from .readings import Reading

SLOT = 10
"""Width in seconds of the buckets that breakers look through."""
WEEK = timedelta(days=7)
MOST_SHADOWS = 500


@dataclass(frozen=True)
class Gauge:
    """One breaker with what its window holds now."""

    breaker: Breaker
    value: Decimal
    of: str = ""
    """What the value belongs to: the busiest item, or the run that is nearest to its limit."""
    extra: Decimal = Decimal(0)
    """What is granted on top now."""
    would_have: Sequence[UUID] = ()
    """Trips that would have been this week, had it not been in shadow; the newest first."""
    volume: int = 0
    chart: Chart | None = None

    @property
    def limit(self) -> Decimal:
        """With what is granted on top; of silence, how long it may last."""
        if self.breaker.condition == Condition.SILENCE:
            return Decimal(self.breaker.window.total_seconds())
        return self.breaker.limit + self.extra

    @property
    def reading(self) -> str:
        return against(self.value, self.limit, self.breaker.condition, self.breaker.unit)

    @property
    def granted(self) -> str:
        """`3 tries`: what is granted once on top."""
        if not self.extra:
            return ""
        return counted(self.extra, self.breaker.condition, self.breaker.unit)

    @property
    def too_few(self) -> str:
        """`12 of 20 finished actions`: where so few finished that the share says nothing yet."""
        needed = self.breaker.minimum
        if self.breaker.condition not in courses.RATES or self.volume >= needed:
            return ""
        return f"{self.volume} of {needed} finished actions so far"

    @property
    def nearness(self) -> float:
        """Which part of the limit is reached; where too little trips, how near the value came down to it."""
        if not self.limit:
            return 0.0
        if self.breaker.condition in AT_LEAST:
            return float(self.limit / self.value) if self.value else 1.0
        return float(self.value / self.limit)

    @property
    def level(self) -> str:
        """`over`, `near` or `calm`; of a breaker that does not watch, `off`."""
        if self.breaker.state == BreakerState.DISABLED:
            return "off"
        if self.too_few:
            return "calm"
        if self.breaker.condition in AT_LEAST:
            return "over" if self.value < self.limit else "calm"
        return "over" if self.nearness >= 1 else "near" if self.nearness >= 2 / 3 else "calm"

    @property
    def is_of_team(self) -> bool:
        return self.breaker.scope == Scope.TEAM

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
    return said(value, breaker.condition, breaker.unit)


def gauges(agent: Agent, *, now: datetime, drawn: bool = True) -> list[Gauge]:
    """Every breaker that watches this agent, its team's too, with what each window holds now.

    A dozen queries, however many breakers; `drawn` with the recent course of each.
    """
    breakers = watching(agent)
    if not breakers:
        return []
    live = readings.live_runs(agent)
    found = readings.readings(agent, breakers, live, now)
    past = courses.read(agent, breakers, found, live, now) if drawn else None
    would_have = shadows(agent, breakers, now)
    made = [
        _gauge(one, found[one.pk], would_have.get(readings.key(one), []), now) for one in breakers
    ]
    if past is None:
        return made
    return [
        _with_course(gauge, courses.course(gauge.breaker, agent, found[gauge.breaker.pk], past))
        for gauge in made
    ]


def watching(agent: Agent) -> list[Breaker]:
    """The settings: its own first, then its team's; those in shadow and switched off last."""
    rows = Breaker.objects.filter(Q(agent=agent) | Q(team=agent.team_id), run=None)
    order = list(Condition.values)
    quiet = (BreakerState.SHADOW, BreakerState.DISABLED)
    return sorted(
        rows,
        key=lambda b: (b.state in quiet, b.team_id is not None, order.index(b.condition), b.unit),
    )


def _gauge(breaker: Breaker, reading: Reading, would_have: Sequence[UUID], now: datetime) -> Gauge:
    is_granted = breaker.extra_until is not None and breaker.extra_until > now
    return Gauge(
        breaker,
        reading.shown(breaker.condition),
        of=reading.of,
        extra=breaker.extra if is_granted else Decimal(0),
        would_have=would_have if breaker.state == BreakerState.SHADOW else (),
        volume=reading.held.volume,
    )


def _with_course(gauge: Gauge, points: Sequence[tuple[float, float]]) -> Gauge:
    breaker = gauge.breaker
    back = span(courses.span_of(breaker.window).total_seconds())
    since = "its first steps" if breaker.condition == Condition.LOOP else f"{back} ago"
    chart = Chart(
        points,
        float(gauge.limit),
        f"{breaker.get_condition_display()}: {gauge.reading} now; course since {since}",
        since=since,
        is_stepped=breaker.condition != Condition.SILENCE,
        is_over=gauge.level == "over",
    )
    return Gauge(breaker, gauge.value, gauge.of, gauge.extra, gauge.would_have, gauge.volume, chart)


def shadows(
    agent: Agent, breakers: Iterable[Breaker], now: datetime
) -> dict[tuple[object, ...], list[UUID]]:
    """What those in shadow would have tripped on in the last seven days, by what they look for."""
    if not any(breaker.state == BreakerState.SHADOW for breaker in breakers):
        return {}
    whose = Q(agent=agent) | Q(breaker__team=agent.team_id)
    rows = (
        Trip.objects.filter(whose, is_shadow=True, id__gte=first_id_at(now - WEEK))
        .order_by("-id")
        .values_list("condition", "unit", "breaker__scope", "window", "pk")
    )
    found: dict[tuple[object, ...], list[UUID]] = {}
    for *looked_for, pk in rows[:MOST_SHADOWS]:
        found.setdefault(tuple(looked_for), []).append(pk)
    return found


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
    """Open ones first, then those on probation, those that watch, those that only say what they would do."""
    return sorted(breakers, key=lambda b: (WORST.index(BreakerState(b.state)), b.condition))


WORST = [
    BreakerState.FORCED_OPEN,
    BreakerState.OPEN,
    BreakerState.HALF_OPEN,
    BreakerState.CLOSED,
    BreakerState.SHADOW,
    BreakerState.DISABLED,
]
