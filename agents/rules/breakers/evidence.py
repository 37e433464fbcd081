"""What a rule saw when it tripped, kept so that it trips again from that alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..budgets import Exhausted, exhausted
from ..facts import BreakerFacts, BudgetFacts, Event
from .fold import Tripped, Watch
from .probes import Probe, reopens


def judged(breaker: BreakerFacts, event: Event, steps: bytes = b"") -> dict[str, Any]:
    """`{breaker, event, steps}` as JSON values; bytes in base64, decimals as text."""
    named = msgspec.structs.asdict(breaker)
    kept: dict[str, Any] = msgspec.to_builtins({"breaker": named, "event": event, "steps": steps})
    return kept


def judged_budget(budget: BudgetFacts, event: Event) -> dict[str, Any]:
    """`{budget, event}` as JSON values."""
    kept: dict[str, Any] = msgspec.to_builtins({"budget": budget, "event": event})
    return kept


def judged_probe(probe: Probe) -> dict[str, Any]:
    """`{probe}` as JSON values."""
    kept: dict[str, Any] = msgspec.to_builtins({"probe": probe})
    return kept


def rerun(kept: dict[str, Any]) -> Sequence[Tripped] | Exhausted | str | None:
    """Judge again what was kept. Empty or None: it would not trip, so the evidence does not explain the trip."""
    if "probe" in kept:
        return reopens(msgspec.convert(kept["probe"], Probe))
    event = msgspec.convert(kept["event"], Event)
    if "budget" in kept:
        budget = msgspec.convert(kept["budget"], BudgetFacts)
        return exhausted([budget], tokens=event.tokens, cost_usd=event.cost_usd)
    breaker = msgspec.convert(kept["breaker"], BreakerFacts)
    steps = msgspec.convert(kept.get("steps", ""), bytes)
    return Watch([breaker], steps=steps).step(event)
