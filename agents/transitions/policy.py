"""A policy's versions: each is added, none is changed; the newest is in force"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from audit.errors import Conflict, Invalid
from audit.record import Recordable, record, signature_of
from people.models import Person, Team

from ..models import Agent, Policy, PolicyVersion
from ..rules.policy import compile_policy
from ..rules.policy.difference import difference
from . import applying, policy_checks, together

LONGEST_WHY = 2_000
NOT_YOURS = "Your role may not change this policy: that takes a lead, ops or admin of its team."


def of_agent(agent: Agent) -> Policy:
    """The agent's own policy, made empty when there is none."""
    return Policy.objects.get_or_create(team_id=agent.team_id, agent=agent)[0]


def of_team(team: Team) -> Policy:
    """The team's policy for all of its agents, made empty when there is none."""
    return Policy.objects.get_or_create(team=team, agent=None)[0]


@transaction.atomic
def save(
    policy: Policy,
    document: dict[str, Any],
    *,
    by: Person | str,
    why: str,
    expected: int | None = None,
) -> PolicyVersion:
    """Add a version and put it in force. `expected` is the number of the version that was changed.

    Raises Invalid in words, Conflict when somebody saved meanwhile, PermissionDenied.
    """
    policy = lock(policy, by=by, whole_team="breakers" in document)
    unchanged_since(policy, expected)
    why = why.strip()
    if not why:
        raise Invalid("Say why: whoever reads this policy later will ask.")
    if len(why) > LONGEST_WHY or "\0" in why:
        raise Invalid(f"Why can be {LONGEST_WHY:,} characters of text long.")
    document = policy_checks.checked(policy, document)
    if policy.current and document == policy.document:
        raise Invalid(f"Nothing has changed: this is version {policy.current.number}.")
    return write(policy, document, by=by, why=why)


def roll_back(
    policy: Policy, number: int, *, by: Person | str, why: str, expected: int | None = None
) -> PolicyVersion:
    """What an old version said is in force again, as a new one. It is checked like any other."""
    old = policy.versions.filter(number=number).first()
    if old is None:
        raise Invalid(f"This policy has no version {number}.")
    return save(policy, old.document, by=by, why=why, expected=expected)


def write(
    policy: Policy,
    document: dict[str, Any],
    *,
    by: Recordable | str,
    why: str,
    made_so: bool = False,
) -> PolicyVersion:
    """Add a version to a locked policy and put it in force. Raises Invalid in words.

    What it sets besides rules is made so, unless it only says what was `made_so` already.
    """
    said = compile_policy(document).document
    document = said.as_dict()
    before = policy.current
    number = before.number + 1 if before else 1
    author = signature_of(by)
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
            "changes": difference(before.document if before else {}, document).as_dict(),
        },
        before={"version": before.number} if before else None,
        after={"version": number},
    )
    if not made_so:
        applying.apply(policy, said, by=by)
    return version


def lock(
    policy: Policy, *, by: Person | str, rows: bool = True, whole_team: bool = False
) -> Policy:
    """Lock the policy. Raises PermissionDenied when this person may not change it; scripts may.

    Its agent first (of a team's policy: with `whole_team`, all of its agents), then the `rows` that it sets.
    """
    if rows and policy.agent_id is not None:
        Agent.objects.select_for_update(no_key=True).get(pk=policy.agent_id)
    elif rows and whole_team:
        together.lock_agents(teams=[policy.team_id])
    if rows:
        applying.lock(policy)
    # Without joins: who waited for the lock would get the new row beside the version of the old one, none.
    policy = Policy.objects.select_for_update().get(pk=policy.pk)
    if isinstance(by, Person) and not by.edits_policy_for(policy.team_id):
        raise PermissionDenied(NOT_YOURS)
    return policy


def unchanged_since(policy: Policy, expected: int | None) -> None:
    """Two people at one policy: the second is told who was first."""
    current = policy.current
    if expected is None or current is None or current.number <= expected:
        return
    who = current.author.removeprefix("person:")
    raise Conflict(
        f"{who} saved version {current.number} meanwhile, “{current.why}”. "
        "Nothing of yours is lost: compare it with theirs and save again."
    )
