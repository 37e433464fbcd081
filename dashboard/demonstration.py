"""The demonstration floor: who watches it and which agents work there.

Passwords and keys are made here once and kept in `demo.json` in the data folder, readable by its owner alone.
A person or agent of the same name that this file does not know is somebody's own: it is left as it is.
"""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import transaction

from agents.models import Agent, AgentKey
from agents.rules.policy.shorthand import over
from agents.transitions import agent as agents
from dashboard.embedded.runtime import PROJECT, private_file
from people.models import Group, Membership, Person, Role, Team
from people.transitions import group as groups
from people.transitions import person as people
from people.transitions.team import named as named_team

BY = "demo"
EVERYWHERE = ""
EXAMPLES = PROJECT / "sdk" / "examples"

PEOPLE: dict[str, list[tuple[Role, str]]] = {
    "ada": [(Role.LEAD, "support"), (Role.LEAD, "trading")],
    "otto": [(Role.OPS, EVERYWHERE)],
    "iris": [(Role.AUDITOR, EVERYWHERE)],
    "bob": [(Role.VIEWER, "support")],
    "admin": [(Role.ADMIN, EVERYWHERE)],
}


LEADS = "trading-leads"
NOTIONAL = "double(args.quantity) * double(args.price)"
LARGE_TRADES = {
    "name": "Large trades",
    "tools": ["trade.place"],
    "when": f"{NOTIONAL} > 25000.0",
    "then": "approve",
    "because": f"Trades over $25,000 need two of {LEADS}.",
    "approval": {"votes": 2, "groups": [LEADS], "within": "4h", "otherwise": "deny"},
}
TRADES = {
    "name": "Trades",
    "tools": ["trade.place"],
    "when": f"{NOTIONAL} > 10000.0",
    "then": "approve",
    "because": "Trades over $10,000 need a person.",
}


@dataclass(frozen=True)
class Example:
    """An example agent: what it may use, what of that needs a person, and how it is started."""

    name: str
    team: str
    tools: list[str]
    rules: list[dict[str, Any]]
    arguments: list[str]
    env: dict[str, str] = field(default_factory=dict)


def examples(data: Path) -> list[Example]:
    """Both keep what they did beside the floor's own data."""
    sample = EXAMPLES / "triage" / "sample.jsonl"
    return [
        Example(
            "support-triage",
            "support",
            ["classify", "classify.keywords", "ticket.file", "refund.issue", "refusal.record"],
            [over("refund.issue", "amount", 50)],
            ["-m", "triage", "--input", str(sample), "--store", str(data / "triage.sqlite3")]
            + ["--forever", "--pace", "2.5", "--loop-on", "s-24"],
        ),
        Example(
            "rebalancer",
            "trading",
            ["trade.place", "ledger.debit", "ledger.credit"],
            [LARGE_TRADES, TRADES],
            ["-m", "rebalancer", "--store", str(data / "broker.sqlite3")]
            + ["--forever", "--pace", "120"],
        ),
    ]


def prepare(data: Path) -> dict[str, Any]:
    """Make the people and agents that are missing. Again and again is harmless."""
    path = data / "demo.json"
    known = _read(path)
    with transaction.atomic():
        teams = {name: named_team(name, by=BY) for name in ("support", "trading")}
        said = {
            "people": [_person(name, teams, _known(known, "people", name)) for name in PEOPLE],
            "agents": [
                agent
                for example in examples(data)
                if (agent := _agent(example, teams, _known(known, "agents", example.name)))
            ],
        }
        _group(LEADS, teams["trading"], ("ada", "otto"))
        # Inside the transaction: a key that nobody kept must not have been issued.
        private_file(path, json.dumps(said, indent=1))
    return said


def _person(name: str, teams: dict[str, Team], known: dict[str, Any]) -> dict[str, str]:
    """Who this is and how they sign in; an empty password when somebody else has set it."""
    password = str(known.get("password") or "")
    person = Person.objects.filter(name=name).first()
    if person is None:
        password = password or secrets.token_urlsafe(9)
        person = Person.objects.create_person(name, password)
    if password:
        for role, place in PEOPLE[name]:
            _join(person, role, teams.get(place))
    places = " and ".join(place or "every team" for _, place in PEOPLE[name])
    role = PEOPLE[name][0][0]
    return {"name": name, "role": f"{role.label.lower()} of {places}", "password": password}


def _join(person: Person, role: Role, team: Team | None) -> None:
    if not Membership.objects.filter(person=person, team=team).exists():
        people.join(person, role=role, team=team, by=BY)


def _group(name: str, team: Team, members: tuple[str, ...]) -> None:
    if not Group.objects.filter(team=team, name=name).exists():
        group = groups.create(team, name, by=BY)
        for person in Person.objects.filter(name__in=members).order_by("name"):
            if person.sees(team.pk):
                groups.add(group, person, by=BY)


def _agent(
    example: Example, teams: dict[str, Team], known: dict[str, Any]
) -> dict[str, Any] | None:
    """How to start this agent; None once a person has retired it."""
    agent = Agent.objects.filter(team=teams[example.team], name=example.name).first()
    key = str(known.get("key") or "")
    if agent is None:
        agent, key = agents.create(
            example.name,
            team=teams[example.team],
            by=BY,
            tools=example.tools,
            rules=example.rules,
        )
    elif agent.is_retired:
        return None
    elif not _works(key, agent):
        key = agents.issue_key(agent, by=BY, label="demonstration")[1]
    return {
        "name": example.name,
        "key": key,
        "command": [sys.executable, *example.arguments],
        "cwd": str(EXAMPLES),
        "env": example.env,
    }


def _works(key: str, agent: Agent) -> bool:
    digest = sha256(key.encode()).digest()
    return AgentKey.objects.working().filter(agent=agent, hash=digest).exists()


def _read(path: Path) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known


def _known(known: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    return next((each for each in known.get(kind, []) if each.get("name") == name), {})
