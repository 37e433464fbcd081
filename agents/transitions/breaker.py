"""closed → open → half_open → closed; plus disabled, forced_open, shadow"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Invalid
from audit.record import Recordable, record
from people.models import Person

from .. import signals
from ..evidence import evidence_of
from ..models import Action, ActionState, Agent, AgentState, Breaker, Bucket, Run, RunState, Trip
from ..models.breaker import BreakerState, Condition, Scope, Unit
from ..rules.breakers import Verdict, plain
from ..rules.facts import BreakerFacts

LONGEST_BACKOFF = 8
NARROW_S = 10

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


def trip(
    facts: BreakerFacts,
    verdict: Verdict,
    *,
    agent_id: UUID,
    run_id: UUID,
    at: datetime,
    evidence: dict[str, Any],
) -> Trip:
    """Open a breaker and pause what it watches. The agent and run are locked by the caller."""
    agent = Agent.objects.select_related("team").get(pk=agent_id)
    run = Run.objects.get(pk=run_id) if facts.scope == Scope.RUN else None
    breaker = own_row(Breaker.objects.get(pk=facts.id), run)
    again = breaker.state == BreakerState.HALF_OPEN
    breaker.state = BreakerState.OPEN
    breaker.generation += 1
    breaker.opened_at = at
    breaker.probation_until = None
    breaker.reopenings += again
    breaker.save()
    stopped = stop(
        agent,
        run,
        at=at,
        reason=verdict.reason,
        breaker=breaker,
        value=verdict.value,
        evidence=evidence | evidence_of(breaker, agent_id, run_id, evidence, at),
    )
    record(
        "breaker.reopened" if again else "breaker.opened",
        actor=f"agents.breaker:{breaker.pk}",
        about=breaker,
        summary=verdict.reason,
        data={"trip": str(stopped.pk), "value": plain(verdict.value)},
    )
    return stopped


def own_row(breaker: Breaker, run: Run | None) -> Breaker:
    """The breaker's row for this run: a setting that watches runs is never itself open."""
    if run is None or breaker.run_id is not None:
        return breaker
    own, _ = Breaker.objects.get_or_create(
        agent_id=breaker.agent_id,
        run=run,
        condition=breaker.condition,
        unit=breaker.unit,
        defaults={
            "scope": Scope.RUN,
            "limit": breaker.limit,
            "window": breaker.window,
            "probes_allowed": breaker.probes_allowed,
            "probation": breaker.probation,
        },
    )
    return own


def stop(
    agent: Agent,
    run: Run | None,
    *,
    at: datetime,
    reason: str,
    breaker: Breaker | None = None,
    value: Decimal | None = None,
    evidence: dict[str, Any] | None = None,
    by: str = "",
) -> Trip:
    """Pause a locked agent, or one locked run of it, and ask a person what now."""
    paused: Agent | Run = run or agent
    paused.state = RunState.PAUSED if run else AgentState.PAUSED
    paused.state_reason = reason
    paused.control_version += 1
    paused.save(update_fields=["state", "state_reason", "control_version"])
    made = Trip.objects.create(
        agent=agent,
        run=run,
        breaker=breaker,
        condition=breaker.condition if breaker else "",
        unit=breaker.unit if breaker else "",
        value=value,
        limit=breaker.limit if breaker else None,
        window=breaker.window if breaker else None,
        reason=reason,
        evidence=evidence or {},
        by=by,
        opened_at=at,
    )
    record(
        "run.paused" if run else "agent.paused",
        actor=by or (f"agents.breaker:{breaker.pk}" if breaker else "clock"),
        about=paused,
        summary=reason,
        data={"trip": str(made.pk)},
    )
    signals.agent_stopped.send(Trip, trip=made)
    ring_control(agent, run)
    return made


def resume(made: Trip, *, by: Recordable, limit: Decimal | None = None) -> Trip:
    """Let what was paused run again, its breaker on probation. The agent and run are locked."""
    made, paused = end(made)
    if made.breaker is not None:
        put_on_probation(made.breaker, by=by, limit=limit)
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
    ring_control(made.agent, made.run)
    return made


def abandon(run: Run) -> None:
    """The run is over: nobody needs to answer for its stop any more."""
    for made in Trip.objects.filter(run=run, ended_at=None):
        ended, _ = end(made)
        signals.agent_started.send(Trip, trip=ended, at=ended.ended_at)


def end(made: Trip) -> tuple[Trip, Agent | Run]:
    """Close a trip, once. Returns it with what it had paused."""
    made = Trip.objects.select_for_update(of=("self",)).select_related("breaker").get(pk=made.pk)
    if made.ended_at is not None:
        raise Conflict("This stop was answered already.")
    made.agent = Agent.objects.select_related("team").get(pk=made.agent_id)
    made.run = Run.objects.get(pk=made.run_id) if made.run_id else None
    made.ended_at = timezone.now()
    made.save(update_fields=["ended_at"])
    return made, made.run or made.agent


def put_on_probation(breaker: Breaker, *, by: Recordable, limit: Decimal | None = None) -> None:
    """A few probes until a deadline; evidence up to now has been answered for."""
    now = timezone.now()
    if limit is not None:
        if limit <= 0 or not limit.is_finite():
            raise Invalid("A limit must be above zero.")
        breaker.limit = limit
        record(
            "breaker.changed",
            actor=by,
            about=breaker,
            summary=f"The limit is now {plain(limit)}.",
        )
    breaker.state = BreakerState.HALF_OPEN
    breaker.generation += 1
    breaker.reset_at = now
    breaker.baseline = in_slot(breaker, now)
    breaker.probes_leased = breaker.probes_succeeded = 0
    breaker.probation_until = now + breaker.probation * min(2**breaker.reopenings, LONGEST_BACKOFF)
    breaker.save()


