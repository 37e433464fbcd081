"""What is changed elsewhere (on a page, by the answer to a trip) is written into the policy's document"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.record import Recordable

from ..models import Agent, Breaker, Limit, Policy
from ..rules.policy.difference import readable
from ..rules.policy.sections import Setting, called
from . import applying, policy

LONGEST_WHY = 300


def keep_breaker(row: Breaker, *, by: Recordable | str, why: str) -> None:
    """A run's own row is no setting."""
    if row.run_id is not None:
        return
    keep(policy.of_agent(row.agent) if row.agent else of_team(row.team_id), by=by, why=why)


def keep_budget(team_id: Any, agent: Agent | None, *, by: Recordable | str, why: str) -> None:
    keep(policy.of_agent(agent) if agent else of_team(team_id), by=by, why=why)


def keep_limit(team_id: Any, *, by: Recordable | str, why: str) -> None:
    """Limits of the whole house stand in no document."""
    if team_id is not None:
        keep(of_team(team_id), by=by, why=why)


def of_team(team_id: Any) -> Policy:
    return Policy.objects.get_or_create(team_id=team_id, agent=None)[0]


def keep(owned: Policy, *, by: Recordable | str, why: str) -> None:
    """A new version that says what holds now, so that the file and the floor never disagree. Twice is harmless.

    Whoever may change the thing itself may have it written down.
    """
    if applying.is_applying():
        return
    owned = policy.lock(owned, by="", rows=False)
    if owned.agent_id is not None and owned.current is None:
        return  # it has no rules of its own; a document would have to say which tools it may use
    document = in_force(owned)
    if document != owned.document:
        policy.write(owned, document, by=by, why=why[:LONGEST_WHY], made_so=True)


def in_force(owned: Policy) -> dict[str, Any]:
    """Its document with what is really set: also where an older version says nothing of that."""
    said = owned.document
    return said | {
        key: [one.as_dict() for one in in_order(key, said, found)]
        for key, found in settings_of(owned).items()
        if found or key in said
    }


def to_compare(owned: Policy, document: dict[str, Any]) -> dict[str, Any]:
    """What is in force, to tell this document's difference from: without what neither it nor the version speaks of."""
    return {
        key: value
        for key, value in in_force(owned).items()
        if key in document or key in owned.document
    }


def in_order(key: str, said: dict[str, Any], found: Sequence[Setting]) -> list[Setting]:
    """As somebody wrote them; what came since is last."""
    written = readable(said).sections.get(key, ())
    places = {called(key, one): place for place, one in enumerate(written)}
    return sorted(found, key=lambda one: places.get(called(key, one), len(places)))


def settings_of(owned: Policy) -> dict[str, Sequence[Setting]]:
    """The sections as the rows have them. Alert routes stand in the document alone."""
    from . import budget, limit  # they write down what changes, through this module

    breakers = [applying.setting_of(row) for row in applying.settings_of(owned)]
    found: dict[str, Sequence[Setting]] = {
        "breakers": breakers,
        "budgets": budget.settings_of(owned.team, owned.agent),
    }
    if owned.agent_id is None:
        rows = Limit.objects.filter(team=owned.team_id).order_by("resource")
        found["limits"] = [limit.setting_of(row) for row in rows]
    return found
