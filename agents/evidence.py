"""What led to a trip, gathered in the moment it happens: bounded, and the same whatever the history."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from audit.ids import first_id

from .models import Action, ActionState, Breaker, Run
from .models.breaker import Condition, Scope
from .rules.breakers import loops

MOST = 25
SKEW = timedelta(minutes=10)
"""How much earlier than it says an action can have been written: clocks differ."""


def evidence_of(
    breaker: Breaker, agent_id: UUID, run_id: UUID | None, offence: dict[str, Any], at: datetime
) -> dict[str, Any]:
    """`{actions: [id…], tokens, cost_usd, in_flight}`, newest first; where runs did it, `runs: [{id, name, started_at}]`."""
    since = begin_of(breaker, at)
    newest = list(
        actions_of(breaker, agent_id, run_id, offence, since)
        .order_by("-id")
        .values_list("pk", "input_tokens", "output_tokens", "cost_usd")[: most(breaker, run_id, at)]
    )
    found = {
        "actions": [str(pk) for pk, *_ in newest],
        "tokens": sum(tokens + more for _, tokens, more, _ in newest),
        "cost_usd": str(sum((cost for *_, cost in newest), Decimal(0))),
        "in_flight": Action.objects.filter(agent_id=agent_id).executing().count(),
    }
    if breaker.condition in (Condition.OFTEN, Condition.RARELY):
        found["runs"] = runs_of(agent_id, since)
    return found


def begin_of(breaker: Breaker, at: datetime) -> datetime | None:
    """Where its window begins; None: with the run."""
    since = at - breaker.window if breaker.window else None
    return max(filter(None, (since, breaker.reset_at)), default=None)


def most(breaker: Breaker, run_id: UUID | None, at: datetime) -> int:
    """Of a circle, exactly its steps."""
    if breaker.condition != Condition.LOOP or run_id is None:
        return MOST
    steps = Run.objects.values_list("steps", flat=True).get(pk=run_id)
    window = breaker.window.total_seconds()
    length, times = loops.cycle(
        loops.recent(bytes(steps), window_s=window, reset_at=breaker.reset_at)
    )
    return max(1, length * times)


def actions_of(
    breaker: Breaker,
    agent_id: UUID,
    run_id: UUID | None,
    offence: dict[str, Any],
    since: datetime | None,
) -> QuerySet[Action]:
    """The actions that this condition counts."""
    actions: QuerySet[Action] = Action.objects.filter(agent_id=agent_id)
    if since is not None:
        actions = actions.filter(pk__gte=first_id(since - SKEW), created_at__gt=since)
    if run_id is not None and (breaker.scope == Scope.RUN or breaker.condition == Condition.LOOP):
        actions = actions.filter(run_id=run_id)
    match breaker.condition:
        case Condition.REPEATS:
            actions = actions.filter(item=offence.get("item", ""), tool=offence.get("tool", ""))
        case Condition.ERRORS | Condition.FAILURE_RATE | Condition.DROP:
            actions = actions.filter(state=ActionState.FAILED)
        case Condition.MALFORMED:
            actions = actions.filter(is_malformed=True)
        case Condition.SLOW:
            actions = actions.filter(duration_ms__gt=int(breaker.threshold * 1000))
        case Condition.UNUSUAL:
            actions = actions.filter(tool=offence.get("tool", ""))
    return actions


def runs_of(agent_id: UUID, since: datetime | None) -> list[dict[str, str]]:
    runs = Run.objects.filter(agent_id=agent_id)
    if since is not None:
        runs = runs.filter(pk__gte=first_id(since - SKEW), started_at__gt=since)
    return [
        {"id": str(run.pk), "name": run.name, "started_at": run.started_at.isoformat()}
        for run in runs.order_by("-id").only("id", "name", "started_at")[:MOST]
    ]
