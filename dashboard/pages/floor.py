"""What the floor shows: what waits, what burns, who is stopped, and what agents just did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Sum
from django.db.models.functions import Floor as RoundedDown
from django.utils import timezone

from agents.models import (
    Action,
    Agent,
    AgentState,
    Breaker,
    BreakerState,
    Bucket,
    Condition,
    Trip,
)
from agents.models.breaker import Scope
from agents.rules.breakers import span
from audit.constants import Constant
from people.models import Person
from reviews.models import Hold, HoldKind

from . import courses
from .gauges import SLOT, measure, slot, worst_first
from .ids import first_id_at
from .inbox import marked
from .measures import AT_LEAST, against, counted
from .timeline import readable

HOLDS_SHOWN = 8
AGENTS_SHOWN = 24
ACTIONS_SHOWN = 14
MINUTES = 60
LONGEST_WINDOW = timedelta(hours=1)
"""Longer ones are read on the agent's own page."""
TOLD = (BreakerState.OPEN, BreakerState.FORCED_OPEN, BreakerState.HALF_OPEN)
QUIET = (BreakerState.SHADOW, BreakerState.DISABLED)
"""States in which nothing can be stopped."""


# -- what waits ------------------------------------------------------------------------------------


def needs_a_person(person: Person) -> list[Hold]:
    """The newest of each kind: paused agents first, then approvals, then reviews."""
    waiting = Hold.objects.visible_to(person).waiting().defer("payload", "reason")
    found: list[Hold] = []
    for kind in (HoldKind.TRIP, HoldKind.APPROVAL, HoldKind.REVIEW):
        room = HOLDS_SHOWN - len(found)
        if room > 0:
            rows = waiting.filter(kind=Constant(kind)).select_related(
                "agent", "queue", "claimed_by"
            )
            found += rows.order_by("-id")[:room]
    return marked(found)


def oldest_waiting(person: Person) -> datetime | None:
    return (
        Hold.objects.visible_to(person)
        .waiting()
        .order_by("id")
        .values_list("opened_at", flat=True)
        .first()
    )


# -- the fleet -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """A breaker, and where its agent stands with it."""

    breaker: Breaker
    value: Decimal | None

    @property
    def in_words(self) -> str:
        """`4 of 10 failures in 5 min`, `2 of 5 probes`: the value against what it may be."""
        breaker = self.breaker
        if breaker.state == BreakerState.HALF_OPEN:
            return f"{breaker.probes_succeeded} of {breaker.probes_allowed} probes went well"
        condition, unit = breaker.condition, breaker.unit
        during = f" in {span(breaker.window.total_seconds())}" if breaker.window else ""
        if self.value is None:
            word = "at least" if condition in AT_LEAST else "up to"
            return f"{word} {counted(breaker.limit, condition, unit)}{during}"
        if condition in courses.RATES or condition in (*AT_LEAST, Condition.SILENCE):
            return against(self.value, breaker.limit, condition, unit)
        most = counted(breaker.limit, condition, unit)
        return f"{measure(self.value, breaker)} of {most}{during}"

    @property
    def share(self) -> float:
        return float(self.value / self.breaker.limit) if self.value is not None else 0.0


@dataclass
class Member:
    """One agent on the floor."""

    agent: Agent
    worst: Reading | None = None
    cause: str = ""
    """Why it is paused, where no breaker did it: a person, or a budget."""
    minutes: list[int] = field(default_factory=lambda: [0] * MINUTES)
    spent: Decimal = Decimal(0)

    @property
    def state(self) -> str:
        return self.agent.state

    @property
    def actions(self) -> int:
        return sum(self.minutes)

    @property
    def course(self) -> list[int]:
        """Actions of every two minutes: calmer to the eye than of each."""
        return [a + b for a, b in zip(self.minutes[::2], self.minutes[1::2], strict=True)]

    @property
    def is_troubled(self) -> bool:
        return self.agent.is_paused or (self.worst is not None and self.worst.breaker.state in TOLD)


