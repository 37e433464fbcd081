"""Reads what agents proposed lately, so that a policy can be tried on it before it is trusted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from people.models import Calendar
from people.rules.calendar import Hours, is_working

from .models import Action, Agent, Policy
from .policies import compiled
from .rules.policy import Case, Compiled
from .rules.policy.ruling import Answer
from .rules.replay import Happened, Past, Replay, Tally

WEEK = timedelta(days=7)
MOST = 20_000
"""Actions, the newest. What is older than the week or more than this is not looked at."""
LONGEST_S = 4.0
"""Seconds a page may wait; what was looked at until then is told."""

DENIED_BY_POLICY = ("policy", "tool_not_listed")


def replay(
    policy: Policy, document: dict[str, Any], *, now: datetime, since: timedelta = WEEK
) -> Replay:
    """What this policy would have said to the last week, were `document` what it says."""
    tried = compiled(document)
    others = Others(policy)
    tally = Tally()
    end = time.monotonic() + LONGEST_S
    for agent_id, past in lately(policy, now=now, since=since):
        team, agent = (
            (others.team, tried) if policy.agent_id else (tried, others.of_agent(agent_id))
        )
        tally.judge(past, team, agent)
        if time.monotonic() > end:
            break
    return tally.so_far()


class Others:
    """The policies in force beside the one that is tried."""

    def __init__(self, policy: Policy) -> None:
        found = Policy.objects.filter(team=policy.team_id).select_related("current")
        self.team: Compiled | None = None
        self._documents: dict[UUID, dict[str, Any]] = {}
        self._compiled: dict[UUID, Compiled] = {}
        for other in found:
            if other.current is None:
                continue
            if other.agent_id is None:
                self.team = compiled(other.current.document)
            else:
                self._documents[other.agent_id] = other.current.document

    def of_agent(self, agent: UUID) -> Compiled | None:
        if agent not in self._documents:
            return None
        if agent not in self._compiled:
            self._compiled[agent] = compiled(self._documents[agent])
        return self._compiled[agent]


def lately(policy: Policy, *, now: datetime, since: timedelta) -> Iterator[tuple[UUID, Past]]:
    """What the policy's agents asked for, newest first, as it was proposed."""
    agents = Agent.objects.filter(team=policy.team_id).select_related("team")
    if policy.agent_id:
        agents = agents.filter(pk=policy.agent_id)
    known = {agent.pk: agent for agent in agents}
    hours = Calendar.objects.hours_of(policy.team_id)
    found = (
        Action.objects.filter(agent__in=known, id__gte=first_id(now - since), gated=True)
        .select_related("run")
        .only(*FIELDS)
        .order_by("-id")[:MOST]
    )
    for action in found.iterator(chunk_size=500):
        yield action.agent_id, past(action, known[action.agent_id], hours)


FIELDS = (
    *("agent_id", "tool", "arguments", "kind", "subject", "amount", "currency", "created_at"),
    *("estimated_cost_usd", "estimated_tokens", "on_behalf_of", "state", "code", "decision"),
    *("rule", "requirement", "run__name"),
)


def past(action: Action, agent: Agent, hours: Hours | None) -> Past:
    """A stored action as a case. The agent's environment and the team's hours are those of today."""
    case = Case(
        tool=action.tool,
        arguments=action.arguments,
        kind=action.kind,
        subject=action.subject,
        amount=action.amount,
        currency=action.currency,
        cost_usd=action.estimated_cost_usd,
        tokens=action.estimated_tokens,
        environment=agent.environment,
        agent=agent.name,
        team=agent.team.name,
        run=action.run.name,
        on_behalf_of=action.on_behalf_of,
        now=action.created_at,
        working_time=is_working(action.created_at, hours),
    )
    return Past(str(action.pk), case, happened(action), answered(action))


def happened(action: Action) -> Happened:
    """What became of the request, in one word."""
    if action.code in DENIED_BY_POLICY:
        return "denied"
    if action.decision:
        return "rejected" if action.decision in ("rejected", "asked") else "approved"
    if action.state in ("held", "expired"):
        return "held" if action.state == "held" else "expired"
    if action.requirement is not None:
        return "withdrawn"
    return "allowed"


def answered(action: Action) -> Answer:
    """What policy said then. An agent may also ask for a person where no rule demands it."""
    if action.code in DENIED_BY_POLICY:
        return "deny"
    asked = action.requirement is not None or action.decision or action.state == "held"
    return "approve" if asked and action.rule else "allow"


def first_id(at: datetime) -> UUID:
    """The smallest id (UUIDv7) that was made at this moment or later."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)
