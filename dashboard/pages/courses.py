"""The recent course of each breaker's gauge: a few queries for all of an agent's breakers, whatever they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Sum
from django.db.models.functions import Floor

from agents.models import Account, Action, ActionState, Agent, Breaker, Bucket, Condition, Run
from agents.models.breaker import Scope, Unit
from agents.rules.breakers import loops

from . import charts
from .charts import Points, Slots
from .ids import first_id_at
from .readings import Live, Reading, tries_of

NARROW, MINUTE, WIDE = 10, 60, 3600
LONGEST_NARROW = timedelta(hours=2)
"""Windows over this are sums of whole hours, here as where they are judged."""
RATES = (Condition.FAILURE_RATE, Condition.DROP)
BUCKETED = (*RATES, Condition.ERRORS, Condition.SLOW, Condition.SPEND, Condition.UNUSUAL)
NEWEST = 200
"""Actions and runs that rows of outputs, signs of life and starts are looked for in."""


def span_of(window: timedelta) -> timedelta:
    """How far back a course goes: three windows, never so short or so long that it says nothing."""
    if window > LONGEST_NARROW:
        return min(max(window * 2, timedelta(days=1)), timedelta(days=14))
    return min(max(window * 3, timedelta(minutes=10)), timedelta(hours=3))


def grain_of(window: timedelta) -> int:
    if window > LONGEST_NARROW:
        return WIDE
    return NARROW if window <= timedelta(minutes=10) else MINUTE


@dataclass
class Past:
    """What was read for the courses of one agent's breakers."""

    now: datetime
    live: Mapping[UUID, Live]
    slots: dict[tuple[UUID, int, str], Slots] = field(default_factory=dict)
    actions: Sequence[Any] = ()
    """The newest, the oldest first: `(created_at, settled_at, run_id, kind, state, is_malformed)`."""
    starts: Sequence[datetime] = ()
    repeats: dict[UUID, list[datetime]] = field(default_factory=dict)


def read(
    agent: Agent,
    breakers: Sequence[Breaker],
    found: Mapping[UUID, Reading],
    live: Iterable[Live],
    now: datetime,
) -> Past:
    past = Past(now, {run.id: run for run in live})
    _read_buckets(past, agent, breakers, found)
    conditions = {breaker.condition for breaker in breakers}
    if conditions & {Condition.MALFORMED, Condition.SILENCE}:
        past.actions = _newest_actions(agent, now)
    starting = [b for b in breakers if b.condition in (Condition.OFTEN, Condition.RARELY)]
    if starting:
        past.starts = _starts(agent, starting, now)
    for breaker in breakers:
        reading = found[breaker.pk]
        if breaker.condition == Condition.REPEATS and reading.item:
            past.repeats[breaker.pk] = _tries(agent, breaker, reading, now)
    return past


def _read_buckets(
    past: Past, agent: Agent, breakers: Sequence[Breaker], found: Mapping[UUID, Reading]
) -> None:
    asked: dict[int, Wanted] = {}
    for breaker in breakers:
        owner = owner_of(breaker, agent, found[breaker.pk])
        if breaker.condition in BUCKETED and owner is not None and breaker.window:
            wanted = asked.setdefault(grain_of(breaker.window), Wanted())
            wanted.owners.add(owner)
            wanted.columns |= columns_of(breaker.condition, breaker.unit)
            wanted.back = max(wanted.back, span_of(breaker.window) + breaker.window)
    for grain, wanted in asked.items():
        since = past.now - wanted.back
        past.slots |= slots_of(wanted.owners, grain, since, past.now, wanted.columns)


@dataclass
class Wanted:
    """Buckets of one width that courses need."""

    owners: set[UUID] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    back: timedelta = timedelta(0)


def columns_of(condition: str, unit: str) -> set[str]:
    return {column_of(condition, unit)} | ({"finished"} if condition in RATES else set())


