"""What the agents' pages show: who acts, how near each is to being stopped, and what it may do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.shortcuts import get_object_or_404

from agents.models import Agent, AgentKey, AgentVersion, Breaker, Policy, Run, Trip
from people.models import Person
from reviews.models import Hold

from . import gauges, trip

AGENTS_ON_A_PAGE = 50
RUNS_SHOWN = 12
VERSIONS_SHOWN = 8
KEYS_SHOWN = 50


# -- the list --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One agent in the list, with what is kept about it elsewhere."""

    agent: Agent
    breakers: list[Breaker]
    runs: int
    holds: int
    cost_usd: Decimal
    actions: int

    @property
    def worst(self) -> Breaker | None:
        """The breaker to name in one word: an open one, else one on probation."""
        told = [b for b in gauges.worst_first(self.breakers) if b.state in NOTED]
        return told[0] if told else None

    @property
    def closed(self) -> int:
        return sum(b.state == "closed" for b in self.breakers)

    @property
    def disabled(self) -> int:
        return sum(b.state == "disabled" for b in self.breakers)


NOTED = ("open", "forced_open", "half_open")


def rows(agents: Sequence[Agent], *, now: datetime) -> list[Row]:
    """Four queries, however many agents."""
    ids = [agent.pk for agent in agents]
    breakers: dict[UUID, list[Breaker]] = defaultdict(list)
    for breaker in Breaker.objects.filter(agent__in=ids, run=None):
        if breaker.agent_id is not None:
            breakers[breaker.agent_id].append(breaker)
    runs = _counts(Run.objects.filter(agent__in=ids).live())
    holds = _counts(Hold.objects.waiting().filter(agent__in=ids))
    spent = gauges.spend_since(ids, since=now - timedelta(hours=23))
    return [
        Row(
            agent,
            breakers[agent.pk],
            runs.get(agent.pk, 0),
            holds.get(agent.pk, 0),
            *spent.get(agent.pk, (Decimal(0), 0)),
        )
        for agent in agents
    ]


def _counts(rows: Any) -> dict[UUID, int]:
    return dict(rows.order_by().values_list("agent").annotate(count=Count("pk")))


# -- one agent -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Consequence:
    """What stopping would touch, in numbers."""

    runs: int
    approvals: int
    keys: int = 0


def one(pk: UUID, person: Person) -> Agent:
    return get_object_or_404(Agent.objects.visible_to(person).select_related("team"), pk=pk)


def policy(agent: Agent) -> Policy | None:
    return Policy.objects.select_related("current", "agent").filter(agent=agent).first()


def open_trip(agent: Agent) -> Trip | None:
    """Why it is paused, with the hold that asks what now."""
    return (
        Trip.objects.filter(agent=agent, ended_at=None)
        .select_related("hold")
        .order_by("run_id", "-id")
        .first()
    )


def newest_runs(agent: Agent) -> list[Run]:
    return list(
        Run.objects.filter(agent=agent)
        .select_related("version")
        .defer("metadata", "output")
        .order_by("-id")[:RUNS_SHOWN]
    )


def newest_versions(agent: Agent) -> list[AgentVersion]:
    return list(AgentVersion.objects.filter(agent=agent).order_by("-created_at")[:VERSIONS_SHOWN])


def keys(agent: Agent) -> list[AgentKey]:
    return list(AgentKey.objects.filter(agent=agent).order_by("revoked_at", "-id")[:KEYS_SHOWN])


def consequence(agent: Agent) -> Consequence:
    return Consequence(
        runs=trip.live_runs(agent),
        approvals=trip.waiting_approvals(agent),
        keys=AgentKey.objects.filter(agent=agent).working().count(),
    )
