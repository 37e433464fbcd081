"""What led to a trip, gathered in the moment it happens: bounded, and the same whatever the history."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from .models import Action, ActionState, Breaker
from .models.breaker import Condition, Scope

MOST = 25


def evidence_of(
    breaker: Breaker, agent_id: UUID, run_id: UUID | None, offence: dict[str, Any], at: datetime
) -> dict[str, Any]:
    """`{actions: [id…], tokens, cost_usd, in_flight}`: the actions that did it, newest first."""
    since = at - breaker.window
    if breaker.reset_at and breaker.reset_at > since:
        since = breaker.reset_at
    actions = Action.objects.filter(agent_id=agent_id, created_at__gt=since)
    if breaker.scope == Scope.RUN and run_id is not None:
        actions = actions.filter(run_id=run_id)
    if breaker.condition == Condition.REPEATS:
        actions = actions.filter(item=offence.get("item", ""), tool=offence.get("tool", ""))
    elif breaker.condition == Condition.ERRORS:
        actions = actions.filter(state=ActionState.FAILED)
    newest = list(actions.order_by("-id")[:MOST])
    return {
        "actions": [str(action.pk) for action in newest],
        "tokens": sum(action.tokens for action in newest),
        "cost_usd": str(sum(action.cost_usd for action in newest)),
        "in_flight": Action.objects.filter(agent_id=agent_id).executing().count(),
    }
