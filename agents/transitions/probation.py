"""open → half_open → closed, or open again: a few leased probes and a deadline"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from audit.bell import ring
from audit.changes import changed
from audit.errors import Invalid
from audit.record import Note, Recordable, noted, record_all
from audit.written import update

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
from ..rules.breakers.evidence import judged_probe
from ..rules.breakers.probes import Probe, reopens
from ..rules.facts import BreakerFacts
from ..rules.policy import durations
from ..weighing import BUCKETED
from . import together
from .rows import first
from .stopping import ring_control, stop

LONGEST_BACKOFF = 8
NARROW_S = 10
WIDE_S = 3600
MOST = Decimal(10**12)
WHOLE_RUN = timedelta(days=365)
"""Until when something is granted where the window is the whole run."""
LONGEST_NARROW = timedelta(hours=2)
"""Windows over this are sums of whole hours; as in `sql/facts.sql`."""


OPENED = (
    *("state", "generation", "opened_at", "probation_until", "disabled_until", "reopenings"),
    *("extra", "extra_until"),
)
"""What changes when a breaker opens."""


def facts(breaker: Breaker) -> dict[str, Any]:
    """What of it people and verbs change, for the record."""
    until = breaker.disabled_until
    return {
        "state": str(breaker.state),
        "limit": plain(breaker.limit),
        "extra": plain(breaker.extra),
        "window": durations.written(breaker.window) if breaker.window else "run",
        "scope": str(breaker.scope),
        "until": until.isoformat() if until else None,
    }


def tell(
    kind: str,
    breaker: Breaker,
    *,
    by: Recordable | str,
    before: dict[str, Any],
    summary: str,
    **data: Any,
) -> None:
    """The entry of a change that is written already: `before` are the `facts` of then."""
    record_all([change_of(kind, breaker, by=by, before=before, summary=summary, **data)])


def change_of(
    kind: str,
    breaker: Breaker,
    *,
    by: Recordable | str,
    before: dict[str, Any],
    summary: str,
    **data: Any,
) -> Note:
    """What `tell` writes."""
    was, now = changed(before, facts(breaker))
    return noted(
        f"breaker.{kind}",
        actor=by,
        about=breaker,
        summary=summary,
        data=data,
        before=was,
        after=now,
    )


def begin(
    breaker: Breaker,
    *,
    by: Recordable | str,
    limit: Decimal | None = None,
    extra: Decimal | None = None,
) -> None:
    """A few probes until a deadline; evidence up to now has been answered for.

    With `extra` ("three more tries") it has not: it goes on counting, up to so much more.
    """
    now = timezone.now()
    if limit is not None:
        if limit <= 0 or not limit.is_finite():
            raise Invalid("A limit must be above zero.")
        before = facts(breaker)
        breaker.limit = limit
        said = f"The limit is now {plain(limit)}."
        tell("changed", breaker, by=by, before=before, summary=said)
    breaker.state = BreakerState.HALF_OPEN
    breaker.generation += 1
    if extra is None:
        forget(breaker, now)
    grant(breaker, extra, now)
    breaker.probes_leased = breaker.probes_succeeded = 0
    breaker.probation_until = now + breaker.probation * min(2**breaker.reopenings, LONGEST_BACKOFF)
    breaker.save()


def grant(breaker: Breaker, extra: Decimal | None, now: datetime) -> None:
    """So much on top of the limit, once, until its window has passed; None takes it away. The caller saves the breaker."""
    if extra is None:
        breaker.extra, breaker.extra_until = Decimal(0), None
        return
    if not extra.is_finite() or not 0 < extra < MOST:
        raise Invalid("What is granted on top must be a number above zero.")
    breaker.extra, breaker.extra_until = extra, now + (breaker.window or WHOLE_RUN)


def open_up(breaker: Breaker, at: datetime, *, again: bool) -> None:
    """It opens; what was granted once on top of its limit is over."""
    opens(breaker, at, again=again)
    update(breaker, *OPENED)


def opens(breaker: Breaker, at: datetime, *, again: bool) -> None:
    """As `open_up`, and the caller saves it."""
    breaker.state = BreakerState.OPEN
    breaker.generation += 1
    breaker.opened_at = at
    breaker.probation_until = breaker.disabled_until = None
    breaker.reopenings += again
    grant(breaker, None, at)


def forget(breaker: Breaker, now: datetime, run_id: UUID | None = None) -> None:
    """What was up to now has been answered for: windows count from here. The caller saves the breaker.

    What the present bucket holds already is remembered, and taken off what it will hold.
    """
    breaker.reset_at, breaker.baseline, breaker.baseline_volume = now, Decimal(0), 0
    run_id = breaker.run_id or run_id
    owner = run_id if breaker.scope == Scope.RUN else breaker.owner
    if owner is None:
        return
    if breaker.condition == Condition.MALFORMED:
        row = Streak.objects.filter(owner=owner).first()
        breaker.baseline = Decimal(row.malformed if row else 0)
    elif breaker.window == timedelta(0):
        spent = first("select agents_run_spent(%(run)s, %(unit)s)", run=owner, unit=breaker.unit)
        breaker.baseline = Decimal(spent[0] or 0)
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


def lease_probe(facts: BreakerFacts) -> bool:
    """Take one of the probes. False: the last one was taken meanwhile, by another agent of the team."""
    free = Breaker.objects.filter(
        pk=facts.id, generation=facts.generation, probes_leased__lt=F("probes_allowed")
    )
    return bool(free.update(probes_leased=F("probes_leased") + 1))


def return_probe(action: Action) -> None:
    """A probe that will never run gives its place back."""
    if action.probe_of_id is not None and action.probe_generation is not None:
        Breaker.objects.filter(
            pk=action.probe_of_id, generation=action.probe_generation, probes_leased__gt=0
        ).update(probes_leased=F("probes_leased") - 1)


def settle_probe(
    breaker_id: UUID, generation: int, *, failed: bool, at: datetime, agent_id: UUID
) -> None:
    """Count a probe's outcome; the last good one closes the breaker. Late results are discarded."""
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker_id)
    if breaker.generation != generation or breaker.state != BreakerState.HALF_OPEN:
        return
    outcome = Probe(
        breaker.condition, breaker.generation, generation, "failed" if failed else "succeeded"
    )
    if reopens(outcome):
        of = Agent.objects.select_related("team").get(pk=agent_id)
        reopen(breaker, outcome, at=at, of=of)
        return
    breaker.probes_succeeded += 1
    breaker.save(update_fields=["probes_succeeded"])
    if breaker.probes_succeeded >= breaker.probes_allowed:
        close(breaker, f"{breaker.probes_succeeded} probes went well.")


