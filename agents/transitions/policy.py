"""A policy's versions: each is added, none is changed; the newest is in force"""

from __future__ import annotations

from typing import Any

from audit.record import Recordable, record
from people.models import Team

from ..models import Agent, Policy, PolicyVersion
from ..rules.policy import compile_policy


def of_agent(agent: Agent) -> Policy:
    """The agent's own policy, made empty when there is none."""
    return Policy.objects.get_or_create(team_id=agent.team_id, agent=agent)[0]


def of_team(team: Team) -> Policy:
    """The team's policy for all of its agents, made empty when there is none."""
    return Policy.objects.get_or_create(team=team, agent=None)[0]


def write(
    policy: Policy, document: dict[str, Any], *, by: Recordable | str, why: str
) -> PolicyVersion:
    """Add a version to a locked policy and put it in force. Raises Invalid in words."""
    compile_policy(document)
    before = policy.current
    number = before.number + 1 if before else 1
    author = by if isinstance(by, str) else by.record_name
    version = PolicyVersion.objects.create(
        policy=policy, number=number, document=document, author=author, why=why
    )
    policy.current = version
    policy.save(update_fields=["current"])
    record(
        "policy.saved",
        actor=by,
        about=policy,
        summary=why,
        data={
            "policy": str(policy),
            "version": number,
            "was": before.document if before else None,
            "is": document,
        },
    )
    return version
