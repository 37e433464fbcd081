"""closed → open → half_open → closed; plus disabled, forced_open, shadow"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Invalid
from audit.record import Recordable, record
from people.models import Person

from .. import signals
from ..models import Agent, AgentState, Breaker, RunState, Trip
from ..models.breaker import BreakerState, Condition, Scope, Unit
from ..rules.breakers import plain
from . import probation, stopping

DEFAULTS: tuple[dict[str, Any], ...] = (
    {"condition": Condition.REPEATS, "limit": Decimal(5), "window": timedelta(minutes=1)},
    {"condition": Condition.ERRORS, "limit": Decimal(10), "window": timedelta(minutes=5)},
    {
        "condition": Condition.SPEND,
        "unit": Unit.USD,
        "limit": Decimal(25),
        "window": timedelta(hours=1),
    },
)
"""What watches a new agent: five tries of one item a minute, ten failures in five, $25 an hour."""


def install_defaults(agent: Agent) -> None:
    Breaker.objects.bulk_create(Breaker(agent=agent, **settings) for settings in DEFAULTS)


def resume(made: Trip, *, by: Recordable, limit: Decimal | None = None) -> Trip:
    """Let what was paused run again, its breaker on probation. The agent and run are locked."""
    made, paused = stopping.end(made)
    if made.breaker is not None:
        probation.begin(made.breaker, by=by, limit=limit)
    if paused.state in (RunState.PAUSED, AgentState.PAUSED):
        paused.state = RunState.RUNNING if made.run else AgentState.ACTIVE
    paused.state_reason = ""
    paused.control_version += 1
    paused.save(update_fields=["state", "state_reason", "control_version"])
    record(
        "run.resumed" if made.run else "agent.resumed",
        actor=by,
        about=paused,
        summary=made.reason,
        data={"trip": str(made.pk), "limit": plain(limit) if limit else None},
    )
    signals.agent_started.send(Trip, trip=made, at=made.ended_at)
    stopping.ring_control(made.agent, made.run)
    return made


@transaction.atomic
def change(
    breaker: Breaker,
    *,
    by: Person,
    limit: Decimal | None = None,
    window: timedelta | None = None,
    scope: str | None = None,
) -> Breaker:
    """Set another limit, window or scope."""
    breaker = locked_for(breaker, by)
    if limit is not None:
        breaker.limit = limit
    if window is not None:
        breaker.window = window
    if scope is not None:
        if scope not in Scope.values:
            raise Invalid("A breaker watches the agent or one run.")
        if scope != breaker.scope and breaker.state not in (
            BreakerState.CLOSED,
            BreakerState.DISABLED,
        ):
            raise Conflict("Answer its trip or probation first.")
        breaker.scope = scope
    if breaker.limit <= 0 or breaker.window < timedelta(seconds=probation.NARROW_S):
        raise Invalid("The limit must be above zero and the window at least 10 seconds.")
    breaker.save()
    return changed(breaker, by, "breaker.changed", f"More than {plain(breaker.limit)} trips.")


@transaction.atomic
def disable(breaker: Breaker, *, by: Person, reason: str) -> Breaker:
    """Stop watching, with a reason for the record."""
    breaker = locked_for(breaker, by)
    if not reason.strip():
        raise Invalid("Say why, for the record.")
    if breaker.state not in (BreakerState.CLOSED, BreakerState.HALF_OPEN):
        raise Conflict(f"This breaker is {breaker.get_state_display().lower()}.")
    breaker.state = BreakerState.DISABLED
    breaker.generation += 1
    breaker.probation_until = None
    breaker.save()
    return changed(breaker, by, "breaker.disabled", reason)


@transaction.atomic
def enable(breaker: Breaker, *, by: Person, reason: str = "") -> Breaker:
    """Watch again; what happened meanwhile does not count."""
    breaker = locked_for(breaker, by)
    if breaker.state != BreakerState.DISABLED:
        raise Conflict(f"This breaker is {breaker.get_state_display().lower()}.")
    breaker.state = BreakerState.CLOSED
    breaker.reset_at = timezone.now()
    probation.forget(breaker, breaker.reset_at)
    breaker.save()
    return changed(breaker, by, "breaker.enabled", reason)


def locked_for(breaker: Breaker, by: Person) -> Breaker:
    """Lock the agent, then the breaker. Raises PermissionDenied."""
    agent = None
    if breaker.agent_id is not None:
        agent = Agent.objects.select_for_update(no_key=True).get(pk=breaker.agent_id)
    if not by.decides_for(breaker.owner_team_id):
        raise PermissionDenied("Your role may not change breakers.")
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker.pk)
    breaker.agent = agent
    return breaker


def changed(breaker: Breaker, by: Person, kind: str, summary: str) -> Breaker:
    record(kind, actor=by, about=breaker, summary=summary)
    ring(f"agent.{breaker.agent_id}", f"agents.{breaker.owner_team_id}", "agents")
    return breaker
