"""Adding people and giving them a role."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from audit.errors import Conflict
from audit.record import record

from ..models import Membership, Person, Role, Team


@transaction.atomic
def create(
    name: str, *, role: Role, team: Team | None = None, password: str | None = None, by: str
) -> Person:
    """Add a person with one role, in `team` or in every team. Without a password nobody can sign in."""
    person = Person.objects.create_person(name, password)
    record("person.added", actor=by, about=person, summary=name, data={"name": name})
    join(person, role=role, team=team, by=by)
    return person


@transaction.atomic
def join(person: Person, *, role: Role, team: Team | None = None, by: str) -> Membership:
    """Give a person a role in `team` (or in every team), replacing the one they had there."""
    known = Membership.objects.select_for_update().filter(person=person, team=team).first()
    membership, _ = Membership.objects.update_or_create(
        person=person, team=team, defaults={"role": role}
    )
    place = team.name if team else "every team"
    record(
        "person.joined",
        actor=by,
        about=person,
        summary=f"{person} became {Role(role).label.lower()} of {place}",
        data={"role": str(role), "team": str(team.pk) if team else None},
        before={"role": known.role} if known else None,
        after={"role": str(role)},
    )
    return membership


@transaction.atomic
def switch_off(person: Person, *, by: str) -> Person:
    """They are gone: nothing lets them in any more, and what they decided stays theirs. Raises Conflict."""
    person = switched(person, to=False)
    was, now = {"is_active": True}, {"is_active": False}
    record("person.switched_off", actor=by, about=person, before=was, after=now)
    return person


@transaction.atomic
def switch_on(person: Person, *, by: str) -> Person:
    """They may come in again, as they were. Raises Conflict."""
    person = switched(person, to=True)
    was, now = {"is_active": False}, {"is_active": True}
    record("person.switched_on", actor=by, about=person, before=was, after=now)
    return person


def switched(person: Person, *, to: bool) -> Person:
    person = Person.objects.select_for_update().get(pk=person.pk)
    if person.is_active is to:
        raise Conflict(f"{person} is switched {'on' if to else 'off'} already.")
    person.is_active = to
    person.save(update_fields=["is_active"])
    return person


@transaction.atomic
def set_time_zone(person: Person, zone: str, *, by: Person) -> Person:
    """In which zone times are shown to them."""
    person = Person.objects.select_for_update().get(pk=person.pk)
    before = person.time_zone
    if zone == before:
        return person
    person.time_zone = zone
    person.save(update_fields=["time_zone"])
    record(
        "person.changed",
        actor=by,
        about=person,
        summary=f"Times are shown in {zone}.",
        before={"time_zone": before},
        after={"time_zone": zone},
    )
    return person


@transaction.atomic
def link(person: Person, make: Callable[[Person], str], *, by: str) -> str:
    """The link with which they choose a password, once. Whoever has it is them."""
    record("link.made", actor=by, about=person)
    return make(person)


@transaction.atomic
def choose_password(person: Person, save: Callable[[], object], *, how: str) -> None:
    """Their own choice; `save` keeps it. What it is stands nowhere."""
    save()
    record("person.password_changed", actor=person, about=person, data={"how": how})
