"""What one event adds to what a breaker counts, and how full the gauge is then."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ..facts import BreakerFacts, Event

BEGINS = frozenset({"proposed", "observed"})
ENDS = frozenset({"settled", "observed"})
MALFORMED = frozenset(
    [
        "malformed",
        "malformed_output",
        "malformedoutput",
        "outputparserexception",
        "jsondecodeerror",
        "json_decode_error",
        "invalid_output",
        "outputinvalid",
        "outputvalidationerror",
        "unparseable",
    ]
)
"""Error types by which agents and frameworks say that an output could not be read."""


def malformed_of(error_type: str, kind: str = "model") -> bool:
    """Whether this was the output of a model that could not be read. A tool that answers nonsense failed, no more:
    its successes could not end the row, and days of good work between two of them would not show."""
    return kind == "model" and error_type.rpartition(".")[2].strip().lower() in MALFORMED


class Gauge(msgspec.Struct, frozen=True, gc=False):
    """What a window holds: see `BreakerFacts` for the four numbers."""

    value: Decimal
    volume: int = 0
    base: int = 0
    base_volume: int = 0

    @classmethod
    def before(cls, breaker: BreakerFacts) -> Gauge:
        return cls(breaker.value, breaker.volume, breaker.base, breaker.base_volume)

    def plus(self, value: Decimal | int, volume: int) -> Gauge:
        return Gauge(self.value + value, self.volume + volume, self.base, self.base_volume)


def after(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Gauge:
    """The gauge once the event is counted."""
    if breaker.condition == "malformed":
        return streak(gauge, event)
    return gauge.plus(adds(breaker, event), int(event.moment in ENDS))


def adds(breaker: BreakerFacts, event: Event) -> Decimal | int:
    """How much more of what this breaker counts."""
    match breaker.condition:
        case "repeats":
            return int(event.moment in BEGINS)
        case "errors" | "failure_rate" | "drop":
            return int(event.failed and event.moment in ENDS)
        case "slow":
            return int(is_slow(breaker, event))
        case "spend":
            return spent(breaker, event)
        case "unusual":
            return int(is_unusual(breaker, event))
        case "often" | "rarely":
            return int(event.moment == "started")
    return 0


def spent(breaker: BreakerFacts, event: Event) -> Decimal:
    """What is added to tokens or dollars; all of it where the window began after the reservation was made."""
    more = Decimal(event.tokens) if breaker.unit == "tokens" else event.cost_usd
    if not breaker.window_s or event.reserved_s < breaker.window_s:
        return more
    return more + (event.reserved_tokens if breaker.unit == "tokens" else event.reserved_cost_usd)


def is_slow(breaker: BreakerFacts, event: Event) -> bool:
    """Whether a call took longer than the breaker's threshold, in seconds."""
    took = event.duration_ms
    return event.moment in ENDS and took is not None and took > breaker.threshold * 1000


def is_unusual(breaker: BreakerFacts, event: Event) -> bool:
    """Refused by policy; or, once the agent has a history, a tool it never used, or that makes less than
    `threshold` percent of what it does."""
    if event.moment == "denied":
        return True
    if event.moment not in BEGINS or event.uses < max(breaker.minimum, 1):
        return False
    return event.tool_uses == 0 or event.tool_uses * 100 < breaker.threshold * event.uses


def streak(gauge: Gauge, event: Event) -> Gauge:
    """Malformed outputs in a row: a good one ends it, another failure says nothing about the form."""
    if event.moment not in ENDS:
        return gauge
    if event.malformed:
        return gauge.plus(1, 1)
    return Gauge(Decimal(0), gauge.volume + 1) if ends_row(event) else gauge


def ends_row(event: Event) -> bool:
    """Whether it is a good output of a model: a tool that did its work in between says nothing about those."""
    return not event.failed and event.kind in ("", "model")


def share(part: Decimal | int, whole: int) -> Decimal:
    """In percent; of nothing, nothing."""
    return Decimal(100) * part / whole if whole else Decimal(0)


def shown(condition: str, gauge: Gauge) -> Decimal:
    """The gauge in the terms of the limit: a share in percent, a drop in percentage points, else what is counted."""
    if condition == "failure_rate":
        return share(gauge.value, gauge.volume)
    if condition == "drop":
        if not gauge.base_volume or not gauge.volume:
            return Decimal(0)
        return max(
            share(gauge.value, gauge.volume) - share(gauge.base, gauge.base_volume), Decimal(0)
        )
    return gauge.value
