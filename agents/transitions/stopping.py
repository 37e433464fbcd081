"""Pausing an agent or one run, and ending the pause: what every stop has in common, tripped or by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict
from audit.record import Note, noted, record_all
from audit.trips import one_trip
from audit.written import insert, update

from .. import signals
from ..models import Action, Agent, AgentState, Breaker, Budget, Run, RunState, Trip


def stop(
    agent: Agent,
    run: Run | None,
    *,
    at: datetime,
    reason: str,
    breaker: Breaker | None = None,
    budget: Budget | None = None,
    group: UUID | None = None,
    value: Decimal | None = None,
    limit: Decimal | None = None,
    evidence: dict[str, Any] | None = None,
    by: str = "",
) -> Trip:
    """Pause a locked agent, or one locked run of it, and ask a person what now."""
    made, note = stopped(
        agent,
        run,
        at=at,
        reason=reason,
        breaker=breaker,
        budget=budget,
        group=group,
        value=value,
        limit=limit,
        evidence=evidence,
        by=by,
    )
    with one_trip():
        update(run or agent, *PAUSED)
        insert(made)
        record_all([note])
    ring(*control_topics(agent, run))  # before the others, who are told in the order of their rings
    signals.agent_stopped.send(Trip, trip=made)
    return made


PAUSED = ("state", "state_reason", "control_version")
"""What changes where something is paused."""


def stopped(
    agent: Agent,
    run: Run | None,
    *,
    at: datetime,
    reason: str,
    breaker: Breaker | None = None,
    budget: Budget | None = None,
    group: UUID | None = None,
    value: Decimal | None = None,
    limit: Decimal | None = None,
    evidence: dict[str, Any] | None = None,
    by: str = "",
) -> tuple[Trip, Note]:
    """The stop and its entry, neither written yet; what is paused has changed and is not saved."""
    paused: Agent | Run = run or agent
    before = paused.state
    paused.state = RunState.PAUSED if run else AgentState.PAUSED
    paused.state_reason = reason
    paused.control_version += 1
    cause: Breaker | Budget | None = breaker or budget
    made = Trip(
        agent=agent,
        run=run,
        breaker=breaker,
        budget=budget,
        group=group,
        condition=breaker.condition if breaker else "",
        unit=cause.unit if cause else "",
        value=value,
        limit=limit or (cause.limit if cause else None),
        window=breaker.window if breaker else None,
        reason=reason,
        evidence=evidence or {},
        by=by,
        opened_at=at,
    )
    note = noted(
        "run.paused" if run else "agent.paused",
        actor=by or (cause.record_name if cause else "clock"),
        about=paused,
        summary=reason,
        data={"trip": str(made.pk)},
        before={"state": before},
        after={"state": paused.state},
    )
    return made, note


def stop_all(
    agents: Sequence[Agent],
    *,
    group: UUID,
    at: datetime,
    reason: str,
    breaker: Breaker | None = None,
    value: Decimal | None = None,
    limit: Decimal | None = None,
    evidence: dict[str, Any] | None = None,
    by: str = "",
) -> list[Trip]:
    """Pause many locked, active agents by one deed: a stop and a question each, in a few statements for all."""
    ids = [agent.pk for agent in agents]
    Agent.objects.filter(pk__in=ids).update(
        state=AgentState.PAUSED, state_reason=reason, control_version=F("control_version") + 1
    )
    under_way = in_flight(ids)
    made = Trip.objects.bulk_create(
        Trip(
            agent=agent,
            breaker=breaker,
            group=group,
            condition=breaker.condition if breaker else "",
            unit=breaker.unit if breaker else "",
            value=value,
            limit=limit or (breaker.limit if breaker else None),
            window=breaker.window if breaker else None,
            reason=reason,
            evidence=(evidence or {}) | {"in_flight": under_way.get(agent.pk, 0)},
            by=by,
            opened_at=at,
        )
        for agent in agents
    )
    actor = by or (breaker.record_name if breaker else "clock")
    record_all(paused(one, actor) for one in made)
    topics = {"agents"}
    for agent in agents:
        agent.state, agent.state_reason = AgentState.PAUSED, reason
        topics |= {f"agent.{agent.pk}", f"agents.{agent.team_id}", f"control.{agent.pk}"}
    ring(*sorted(topics))
    signals.agents_stopped.send(Trip, trips=made)
    return made


def paused(made: Trip, actor: str) -> Note:
    return Note(
        kind="agent.paused",
        actor=actor,
        about=made.agent.record_name,
        team=str(made.agent.team_id),
        agent=str(made.agent_id),
        run="",
        summary=made.reason,
        data={
            "trip": str(made.pk),
            "group": str(made.group),
            "before": {"state": AgentState.ACTIVE},
            "after": {"state": AgentState.PAUSED},
        },
    )


def in_flight(agents: Sequence[UUID]) -> dict[UUID, int]:
    """How many actions each of them is at."""
    rows = Action.objects.filter(agent__in=agents).executing().order_by()
    return dict(rows.values_list("agent").annotate(Count("pk")))


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


def ring_control(agent: Agent, run: Run | None) -> None:
    """Wake whoever must obey or watch."""
    ring(*control_topics(agent, run))


def control_topics(agent: Agent, run: Run | None) -> list[str]:
    topics = [f"agent.{agent.pk}", f"agents.{agent.team_id}", "agents"]
    return topics + ([f"control.{run.pk}", f"run.{run.pk}"] if run else [f"control.{agent.pk}"])
