"""What policy says now of an action that waits: nothing is changed here"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from people.models import Calendar
from people.rules.calendar import is_working

from .. import policies
from .. import statements as sql
from ..models import Action
from ..policies import Policies
from ..rules.policy import Case, Ruling
from .rows import every, first

IN_FORCE = "select * from agents_policies(%(agent)s, %(team)s)"


@dataclass(frozen=True)
class Judged:
    """A ruling, and the version of the policies that made it."""

    version: str
    ruling: Ruling


def policies_for(action: Action) -> Policies:
    row = first(IN_FORCE, agent=action.agent_id, team=action.agent.team_id)
    return policies.known(row) or policies.learn(
        row, every(sql.POLICY_DOCUMENTS, ids=policies.named(row))
    )


def judge(action: Action, arguments: dict[str, Any], *, amount: Decimal | None) -> Judged:
    """Judge a locked action anew, with these arguments and this at stake."""
    known = policies_for(action)
    now = timezone.now()
    agent = action.agent
    case = Case(
        tool=action.tool,
        arguments=arguments,
        kind=action.kind,
        subject=action.subject,
        amount=amount,
        currency=action.currency,
        cost_usd=action.estimated_cost_usd,
        tokens=action.estimated_tokens,
        environment=agent.environment,
        agent=agent.name,
        team=agent.team.name,
        run=action.run.name,
        on_behalf_of=action.on_behalf_of,
        now=now,
        working_time=not known.needs_calendar
        or is_working(now, Calendar.objects.hours_of(agent.team_id)),
    )
    return Judged(known.version, known.judge(case))