def slots_of(
    owners: Iterable[UUID], grain: int, since: datetime, until: datetime, columns: Iterable[str]
) -> dict[tuple[UUID, int, str], Slots]:
    """Columns of the buckets between two moments, by owner, grain and name."""
    owners, names = list(owners), sorted(columns)
    width = WIDE if grain == WIDE else NARROW
    first, last = int(since.timestamp() // grain), int(until.timestamp() // grain)
    rows = Bucket.objects.filter(
        owner__in=owners,
        width=width,
        slot__gte=first * grain // width,
        slot__lt=(last + 1) * grain // width,
    )
    if grain == width:
        counts = rows.values_list("owner", "slot", *names)
    else:
        counts = (
            rows.annotate(part=Floor(F("slot") * width / grain))
            .values_list("owner", "part")
            .annotate(*(Sum(column) for column in names))
        )
    by_name: dict[tuple[UUID, str], dict[int, float]] = {}
    for owner, slot, *values in counts:
        for name, value in zip(names, values, strict=True):
            if value:
                by_name.setdefault((owner, name), {})[int(slot)] = float(value)
    return {
        (owner, grain, name): Slots(
            by_name.get((owner, name), {}), grain=grain, first=first, last=last
        )
        for owner in owners
        for name in names
    }


def owner_of(breaker: Breaker, agent: Agent, reading: Reading) -> UUID | None:
    """Whose windows are drawn: of a breaker of runs, those of the run that is shown."""
    if breaker.scope == Scope.TEAM:
        return breaker.team_id
    return reading.run if breaker.scope == Scope.RUN else agent.pk


def column_of(condition: str, unit: str) -> str:
    match condition:
        case Condition.SPEND:
            return "tokens" if unit == Unit.TOKENS else "cost_usd"
        case Condition.SLOW:
            return "slow"
        case Condition.UNUSUAL:
            return "unusual"
    return "failures"


def _newest_actions(agent: Agent, now: datetime) -> list[Any]:
    rows = (
        Action.objects.filter(agent=agent, id__gte=first_id_at(now - timedelta(hours=6)))
        .order_by("-id")
        .values_list("created_at", "settled_at", "run_id", "kind", "state", "is_malformed")
    )
    return list(rows[:NEWEST])[::-1]


def _starts(agent: Agent, breakers: Sequence[Breaker], now: datetime) -> list[datetime]:
    back = max(span_of(b.window) + b.window for b in breakers)
    whose: dict[str, Any] = {"agent": agent}
    if any(b.scope == Scope.TEAM for b in breakers):
        whose = {"agent__team": agent.team_id}
    rows = Run.objects.filter(id__gte=first_id_at(now - back), **whose).order_by("-id")
    return sorted(rows.values_list("started_at", flat=True)[:NEWEST])


def _tries(agent: Agent, breaker: Breaker, reading: Reading, now: datetime) -> list[datetime]:
    since = now - span_of(breaker.window) - breaker.window
    rows = tries_of(breaker, agent, reading.tool, reading.item, reading.run, since)
    newest = rows.order_by("-created_at").values_list("created_at", flat=True)[:NEWEST]
    return list(newest)[::-1]


# -- one breaker's course --------------------------------------------------------------------------


def course(breaker: Breaker, agent: Agent, reading: Reading, past: Past) -> Points:
    """Points from the past up to now; empty where nothing is kept that a course could be drawn of."""
    now, window = past.now, breaker.window
    span = span_of(window)
    match breaker.condition:
        case Condition.LOOP:
            run = past.live.get(reading.run) if reading.run else None
            return rounds(run.steps, window.total_seconds(), breaker.reset_at) if run else []
        case Condition.REPEATS:
            times = past.repeats.get(breaker.pk, [])
            return charts.sampled(lambda at: charts.within(times, at, window), now, span)
        case Condition.OFTEN | Condition.RARELY:
            return charts.sampled(lambda at: charts.within(past.starts, at, window), now, span)
        case Condition.MALFORMED:
            rows = [(a[0], _is_bad(a[3], a[4], a[5])) for a in past.actions]
            row = charts.streaks(rows)
            return charts.sampled(lambda at: charts.last_before(row, at, 0), now, span)
        case Condition.SILENCE:
            signs = [max(filter(None, (a[0], a[1]))) for a in past.actions if a[2] == reading.run]
            return _silence(signs, reading, now, span)
    owner = owner_of(breaker, agent, reading)
    if owner is None or not window:
        return []
    return bucketed(breaker, owner, past.slots, now=now, span=span, usual=_usual(reading))


def bucketed(
    breaker: Breaker,
    owner: UUID,
    slots: Mapping[tuple[UUID, int, str], Slots],
    *,
    now: datetime,
    span: timedelta,
    usual: float = 0,
) -> Points:
    """Sums of buckets in a window that moves; of rates, the share of what failed."""
    grain, window, since = grain_of(breaker.window), breaker.window, breaker.reset_at
    counted = slots.get((owner, grain, column_of(breaker.condition, breaker.unit)))
    if counted is None:
        return []
    finished = slots.get((owner, grain, "finished"))

    def rate(at: datetime) -> float:
        volume = finished.sum(at, window, since) if finished else 0.0
        if volume < max(breaker.minimum, 1):
            return 0.0  # too few to say anything
        return max(0.0, 100 * counted.sum(at, window, since) / volume - usual)

    if breaker.condition in RATES:
        return charts.sampled(rate, now, span)
    return charts.sampled(lambda at: counted.sum(at, window, since), now, span)


def _usual(reading: Reading) -> float:
    """The share of failures of the week before, which `drop` compares with."""
    held = reading.held
    return 100 * held.base / held.base_volume if held.base_volume else 0.0


def so_far(account: Account, since: datetime, until: datetime) -> Points:
    """What an account's owner came to in its period, hour by hour; in the first two hours, every ten seconds."""
    grain = NARROW if until - since <= LONGEST_NARROW else WIDE
    column = "tokens" if account.unit == "tokens" else "cost_usd"
    slots = slots_of([account.owner], grain, since, until, [column])[account.owner, grain, column]
    points = charts.sampled(
        lambda at: slots.sum(at, at - since + timedelta(seconds=grain)),
        until,
        max(until - since, timedelta(seconds=1)),
    )
    return points if any(value for _, value in points) else []


def rounds(steps: bytes, window_s: float, reset_at: datetime | None) -> Points:
    """How often the same steps had been gone through after each of a run's last steps."""
    values = []
    for end in range(loops.STEP, len(steps) + 1, loops.STEP):
        kept = loops.recent(steps[:end], window_s=window_s, reset_at=reset_at)
        values.append(float(loops.cycle(kept)[1]))
    return charts.even(values)


def _silence(signs: Sequence[datetime], reading: Reading, now: datetime, span: timedelta) -> Points:
    last = now - timedelta(seconds=float(reading.held.value))
    known = [(sign, sign) for sign in sorted([*(sign for sign in signs if sign < last), last])]
    since = max(now - span, known[0][0])

    def quiet(at: datetime) -> float:
        return max(0.0, (at - charts.last_before(known, at, at)).total_seconds())

    return charts.sampled(quiet, now, now - since) if now > since else []


def _is_bad(kind: str, state: str, is_malformed: bool) -> bool | None:
    if is_malformed:
        return True
    return False if state == ActionState.SUCCEEDED and kind == "model" else None


def as_float(number: Decimal | None) -> float:
    return float(number or 0)
