"""What people's affairs ask, and what the agents' app answers, in the same transaction."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from people import signals
from people.models import Group

from .models import Policy


@receiver(signals.group_leaving)
def keep_named_groups(group: Group, **_: Any) -> str | None:
    """A group that a rule in force names cannot go: nobody could approve any more."""
    policies = Policy.objects.filter(
        team=group.team_id,
        current__document__rules__contains=[{"approval": {"groups": [group.name]}}],
    ).select_related("team", "agent")
    names = [str(policy) for policy in policies[:5]]
    if not names:
        return None
    return f"{group} cannot go: the policy of {', '.join(names)} names it. Change that first."
