"""What led to a trip, gathered in the moment it happens: bounded, and the same whatever the history."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from audit.ids import first_id
from audit.written import Statement

from .models import Breaker, Run
from .models.breaker import Condition, Scope
from .rules.breakers import loops
from .transitions.rows import first

MOST = 25
SKEW = timedelta(minutes=10)
"""How much earlier than it says an action can have been written: clocks differ."""


NEWEST = """
with newest as (
    select x.id, x.input_tokens + x.output_tokens as tokens, x.cost_usd from agents_action x
     where {where} order by x.id desc limit %(most)s)
select coalesce(json_agg(n.id order by n.id desc), '[]') as actions, coalesce(sum(n.tokens), 0)::bigint as tokens,
       coalesce(sum(n.cost_usd), 0) as cost_usd,
       (select count(*) from agents_action x where x.agent_id = %(agent)s and x.state = 'executing') as in_flight
  from newest n
"""
"""In one trip: whoever waits for this is the agent that is to be told to stop."""

COUNTED = {
    Condition.REPEATS: "x.item = %(item)s and x.tool = %(tool)s",
    Condition.ERRORS: "x.state = 'failed'",
    Condition.FAILURE_RATE: "x.state = 'failed'",
    Condition.DROP: "x.state = 'failed'",
    Condition.MALFORMED: "x.is_malformed",
    Condition.SLOW: "x.duration_ms > %(longest)s",
    Condition.UNUSUAL: "x.tool = %(tool)s",
}
"""Which actions a condition counts, where it does not count all of them."""


class Watched(Protocol):
    """What of a breaker says which actions led to its trip."""

    @property
    def condition(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def window(self) -> timedelta: ...
    @property
    def reset_at(self) -> datetime | None: ...
    @property
    def threshold(self) -> Decimal: ...


def evidence_of(
    breaker: Breaker, agent_id: UUID, run_id: UUID | None, offence: dict[str, Any], at: datetime
) -> dict[str, Any]:
    """`{actions: [id…], tokens, cost_usd, in_flight}`, newest first; where runs did it, `runs: [{id, name, started_at}]`."""
    steps = b""
    if breaker.condition == Condition.LOOP and run_id is not None:
        steps = bytes(Run.objects.values_list("steps", flat=True).get(pk=run_id))
    statement, params = question(breaker, agent_id, run_id, offence, at, steps=steps)
    found = told(first(statement, **params))
    if breaker.condition in (Condition.OFTEN, Condition.RARELY):
        found["runs"] = runs_of(agent_id, begin_of(breaker, at))
    return found


def question(
    breaker: Watched,
    agent_id: UUID,
    run_id: UUID | None,
    offence: dict[str, Any],
    at: datetime,
    *,
    steps: bytes,
) -> Statement:
    """What is asked of the actions; `steps` are the run's, where it went in circles."""
    since = begin_of(breaker, at)
    return NEWEST.format(where=" and ".join(conditions_of(breaker, run_id, since))), {
        "agent": agent_id,
        "run": run_id,
        "since": since,
        "first": first_id(since - SKEW) if since else None,
        "item": offence.get("item", ""),
        "tool": offence.get("tool", ""),
        "longest": int(breaker.threshold * 1000),
        "most": most(breaker, run_id, steps),
    }


def told(row: Any) -> dict[str, Any]:
    """The evidence that answers a question."""
    return {
        "actions": row.actions,
        "tokens": row.tokens,
        "cost_usd": str(row.cost_usd),
        "in_flight": row.in_flight,
    }


def conditions_of(breaker: Watched, run_id: UUID | None, since: datetime | None) -> list[str]:
    found = ["x.agent_id = %(agent)s"]
    if since is not None:
        found += ["x.id >= %(first)s", "x.created_at > %(since)s"]
    if run_id is not None and (breaker.scope == Scope.RUN or breaker.condition == Condition.LOOP):
        found.append("x.run_id = %(run)s")
    if breaker.condition in COUNTED:
        found.append(COUNTED[Condition(breaker.condition)])
    return found


def begin_of(breaker: Watched, at: datetime) -> datetime | None:
    """Where its window begins; None: with the run."""
    since = at - breaker.window if breaker.window else None
    return max(filter(None, (since, breaker.reset_at)), default=None)


def most(breaker: Watched, run_id: UUID | None, steps: bytes) -> int:
    """Of a circle, exactly its steps."""
    if breaker.condition != Condition.LOOP or run_id is None:
        return MOST
    window = breaker.window.total_seconds()
    length, times = loops.cycle(loops.recent(steps, window_s=window, reset_at=breaker.reset_at))
    return max(1, length * times)


def runs_of(agent_id: UUID, since: datetime | None) -> list[dict[str, str]]:
    runs = Run.objects.filter(agent_id=agent_id)
    if since is not None:
        runs = runs.filter(pk__gte=first_id(since - SKEW), started_at__gt=since)
    return [
        {"id": str(run.pk), "name": run.name, "started_at": run.started_at.isoformat()}
        for run in runs.order_by("-id").only("id", "name", "started_at")[:MOST]
    ]
