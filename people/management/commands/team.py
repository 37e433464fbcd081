"""`manage.py team list|group …`: teams and their groups, for scripts."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit.errors import Refused
from people.models import Group, Person, Team
from people.transitions import group as groups

from .person import person_of, team_of

BY = "command"


class Command(BaseCommand):
    help = "Teams, and the groups of people that policies name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|group")
        teams = verbs.add_parser("list", help="all teams")
        teams.add_argument("--json", action="store_true", help="answer as one line of JSON")
        group = verbs.add_parser("group", help="list, make and fill groups of a team")
        group.add_argument("team", metavar="TEAM")
        group.add_argument("what", choices=["list", "add", "remove", "delete"])
        group.add_argument("name", nargs="?", metavar="GROUP", help="made by the first add")
        group.add_argument("people", nargs="*", metavar="PERSON")
        group.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told, words = getattr(self, f"_{options['verb']}")(**options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(json.dumps(told) if options["json"] else words)

    def _list(self, **_: Any) -> tuple[Any, str]:
        names = list(Team.objects.values_list("name", flat=True))
        return names, "\n".join(names) or "No teams yet: the first comes with the first agent."

    @transaction.atomic
    def _group(
        self, *, team: str, what: str, name: str | None, people: list[str], **_: Any
    ) -> tuple[Any, str]:
        owner = team_of(team)
        assert owner is not None
        if what == "list":
            return listed(owner)
        if name is None:
            raise CommandError("Name the group.")
        if what == "delete":
            groups.delete(found(owner, name), by=BY)
            return {"deleted": name}, f"{name} of {owner} is gone."
        if not people:
            raise CommandError("Name the people.")
        if what == "add":
            group = Group.objects.filter(team=owner, name=name).first() or groups.create(
                owner, name, by=BY
            )
        else:
            group = found(owner, name)
        change = groups.add if what == "add" else groups.remove
        for person in [person_of(text) for text in people]:
            change(group, person, by=BY)
        members = names_of(group)
        return told(group, members), line(group, members)


def listed(team: Team) -> tuple[Any, str]:
    rows = [(group, names_of(group)) for group in Group.objects.filter(team=team)]
    lines = "\n".join(line(group, members) for group, members in rows)
    return [told(group, members) for group, members in rows], lines or f"{team} has no groups yet."


def names_of(group: Group) -> list[str]:
    return list(Person.objects.filter(approval_groups=group).values_list("name", flat=True))


def told(group: Group, members: list[str]) -> dict[str, Any]:
    return {"id": str(group.pk), "name": group.name, "members": members}


def line(group: Group, members: list[str]) -> str:
    return f"{group}: {', '.join(members) or 'nobody'}"


def found(team: Team, name: str) -> Group:
    group = Group.objects.filter(team=team, name=name).first()
    if group is None:
        known = ", ".join(Group.objects.filter(team=team).values_list("name", flat=True))
        raise CommandError(f"{team} has no group {name}. It has: {known or 'none'}.")
    return group
