"""Seats: whose right a person may use now. Their own, and that of everybody who is out and named them.

A delegate decides what the giver may decide, in the giver's seat, and nothing more: not what the giver could not,
not in the seat of somebody who had delegated to the giver. Seeing is not delegated: who may not know of a
thing by a role of their own does not learn of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from .models import DECIDES, Person, Role
from .rules import permissions
from .rules.permissions import Permission

SEATS_JSON = "(select json_agg(s) from people_seats({person}, {at}) s)::text"
"""To read seats in the same row as something else: `SEATS_JSON.format(person="%s", at="now()")`, then `parsed`."""


@dataclass(frozen=True)
class Seat:
    """One person's right to decide."""

    id: UUID
    name: str
    roles: dict[UUID | None, Role]
    groups: frozenset[tuple[UUID, str]]

    def decides_for(self, team_id: UUID) -> bool:
        return any(self.roles.get(team) in DECIDES for team in (None, team_id))

    def may(self, permission: Permission, team_id: UUID) -> bool:
        """As `Person.may`, by the roles of this seat."""
        places = (None,) if permission in permissions.EVERYWHERE else (None, team_id)
        return permissions.may(permission, {self.roles[t] for t in places if t in self.roles})

    def sees(self, team_id: UUID) -> bool:
        return None in self.roles or team_id in self.roles

    def is_in(self, team_id: UUID, groups: Collection[str]) -> bool:
        """A member of any of these groups of the team."""
        return any((team_id, name) in self.groups for name in groups)


def seats(person: Person, now: datetime) -> tuple[Seat, ...]:
    """The person's own seat first, then those of whom they stand in for. One query."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {SEATS_JSON.format(person='%s', at='%s')}", [person.pk, now])
        (text,) = cursor.fetchone()
    return parsed(text, of=person.pk)


def parsed(text: str | None, *, of: UUID) -> tuple[Seat, ...]:
    """Seats from the column `SEATS_JSON` gives."""
    found = [
        Seat(
            id=UUID(seat["id"]),
            name=seat["name"],
            roles={UUID(t) if t else None: Role(role) for t, role in seat["roles"]},
            groups=frozenset((UUID(team), name) for team, name in seat["groups"]),
        )
        for seat in json.loads(text or "[]")
    ]
    return tuple(sorted(found, key=lambda seat: (seat.id != of, seat.name)))


def seats_of(person: Person, now: datetime) -> frozenset[UUID]:
    """Whose seats these are."""
    return frozenset(seat.id for seat in seats(person, now))
