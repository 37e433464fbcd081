"""The form that raises the budget which stopped an agent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from agents.models import Trip
from agents.transitions.room import Room, room_of
from audit.errors import Invalid

from .budgets import limit_typed


def raised_for_good(form: Mapping[str, str], hold: UUID) -> Decimal | None:
    """The new limit, where one was typed that shall stay. Raises Invalid."""
    if form.get("raise_for") != "good":
        return None
    return limit_typed({"limit": form.get("raise_to", "")}, of_hold(hold).account.budget)


def raised_for_now(form: Mapping[str, str], hold: UUID) -> Decimal | None:
    """How much more than now, where a limit was typed for this period only. Raises Invalid."""
    if form.get("raise_for") != "now":
        return None
    room = of_hold(hold)
    typed = limit_typed({"limit": form.get("raise_to", "")}, room.account.budget)
    if typed <= room.limit:
        raise Invalid("A raise needs more than it is now.")
    return typed - room.limit


def of_hold(hold: UUID) -> Room:
    trip = Trip.objects.filter(hold=hold).first()
    room = room_of(trip) if trip else None
    if room is None:
        raise Invalid("There is no budget to raise any more: resume it.")
    return room
