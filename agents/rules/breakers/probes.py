"""Probation: what the end of a probe says of the breaker that let it out."""

from __future__ import annotations

from typing import Literal

import msgspec

FAILING = frozenset({"errors", "failure_rate", "drop"})
"""Conditions about failures: one failed probe answers the question that probation asks."""


class Probe(msgspec.Struct, frozen=True):
    """How a probe ended, and of which generation of its breaker it was. `lost`: not back by the deadline."""

    condition: str
    generation: int
    of_generation: int
    outcome: Literal["succeeded", "failed", "lost"]


def reopens(probe: Probe) -> str:
    """Why the breaker opens again; empty when it does not. Late results of an earlier state say nothing."""
    if probe.of_generation != probe.generation:
        return ""
    if probe.outcome == "lost":
        return "A probe did not come back before probation ended."
    if probe.outcome == "failed" and probe.condition in FAILING:
        return "A probe failed while on probation."
    return ""
