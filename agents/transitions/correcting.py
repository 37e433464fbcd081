"""What an action cost is found to be another sum: its run, its budgets' accounts and its windows follow"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.bell import ring
from audit.errors import Conflict, Invalid
from audit.record import record
from people.models import Person
from people.permitting import check
from people.rules.permissions import Permission

from .. import corrections as sql
from ..models import Action, ActionState
from ..models.action import CostSource
from ..rules.breakers.words import amount
from . import action as actions
from . import spending
from .rows import ask, every, first

WIDTHS = (10, 3600)


@dataclass(frozen=True)
class Correction:
    """A row of `corrections.AGAIN`, what it costs instead, and where that comes from."""

    row: Any
    cost: Decimal
    source: str

    @property
    def more(self) -> Decimal:
        return self.cost - Decimal(self.row.cost_usd)

    @property
    def counted_at(self) -> float:
        """The moment whose windows hold it; an assumed cost stayed where it was reserved."""
        row = self.row
        at = row.created_at if row.cost_source == CostSource.ASSUMED else row.settled_at
        return float(at.timestamp())


@transaction.atomic
def void(action: Action, *, by: Person, reason: str) -> Action:
    """It shall not count: a bill that was never sent, a price that was never true. Tokens stay as they were."""
    check(Permission.RAISE_LIMIT, by, action.agent.team_id)
    reason = reason.replace("\0", "").strip()
    if not reason:
        raise Invalid("Say why it should not count, for the record.")
    action = actions.lock(action)
    if action.state not in (ActionState.SUCCEEDED, ActionState.FAILED):
        raise Conflict("Nobody knows yet what it cost: it has no outcome.")
    if action.cost_source == CostSource.VOIDED:
        raise Conflict("Its cost was voided already.")
    if not action.cost_usd:
        raise Conflict("It cost nothing.")
    before, source = action.cost_usd, action.cost_source
    row = first(sql.ONE, action=action.pk)
    correct([Correction(row, Decimal(0), CostSource.VOIDED)])
    record(
        "action.voided",
        actor=by,
        about=action,
        summary=f"{amount(before, 'usd')} does not count: {reason}"[:300],
        data={"source": source, "reason": reason},
        before={"cost_usd": str(before), "source": source},
        after={"cost_usd": "0", "source": CostSource.VOIDED},
    )
    ring(f"run.{action.run_id}", f"agent.{action.agent_id}", f"action.{action.pk}")
    ring("agents", f"agents.{action.agent.team_id}")
    action.refresh_from_db()
    return action


def correct(corrections: Sequence[Correction]) -> None:
    """Write them all. Their one agent is locked."""
    changed = [one for one in corrections if one.more or one.source != one.row.cost_source]
    if not changed:
        return
    runs: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    accounts: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    windows: defaultdict[tuple[UUID, int, int], Decimal] = defaultdict(Decimal)
    for one in changed:
        runs[one.row.run_id] += one.more
        for account in one.row.accounts:
            accounts[account] += one.more
        for owner in (one.row.agent_id, one.row.run_id, one.row.team_id):
            for width in WIDTHS:
                windows[owner, width, int(one.counted_at) // width] += one.more
    ask(sql.CORRECT_RUNS, runs=list(runs), more=list(runs.values()))
    ask(
        sql.CORRECT_ACTIONS,
        actions=[one.row.id for one in changed],
        costs=[one.cost for one in changed],
        sources=[str(one.source) for one in changed],
    )
    correct_accounts(accounts)
    owners, widths, slots = (list(part) for part in zip(*windows, strict=True))
    every(sql.LOCK_WINDOWS, owners=owners, widths=widths, slots=slots)
    more = list(windows.values())
    ask(sql.CORRECT_WINDOWS, owners=owners, widths=widths, slots=slots, more=more)


def correct_accounts(accounts: dict[UUID, Decimal]) -> None:
    if not accounts:
        return
    ids = list(accounts)
    every(sql.LOCK_ACCOUNTS, accounts=ids)
    ask(sql.CORRECT_ACCOUNTS, accounts=ids, more=list(accounts.values()))
    ask(sql.CALM_ACCOUNTS, accounts=ids)
    spending.tell_low(ids)
