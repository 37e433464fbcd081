"""What an approval's page is made of: what will happen, by which rule, what came before, and the inputs to change it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agents.models import Action, ToolSchema
from reviews.models import Hold

from . import form, typed, versions, why
from .arguments import changes
from .hold import rows
from .precedent import news, precedent, same_elsewhere

LONGEST_RAW = 60_000
"""More JSON than this is not edited in a page."""


def facts(hold: Hold, action: Action) -> dict[str, Any]:
    """What one decides by."""
    now = hold.arguments if hold.is_open else action.effective_arguments
    before = precedent(action)
    edits = versions.edits(hold)
    return {
        "arguments": now,
        "rows": rows(now, before.last, news(action, now) if hold.is_open else {}),
        "precedent": before,
        "twin": same_elsewhere(action) if hold.is_open else None,
        "changes": changes(action.arguments, now),
        "edits": edits,
        "earlier": versions.earlier(action),
        "why": why.why(hold, action),
    }


def inputs(
    hold: Hold, action: Action, posted: Mapping[str, str], wrong: Mapping[str, str]
) -> dict[str, Any]:
    """The form, with what was typed in it when it was refused."""
    if not hold.is_open:
        return {}
    made = form_of(hold, action)
    if wrong or any(one.name in posted for one in made.inputs):
        made = typed.retyped(made, posted, wrong)
    raw = json.dumps(hold.arguments, indent=2, ensure_ascii=False)
    return {
        "form": made,
        "raw": raw if len(raw) <= LONGEST_RAW else "",
    }


def form_of(hold: Hold, action: Action) -> form.Form:
    """Made of what is asked now and of what its tool says it takes."""
    known = ToolSchema.objects.filter(agent=hold.agent_id, tool=action.tool).first()
    return form.build(hold.arguments, known.schema if known else None)
