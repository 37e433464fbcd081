"""What a trip is about in money: what was spent on it, and an honest guess at what the stop saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Count, Min, Sum
from django.utils import timezone

from agents.models import Account, Action, Trip
from audit.ids import first_id

from .timeline import readable

NEWEST = 1000
DEAREST = 25
SHORTEST_LOOK, USUAL_LOOK = timedelta(minutes=1), timedelta(minutes=10)
LONGEST_LOOK, LONGEST_WAIT = timedelta(hours=1), timedelta(days=1)
SLACK = timedelta(seconds=5)


@dataclass(frozen=True)
class Saved:
    """What it would have used at its pace until somebody answered. An estimate, and said to be one."""

    cost_usd: Decimal
    tokens: int
    lasted: timedelta
    a_minute_usd: Decimal
    a_minute_tokens: int
    is_answered: bool
    is_capped: bool
    """It waited for longer than is counted: nobody knows whether it would have gone on for days."""


def saved(trip: Trip) -> Saved | None:
    """None where there is no pace: fewer than two actions before the stop, or none that cost anything."""
    if trip.is_shadow:
        return None
    look = min(max(trip.window or USUAL_LOOK, SHORTEST_LOOK), LONGEST_LOOK)
    since = trip.opened_at - look
    whose = Action.objects.filter(
        id__gte=first_id(since - SLACK),
        id__lte=first_id(trip.opened_at + SLACK),
        created_at__gte=since,
        created_at__lte=trip.opened_at,
        **of(trip),
    )
    found = whose.aggregate(
        count=Count("pk"),
        first=Min("created_at"),
        cost=Sum("cost_usd"),
        read=Sum("input_tokens"),
        written=Sum("output_tokens"),
    )
    tokens = (found["read"] or 0) + (found["written"] or 0)
    cost = found["cost"] or Decimal(0)
    if found["count"] < 2 or not (cost or tokens):
        return None
    minutes = max(trip.opened_at - found["first"], SHORTEST_LOOK).total_seconds() / 60
    waited = (trip.ended_at or timezone.now()) - trip.opened_at
    lasted = min(waited, LONGEST_WAIT)
    share = lasted.total_seconds() / 60 / minutes
    return Saved(
        cost_usd=round(cost * Decimal(share), 4),
        tokens=round(tokens * share),
        lasted=lasted,
        a_minute_usd=round(cost / Decimal(minutes), 4),
        a_minute_tokens=round(tokens / minutes),
        is_answered=trip.ended_at is not None,
        is_capped=waited > LONGEST_WAIT,
    )


def dearest(trip: Trip) -> list[Action]:
    """What cost most among an agent's (or run's) newest actions of the budget's period, the oldest first."""
    account = account_of(trip)
    actions = Action.objects.filter(id__lte=first_id(trip.opened_at + SLACK), **of(trip))
    if account is not None and account.ends_at is not None:
        actions = actions.filter(id__gte=first_id(account.starts_at - SLACK))
    newest = list(readable(actions.exclude(state="denied")).order_by("-id")[:NEWEST])

    def cost(action: Action) -> Decimal:
        return Decimal(action.tokens) if trip.unit == "tokens" else action.cost_usd

    most = sorted(filter(cost, newest), key=cost, reverse=True)[:DEAREST]
    return sorted(most, key=lambda action: action.pk)


def account_of(trip: Trip) -> Account | None:
    """The account that had no room; None where no budget stopped it, or the budget is gone."""
    kept = (trip.evidence.get("judged") or {}).get("budget") or {}
    return Account.objects.filter(pk=str(kept["account"])).first() if kept else None


def of(trip: Trip) -> dict[str, object]:
    """What was paused: the run, or the agent."""
    return {"run_id": trip.run_id} if trip.run_id else {"agent_id": trip.agent_id}