@dataclass(frozen=True)
class Fleet:
    members: list[Member]
    """Troubled ones first, then the busiest."""
    total: int
    closed: int
    open: int
    probation: int
    forced: int = 0
    """Kept open by a person; not among `open`."""
    shadow: int = 0
    disabled: int = 0
    of_teams: int = 0
    """How many of all these watch a team together."""

    @property
    def more(self) -> int:
        return self.total - len(self.members)


def fleet(person: Person, *, now: datetime) -> Fleet:
    agents = list(Agent.objects.visible_to(person).living().only("id", "name", "state", "team_id"))
    breakers = Breaker.objects.visible_to(person).exclude(agent__state=AgentState.RETIRED)
    of_agent: dict[UUID, list[Breaker]] = {}
    states = dict.fromkeys(BreakerState.values, 0)
    of_teams = 0
    for breaker in breakers:
        if breaker.agent_id is not None:
            of_agent.setdefault(breaker.agent_id, []).append(breaker)
        else:
            of_teams += 1
        if breaker.run_id is None or breaker.state in TOLD:  # else its setting counts for it
            states[breaker.state] += 1
    minutes = _minutes((agent.pk for agent in agents), now=now)
    members = [Member(agent, minutes=minutes.get(agent.pk, [0] * MINUTES)) for agent in agents]
    for member in members:
        first = worst_first(of_agent.get(member.agent.pk, []))
        member.worst = Reading(first[0], None) if first else None
    members.sort(key=lambda m: (not m.is_troubled, -m.actions, m.agent.name))
    shown = members[:AGENTS_SHOWN]
    _read_gauges(shown, of_agent, now)
    spent = spent_today((m.agent.pk for m in shown), now=now)
    for member in shown:
        member.spent = spent.get(member.agent.pk, Decimal(0))
    return Fleet(
        shown,
        total=len(agents),
        closed=states[BreakerState.CLOSED],
        open=states[BreakerState.OPEN],
        probation=states[BreakerState.HALF_OPEN],
        forced=states[BreakerState.FORCED_OPEN],
        shadow=states[BreakerState.SHADOW],
        disabled=states[BreakerState.DISABLED],
        of_teams=of_teams,
    )


def _minutes(owners: Iterable[UUID], *, now: datetime) -> dict[UUID, list[int]]:
    """Actions in each of the last 60 minutes."""
    last = slot(now, 60)
    found: dict[UUID, list[int]] = {}
    rows = (
        Bucket.objects.filter(
            owner__in=list(owners), width=SLOT, slot__gt=slot(now) - MINUTES * 60 // SLOT
        )
        .annotate(minute=RoundedDown(F("slot") * SLOT / 60))
        .values_list("owner", "minute")
        .annotate(total=Sum("actions"))
    )
    for owner, minute, total in rows:
        at = MINUTES - 1 - (last - int(minute))
        if 0 <= at < MINUTES:
            found.setdefault(owner, [0] * MINUTES)[at] = total
    return found


def _read_gauges(members: list[Member], of_agent: dict[UUID, list[Breaker]], now: datetime) -> None:
    """Give each agent the breaker that matters: one that is open, else the one nearest to its limit.

    Windows of agent-wide failures and spend are sums of buckets, read for all agents at once; repeats
    and windows of single runs would cost a query each, and are shown on the agent's own page.
    """
    summed = [
        breaker
        for member in members
        for breaker in of_agent.get(member.agent.pk, [])
        if breaker.run_id is None
        and breaker.condition in courses.BUCKETED
        and breaker.condition != Condition.DROP
        and breaker.scope == Scope.AGENT
        and breaker.window <= LONGEST_WINDOW
        and breaker.state not in QUIET
    ]
    longest = max((breaker.window for breaker in summed), default=timedelta(0))
    rows = Bucket.objects.filter(
        owner__in={b.agent_id for b in summed},
        width=SLOT,
        slot__gt=slot(now - longest),
    )
    by_owner: dict[UUID, list[Bucket]] = {}
    for row in rows:
        by_owner.setdefault(row.owner, []).append(row)
    for member in members:
        readings = [
            Reading(breaker, _value(breaker, by_owner.get(member.agent.pk, []), now))
            if breaker in summed
            else Reading(breaker, None)
            for breaker in of_agent.get(member.agent.pk, [])
        ]
        watching = [
            r for r in readings if r.breaker.state not in QUIET and r.breaker.run_id is None
        ]
        if not member.is_troubled and readings:
            member.worst = max(watching or readings, key=lambda r: (r.share, r.value is not None))
    for trip in Trip.objects.filter(agent__in=[m.agent.pk for m in members], ended_at=None).defer(
        "evidence"
    ):
        member = next(m for m in members if m.agent.pk == trip.agent_id)
        if trip.breaker_id is None:
            if trip.run_id is None:
                member.cause = trip.reason if trip.budget_id else f"Stopped by hand: {trip.reason}"
        elif member.worst and member.worst.breaker.pk == trip.breaker_id:
            member.worst = Reading(member.worst.breaker, trip.value)


