"""What a person may say yes to: the same as `reviews.transitions.seating` asks of one hold, for a list of them."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, QuerySet

from people.models import DECIDES, Person
from people.seats import Seat, seats
from reviews.models import Hold, Vote

NEEDED = "action__requirement"


def by(holds: QuerySet[Hold], person: Person, *, now: datetime) -> QuerySet[Hold]:
    """Holds that wait for this very person: theirs to decide, and not voted for by them yet."""
    seated = [_in_seat(seat) for seat in seats(person, now)]
    mine = Vote.objects.filter(hold=OuterRef("pk"), person=person, dismissed_at=None)
    found = holds.filter(reduce(or_, seated)) if seated else holds.none()
    return found.exclude(_for(person.name, person.email)).exclude(Exists(mine))


def _in_seat(seat: Seat) -> Q:
    """Anybody who decides for the team, or the persons and groups a rule names; not what was asked for them."""
    anyone = (
        Q(action=None)
        | Q(**{f"{NEEDED}__isnull": True})
        | Q(**{f"{NEEDED}__groups": [], f"{NEEDED}__people": []})
    )
    named = Q(**{f"{NEEDED}__people__contains": [seat.name]})
    groups: defaultdict[object, list[str]] = defaultdict(list)
    for team, name in seat.groups:
        groups[team].append(name)
    grouped = [
        Q(team=team, **{f"{NEEDED}__groups__has_any_keys": names}) for team, names in groups.items()
    ]
    teams = Q() if seat.roles.get(None) in DECIDES else Q(team__in=_decides_for(seat))
    return teams & reduce(or_, grouped, anyone | named) & ~_for(seat.name)


def _decides_for(seat: Seat) -> list[object]:
    return [team for team, role in seat.roles.items() if team and role in DECIDES]


def _for(*names: str) -> Q:
    """Asked on behalf of one of these names."""
    spelt = [text for name in names if name for text in (name, f"person:{name}")]
    return reduce(or_, (Q(action__on_behalf_of__iexact=text) for text in spelt))
