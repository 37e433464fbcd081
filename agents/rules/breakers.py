"""Breaker conditions: when to stop an agent. One function a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from .facts import BreakerFacts, Observed, Outcome, Proposal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a breaker opens, and the sentence that says why. `value` is the gauge that opened it."""

    trips: bool
    reason: str = ""
    value: Decimal = Decimal(0)

    @classmethod
    def ok(cls) -> Verdict:
        return cls(trips=False)

    @classmethod
    def trip(cls, reason: str, value: Decimal | int) -> Verdict:
        return cls(trips=True, reason=reason, value=Decimal(value))


WATCHING = frozenset({"closed", "half_open"})
"""States in which a condition can trip. Shadow breakers judge elsewhere and never trip."""


def repeats(breaker: BreakerFacts, *, tool: str, more: int = 1) -> Verdict:
    """Trip when one item is worked on more than `limit` times within the window."""
    tries = int(breaker.value) + more
    if tries <= breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{tool} worked on one item {tries} times within {span(breaker.window_s)}; "
        f"the limit is {plain(breaker.limit)}.",
        tries,
    )


def errors(breaker: BreakerFacts, *, failed: bool, more: int = 1) -> Verdict:
    """Trip at the `limit`-th failure within the window."""
    failures = int(breaker.value) + more
    if not failed or failures < breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{counted(failures, 'action')} failed within {span(breaker.window_s)}; "
        f"the limit is {plain(breaker.limit)}.",
        failures,
    )


def spend(breaker: BreakerFacts, *, tokens: int, cost_usd: Decimal) -> Verdict:
    """Trip when what was spent or reserved within the window goes over `limit`."""
    more = Decimal(tokens) if breaker.unit == "tokens" else cost_usd
    total = breaker.value + more
    if more <= 0 or total <= breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{amount(total, breaker.unit)} spent or reserved within {span(breaker.window_s)}; "
        f"the limit is {amount(breaker.limit, breaker.unit)}.",
        total,
    )


def judge_proposal(breaker: BreakerFacts, proposal: Proposal) -> Verdict:
    """What one breaker says before an action."""
    if breaker.state not in WATCHING:
        return Verdict.ok()
    if breaker.condition == "repeats":
        return repeats(breaker, tool=proposal.tool)
    if breaker.condition == "spend":
        return spend(
            breaker, tokens=proposal.estimated_tokens, cost_usd=proposal.estimated_cost_usd
        )
    return Verdict.ok()


def judge_outcome(breaker: BreakerFacts, outcome: Outcome) -> Verdict:
    """What one breaker says after an action."""
    if breaker.state not in WATCHING:
        return Verdict.ok()
    if breaker.condition == "errors":
        return errors(breaker, failed=outcome.failed)
    if breaker.condition == "spend":
        return spend(breaker, tokens=outcome.tokens, cost_usd=outcome.cost_usd)
    return Verdict.ok()


def judge_observed(breaker: BreakerFacts, observed: Observed) -> Verdict:
    """What one breaker says to what was done without asking."""
    if breaker.state not in WATCHING:
        return Verdict.ok()
    if breaker.condition == "repeats":
        return repeats(breaker, tool=observed.tool, more=observed.repeats + 1)
    if breaker.condition == "errors":
        return errors(breaker, failed=observed.failed, more=observed.failures)
    return spend(breaker, tokens=observed.tokens, cost_usd=observed.cost_usd)


def first_trip[T](
    breakers: list[BreakerFacts], judge: Callable[[BreakerFacts, T], Verdict], evidence: T
) -> tuple[BreakerFacts, Verdict] | None:
    """The first breaker that opens, with its verdict."""
    for breaker in breakers:
        verdict = judge(breaker, evidence)
        if verdict.trips:
            return breaker, verdict
    return None


def span(seconds: float) -> str:
    """A window as people say it: `60 s`, `5 min`, `1 h`."""
    whole = int(seconds)
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if (whole > size and whole % size == 0) or (whole == size and size > 60):
            return f"{whole // size} {name}"
    return f"{whole} s"


def plain(number: Decimal) -> str:
    """A decimal without trailing zeros or exponent."""
    return f"{number.normalize():f}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def amount(number: Decimal, unit: str) -> str:
    """`$1.25` or `12,000 tokens`."""
    if unit == "tokens":
        return f"{int(number):,} tokens"
    return f"${number:,.2f}" if number >= Decimal("0.01") or not number else f"${plain(number)}"
