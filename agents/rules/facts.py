"""What the rules judge: plain values, read under lock, the same live and in replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec


class BreakerFacts(msgspec.Struct, frozen=True):
    """One breaker and what its window holds now, before the proposal or outcome that is judged."""

    id: str
    condition: str
    unit: str
    scope: str
    run_id: str | None
    state: str
    limit: Decimal
    window_s: float
    value: Decimal
    generation: int
    probes_allowed: int
    probes_leased: int
    probes_succeeded: int
    probation_until: datetime | None


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What admission depends on besides the proposal itself."""

    agent_state: str
    agent_reason: str
    run_state: str
    run_reason: str
    now: datetime
    breakers: list[BreakerFacts] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is judged of a proposed action. Money in US dollars."""

    tool: str
    arguments: dict[str, Any]
    estimated_tokens: int = 0
    estimated_cost_usd: Decimal = Decimal(0)
    ask: bool = False
    """The agent wants a person even where policy would allow."""
    ask_unless_ruled: bool = False
    """It asks for approval: only a rule that says so in words lets it pass without a person."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an action ended: what it adds to the windows beyond what was reserved."""

    failed: bool
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a report has added to the windows so far, up to and with the observation that is judged."""

    failures: int = 0
    failed: bool = False
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    tool: str = ""
    repeats: int = 0
    """How often the same item and tool stood in the report before."""

    def and_then(
        self, *, failed: bool, tokens: int, cost_usd: Decimal, tool: str, repeats: int
    ) -> Observed:
        return Observed(
            self.failures + failed,
            failed,
            self.tokens + tokens,
            self.cost_usd + cost_usd,
            tool,
            repeats,
        )
