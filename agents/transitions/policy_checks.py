"""What only the house knows of a policy: whom it names, and which arguments the tools take."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from audit.errors import Invalid
from people.models import DECIDES, Group, Person, Team

from ..models import Policy, ToolSchema
from ..rules.policy import Compiled
from ..rules.policy.document import Document, Rule, parse
from ..rules.policy.words import nearest
from ..rules.policy.yaml import document_of


def checked(policy: Policy, document: dict[str, Any]) -> dict[str, Any]:
    """The document in its one form, when everything in it exists. Raises Invalid in words."""
    written = document_of(document, policy.agent.name if policy.agent else "")
    found = parse(written)
    names_exist(policy.team, found)
    Compiled(found, schemas_for(policy))
    return written


def schemas_for(policy: Policy) -> dict[str, dict[str, Any]]:
    """What the agent's tools take. A team's rules hold for agents whose tools may differ: nothing."""
    if policy.agent_id is None:
        return {}
    return dict(ToolSchema.objects.filter(agent=policy.agent_id).values_list("tool", "schema"))


def names_exist(team: Team, document: Document) -> None:
    """Every group is the team's, every person may decide for it, and together they are enough."""
    rules = [rule for rule in document.rules if rule.approval]
    groups = {name for rule in rules if rule.approval for name in rule.approval.groups}
    people = {name for rule in rules if rule.approval for name in rule.approval.people}
    known = set(Group.objects.filter(team=team).values_list("name", flat=True)) if groups else set()
    deciders = deciders_of(team) if people else set()
    for rule in rules:
        exist(rule, rule.approval.groups if rule.approval else (), known, "group", team)
        exist(rule, rule.approval.people if rule.approval else (), deciders, "person", team)
        enough(rule)


def exist(rule: Rule, names: tuple[str, ...], known: set[str], what: str, team: Team) -> None:
    for name in names:
        if name in known:
            continue
        hint = nearest(name, known)
        meant = f" Did you mean “{hint}”?" if hint else ""
        who = "who may decide for it" if what == "person" else ""
        raise Invalid(
            f"Rule “{rule.name}”: approval: {team} has no {what} “{name}”"
            f"{' ' + who if who else ''}.{meant}"
        )


def enough(rule: Rule) -> None:
    """Two votes of one person can never come together."""
    needed = rule.approval
    if needed and needed.people and not needed.groups and len(needed.people) < needed.votes:
        raise Invalid(
            f"Rule “{rule.name}”: approval: it needs {needed.votes} votes and names "
            f"{len(needed.people)} who may give one."
        )


def deciders_of(team: Team) -> set[str]:
    """Active people whose role in this team, or in every team, decides."""
    return set(
        Person.objects.filter(
            Q(memberships__team=team) | Q(memberships__team=None),
            memberships__role__in=DECIDES,
            is_active=True,
        ).values_list("name", flat=True)
    )
