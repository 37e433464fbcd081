"""The gates that were before there were policies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ..breakers import plain

ANY = "*"


@dataclass(frozen=True, slots=True)
class Ruling:
    """`allow`, `ask` (a person must decide) or `deny`; `why` is a sentence."""

    answer: str
    why: str = ""


def judge_tool(
    tool: str,
    arguments: dict[str, Any],
    *,
    tools: list[str],
    gates: dict[str, dict[str, str]],
) -> Ruling:
    """Least privilege first: a tool that is not listed is refused; then its gate."""
    if tool not in tools and ANY not in tools:
        return Ruling("deny", f"{tool} is not among the tools this agent may use.")
    gate = gates.get(tool)
    if gate is None:
        return Ruling("allow")
    if "argument" not in gate:
        return Ruling("ask", f"{tool} always needs a person.")
    limit = Decimal(gate["over"])
    stake = number(arguments.get(gate["argument"]))
    if stake is None:
        return Ruling("ask", f"{tool} needs a person: {gate['argument']} is not a number.")
    if stake < 0:
        return Ruling("ask", f"{tool} needs a person: {gate['argument']} is negative.")
    if stake > limit:
        return Ruling(
            "ask", f"{tool} needs a person when {gate['argument']} is over {plain(limit)}."
        )
    return Ruling("allow")


def number(value: Any) -> Decimal | None:
    """The value as a finite decimal, or None: what cannot be read is never below a limit."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