def in_slot(breaker: Breaker, now: datetime) -> Decimal:
    """What the current bucket holds already; probation starts counting after it."""
    owner = (breaker.run_id if breaker.scope == Scope.RUN else None) or breaker.agent_id
    bucket = Bucket.objects.filter(
        owner=owner, width=NARROW_S, slot=int(now.timestamp()) // NARROW_S
    ).first()
    if bucket is None or breaker.condition == Condition.REPEATS:
        return Decimal(0)
    if breaker.condition == Condition.ERRORS:
        return Decimal(bucket.failures)
    return Decimal(bucket.tokens) if breaker.unit == Unit.TOKENS else bucket.cost_usd


def lease_probe(facts: BreakerFacts) -> None:
    Breaker.objects.filter(pk=facts.id, generation=facts.generation).update(
        probes_leased=F("probes_leased") + 1
    )


def return_probe(action: Action) -> None:
    """A probe that will never run gives its place back."""
    if action.probe_of_id is not None and action.probe_generation is not None:
        Breaker.objects.filter(
            pk=action.probe_of_id, generation=action.probe_generation, probes_leased__gt=0
        ).update(probes_leased=F("probes_leased") - 1)


def settle_probe(breaker_id: UUID, generation: int, *, failed: bool, at: datetime) -> None:
    """Count a probe's outcome; the last good one closes the breaker. Late results are discarded."""
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker_id)
    if breaker.generation != generation or breaker.state != BreakerState.HALF_OPEN:
        return
    if failed and breaker.condition == Condition.ERRORS:
        reopen(breaker, "A probe failed while on probation.", at=at)
        return
    breaker.probes_succeeded += 1
    breaker.save(update_fields=["probes_succeeded"])
    if breaker.probes_succeeded >= breaker.probes_allowed:
        close(breaker, f"{breaker.probes_succeeded} probes went well.")


@transaction.atomic
def end_probation(breaker: Breaker) -> Breaker:
    """The deadline of probation: probes that never came back open it again, else it closes."""
    Agent.objects.select_for_update(no_key=True).get(pk=breaker.agent_id)
    if breaker.run_id:
        Run.objects.select_for_update(no_key=True).get(pk=breaker.run_id)
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker.pk)
    now = timezone.now()
    due = breaker.probation_until is not None and breaker.probation_until <= now
    if breaker.state != BreakerState.HALF_OPEN or not due:
        return breaker
    out = Action.objects.filter(
        agent_id=breaker.agent_id,
        probe_of=breaker,
        probe_generation=breaker.generation,
        state=ActionState.EXECUTING,
        created_at__gte=breaker.reset_at,
    ).exists()
    if out:
        reopen(breaker, "A probe did not come back before probation ended.", at=now)
    else:
        close(breaker, "Probation ended without a new trip.")
    return breaker


def reopen(breaker: Breaker, reason: str, *, at: datetime) -> None:
    agent = Agent.objects.select_related("team").get(pk=breaker.agent_id)
    run = Run.objects.get(pk=breaker.run_id) if breaker.run_id else None
    if agent.state != AgentState.ACTIVE or (run is not None and run.state != RunState.RUNNING):
        return
    breaker.state = BreakerState.OPEN
    breaker.generation += 1
    breaker.reopenings += 1
    breaker.opened_at = at
    breaker.probation_until = None
    breaker.save()
    evidence = evidence_of(breaker, agent.pk, run.pk if run else None, {}, at)
    stop(agent, run, at=at, reason=reason, breaker=breaker, evidence=evidence)
    record("breaker.reopened", actor="clock", about=breaker, summary=reason)


def close(breaker: Breaker, reason: str) -> None:
    breaker.state = BreakerState.CLOSED
    breaker.generation += 1
    breaker.reopenings = 0
    breaker.probation_until = None
    breaker.save()
    record("breaker.closed", actor="clock", about=breaker, summary=reason)
    ring_control(breaker.agent, breaker.run)


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
    if breaker.limit <= 0 or breaker.window < timedelta(seconds=NARROW_S):
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
    breaker.baseline = in_slot(breaker, breaker.reset_at)
    breaker.save()
    return changed(breaker, by, "breaker.enabled", reason)


def locked_for(breaker: Breaker, by: Person) -> Breaker:
    """Lock the agent, then the breaker. Raises PermissionDenied."""
    agent = Agent.objects.select_for_update(no_key=True).get(pk=breaker.agent_id)
    if not by.decides_for(agent.team_id):
        raise PermissionDenied("Your role may not change breakers.")
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker.pk)
    breaker.agent = agent
    return breaker


def changed(breaker: Breaker, by: Person, kind: str, summary: str) -> Breaker:
    record(kind, actor=by, about=breaker, summary=summary)
    ring(f"agent.{breaker.agent_id}", f"agents.{breaker.agent.team_id}", "agents")
    return breaker


def ring_control(agent: Agent, run: Run | None) -> None:
    """Wake whoever must obey or watch."""
    topics = [f"agent.{agent.pk}", f"agents.{agent.team_id}", "agents"]
    topics += [f"control.{run.pk}", f"run.{run.pk}"] if run else [f"control.{agent.pk}"]
    ring(*topics)
