"""open → half_open → closed, or open again: a few leased probes and a deadline"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.errors import Invalid
from audit.record import Recordable, record

from ..evidence import evidence_of
from ..models import (
    Action,
    ActionState,
    Agent,
    AgentState,
    Breaker,
    BreakerState,
    Bucket,
    Condition,
    Run,
    RunState,
    Streak,
)
from ..models.breaker import Scope, Unit
from ..rules.breakers import plain
from ..rules.facts import BreakerFacts
from ..weighing import BUCKETED
from .stopping import ring_control, stop

LONGEST_BACKOFF = 8
NARROW_S = 10
WIDE_S = 3600
LONGEST_NARROW = timedelta(hours=2)
"""Windows over this are sums of whole hours; as in `sql/facts.sql`."""


def begin(breaker: Breaker, *, by: Recordable, limit: Decimal | None = None) -> None:
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
    forget(breaker, now)
    breaker.extra, breaker.extra_until = Decimal(0), None
    breaker.probes_leased = breaker.probes_succeeded = 0
    breaker.probation_until = now + breaker.probation * min(2**breaker.reopenings, LONGEST_BACKOFF)
    breaker.save()


def forget(breaker: Breaker, now: datetime, run_id: UUID | None = None) -> None:
    """What was up to now has been answered for: windows count from here. The caller saves the breaker.

    What the present bucket holds already is remembered, and taken off what it will hold.
    """
    breaker.reset_at, breaker.baseline, breaker.baseline_volume = now, Decimal(0), 0
    run_id = breaker.run_id or run_id
    owner = run_id if breaker.scope == Scope.RUN else breaker.owner
    if owner is None:
        return
    if breaker.condition == Condition.LOOP:
        runs = Run.objects.filter(pk=run_id) if run_id else Run.objects.of(breaker).live()
        runs.exclude(steps=b"").update(steps=b"")
    elif breaker.condition == Condition.MALFORMED:
        Streak.objects.filter(owner=owner).update(malformed=0)
    elif breaker.window == timedelta(0):
        run = Run.objects.filter(pk=owner).first()
        if run is not None:
            spent = run.tokens if breaker.unit == Unit.TOKENS else run.cost_usd
            breaker.baseline = Decimal(spent)
    elif breaker.condition in BUCKETED:
        width = WIDE_S if breaker.window > LONGEST_NARROW else NARROW_S
        bucket = Bucket.objects.filter(
            owner=owner, width=width, slot=int(now.timestamp()) // width
        ).first()
        if bucket is not None:
            breaker.baseline = counted_in(bucket, breaker)
            breaker.baseline_volume = bucket.finished


def counted_in(bucket: Bucket, breaker: Breaker) -> Decimal:
    """What a bucket holds of what this breaker counts."""
    match breaker.condition:
        case Condition.SPEND:
            return Decimal(bucket.tokens if breaker.unit == Unit.TOKENS else bucket.cost_usd)
        case Condition.SLOW:
            return Decimal(bucket.slow)
        case Condition.UNUSUAL:
            return Decimal(bucket.unusual)
    return Decimal(bucket.failures)


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
def end(breaker: Breaker) -> Breaker:
    """The deadline of probation: probes that never came back open it again, else it closes."""
    if breaker.agent_id:
        Agent.objects.select_for_update(no_key=True).get(pk=breaker.agent_id)
    if breaker.run_id:
        Run.objects.select_for_update(no_key=True).get(pk=breaker.run_id)
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker.pk)
    now = timezone.now()
    due = breaker.probation_until is not None and breaker.probation_until <= now
    if breaker.state != BreakerState.HALF_OPEN or not due:
        return breaker
    out = Action.objects.filter(
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
    assert breaker.agent_id is not None
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
    if breaker.agent is not None:
        ring_control(breaker.agent, breaker.run)
