"""Adding people and giving them a role."""

from __future__ import annotations

from django.db import transaction

from audit.record import record

from ..models import Membership, Person, Role, Team


@transaction.atomic
def create(
    name: str, *, role: Role, team: Team | None = None, password: str | None = None, by: str
) -> Person:
    """Add a person with one role, in `team` or in every team. Without a password nobody can sign in."""
    person = Person.objects.create_person(name, password)
    join(person, role=role, team=team, by=by)
    return person


@transaction.atomic
def join(person: Person, *, role: Role, team: Team | None = None, by: str) -> Membership:
    """Give a person a role in `team` (or in every team), replacing the one they had there."""
    membership, _ = Membership.objects.update_or_create(
        person=person, team=team, defaults={"role": role}
    )
    place = team.name if team else "every team"
    record(
        "person.joined",
        actor=by,
        about=person,
        summary=f"{person} became {Role(role).label.lower()} of {place}",
        data={"role": role, "team": str(team.pk) if team else None},
    )
    return membership
