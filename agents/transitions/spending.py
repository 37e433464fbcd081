"""What accounts keep: people are told when a budget is nearly spent; what is found out later follows everywhere"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from people.models import Team

from .. import signals
from .. import statements as sql
from ..models import Account, Action, Agent
from ..models.action import CostSource
from ..rules import budgets
from .rows import ask, every


def tell_low(accounts: Iterable[UUID | str]) -> None:
    """Tell, once each, of budgets that reached 80 % or all of their limit."""
    for row in every(sql.LOW, accounts=list(accounts)):
        signals.budget_low.send(
            Account,
            team=Team.objects.get(pk=row.team_id),
            agent=Agent.objects.get(pk=row.agent) if row.agent else None,
            sentence=budgets.low(row.name, row.unit, row.period, row.room, row.used),
            about=f"budget:{row.id}:{row.share}",
        )


def assume(action: Action) -> None:
    """Nobody said what it cost: what was reserved for it is what it is taken to have cost. It stays in its windows."""
    if not action.estimated_tokens and not action.estimated_cost_usd:
        return
    ask(sql.ASSUME, action=action.pk)
    action.cost_usd, action.cost_source = action.estimated_cost_usd, CostSource.ASSUMED
    action.input_tokens = action.estimated_tokens
