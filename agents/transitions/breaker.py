"""closed → open → half_open → closed; plus disabled, forced_open, shadow"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Invalid
from audit.record import Recordable, record
from people.models import Person
from people.permitting import check, said
from people.rules.permissions import Permission

from .. import signals
from ..defaults import DEFAULTS
from ..models import Agent, AgentState, Breaker, Run, RunState, Trip
from ..models.breaker import BreakerState, Scope
from ..rules.breakers import plain, states
from . import documenting, forcing, habits, probation, stopping

LONGEST_REST = timedelta(days=30)


def install_defaults(agent: Agent) -> None:
    Breaker.objects.bulk_create(Breaker(agent=agent, **settings) for settings in DEFAULTS)


def resume(
    made: Trip,
    *,
    by: Recordable | str,
    limit: Decimal | None = None,
    extra: Decimal | None = None,
    for_good: bool = False,
) -> Trip:
    """Let what was paused run again, its breaker on probation. The agent and run are locked.

    `extra` lets it go on counting, up to so much over the limit. Raises Conflict while a person keeps a breaker
    open that watches it, unless it ends `for_good`.
    """
    if not for_good:
        forcing.refuse(made)
    made, paused = stopping.end(made)
    if made.breaker is not None:
        breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=made.breaker.pk)
        if breaker.state == BreakerState.OPEN:
            probation.begin(breaker, by=by, limit=limit, extra=extra)
            if limit is not None:
                documenting.keep_breaker(breaker, by=by, why=f"After a trip: {made.reason}")
        habits.accept(made)
    before = paused.state
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
        data={
            "trip": str(made.pk),
            "limit": plain(limit) if limit else None,
            "extra": plain(extra) if extra else None,
        },
        before={"state": before},
        after={"state": paused.state},
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
    before = probation.facts(breaker)
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
    if breaker.limit <= 0 or timedelta(0) < breaker.window < timedelta(seconds=probation.NARROW_S):
        raise Invalid("The limit must be above zero and the window at least 10 seconds.")
    breaker.save()
    return changed(breaker, by, "changed", before, f"More than {plain(breaker.limit)} trips.")


@transaction.atomic
def disable(breaker: Breaker, *, by: Person, reason: str, until: datetime | None = None) -> Breaker:
    """Stop watching, with a reason for the record; until then, or until somebody lets it watch again."""
    breaker = locked_for(breaker, by, Permission.DISABLE)
    before = probation.facts(breaker)
    reason = said(Permission.DISABLE, reason)
    if until is not None and not timezone.now() < until <= timezone.now() + LONGEST_REST:
        raise Invalid(f"It can rest for up to {LONGEST_REST.days} days.")
    move(breaker, "disable", reason=reason, until=until)
    end = f"{until:%Y-%m-%d %H:%M} UTC" if until else "somebody lets it watch again"
    what = " ".join(filter(None, (breaker.get_condition_display(), breaker.get_unit_display())))
    return changed(breaker, by, "disabled", before, f"{what}, until {end}. {reason}")


@transaction.atomic
def enable(breaker: Breaker, *, by: Person, reason: str = "") -> Breaker:
    """Watch again; what happened meanwhile does not count."""
    breaker = locked_for(breaker, by)
    before = probation.facts(breaker)
    reason = said(Permission.CHANGE_BREAKER, reason)
    move(breaker, "enable")
    return changed(breaker, by, "enabled", before, reason)


@transaction.atomic
def wake(breaker: Breaker) -> Breaker:
    """The time it rested is over: it watches again, and counts from now. Twice is harmless."""
    breaker = locked(breaker)
    before = probation.facts(breaker)
    now = timezone.now()
    if breaker.state != BreakerState.DISABLED or not breaker.disabled_until:
        return breaker
    if breaker.disabled_until > now:
        return breaker
    move(breaker, "wake")
    return changed(breaker, "clock", "enabled", before, "The time it rested is over.")


@transaction.atomic
def shadow(breaker: Breaker, *, by: Person, reason: str = "") -> Breaker:
    """Judge and say so, but never stop anything."""
    breaker = locked_for(breaker, by, Permission.DISABLE)
    before = probation.facts(breaker)
    reason = said(Permission.DISABLE, reason)
    move(breaker, "shadow", reason=reason)
    return changed(breaker, by, "shadowed", before, reason)


@transaction.atomic
def grant(breaker: Breaker, *, by: Person, extra: Decimal, reason: str = "") -> Breaker:
    """Raise its limit once: by so much, until the window has passed or it trips."""
    breaker = locked_for(breaker, by, Permission.RAISE_LIMIT)
    before = probation.facts(breaker)
    reason = said(Permission.RAISE_LIMIT, reason)
    after(breaker, "grant")
    probation.grant(breaker, extra, timezone.now())
    breaker.save(update_fields=["extra", "extra_until"])
    words = f"{plain(extra)} more, once. {reason}".strip()
    return changed(breaker, by, "granted", before, words)


def move(
    breaker: Breaker, verb: str, *, reason: str = "", until: datetime | None = None
) -> Breaker:
    """Follow an arrow: a new generation, which discards what the old one still waits for.

    Rows of single runs follow the setting they were made from, unless they are open.
    """
    to, now = after(breaker, verb), timezone.now()
    own = []
    if breaker.run_id is None and breaker.scope == Scope.RUN:
        rests = (BreakerState.OPEN, BreakerState.FORCED_OPEN)
        own = list(Breaker.objects.filter(run__in=Run.objects.of(breaker).live(), **same(breaker)))
        own = [row for row in own if row.state not in rests]
    for row in (breaker, *own):
        row.state, row.state_reason, row.disabled_until = to, reason, until
        row.generation += 1
        row.probation_until = None
        if to in (BreakerState.CLOSED, BreakerState.SHADOW):
            probation.forget(row, now)
        probation.grant(row, None, now)
        row.save()
    return breaker


def same(breaker: Breaker) -> dict[str, Any]:
    """What a run's own row has in common with its setting."""
    names = ("agent_id", "condition", "unit", "scope", "window")
    return {name: getattr(breaker, name) for name in names}


def after(breaker: Breaker, verb: str) -> BreakerState:
    """Where a verb leads. Raises Conflict where it leads nowhere."""
    to = states.after(breaker.state, verb)
    if to is None:
        raise Conflict(states.REFUSALS[breaker.state])
    return BreakerState(to)


def locked_for(
    breaker: Breaker, by: Person, permission: Permission = Permission.CHANGE_BREAKER
) -> Breaker:
    """Lock the agent, then the breaker. Raises PermissionDenied."""
    check(permission, by, breaker.owner_team_id)
    return locked(breaker)


def locked(breaker: Breaker) -> Breaker:
    agent = None
    if breaker.agent_id is not None:
        agent = Agent.objects.select_for_update(no_key=True).get(pk=breaker.agent_id)
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker.pk)
    breaker.agent = agent
    return breaker


def changed(
    breaker: Breaker, by: Person | str, kind: str, before: dict[str, Any], summary: str
) -> Breaker:
    probation.tell(kind, breaker, by=by, before=before, summary=summary)
    documenting.keep_breaker(breaker, by=by, why=summary)
    ring(f"agent.{breaker.agent_id}", f"agents.{breaker.owner_team_id}", "agents")
    return breaker
