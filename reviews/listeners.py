"""What the agents' app says, and what the reviews' app does about it, in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from agents import signals
from agents.models import Action, Trip
from audit.record import Recordable

from .transitions import opening


@receiver(signals.action_held)
def hold_action(action: Action, queue: str, **_: Any) -> None:
    opening.open_approval(action, queue=queue)


@receiver(signals.action_closed)
def cancel_holds(actions: list[Action], reason: str, by: Recordable | str, **_: Any) -> None:
    opening.cancel_for(actions, reason=reason, by=by)


@receiver(signals.action_lost)
def ask_about_outcome(action: Action, **_: Any) -> None:
    opening.open_unknown(action)


@receiver(signals.action_found)
def outcome_came(action: Action, **_: Any) -> None:
    opening.cancel_for([action], reason="The agent told how it ended.", by=action.agent)


@receiver(signals.agent_stopped)
def ask_what_now(trip: Trip, **_: Any) -> None:
    opening.open_trip(trip)


@receiver(signals.agents_stopped)
def ask_of_each(trips: list[Trip], **_: Any) -> None:
    opening.open_trips(trips)


@receiver(signals.agent_started)
def move_on(trip: Trip, at: datetime, **_: Any) -> None:
    opening.thaw(trip, at)
    opening.cancel_trip(trip)
