"""What came of asking an action to stop, and who may do what, for templates."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django import template

from agents.models import Action, ActionState
from people.models import Person
from people.rules.permissions import Permission

register = template.Library()


@register.filter
def stopping(action: Action) -> str:
    """`asked to stop`, `stopped`, `could not stop`; empty where nobody asked."""
    if action.cancel_requested_at is None:
        return ""
    if action.state == ActionState.EXECUTING:
        return "asked to stop"
    error = action.error if isinstance(action.error, dict) else {}
    if action.state == ActionState.FAILED and error.get("type") == "cancelled":
        return "stopped"
    return (
        "nobody knows whether it stopped"
        if action.state == ActionState.UNKNOWN
        else "could not stop"
    )


@register.filter
def as_line(value: Any) -> str:
    """A value of a change on one line: tools with commas, anything else as JSON or as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or "none"
    return json.dumps(value, ensure_ascii=False)


@register.simple_tag
def may(person: Person, permission: str, team: UUID | None = None) -> bool:
    """`{% may request.user "force" team.pk as may_force %}`: leave the button out where they may not."""
    return person.may(Permission(permission), team)
