"""The one decision about a proposed action."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from .breakers import Tripped, Watch, opening, shadowed
from .budgets import Exhausted, exhausted, is_low
from .facts import AgentFacts, BreakerFacts, Event, Moment, Proposal
from .policy import Requirement, Ruling

type Admission = Literal["allowed", "held", "denied", "replayed", "retry_later", "over"]

PROBATION_RETRY_S = 2
PAUSED_RETRY_S = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do with a proposal. `code` is stable for programs, `reason` a sentence.

    `rule` names the policy rule that decided, `requirement` says whose approval
    a held one needs. `over` says that the run or agent is finished for good. With `trip`, that breaker opens, with
    `budget` that budget has no room, because of `event`; `shadows` only say they would open. With `probe`,
    the action is admitted as a probe of that breaker. `is_low`: people are told that a budget is nearly spent.
    """

    admission: Admission
    code: str = ""
    reason: str = ""
    retry_after_s: int | None = None
    rule: str = ""
    requirement: Requirement | None = None
    trip: Tripped | None = None
    budget: Exhausted | None = None
    shadows: tuple[Tripped, ...] = ()
    event: Event | None = None
    probe: BreakerFacts | None = None
    is_low: bool = False

    @property
    def needs_care(self) -> bool:
        """A person is needed, or probation is counted: not for the fast path."""
        return (
            self.admission == "held"
            or self.trip is not None
            or self.budget is not None
            or self.probe is not None
            or bool(self.shadows)
            or self.is_low
        )


def judge(facts: AgentFacts, proposal: Proposal, ruling: Ruling) -> Judgement:
    """Stopped first, then what policy ruled, then breakers, then budgets, then probation."""
    if stopped := judge_state(facts):
        return stopped
    event = event_of(facts, proposal, "denied" if ruling.answer == "deny" else "proposed")
    found = Watch(facts.breakers).step(event)
    judged = judge_unwatched(facts, proposal, ruling, opening(found))
    if facts.budgets and judged.admission in ("allowed", "held"):
        judged = replace(judged, is_low=nearly_spent(facts, proposal))
    if not found and judged.budget is None:
        return judged
    return replace(judged, event=event, shadows=tuple(shadowed(found)))


def nearly_spent(facts: AgentFacts, proposal: Proposal) -> bool:
    return is_low(
        facts.budgets, tokens=proposal.estimated_tokens, cost_usd=proposal.estimated_cost_usd
    )


def event_of(facts: AgentFacts, proposal: Proposal, moment: Moment) -> Event:
    return Event(
        moment,
        tool=proposal.tool,
        item=proposal.item,
        tokens=0 if moment == "denied" else proposal.estimated_tokens,
        cost_usd=Decimal(0) if moment == "denied" else proposal.estimated_cost_usd,
        uses=facts.uses,
        tool_uses=facts.tool_uses,
    )


def judge_unwatched(
    facts: AgentFacts, proposal: Proposal, ruling: Ruling, tripped: Tripped | None
) -> Judgement:
    """The rest, once it is known whether a breaker opens."""
    if ruling.answer == "deny":
        return Judgement("denied", ruling.code, ruling.why, rule=ruling.rule, trip=tripped)
    if tripped:
        return Judgement(
            "retry_later", "tripped", tripped.verdict.reason, PAUSED_RETRY_S, trip=tripped
        )
    if spent := exhausted(
        facts.budgets, tokens=proposal.estimated_tokens, cost_usd=proposal.estimated_cost_usd
    ):
        return Judgement("retry_later", "budget", spent.reason, PAUSED_RETRY_S, budget=spent)
    asked = proposal.ask or (proposal.ask_unless_ruled and not ruling.rule)
    if ruling.answer == "approve" or asked:
        # No probe: what waits for a person may wait longer than probation lasts.
        return Judgement(
            "held",
            "approval",
            ruling.why if ruling.answer == "approve" else "The agent asks for a person.",
            rule=ruling.rule,
            requirement=ruling.requirement or Requirement(),
        )
    probation = next((b for b in facts.breakers if b.state == "half_open"), None)
    if probation and probation.probes_leased >= probation.probes_allowed:
        return out_of_probes(probation)
    return Judgement("allowed", rule=ruling.rule, probe=probation)


def out_of_probes(breaker: BreakerFacts) -> Judgement:
    """All that may be tried while on probation is under way."""
    return Judgement(
        "retry_later",
        "probation",
        f"On probation: all {breaker.probes_allowed} probes are out.",
        PROBATION_RETRY_S,
    )


def judge_state(facts: AgentFacts) -> Judgement | None:
    """Nothing runs after a stop."""
    if facts.agent_state == "retired":
        return Judgement("over", "retired", "This agent is retired.")
    if facts.run_state == "terminated":
        return Judgement("over", "terminated", facts.run_reason or "This run was terminated.")
    if facts.run_state not in ("running", "paused"):
        return Judgement("over", "run_finished", f"This run is {facts.run_state}.")
    if facts.agent_state == "paused":
        return Judgement("retry_later", "paused", facts.agent_reason, PAUSED_RETRY_S)
    if facts.run_state == "paused":
        return Judgement("retry_later", "paused", facts.run_reason, PAUSED_RETRY_S)
    if any(b.state in ("open", "forced_open") for b in facts.breakers):
        return Judgement("retry_later", "paused", "A breaker is open.", PAUSED_RETRY_S)
    return None
