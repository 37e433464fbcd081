"""An agent is stopped at a hot door: the question to people and its alert, written with the stop in one trip"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from agents.models import Trip
from agents.transitions import halting
from agents.transitions.halting import Asked
from audit.columns import instance
from audit.written import Statement, insertion

from .alerting.listeners import about
from .models import Queue
from .transitions import alert, opening
from .transitions.telling import alert_topics, hint

TRIP = "trip"


class AtOnce:
    """What `listeners.ask_what_now` does, where the queue is known and the alert is a new one."""

    def questions(self, *, agent: UUID, team: UUID, at: datetime) -> Sequence[Statement]:
        return [opening.naming(team), *alert.questions(TRIP, team, agent, at)]

    def asked(self, trip: Trip, rows: Sequence[Any]) -> Asked | None:
        queue, _lock, alike, standing = rows
        if queue is None or alike is not None:
            return None
        hold = opening.asking(trip, instance(Queue, queue))
        happening = about(hold, TRIP, hold.title, hold.reason)
        _, here = alert.answered(happening.matter, None, standing)
        if any(route.quiet for route in here.routes):  # whose team's hours would have to be read
            return None
        fired, firing, told_of, is_sent = alert.opened(happening, here, trip.opened_at)
        question = opening.opening_of(hold, actor=opening.who_stopped(trip), summary=trip.reason)
        return Asked(
            statements=[opening.freezing(trip), insertion(hold), *firing],
            notes=[question, told_of],
            topics=[*opening.hold_topics(hold), *alert_topics(fired)],
            afterwards=hint if is_sent else None,
        )


halting.ask_with(AtOnce())
