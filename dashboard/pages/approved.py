"""Approved, not executed: what people said yes to and no agent has begun. Nothing is lost between the two."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from agents.models import Action, Agent
from people.models import Person
from reviews.models import Hold

from .timeline import UNREAD

BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
FIRST_ID = UUID(int=0)
SOON = timedelta(minutes=10)
"""An agent that is at work begins within this."""

OLDEST_OF_EACH_AGENT = """
select pick.id from unnest(%s::uuid[]) as of(agent), lateral (
  select a.id from agents_action a
  where a.agent_id = of.agent and a.state = 'approved' and (a.decided_at, a.id) > (%s, %s::uuid)
  order by a.decided_at, a.id limit %s
) pick
"""
"""One short walk of each agent's own index, however much was ever approved."""


def with_actions(holds: QuerySet[Hold]) -> QuerySet[Hold]:
    """Rows as this list shows them."""
    return holds.select_related("agent", "queue", "claimed_by", "action").defer(
        *(f"action__{column}" for column in UNREAD), "action__reason", "action__state_reason"
    )


def undone(
    holds: QuerySet[Hold], agents: list[UUID], *, after: tuple[datetime, UUID], most: int
) -> QuerySet[Hold]:
    """Those of these holds that were approved and not begun, oldest first, among each agent's `most` oldest."""
    ids = RawSQL(OLDEST_OF_EACH_AGENT, (agents, *after, most))
    return with_actions(holds).filter(pk__in=ids).order_by("action__decided_at", "id")


def agents_of(person: Person) -> list[UUID]:
    return list(Agent.objects.visible_to(person).living().values_list("pk", flat=True))


def oldest(person: Person, *, now: datetime) -> datetime | None:
    """Since when the oldest yes that is not new any more waits for its agent."""
    first: Any = RawSQL(OLDEST_OF_EACH_AGENT, (agents_of(person), BEGINNING, FIRST_ID, 1))
    return (
        Action.objects.filter(pk__in=first, decided_at__lt=now - SOON)
        .order_by("decided_at")
        .values_list("decided_at", flat=True)
        .first()
    )
