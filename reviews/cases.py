"""A case: one request, one piece of work or one stop, with everything that belongs to it.

Whoever tells, exports or keeps a case asks here what is part of it, so that all of them mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from agents.models import Action, Trip
from agents.models.visible import VisibleQuerySet
from audit.models import Entry, Line
from people.models import Person

from .models import Hold
from .models.alert import Occurrence

MOST_VERSIONS = 20
"""Of one request that was asked about again and again."""
MOST_ENTRIES = 1_000
AROUND = timedelta(minutes=1)
"""A stop is written down by several verbs, about the agent, its runs and its breaker."""


@dataclass(frozen=True)
class Case:
    """`versions` are all of a request's, the oldest first; `action` is the one that was asked for."""

    pk: UUID
    hold: Hold | None = None
    action: Action | None = None
    trip: Trip | None = None
    versions: list[Action] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    @property
    def team_id(self) -> UUID:
        return self.hold.team_id if self.hold else self._action.agent.team_id

    @property
    def _action(self) -> Action:
        assert self.action is not None
        return self.action

    @property
    def names(self) -> list[str]:
        """Everything that belongs to it, as lines name what they are about."""
        found = [action.record_name for action in self.versions]
        found += [hold.record_name for hold in self.holds]
        if self.trip:
            found.append(f"agents.trip:{self.trip.pk}")
        return [*found, *(f"reviews.alert:{pk}" for pk in self._own_alerts())]

    def _own_alerts(self) -> list[UUID]:
        """Those that tell of nothing else: one that groups several cases belongs to none of them."""
        holds = [hold.pk for hold in self.holds]
        told = Occurrence.objects.filter(hold__in=holds).values("alert")
        others = Occurrence.objects.filter(alert__in=told).exclude(hold__in=holds)
        mine = Occurrence.objects.filter(hold__in=holds).exclude(alert__in=others.values("alert"))
        return list(mine.order_by("alert_id").values_list("alert_id", flat=True).distinct())

    def lines(self) -> QuerySet[Line]:
        """What was written down about it, the oldest first."""
        of_it = Line.objects.filter(about__in=self.names)
        if self.trip:
            of_it = Line.objects.filter(
                Q(about__in=self.names) | Q(pk__in=self._of_stop(self.trip))
            )
        return of_it.order_by("pk")

    def _of_stop(self, trip: Trip) -> list[int]:
        """What was paused and let go again, and the breaker that opened: entries that name this stop."""
        owners = [f"agent:{trip.agent_id}", f"agents.run:{trip.run_id}"]
        owners.append(f"agents.breaker:{trip.breaker_id}")
        found = Entry.objects.filter(
            about__in=owners, at__gte=trip.opened_at - AROUND, data__trip=str(trip.pk)
        )
        if trip.ended_at:
            found = found.filter(at__lte=trip.ended_at + AROUND)
        return list(found.values_list("pk", flat=True)[:MOST_ENTRIES])


def find(pk: UUID, person: Person) -> Case | None:
    """The case of a hold or of an action, for those who may see it."""
    hold = _whole(Hold.objects.visible_to(person)).filter(pk=pk).first()
    if hold is None:
        hold = _whole(Hold.objects.visible_to(person)).filter(action=pk).order_by("id").first()
    if hold is not None and (hold.action_id is None or hold.trip_id):
        return Case(pk, hold, hold.action, hold.trip, [hold.action] if hold.action else [], [hold])
    action = hold.action if hold else _action(pk, person)
    if action is None:
        return None
    versions = _versions(action)
    holds = list(Hold.objects.visible_to(person).filter(action__in=versions).order_by("id"))
    return Case(pk, hold, action, None, versions, holds)


def _whole(holds: VisibleQuerySet[Hold]) -> VisibleQuerySet[Hold]:
    return holds.select_related(
        "agent", "team", "queue", "run", "action__agent", "action__run", "trip__breaker"
    )


def _action(pk: UUID, person: Person) -> Action | None:
    found = Action.objects.visible_to(person).select_related("agent__team", "run")
    return found.filter(pk=pk).first()


def _versions(action: Action) -> list[Action]:
    """The requests before it that somebody asked about, and those that came after."""
    found = [action]
    while len(found) < MOST_VERSIONS and found[0].revises_id:
        before = Action.objects.filter(pk=found[0].revises_id).first()
        if before is None:
            break
        found.insert(0, before)
    while len(found) < MOST_VERSIONS:
        after = Action.objects.filter(revises=found[-1].pk).first()
        if after is None:
            break
        found.append(after)
    return found
