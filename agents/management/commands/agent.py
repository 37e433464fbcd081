"""`manage.py agent create|key|revoke|list|provisioner|…`: agents and their keys, for scripts and strangers."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from agents.management import provisioners
from agents.models import Agent, AgentKey
from agents.models.agent import PRODUCTION
from agents.rules.policy import shorthand
from agents.transitions import agent as agents
from audit.errors import Refused
from people.management.commands.person import visible
from people.transitions import team as teams

BY = "command"
GATE = re.compile(r"(?P<tool>[^:\s]+)(?::(?P<argument>[^>\s]+)>(?P<over>[0-9]+(?:[.][0-9]+)?))?")


class Command(BaseCommand):
    help = "Register agents, issue and revoke their keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="register an agent; prints its key once")
        create.add_argument("name")
        create.add_argument("--team", default="main", help="made when it does not exist")
        create.add_argument(
            "--tool",
            action="append",
            dest="tools",
            help="a tool it may use (repeat); without any it may use every tool",
        )
        create.add_argument(
            "--approve",
            action="append",
            default=[],
            metavar="TOOL[:ARGUMENT>LIMIT]",
            help="a tool that needs a person, always or over a limit (repeat)",
        )
        create.add_argument(
            "--environment", default=PRODUCTION, help="where it acts; policies may depend on it"
        )
        create.add_argument("--json", action="store_true")
        for verb, words in (
            ("key", "issue another key; prints it once"),
            ("revoke", "revoke a key by its prefix"),
            ("environment", "say where it acts; policies may depend on it"),
        ):
            command = verbs.add_parser(verb, help=words)
            command.add_argument("name")
            command.add_argument("--team", default="main")
            command.add_argument("--json", action="store_true")
            if verb == "revoke":
                command.add_argument("prefix")
            if verb == "environment":
                command.add_argument("environment")
        listing = verbs.add_parser("list", help="all agents")
        listing.add_argument("--json", action="store_true")
        provisioners.add_arguments(verbs)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told, words = getattr(self, options["verb"].replace("-", "_"))(**options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(json.dumps(told) if options["json"] else words)

    @transaction.atomic
    def create(self, *, name: str, team: str, **options: Any) -> tuple[Any, str]:
        name, team = visible(name), visible(team, what="A team's name")
        where = visible(
            options["environment"], what="An environment's name", longest=agents.LONGEST_ENVIRONMENT
        )
        owner = teams.named(team, by=BY)
        agent, key = agents.create(
            name,
            team=owner,
            by=BY,
            tools=options["tools"],
            rules=[rule_of(text) for text in options["approve"]],
            environment=where,
        )
        document = agent.policy.document
        told = {
            "id": str(agent.pk),
            "name": name,
            "team": team,
            "environment": agent.environment,
            "key": key,
            "tools": document["tools"],
            "rules": document["rules"],
        }
        tools = "any tool" if "*" in document["tools"] else ", ".join(document["tools"])
        return told, f"{name} of {team} may use {tools}.\nIts key, shown only now: {key}"

    @transaction.atomic
    def key(self, *, name: str, team: str, **_: Any) -> tuple[Any, str]:
        agent = found(name, team)
        key, secret = agents.issue_key(agent, by=BY)
        return {"id": str(key.pk), "key": secret}, f"Its key, shown only now: {secret}"

    @transaction.atomic
    def revoke(self, *, name: str, team: str, prefix: str, **_: Any) -> tuple[Any, str]:
        keys = list(AgentKey.objects.filter(agent=found(name, team), prefix=prefix[:9]).working())
        if len(keys) != 1:
            raise CommandError(f"{len(keys)} working keys of {name} begin with {prefix}.")
        agents.withdraw_key(keys[0], by=BY)
        return {"revoked": str(keys[0].pk)}, f"{keys[0]} is revoked."

    @transaction.atomic
    def environment(self, *, name: str, team: str, environment: str, **_: Any) -> tuple[Any, str]:
        agent = agents.move(found(name, team), to=environment, by=BY)
        told = {"id": str(agent.pk), "environment": agent.environment}
        return told, f"{agent} acts in {agent.environment}."

    def list(self, **_: Any) -> tuple[Any, str]:
        rows = Agent.objects.select_related("team").order_by("team__name", "name")
        told = [
            {"id": str(a.pk), "name": a.name, "team": a.team.name, "state": a.state} for a in rows
        ]
        lines = [f"{row['team']}/{row['name']}: {row['state']}" for row in told]
        return told, "\n".join(lines) or "No agents yet: manage.py agent create NAME"

    provisioner = staticmethod(provisioners.provisioner)
    revoke_provisioner = staticmethod(provisioners.revoke)


def rule_of(text: str) -> dict[str, Any]:
    """`TOOL` or `TOOL:ARGUMENT>LIMIT` as a rule: what cannot be read as a number needs a person, too."""
    gate = GATE.fullmatch(text)
    if gate is None:
        raise CommandError(f"{text} is no gate: write TOOL or 'TOOL:ARGUMENT>LIMIT'.")
    if gate["argument"] is None:
        return shorthand.always(gate["tool"])
    return shorthand.over(gate["tool"], gate["argument"], gate["over"])


def found(name: str, team: str) -> Agent:
    agent = Agent.objects.filter(name=name, team__name=team).first()
    if agent is None:
        known = ", ".join(Agent.objects.filter(team__name=team).values_list("name", flat=True))
        raise CommandError(f"{team} has no agent {name}. It has: {known or 'none'}.")
    return agent
