"""What the rules judge: plain values, read under lock, the same live, in a batch and in replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

type Moment = Literal["proposed", "denied", "settled", "observed", "started", "clock"]
"""Before an action; policy refused it; after it; both at once, reported later; a run began; time passed."""


class BreakerFacts(msgspec.Struct, frozen=True):
    """One breaker and what its window holds now, before the event that is judged.

    `limit` includes what was granted once on top. `value` counts what the condition counts (tries, failures,
    slow calls, tokens, dollars, seconds of silence), `volume` the finished actions beside them,
    `base` and `base_volume` the same over the seven days before. `window_s` 0 is the whole run.
    """

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
    minimum: int = 0
    threshold: Decimal = Decimal(0)
    volume: int = 0
    base: int = 0
    base_volume: int = 0
    reset_at: datetime | None = None
    """What was up to then was answered for. Windows are read without it; loops look themselves."""


class BudgetFacts(msgspec.Struct, frozen=True):
    """One budget and its account of the present period, locked. Amounts in its unit (`usd` or `tokens`)."""

    account: str
    budget: str
    name: str
    scope: str
    unit: str
    period: str
    limit: Decimal
    reserved: Decimal
    spent: Decimal
    warned: int = 0


class Event(msgspec.Struct, frozen=True):
    """One thing an agent did or is about to do, as breakers judge it.

    `tokens` and `cost_usd` are what it adds beyond what is counted already: the reservation, later the difference
    to it. `reserved_tokens`, `reserved_cost_usd` and `reserved_s` say how much that was and how many seconds ago: a
    window that began later never held it. `uses` and `tool_uses` say how often the agent acted before, and with
    this tool. `kind` tells outputs of models from the rest; empty: nobody said.
    """

    moment: Moment
    tool: str = ""
    item: str = ""
    failed: bool = False
    malformed: bool = False
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    duration_ms: int | None = None
    fingerprint: bytes = b""
    uses: int = 0
    tool_uses: int = 0
    kind: str = ""
    at: datetime | None = None
    reserved_tokens: int = 0
    reserved_cost_usd: Decimal = Decimal(0)
    reserved_s: float = 0


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What admission depends on besides the proposal itself."""

    agent_state: str
    agent_reason: str
    run_state: str
    run_reason: str
    now: datetime
    breakers: list[BreakerFacts] = field(default_factory=list)
    budgets: list[BudgetFacts] = field(default_factory=list)
    uses: int = 0
    tool_uses: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is judged of a proposed action. Money in US dollars."""

    tool: str
    arguments: dict[str, Any]
    item: str = ""
    estimated_tokens: int = 0
    estimated_cost_usd: Decimal = Decimal(0)
    ask: bool = False
    """The agent wants a person even where policy would allow."""
    ask_unless_ruled: bool = False
    """It asks for approval: only a rule that says so in words lets it pass without a person."""
