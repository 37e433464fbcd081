"""What happened around a stop: what was in flight, what its agent was told and did, and stops like it before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from agents.models import Action, ActionState, Directive, Run, Trip
from agents.models.run import DirectiveKind
from audit.ids import first_id
from audit.models import Entry
from audit.names import signed

from .measures import against
from .timeline import Line, lines, readable
from .trip_spent import of

SHOWN = 20
ALIKE_SHOWN = 6
ALIKE_COUNTED = 200
GROUP_SHOWN = 50
LOOKED_BACK = timedelta(days=1)
NEWEST = 2000
SLACK = timedelta(seconds=5)
NOT_DONE = (
    ActionState.DENIED,
    ActionState.HELD,
    ActionState.REJECTED,
    ActionState.EXPIRED,
    ActionState.CANCELLED,
)


@dataclass(frozen=True)
class Since:
    """Everything around a stop."""

    in_flight: list[Line]
    """What executed at that moment, and how each ended."""
    done: list[Line]
    """What was done although it was told to stop."""
    seen_at: datetime | None
    directives: list[Directive]
    alike: list[Alike]
    was_true: int
    was_false: int
    """Of the stops like it before, how many people called right and how many false."""
    group: list[Trip]
    """Other agents that the same deed stopped."""
    verdict: Verdict | None

    @property
    def alike_count(self) -> int:
        return len(self.alike)


@dataclass(frozen=True)
class Alike:
    """A stop like it before."""

    trip: Trip

    @property
    def reading(self) -> str:
        trip = self.trip
        if trip.value is None or trip.limit is None:
            return ""
        return against(trip.value, trip.limit, trip.condition, trip.unit)


@dataclass(frozen=True)
class Verdict:
    """What somebody said of it: a true trip, or a false one."""

    was_true: bool
    by: str
    at: datetime | None


def since(trip: Trip) -> Since:
    before = alike(trip)
    shown = before[:ALIKE_SHOWN]
    said = [one.was_true for one in before]
    return Since(
        in_flight=[] if trip.is_shadow else in_flight(trip),
        done=[] if trip.is_shadow else done_since(trip),
        seen_at=seen_at(trip),
        directives=directives(trip),
        alike=[Alike(one) for one in shown],
        was_true=said.count(True),
        was_false=said.count(False),
        group=group(trip),
        verdict=verdict(trip),
    )


def in_flight(trip: Trip) -> list[Line]:
    """Claimed before, and not settled yet then."""
    at = trip.opened_at
    near = Action.objects.filter(
        id__gte=first_id(at - LOOKED_BACK), id__lte=first_id(at + SLACK), **of(trip)
    )
    found = Action.objects.filter(pk__in=near.order_by("-id").values("pk")[:NEWEST]).filter(
        Q(settled_at=None) | Q(settled_at__gt=at), claimed_at__lte=at
    )
    return lines(readable(found).order_by("-id")[:SHOWN])


def done_since(trip: Trip) -> list[Line]:
    """Begun after the stop and before its answer: what an agent did that did not obey."""
    found = Action.objects.filter(
        id__gte=first_id(trip.opened_at - SLACK), created_at__gt=trip.opened_at, **of(trip)
    ).exclude(state__in=NOT_DONE)
    if trip.ended_at is not None:
        found = found.filter(created_at__lt=trip.ended_at, id__lte=first_id(trip.ended_at + SLACK))
    return lines(readable(found).order_by("id")[:SHOWN])


def seen_at(trip: Trip) -> datetime | None:
    """The last sign of life of what was paused."""
    if trip.run is not None:
        return trip.run.seen_at
    newest = Run.objects.filter(agent=trip.agent_id).order_by("-id")
    seen = newest.values_list("seen_at", flat=True)[:SHOWN]
    return max((at for at in seen if at is not None), default=None)


def directives(trip: Trip) -> list[Directive]:
    """What a person changed with their answer; each waits until the agent confirms it."""
    if trip.ended_at is None:
        return []
    found = Directive.objects.filter(
        agent=trip.agent_id,
        at__gte=trip.ended_at - SLACK,
        at__lte=trip.ended_at + SLACK,
    ).exclude(kind=DirectiveKind.REVIEW)
    if trip.run_id:
        found = found.filter(run=trip.run_id)
    return list(found.order_by("id")[:SHOWN])


def alike(trip: Trip) -> list[Trip]:
    """Stops of this agent before, by the same condition or budget; the newest first."""
    found = Trip.objects.filter(
        agent=trip.agent_id,
        pk__lt=trip.pk,
        condition=trip.condition,
        unit=trip.unit,
        is_shadow=trip.is_shadow,
        budget=trip.budget_id,
    )
    return list(found.defer("evidence").select_related("hold").order_by("-id")[:ALIKE_COUNTED])


def group(trip: Trip) -> list[Trip]:
    """The others of one deed, in the same team."""
    if trip.group is None:
        return []
    found = Trip.objects.filter(group=trip.group, agent__team=trip.agent.team_id)
    others = found.exclude(pk=trip.pk).defer("evidence").select_related("agent", "hold")
    return list(others.order_by("agent__name")[:GROUP_SHOWN])


def verdict(trip: Trip) -> Verdict | None:
    """Who said it, and when: afterwards, or with the answer."""
    if trip.was_true is None:
        return None
    entry = Entry.objects.about(trip.record_name).filter(kind="trip.judged").order_by("-id").first()
    if entry is not None:
        return Verdict(trip.was_true, signed(entry.actor), entry.at)
    hold = getattr(trip, "hold", None)
    if hold is None:
        return Verdict(trip.was_true, "", None)
    return Verdict(trip.was_true, hold.decided_by, hold.decided_at)
