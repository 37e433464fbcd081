"""How the budget that stopped an agent stands now, for the page that asks what now."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django import template
from django.db.models import Q

from agents.models import Price, Trip
from agents.rules.breakers.words import amount
from agents.transitions.price import anew
from agents.transitions.room import Room, room_of
from dashboard.pages.budgets import Bar

register = template.Library()

MOST = 5


@dataclass(frozen=True)
class Standing:
    """The account that had no room, then and now."""

    room: Room
    then: Decimal
    corrected: list[str]
    """Prices that were corrected since, as sentences."""

    @property
    def bar(self) -> Bar:
        return Bar(self.room.account.budget, self.room.account, None)

    @property
    def was(self) -> str:
        return amount(self.then, self.room.account.unit)

    @property
    def now(self) -> str:
        return amount(self.room.used, self.room.account.unit)

    @property
    def wanted(self) -> str:
        return amount(self.room.asked, self.room.account.unit)

    @property
    def has_sunk(self) -> bool:
        return self.room.used < self.then

    @property
    def proposed(self) -> str:
        """A raise with room for what it asked, and as much again."""
        room = self.room
        return f"{(room.used + max(room.asked * 2, room.limit)).normalize():f}"


@register.simple_tag
def room(trip: Trip | None) -> Standing | None:
    """None where no budget stopped it, or the budget is gone."""
    found = room_of(trip) if trip is not None else None
    if trip is None or found is None:
        return None
    judged = trip.evidence["judged"]["budget"]
    then = Decimal(judged["reserved"]) + Decimal(judged["spent"])
    return Standing(found, then, corrections_since(trip) if found.account.unit == "usd" else [])


def corrections_since(trip: Trip) -> list[str]:
    """`gpt-x*: 3 actions priced anew, −$297.00`, the newest first."""
    prices = Price.objects.filter(
        Q(team=None) | Q(team=trip.agent.team_id),
        created_at__gte=trip.opened_at,
        repricing__changed__gt=0,
    )
    return [
        f"{one.name}: {anew(one.repricing)}"
        for one in prices.select_related("repricing").order_by("-pk")[:MOST]
    ]
