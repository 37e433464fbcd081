"""`manage.py policy show|diff|apply|history`: policies as a file, for those who keep them beside their code."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from agents.models import Agent, Policy
from agents.rules.policy.difference import Difference, difference
from agents.rules.policy.yaml import Written, dump, load
from agents.transitions import policy as policies
from agents.transitions.documenting import in_force, to_compare
from agents.transitions.policy_checks import checked
from agents.trials import trials
from audit.errors import Invalid, Refused
from people.models import Person, Team

BY = "command"
NEWEST = 50


class Planned(NamedTuple):
    policy: Policy
    written: Written
    document: dict[str, Any]
    difference: Difference


class Command(BaseCommand):
    help = "Show policies as YAML, compare a file with what is in force, and put a file in force."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        show = verbs.add_parser("show", help="what is in force, as a file")
        show.add_argument(
            "--all",
            action="store_true",
            help="also what is set and stands in no version yet: from before documents had breakers",
        )
        diff = verbs.add_parser("diff", help="what a file would change; exits 1 when it would")
        apply = verbs.add_parser("apply", help="put a file in force: all of it, or nothing")
        history = verbs.add_parser("history", help="who saved which version, when and why")
        for command in (show, history):
            command.add_argument("--team")
            command.add_argument("--agent", help="of the team; without it, all of the team's")
        for command in (diff, apply):
            command.add_argument("file", help="YAML; - reads standard input")
        apply.add_argument("--why", default="", help="what people read beside the version")
        apply.add_argument("--by", help="the person whose change it is; checked like theirs")
        apply.add_argument(
            "--dry-run",
            action="store_true",
            help="change nothing: say what would change, and what it would have done last week",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(**options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        except PermissionDenied as refusal:
            raise CommandError(str(refusal)) from refusal

    def show(self, *, team: str | None, agent: str | None, **more: Any) -> None:
        found = [p for p in chosen(team, agent) if p.current]
        self.stdout.write(
            dump(Written(*owner(p), in_force(p) if more["all"] else p.document) for p in found),
            ending="",
        )

    def diff(self, *, file: str, **_: Any) -> None:
        """Nothing is changed: policies that do not exist yet are made, looked at and taken back."""
        with transaction.atomic():
            changes = [p for p in planned(read(file)) if p.difference or p.policy.current is None]
            transaction.set_rollback(True)
        for change in changes:
            self.tell(change)
        if changes:
            sys.exit(1)
        self.stdout.write("Nothing differs.")

    def apply(
        self, *, file: str, why: str, by: str | None, dry_run: bool = False, **_: Any
    ) -> None:
        with transaction.atomic():
            written = read(file)
            past = (
                [line for change in planned(written) for line in rehearsed(change)]
                if dry_run
                else []
            )
            self.put_in_force(written, file=file, why=why, by=by)
            transaction.set_rollback(dry_run)
        for line in past:
            self.stdout.write(line)
        if dry_run:
            self.stdout.write("Nothing was changed.")

    def put_in_force(
        self, written: tuple[Written, ...], *, file: str, why: str, by: str | None
    ) -> None:
        """All or nothing. A policy that stays as it is gets no version, so applying twice is harmless."""
        author = person(by) if by else BY
        why = why.strip() or f"Applied from {'standard input' if file == '-' else Path(file).name}."
        for change in planned(written):
            if change.policy.current and not change.difference:
                self.stdout.write(f"{change.written.owner}: unchanged")
                continue
            try:
                version = policies.save(change.policy, change.document, by=author, why=why)
            except Invalid as error:
                raise Invalid(f"Policy of {change.written.owner}: {error.detail}") from error
            self.tell(change)
            self.stdout.write(f"{change.written.owner}: version {version.number}")

    def history(self, *, team: str | None, agent: str | None, **_: Any) -> None:
        for policy in chosen(team, agent):
            written = Written(*owner(policy), {})
            for version in policy.versions.order_by("-number")[:NEWEST]:
                when = f"{version.created_at:%Y-%m-%d %H:%M}"
                who = version.author.removeprefix("person:")
                self.stdout.write(f"{written.owner} {version.number} {when} {who}: {version.why}")

    def tell(self, change: Planned) -> None:
        self.stdout.write(f"{change.written.owner}:")
        for line in change.difference.lines():
            self.stdout.write(f"  {line}")


def chosen(team: str | None, agent: str | None) -> list[Policy]:
    found = Policy.objects.select_related("team", "agent", "current")
    if agent and not team:
        raise CommandError("Say of which team: --team T --agent A.")
    if team:
        found = found.filter(team=team_named(team))
    if agent and team:
        found = found.filter(agent=agent_named(team_named(team), agent))
    return sorted(found, key=owner)


def owner(policy: Policy) -> tuple[str, str]:
    return policy.team.name, policy.agent.name if policy.agent else ""


def read(file: str) -> tuple[Written, ...]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}.") from error
    return load(text)


def planned(written: tuple[Written, ...]) -> list[Planned]:
    """Each policy of a file beside what is in force, checked. Inside a transaction."""
    return [plan(one) for one in written]


def plan(written: Written) -> Planned:
    team = team_named(written.team)
    if written.agent:
        policy = policies.of_agent(agent_named(team, written.agent))
    else:
        policy = policies.of_team(team)
    try:
        document = checked(policy, written.document)
    except Invalid as error:
        raise Invalid(f"Policy of {written.owner}: {error.detail}") from error
    before = to_compare(policy, document) if policy.current else {}
    return Planned(policy, written, document, difference(before, document))


def rehearsed(change: Planned) -> Iterator[str]:
    """What the breakers and budgets that differ would have done in the last seven days."""
    found = trials(change.policy, in_force(change.policy), change.document, now=timezone.now())
    for one in found.tried:
        now = f", {len(one.before.trips)} as it is now" if one.before else ""
        yield f"{change.written.owner}: {one.section}: {one.name}"
        yield (
            f"    last 7 days: would have tripped {len(one.would.trips)} times{now}; would have saved "
            f"${one.would.saved_usd:,.2f} in {one.would.saved_actions:,} actions"
        )
    if found.left_out:
        yield f"{change.written.owner}: {found.left_out} more settings were not tried"


def team_named(name: str) -> Team:
    team = Team.objects.filter(name=name).first()
    if team is None:
        known = ", ".join(Team.objects.values_list("name", flat=True)[:20])
        raise Invalid(f"There is no team “{name}”. There are: {known or 'none'}.")
    return team


def agent_named(team: Team, name: str) -> Agent:
    agent = Agent.objects.filter(team=team, name=name).first()
    if agent is None:
        known = ", ".join(Agent.objects.filter(team=team).values_list("name", flat=True)[:20])
        raise Invalid(f"{team} has no agent “{name}”. It has: {known or 'none'}.")
    return agent


def person(name: str) -> Person:
    found = Person.objects.filter(name=name, is_active=True).first()
    if found is None:
        raise Invalid(f"There is no person “{name}” who can sign in.")
    return found