@together.whole_team
def end(breaker: Breaker) -> Breaker:
    """The deadline of probation: probes that never came back open it again, else it closes."""
    if breaker.team_id:
        together.need_team(breaker.team_id)
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
    )
    lost = out.select_related("agent").first()
    if lost is not None:
        outcome = Probe(breaker.condition, breaker.generation, breaker.generation, "lost")
        reopen(breaker, outcome, at=now, of=lost.agent)
    else:
        close(breaker, "Probation ended without a new trip.")
    return breaker


def reopen(breaker: Breaker, outcome: Probe, *, at: datetime, of: Agent) -> None:
    """Stop again what it watches, because of what this agent's probe came to."""
    reason = reopens(outcome)
    if breaker.team_id:
        together.need_team(breaker.team_id)
    run = Run.objects.get(pk=breaker.run_id) if breaker.run_id else None
    agent = Agent.objects.select_related("team").get(pk=of.pk)
    if agent.state != AgentState.ACTIVE or (run is not None and run.state != RunState.RUNNING):
        return
    before = facts(breaker)
    open_up(breaker, at, again=True)
    evidence = evidence_of(breaker, agent.pk, run.pk if run else None, {}, at)
    evidence["judged"] = judged_probe(outcome)
    if breaker.team_id:
        together.stop_team(breaker, agent, at=at, reason=reason, evidence=evidence)
    else:
        stop(agent, run, at=at, reason=reason, breaker=breaker, evidence=evidence)
    tell("reopened", breaker, by="clock", before=before, summary=reason)


def close(breaker: Breaker, reason: str) -> None:
    before = facts(breaker)
    breaker.state = BreakerState.CLOSED
    breaker.generation += 1
    breaker.reopenings = 0
    breaker.probation_until = None
    breaker.save()
    tell("closed", breaker, by="clock", before=before, summary=reason)
    if breaker.agent is not None:
        ring_control(breaker.agent, breaker.run)
    else:
        ring(f"agents.{breaker.team_id}", "agents")
