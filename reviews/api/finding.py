"""Which holds a list of the operators' API shows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.models import Agent
from audit.constants import Constant
from people.models import Person, Team
from people.seats import Seat, seats

from ..models import Hold, Queue, Vote
from . import told
from .shapes import Filters

NOBODY = Q(pk__in=[])


def found(person: Person, wanted: Filters) -> list[Hold]:
    """The page that was asked for and one more, the newest first."""
    holds = told.rows(person)
    if wanted.state != "any":
        holds = holds.filter(state=Constant(wanted.state))
    if wanted.kind:
        holds = holds.filter(kind=Constant(wanted.kind))
    holds = holds.filter(_places(person, wanted))
    if wanted.mine:
        holds = holds.filter(claimed_by=person, claimed_until__gt=timezone.now())
    if wanted.assigned:
        holds = _assigned(holds, person)
    if wanted.after:
        holds = holds.filter(id__lt=wanted.after)
    return list(holds.order_by("-id")[: wanted.limit + 1])


def _places(person: Person, wanted: Filters) -> Q:
    """Whose holds, by name or id. What this person may not see is as if it were not there."""
    places = Q()
    if wanted.queue:
        queues = Queue.objects.visible_to(person).filter(_named(wanted.queue))
        places &= _any("queue", queues.values_list("pk", flat=True))
    if wanted.agent:
        agents = Agent.objects.visible_to(person).filter(_named(wanted.agent))
        places &= _any("agent", agents.values_list("pk", flat=True))
    if wanted.team:
        teams = Team.objects.filter(_named(wanted.team)).values_list("pk", flat=True)
        places &= _any("team", [team for team in teams if person.sees(team)])
    return places


def _named(text: str) -> Q:
    try:
        return Q(name=text) | Q(pk=UUID(text))
    except ValueError:
        return Q(name=text)


def _any(column: str, ids: Iterable[UUID]) -> Q:
    # Written into the statement: see audit/constants.py.
    return reduce(or_, [Q(**{column: Constant(pk)}) for pk in ids], NOBODY)


def _assigned(holds: QuerySet[Hold], person: Person) -> QuerySet[Hold]:
    """What waits for an answer that this person could give, in a seat of theirs, and did not give yet."""
    mine = reduce(or_, map(_of_seat, seats(person, timezone.now())), NOBODY)
    voted = Vote.objects.filter(hold=OuterRef("pk"), person=person).standing()
    return holds.filter(mine).exclude(Exists(voted))


def _of_seat(seat: Seat) -> Q:
    needed = "action__requirement"
    anyone = Q(**{f"{needed}__isnull": True}) | Q(
        **{f"{needed}__people": [], f"{needed}__groups": []}
    )
    named = Q(**{f"{needed}__people__contains": [seat.name]})
    for team, group in seat.groups:
        named |= Q(team=team, **{f"{needed}__groups__contains": [group]})
    decided = [team for team in seat.roles if team is not None and seat.decides_for(team)]
    everywhere = None in seat.roles and seat.decides_for(UUID(int=0))
    return (anyone | named) & (Q() if everywhere else Q(team__in=decided))
