"""The course of a gauge up to the moment it tripped: from buckets while they are kept, later from what the evidence names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from agents.models import Action, Breaker, Condition, Trip
from agents.models.breaker import Scope
from agents.rules.breakers import span

from . import charts, courses
from .charts import Chart, Points
from .kept import moment_of
from .trip_folds import ring
from .trip_spent import account_of

ONE_BY_ONE = (
    Condition.REPEATS,
    Condition.ERRORS,
    Condition.SLOW,
    Condition.UNUSUAL,
    Condition.MALFORMED,
)
"""What each of the named actions adds one to."""


def chart(
    trip: Trip, actions: Sequence[Action], *, limit: Decimal | None, reading: str
) -> Chart | None:
    """None where nothing is left that a course could be drawn of, or nothing was counted."""
    if trip.value is None or limit is None:
        return None
    since, points = course(trip, actions)
    if len(points) < 2:
        return None
    end = (1.0, float(trip.value))
    points = [*(point for point in points if point[0] < 1.0), end]
    what = trip.get_condition_display() or "Budget"
    return Chart(
        points,
        float(limit),
        f"{what} until it tripped: {reading} in the end, the limit drawn as a dashed line",
        since=since,
        until="the trip",
        at=1.0,
        is_stepped=trip.condition != Condition.SILENCE,
        is_over=True,
    )


def course(trip: Trip, actions: Sequence[Action]) -> tuple[str, Points]:
    """Where it begins, in words, and its points."""
    until, window = trip.opened_at, trip.window or timedelta(0)
    back = min(courses.span_of(window), window * 3) if window else timedelta(hours=1)
    ago = f"{span(back.total_seconds())} before"
    match trip.condition:
        case Condition.LOOP:
            kept = _kept(trip)
            reset = moment_of(kept.get("reset_at"))
            return "its first steps", courses.rounds(ring(trip), window.total_seconds(), reset)
        case Condition.SILENCE:
            return "its last sign of life", [(0.0, 0.0), (1.0, float(trip.value or 0))]
        case Condition.OFTEN | Condition.RARELY:
            starts = [at for run in runs_of(trip) if (at := moment_of(run.get("started_at")))]
            return ago, _rolling([(at, 1.0) for at in starts], window, until, back)
        case "":
            return _of_budget(trip) if trip.budget_id else ("", [])
    return ago, _of_buckets(trip, back) or _of_actions(trip, actions, back)


def _of_buckets(trip: Trip, back: timedelta) -> Points:
    if trip.condition not in courses.BUCKETED or not trip.window:
        return []
    kept = _kept(trip)
    breaker = Breaker(
        condition=trip.condition,
        unit=trip.unit,
        window=trip.window,
        minimum=int(kept.get("minimum") or 0),
        reset_at=moment_of(kept.get("reset_at")),
    )
    owner = owner_of(trip, str(kept.get("scope") or ""))
    since = trip.opened_at - back - trip.window
    grain, columns = courses.grain_of(trip.window), courses.columns_of(trip.condition, trip.unit)
    slots = courses.slots_of([owner], grain, since, trip.opened_at, columns)
    volume, base = int(kept.get("base_volume") or 0), int(kept.get("base") or 0)
    usual = 100 * base / volume if volume and trip.condition == Condition.DROP else 0.0
    points = courses.bucketed(breaker, owner, slots, now=trip.opened_at, span=back, usual=usual)
    return points if any(value for _, value in points) else []


def _of_actions(trip: Trip, actions: Sequence[Action], back: timedelta) -> Points:
    if trip.condition == Condition.SPEND:
        found = [(one.created_at, _spent(one, trip.unit)) for one in actions]
    elif trip.condition in ONE_BY_ONE:
        found = [(one.settled_at or one.created_at, 1.0) for one in actions]
    else:
        return []
    return _rolling(found, trip.window or back, trip.opened_at, back)


def _rolling(
    found: Sequence[tuple[datetime, float]], window: timedelta, until: datetime, back: timedelta
) -> Points:
    """A window's sum as it moves over what happened."""
    if not found:
        return []

    def held(at: datetime) -> float:
        return sum(value for when, value in found if at - window < when <= at)

    return charts.sampled(held, until, back)


def _of_budget(trip: Trip) -> tuple[str, Points]:
    account = account_of(trip)
    if account is None:
        return "", []
    since = account.starts_at
    if account.ends_at is None:  # of a run: from its first action on
        since = trip.run.started_at if trip.run else trip.opened_at - timedelta(hours=1)
    return "the period began", courses.so_far(account, since, trip.opened_at)


def owner_of(trip: Trip, scope: str) -> UUID:
    if scope == Scope.TEAM:
        return trip.agent.team_id
    return trip.run_id if scope == Scope.RUN and trip.run_id else trip.agent_id


def runs_of(trip: Trip) -> list[dict[str, Any]]:
    found = trip.evidence.get("runs")
    rows = [run for run in found if isinstance(run, dict)] if isinstance(found, list) else []
    return [run | {"at": moment_of(run.get("started_at"))} for run in rows]


def _kept(trip: Trip) -> dict[str, Any]:
    found = (trip.evidence.get("judged") or {}).get("breaker")
    return found if isinstance(found, dict) else {}


def _spent(action: Action, unit: str) -> float:
    return float(action.tokens if unit == "tokens" else action.cost_usd)
