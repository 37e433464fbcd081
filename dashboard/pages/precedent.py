"""Ones like this before: what people said to calls of the same tool, what came of it, and what is new this time.

Everything is looked for among an agent's newest actions, through their index, however many there are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from agents.models import Action, ActionState
from audit.constants import Constant

from .timeline import UNREAD

LOOKED_BACK = 1000
"""How many of an agent's newest actions are searched for ones like this."""
TOLD = 5
COMPARED = 200
KEYS_COMPARED = 40
LONGEST_COMPARED = 200


@dataclass(frozen=True)
class Precedent:
    """What was said to calls of the same tool, among the agent's newest `LOOKED_BACK` actions."""

    total: int
    approved: int
    edited: int
    rejected: int
    """Rejected, answered in words, or asked about."""
    failed: int
    """Approved or edited, and failed when executed."""
    last: dict[str, Any] | None
    """Effective arguments of the newest one that succeeded."""
    told: list[Action]
    """The newest that somebody decided."""


def precedent(action: Action) -> Precedent:
    alike = sorted(_alike(action).values_list("pk", "decision", "state"), reverse=True)
    said = Counter(decision for _, decision, _ in alike if decision)
    succeeded = next((pk for pk, _, state in alike if state == ActionState.SUCCEEDED), None)
    return Precedent(
        total=said.total(),
        approved=said["approved"],
        edited=said["edited"],
        rejected=said["rejected"] + said["answered"] + said["asked"],
        failed=sum(d in YES and state == ActionState.FAILED for _, d, state in alike),
        last=_arguments_of(succeeded) if succeeded else None,
        told=_told([pk for pk, decision, _ in alike if decision][:TOLD]),
    )


YES = ("approved", "edited")


def _alike(action: Action) -> QuerySet[Action]:
    """Not sorted, nor cut: PostgreSQL would walk the whole table for the newest that fits."""
    recent = (
        Action.objects.filter(agent_id=action.agent_id, id__lt=action.pk)
        .order_by("-id")
        .values("pk")[:LOOKED_BACK]
    )
    return Action.objects.filter(pk__in=recent, tool=action.tool, remembered=None).order_by()


def _arguments_of(pk: UUID) -> dict[str, Any]:
    return Action.objects.only("arguments", "approved_arguments").get(pk=pk).effective_arguments


def _told(ids: list[UUID]) -> list[Action]:
    found = Action.objects.filter(pk__in=ids).defer(*UNREAD).in_bulk() if ids else {}
    return [found[pk] for pk in ids if pk in found]


def same_elsewhere(action: Action) -> Action | None:
    """The very same request of this agent that waits in another run."""
    return (
        Action.objects.filter(agent_id=action.agent_id, item=action.item)
        .filter(state=Constant(ActionState.HELD), digest=action.digest)
        .exclude(pk=action.pk)
        .exclude(run_id=action.run_id)
        .defer(*UNREAD)
        .select_related("run")
        .order_by("-created_at")
        .first()
    )


# -- what is new -----------------------------------------------------------------------------------

NEWS = """
with alike as materialized (
  select coalesce(a.approved_arguments, a.arguments) as given
    from (select id from agents_action where agent_id = %(agent)s and id < %(action)s
           order by id desc limit %(back)s) newest
    join agents_action a using (id)
   where a.tool = %(tool)s and a.state in ('succeeded', 'executing', 'approved', 'failed', 'unknown')
     and pg_column_size(a.arguments) < 20000
   order by id desc limit %(compared)s
)
select now.key,
       count(*),
       count(*) filter (where given -> now.key = now.value),
       count(distinct given -> now.key),
       max(case jsonb_typeof(given -> now.key) when 'number' then (given ->> now.key)::numeric end)
  from alike join jsonb_each(%(now)s::jsonb) now on given ? now.key
 group by now.key
"""
ENOUGH = 3
"""Fewer calls than this say nothing about what is usual."""


def news(action: Action, arguments: Mapping[str, Any]) -> dict[str, str]:
    """What is unusual about a value, by key: never seen before, or higher than ever."""
    plain = {key: v for key, v in list(arguments.items())[:KEYS_COMPARED] if _is_compared(v)}
    if not plain:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            NEWS,
            {
                "agent": action.agent_id,
                "action": action.pk,
                "tool": action.tool,
                "back": LOOKED_BACK,
                "compared": COMPARED,
                "now": json.dumps(plain),
            },
        )
        rows = cursor.fetchall()
    said = ((key, _said(plain[key], *counts)) for key, *counts in rows)
    return {key: words for key, words in said if words}


def _is_compared(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_COMPARED
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(value: Any, calls: int, same: int, kinds: int, highest: Decimal | None) -> str:
    if calls < ENOUGH or same:
        return ""
    if not isinstance(value, str):
        is_highest = highest is not None and Decimal(str(value)) > highest
        return f"higher than in the last {calls} calls" if is_highest else ""
    # Where every call has its own value (an order's number), a new one is nothing new.
    return f"new: not once in the last {calls} calls" if kinds <= calls // 2 else ""
