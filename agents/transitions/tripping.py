"""closed | half_open → open: a breaker opens, a budget has no room, a shadow says it would have"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection

from audit.columns import columns, parted
from audit.record import record
from audit.written import Statement
from people.models import Team

from .. import signals
from ..evidence import evidence_of
from ..models import Agent, Breaker, Budget, Run, Trip
from ..models.breaker import BreakerState, Scope
from ..rules.admission import Judgement
from ..rules.breakers import Tripped, plain
from ..rules.breakers.evidence import judged as kept
from ..rules.breakers.evidence import judged_budget
from ..rules.budgets import Exhausted
from ..rules.facts import Event
from . import fleet, probation, stopping, together


def judged(
    judgement: Judgement, *, agent_id: UUID, run_id: UUID, at: datetime, evidence: dict[str, Any]
) -> Trip | None:
    """Write what a proposal opened, and return the stop. The agent and run are locked by the caller.

    None also where the fleet guard kept it from being paused: see `opened`.
    """
    assert judgement.event is not None
    stopped = opened(
        judgement.trip,
        judgement.shadows,
        judgement.event,
        agent_id=agent_id,
        run_id=run_id,
        at=at,
        evidence=evidence,
    )
    if judgement.budget is not None:
        stopped = exhausted(
            judgement.budget,
            judgement.event,
            agent_id=agent_id,
            run_id=run_id,
            at=at,
            evidence=evidence,
        )
    return stopped


def opened(
    tripped: Tripped | None,
    shadows: Sequence[Tripped],
    event: Event,
    *,
    agent_id: UUID,
    run_id: UUID | None,
    at: datetime,
    evidence: dict[str, Any],
    steps: bytes = b"",
) -> Trip | None:
    """Open a breaker and pause what it watches; note what shadows would have done.

    None: nothing was paused. Raises WholeTeam where a team's breaker opens and its agents are not all locked.
    """
    for shadow in shadows:
        note(shadow, event, agent_id=agent_id, run_id=run_id, at=at, evidence=evidence, steps=steps)
    if tripped is None:
        return None
    return trip(
        tripped, event, agent_id=agent_id, run_id=run_id, at=at, evidence=evidence, steps=steps
    )


def trip(
    tripped: Tripped,
    event: Event,
    *,
    agent_id: UUID,
    run_id: UUID | None,
    at: datetime,
    evidence: dict[str, Any],
    steps: bytes = b"",
) -> Trip | None:
    """Open a breaker and pause what it watches. The agent and run are locked by the caller.

    None where the fleet guard said no: the breaker then counts anew.
    """
    facts, verdict = tripped
    agent, breaker = those(agent_id, facts.id)
    if facts.scope == Scope.TEAM:
        together.need_team(agent.team_id)
    run = Run.objects.get(pk=run_id) if facts.scope == Scope.RUN and run_id else None
    breaker = own_row(breaker, run)
    if breaker.agent_id == agent.pk:
        breaker.agent = agent
    if facts.scope != Scope.TEAM and (guarded := fleet.is_guarded(agent, at)):
        fleet.guard(breaker, agent, run, *guarded, reason=verdict.reason, at=at)
        return None
    before, again = probation.facts(breaker), breaker.state == BreakerState.HALF_OPEN
    probation.open_up(breaker, at, again=again)
    evidence = (
        evidence
        | evidence_of(breaker, agent_id, run_id, evidence, at)
        | {"judged": kept(facts, event, steps)}
    )
    why: dict[str, Any] = {"reason": verdict.reason, "value": verdict.value, "limit": facts.limit}
    if facts.scope == Scope.TEAM:
        stopped = together.stop_team(breaker, agent, at=at, evidence=evidence, **why)
    else:
        stopped = stopping.stop(agent, run, at=at, breaker=breaker, evidence=evidence, **why)
    probation.tell(
        "reopened" if again else "opened",
        breaker,
        by=breaker,
        before=before,
        summary=verdict.reason,
        trip=str(stopped.pk),
        value=plain(verdict.value),
    )
    return stopped


@cache
def _those() -> str:
    return f"""
        select {columns(Agent, "g")}, {columns(Team, "t")}, {columns(Breaker, "b")}
          from agents_agent g join people_team t on t.id = g.team_id, agents_breaker b
         where g.id = %(agent)s and b.id = %(breaker)s
    """


def those(agent_id: UUID, breaker_id: UUID | str) -> tuple[Agent, Breaker]:
    """The agent with its team, and the breaker: in one statement, for the agent waits to be told."""
    statement, params = asking_for(agent_id, breaker_id)
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return found(cursor.fetchone())


def asking_for(agent_id: UUID, breaker_id: UUID | str) -> Statement:
    return _those(), {"agent": agent_id, "breaker": breaker_id}


def found(row: Sequence[Any]) -> tuple[Agent, Breaker]:
    agent, team, breaker = parted(row, Agent, Team, Breaker)
    agent.team = team
    return agent, breaker


def note(
    shadow: Tripped,
    event: Event,
    *,
    agent_id: UUID,
    run_id: UUID | None,
    at: datetime,
    evidence: dict[str, Any],
    steps: bytes = b"",
) -> Trip:
    """A breaker in shadow says it would have opened; it starts counting anew, and nothing is paused."""
    facts, verdict = shadow
    run = Run.objects.get(pk=run_id) if facts.scope == Scope.RUN and run_id else None
    breaker = own_row(Breaker.objects.get(pk=facts.id), run)
    made = Trip.objects.create(
        agent_id=agent_id,
        run=run,
        breaker=breaker,
        is_shadow=True,
        condition=breaker.condition,
        unit=breaker.unit,
        value=verdict.value,
        limit=facts.limit,
        window=breaker.window,
        reason=verdict.reason,
        evidence=evidence
        | evidence_of(breaker, agent_id, run_id, evidence, at)
        | {"judged": kept(facts, event, steps)},
        opened_at=at,
        ended_at=at,
    )
    probation.forget(breaker, at)
    breaker.save(update_fields=["reset_at", "baseline", "baseline_volume"])
    record(
        "breaker.would_open",
        actor=f"agents.breaker:{breaker.pk}",
        about=breaker,
        summary=verdict.reason,
        data={"trip": str(made.pk), "value": plain(verdict.value)},
    )
    signals.breaker_shadowed.send(Trip, agent=made.agent, run=made.run, sentence=verdict.reason)
    return made


def exhausted(
    found: Exhausted,
    event: Event,
    *,
    agent_id: UUID,
    run_id: UUID,
    at: datetime,
    evidence: dict[str, Any],
) -> Trip:
    """A budget has no room: pause the run it is for, else the agent that asked, and ask a person to raise it."""
    agent = Agent.objects.select_related("team").get(pk=agent_id)
    run = Run.objects.get(pk=run_id) if found.budget.scope == "run" else None
    return stopping.stop(
        agent,
        run,
        at=at,
        reason=found.reason,
        budget=Budget.objects.get(pk=found.budget.budget),
        value=found.value,
        evidence=evidence | {"judged": judged_budget(found.budget, event)},
    )


def own_row(breaker: Breaker, run: Run | None) -> Breaker:
    """The breaker's row for this run: a setting that watches runs is never itself open."""
    if run is None or breaker.run_id is not None:
        return breaker
    own, _ = Breaker.objects.get_or_create(
        agent=breaker.agent,
        run=run,
        condition=breaker.condition,
        unit=breaker.unit,
        scope=Scope.RUN,
        window=breaker.window,
        defaults={
            "limit": breaker.limit,
            "minimum": breaker.minimum,
            "threshold": breaker.threshold,
            "probes_allowed": breaker.probes_allowed,
            "probation": breaker.probation,
            "state": breaker.state if breaker.state == BreakerState.SHADOW else BreakerState.CLOSED,
        },
    )
    return own
