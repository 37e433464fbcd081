"""What a person answers to a budget's trip: raised, there is room; without room, going on would only stop again"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from audit.errors import Conflict
from people.models import Person

from ..models import Account, Trip
from ..rules.breakers.words import amount
from ..rules.budgets import PERIODS
from . import budget as budgets


@dataclass(frozen=True)
class Room:
    """How the account that a trip found full stands now."""

    account: Account
    limit: Decimal
    """With what was granted for this period."""
    asked: Decimal
    """What the action wanted that found no room."""
    is_over: bool
    """The period has ended: the next one has its own account, and nothing of this one matters."""

    @property
    def used(self) -> Decimal:
        return self.account.reserved + self.account.spent

    @property
    def left(self) -> Decimal:
        return max(self.limit - self.used, Decimal(0))

    @property
    def fits(self) -> bool:
        """What was asked for would be let through now."""
        return self.is_over or (self.used < self.limit and self.used + self.asked <= self.limit)

    @property
    def is_used_up(self) -> bool:
        return not self.is_over and self.used >= self.limit

    @property
    def ways(self) -> str:
        """What makes room."""
        found = ["raise the budget"]
        if self.account.unit == "usd":
            found.append("void or re-price what was counted wrongly")
        if self.account.ends_at is not None:
            found.append("wait for the next period")
        said = ", ".join(found[:-1]) + (", or " if len(found) > 1 else "") + found[-1]
        return f"{said[0].upper()}{said[1:]}."

    @property
    def sentence(self) -> str:
        """How it stands: `“Day” has $4.00 of $50.00 left today.`"""
        budget = self.account.budget
        if self.is_over:
            return f"The period of “{budget.name}” is over; a new one has begun."
        said = f"{amount(self.left, budget.unit)} of {amount(self.limit, budget.unit)}"
        return f"“{budget.name}” has {said} left for {PERIODS[budget.period]}."


def room_of(trip: Trip, now: datetime | None = None) -> Room | None:
    """How the account of a budget's trip stands; None when the budget was removed, or no budget did it."""
    judged = trip.evidence.get("judged", {})
    if trip.budget_id is None or "budget" not in judged:
        return None
    account = (
        Account.objects.select_related("budget").filter(pk=judged["budget"]["account"]).first()
    )
    if account is None:
        return None
    event = judged["event"]
    asked = event["tokens"] if account.unit == "tokens" else event["cost_usd"]
    now = now or timezone.now()
    return Room(
        account,
        account.budget.limit + account.raised,
        Decimal(asked),
        account.ends_at is not None and account.ends_at <= now,
    )


def make(trip: Trip, *, by: Person, limit: Decimal | None, extra: Decimal | None) -> None:
    """Raise the budget that stopped it: for good (`limit`), or for this period by so much (`extra`)."""
    found = room_of(trip)
    if found is None or (limit is None and extra is None):
        return
    why = f"After a stop: {trip.reason}"
    if limit is not None:
        budgets.raise_for_good(found.account.budget, limit, by=by, why=why)
    elif extra is not None:
        budgets.raise_for_now(found.account, found.limit + extra, by=by, why=why)


def check(trip: Trip, *, changed: bool = False) -> None:
    """Raise Conflict (`no_room`) where going on would stop again at once.

    With `changed` the agent was told to do something else: any room will do, else it takes what it asked for.
    """
    found = room_of(trip)
    if found is None or (found.fits if not changed else not found.is_used_up):
        return
    wanted = amount(found.asked, found.account.unit)
    raise Conflict(
        f"There is no room: {found.sentence} It wants {wanted} and would stop again at once. {found.ways}",
        code="no_room",
    )
