"""Groups: made, renamed, joined, left, deleted"""

from __future__ import annotations

from django.db import IntegrityError, transaction

from audit.errors import Conflict, Invalid, NotFound
from audit.record import record

from ..models import Group, Person, Team
from ..signals import ask_leave
from .allowed import Doer, check_arranges, worded

LONGEST_NAME = 80


@transaction.atomic
def create(team: Team, name: str, *, by: Doer) -> Group:
    """A new group of this team, with nobody in it."""
    check_arranges(team, by)
    group = Group(team=team, name=worded(name, "A group's name", LONGEST_NAME))
    _save(group)
    record(
        "group.created",
        actor=by,
        about=group,
        summary=f"{group} of {team}",
        data={"group": group.name},
    )
    return group


@transaction.atomic
def rename(group: Group, name: str, *, by: Doer) -> Group:
    """Call it something else; refused while a policy names it."""
    group = lock(group, by=by)
    before, name = group.name, worded(name, "A group's name", LONGEST_NAME)
    if name == before:
        return group
    ask_leave(group)
    group.name = name
    _save(group)
    record(
        "group.renamed",
        actor=by,
        about=group,
        summary=f"{before} is now {name}",
        before={"name": before},
        after={"name": name},
    )
    return group


@transaction.atomic
def add(group: Group, person: Person, *, by: Doer) -> Group:
    """Let a person in who watches the team; twice is once."""
    group = lock(group, by=by)
    if not person.is_active:
        raise Invalid(f"{person} is switched off.")
    if not person.sees(group.team_id):
        raise Invalid(f"{person} has no role in {group.team}: give them one first.")
    if group.members.filter(pk=person.pk).exists():
        return group
    group.members.add(person)
    _tell("group.joined", group, person, by, f"{person} joined {group}")
    return group


@transaction.atomic
def remove(group: Group, person: Person, *, by: Doer) -> Group:
    """Take a person out; who is not in it is out already."""
    group = lock(group, by=by)
    if not group.members.filter(pk=person.pk).exists():
        return group
    group.members.remove(person)
    _tell("group.left", group, person, by, f"{person} left {group}")
    return group


@transaction.atomic
def delete(group: Group, *, by: Doer) -> None:
    """End it; refused while a policy names it."""
    group = lock(group, by=by)
    ask_leave(group)
    names = sorted(group.members.values_list("name", flat=True))
    data = {"group": group.name, "members": names}
    record("group.deleted", actor=by, about=group, summary=str(group), data=data)
    group.delete()


def lock(group: Group, *, by: Doer) -> Group:
    fresh = (
        Group.objects.select_for_update(of=("self",))
        .select_related("team")
        .filter(pk=group.pk)
        .first()
    )
    if fresh is None or not (isinstance(by, str) or by.sees(fresh.team_id)):
        raise NotFound("There is no such group.")
    check_arranges(fresh.team, by)
    return fresh


def _save(group: Group) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise Conflict(f"{group.team} has a group called {group.name} already.") from error


def _tell(kind: str, group: Group, person: Person, by: Doer, summary: str) -> None:
    data = {"person": person.name, "group": group.name}
    record(kind, actor=by, about=group, summary=summary, data=data)
