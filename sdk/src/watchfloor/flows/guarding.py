"""Wrapping a tool for a framework: its signature stays, its calls are guarded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from watchfloor.flows.stepping import Step
from watchfloor.options import Tries
from watchfloor.shape import Shape

CallId = str | Callable[[Mapping[str, Any]], str | None] | None
"""The framework's own id of the call, or where to find it in the arguments."""


def guarded_step(
    shape: Shape,
    tool: str | None,
    arguments: Mapping[str, Any],
    call_id: CallId,
    interrupts: Tries,
    options: Mapping[str, Any],
) -> Step:
    """One call of the wrapped tool as a step."""
    name = call_id(arguments) if callable(call_id) else call_id
    kinds = interrupts if isinstance(interrupts, tuple) else (interrupts,)
    return Step(
        tool or re.sub(r"\W+", "_", shape.name).strip("_") or "tool",
        shape.caller(),
        arguments=arguments,
        step_id=name,
        interrupts=kinds,
        **options,
    )