def _value(breaker: Breaker, rows: list[Bucket], now: datetime) -> Decimal:
    first = slot(now - breaker.window) + 1
    reset = slot(breaker.reset_at) if breaker.reset_at else None
    counts = reset is None or reset < first  # nothing in this window was answered for
    start = first if reset is None else max(first, reset)
    rows = [row for row in rows if row.slot >= start]
    name = courses.column_of(breaker.condition, breaker.unit)
    total = sum((Decimal(getattr(row, name)) for row in rows), Decimal(0))
    total = max(total - (0 if counts else breaker.baseline), Decimal(0))
    if breaker.condition != Condition.FAILURE_RATE:
        return total
    volume = sum(row.finished for row in rows) - (0 if counts else breaker.baseline_volume)
    return 100 * total / volume if volume >= max(breaker.minimum, 1) else Decimal(0)


# -- what burns ------------------------------------------------------------------------------------


def midnight(now: datetime) -> datetime:
    """When today began, where the reader is."""
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)


def spent_today(owners: Iterable[UUID], *, now: datetime) -> dict[UUID, Decimal]:
    rows = (
        Bucket.objects.filter(
            owner__in=list(owners), width=3600, slot__gte=slot(midnight(now), 3600)
        )
        .values_list("owner")
        .annotate(cost=Sum("cost_usd"))
    )
    return dict(rows)


def spend_today(person: Person, *, now: datetime) -> Decimal:
    """Of all agents this person sees."""
    owners = Agent.objects.visible_to(person).values("pk")
    total = Bucket.objects.filter(
        owner__in=owners, width=3600, slot__gte=slot(midnight(now), 3600)
    ).aggregate(cost=Sum("cost_usd"))
    return total["cost"] or Decimal(0)


@dataclass(frozen=True)
class Hour:
    """The last 60 minutes of the whole floor, a value a minute, oldest first."""

    actions: list[int]
    failures: list[int]
    spend: list[Decimal]

    @property
    def total_actions(self) -> int:
        return sum(self.actions)

    @property
    def total_failures(self) -> int:
        return sum(self.failures)

    @property
    def total_spend(self) -> Decimal:
        return sum(self.spend, Decimal(0))


def hour(person: Person, *, now: datetime) -> Hour:
    owners = Agent.objects.visible_to(person).values("pk")
    last = slot(now, 60)
    shown = Hour([0] * MINUTES, [0] * MINUTES, [Decimal(0)] * MINUTES)
    rows = (
        Bucket.objects.filter(
            owner__in=owners, width=SLOT, slot__gt=slot(now) - MINUTES * 60 // SLOT
        )
        .annotate(minute=RoundedDown(F("slot") * SLOT / 60))
        .values_list("minute")
        .annotate(Sum("actions"), Sum("failures"), Sum("cost_usd"))
    )
    for minute, actions, failures, cost in rows:
        at = MINUTES - 1 - (last - int(minute))
        if 0 <= at < MINUTES:
            shown.actions[at], shown.failures[at], shown.spend[at] = actions, failures, cost
    return shown


# -- what agents just did --------------------------------------------------------------------------


def latest_actions(person: Person, *, now: datetime) -> list[Action]:
    """The newest actions of the last hour."""
    return list(
        readable(Action.objects.visible_to(person))
        .filter(id__gte=first_id_at(now - timedelta(hours=1)))
        .select_related("agent")
        .order_by("-id")[:ACTIONS_SHOWN]
    )
