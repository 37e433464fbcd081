"""What breakers make of the coming and going of runs: started too often, too rarely, silent

A start is judged with the run; what did not happen is found by the clock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from .. import overdue
from ..models import Agent, AgentState, Run, RunState, Trip
from ..rules.breakers import Watch, opening, shadowed
from ..rules.facts import BreakerFacts, Event
from ..weighing import breakers_decoder
from . import together, tripping
from .rows import every, first


def watching(agent: Agent, run_id: UUID | None, condition: str, at: datetime) -> list[BreakerFacts]:
    """The breakers with this condition, and what they hold now. The agent is locked by the caller."""
    row = first(
        overdue.BREAKERS,
        agent=agent.pk,
        team=agent.team_id,
        run=run_id,
        now=at,
        condition=condition,
    )
    return breakers_decoder.decode(row[0])


def judge_start(agent: Agent, run: Run, breakers: list[BreakerFacts], at: datetime) -> None:
    """A run began: it is in the record, and nothing of it is admitted where that was once too often.

    `breakers` hold what was before it. The agent is locked by the caller.
    """
    if breakers and agent.state == AgentState.ACTIVE:
        judge(agent, run, breakers, Event("started", at=at), at)
        run.refresh_from_db(fields=["state", "state_reason", "control_version"])


def sweep(most: int) -> None:
    """Find what did not happen in time. Twice is harmless."""
    for condition, statement in overdue.CONDITIONS.items():
        for row in every(
            statement, now=timezone.now(), agent=None, run=None, breaker=None, most=most
        ):
            look(condition, row.breaker, row.agent, row.run)


@together.whole_team
def look(condition: str, breaker: UUID, agent_id: UUID, run_id: UUID | None = None) -> Trip | None:
    """Judge one breaker by the clock, under the locks of what it may stop."""
    agent = Agent.objects.select_for_update(no_key=True).get(pk=agent_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id) if run_id else None
    now = timezone.now()
    still = every(
        overdue.CONDITIONS[condition], now=now, agent=agent_id, run=run_id, breaker=breaker, most=1
    )
    if not still or (run is not None and run.state != RunState.RUNNING):
        return None
    breakers = [one for one in watching(agent, run_id, condition, now) if one.id == str(breaker)]
    return judge(agent, run, breakers, Event("clock", at=now), now)


def judge(
    agent: Agent, run: Run | None, breakers: list[BreakerFacts], event: Event, at: datetime
) -> Trip | None:
    found = Watch(breakers).step(event)
    if not found:
        return None
    evidence: dict[str, Any] = {"run": {"id": str(run.pk), "name": run.name}} if run else {}
    return tripping.opened(
        opening(found),
        shadowed(found),
        event,
        agent_id=agent.pk,
        run_id=run.pk if run else None,
        at=at,
        evidence=evidence,
    )
