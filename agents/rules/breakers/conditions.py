"""Breaker conditions: when to stop an agent. One function a condition, all over the gauge after the event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from ..facts import BreakerFacts, Event, Moment
from .gauges import Gauge, is_slow, is_unusual, share, shown, spent
from .words import amount, counted, plain, rounded, span


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


def repeats(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """One item is worked on more than `limit` times within the window."""
    if gauge.value <= breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{event.tool} worked on one item {plain(gauge.value)} times within {span(breaker.window_s)}; "
        f"the limit is {plain(breaker.limit)}.",
        gauge.value,
    )


def loop(breaker: BreakerFacts, gauge: Gauge, event: Event, cycle: tuple[int, int]) -> Verdict:
    """The same cycle of 1 to 4 steps was gone through `limit` times in a row within the window."""
    length, times = cycle
    if not event.fingerprint or times < breaker.limit:
        return Verdict.ok()
    steps = "the same step" if length == 1 else f"the same {length} steps"
    return Verdict.trip(
        f"It goes in circles: {steps} {times} times in a row within {span(breaker.window_s)}, with the same "
        f"results, the last one {event.tool}; the limit is {plain(breaker.limit)}.",
        times,
    )


def errors(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """The `limit`-th failure within the window."""
    if not event.failed or gauge.value < breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{counted(int(gauge.value), 'action')} failed within {span(breaker.window_s)}; "
        f"the limit is {plain(breaker.limit)}.",
        gauge.value,
    )


def failure_rate(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """More than `limit` percent of at least `minimum` finished actions failed within the window."""
    rate = share(gauge.value, gauge.volume)
    if not event.failed or gauge.volume < max(breaker.minimum, 1) or rate <= breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{rounded(rate)} % of {counted(gauge.volume, 'action')} failed within {span(breaker.window_s)}; "
        f"the limit is {plain(breaker.limit)} %.",
        rate,
    )


def slow(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """The `limit`-th call within the window that took longer than `threshold` seconds."""
    if not is_slow(breaker, event) or gauge.value < breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{counted(int(gauge.value), 'call')} took longer than {plain(breaker.threshold)} s within "
        f"{span(breaker.window_s)}; the limit is {plain(breaker.limit)}.",
        gauge.value,
    )


def spend(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """What was spent or reserved within the window, or by the whole run, goes over `limit`."""
    if spent(breaker, event) <= 0 or gauge.value <= breaker.limit:
        return Verdict.ok()
    during = f"within {span(breaker.window_s)}" if breaker.window_s else "by this run"
    return Verdict.trip(
        f"{amount(gauge.value, breaker.unit)} spent or reserved {during}; "
        f"the limit is {amount(breaker.limit, breaker.unit)}.",
        gauge.value,
    )


def unusual(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """The `limit`-th use within the window of a tool that is not allowed, new, or rare for this agent."""
    if not is_unusual(breaker, event) or gauge.value < breaker.limit:
        return Verdict.ok()
    if event.moment == "denied":
        why = f"{event.tool} is not allowed to it"
    elif event.tool_uses == 0:
        why = f"it never used {event.tool} in {counted(event.uses, 'action')} before"
    else:
        why = f"{event.tool} is rare: {event.tool_uses} of {counted(event.uses, 'action')}"
    return Verdict.trip(
        f"Unusual for this agent: {why}; {plain(gauge.value)} such within {span(breaker.window_s)}, "
        f"the limit is {plain(breaker.limit)}.",
        gauge.value,
    )


def drop(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """The success rate fell more than `limit` percentage points below that of the seven days before."""
    enough = max(breaker.minimum, 1)
    points = shown("drop", gauge)
    if (
        not event.failed
        or gauge.volume < enough
        or gauge.base_volume < enough
        or points <= breaker.limit
    ):
        return Verdict.ok()
    now = 100 - share(gauge.value, gauge.volume)
    usual = 100 - share(gauge.base, gauge.base_volume)
    return Verdict.trip(
        f"Only {rounded(now)} % of {counted(gauge.volume, 'action')} succeeded within {span(breaker.window_s)}; "
        f"usual are {rounded(usual)} %, and {plain(breaker.limit)} points less are the limit.",
        points,
    )


def malformed(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """The `limit`-th output in a row that could not be read."""
    if not event.malformed or gauge.value < breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{counted(int(gauge.value), 'output')} in a row could not be read; the limit is {plain(breaker.limit)}.",
        gauge.value,
    )


def often(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """More than `limit` runs were started within the window."""
    if event.moment != "started" or gauge.value <= breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"{counted(int(gauge.value), 'run')} started within {span(breaker.window_s)}; "
        f"the limit is {plain(breaker.limit)}.",
        gauge.value,
    )


def rarely(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """Fewer than `limit` runs were started within the window."""
    if gauge.value >= breaker.limit:
        return Verdict.ok()
    return Verdict.trip(
        f"Only {counted(int(gauge.value), 'run')} started within {span(breaker.window_s)}; "
        f"at least {plain(breaker.limit)} should.",
        gauge.value,
    )


def silence(breaker: BreakerFacts, gauge: Gauge, event: Event) -> Verdict:
    """A run that is under way gave no sign of life for the whole window; `value` are the seconds since."""
    if gauge.value < Decimal(breaker.window_s):
        return Verdict.ok()
    return Verdict.trip(
        f"No sign of life for {span(float(gauge.value))}; after {span(breaker.window_s)} somebody should look.",
        gauge.value,
    )


type Judge = Callable[[BreakerFacts, Gauge, Event], Verdict]

CONDITIONS: dict[str, tuple[frozenset[Moment], Judge]] = {
    "repeats": (frozenset({"proposed", "observed"}), repeats),
    "errors": (frozenset({"settled", "observed"}), errors),
    "failure_rate": (frozenset({"settled", "observed"}), failure_rate),
    "slow": (frozenset({"settled", "observed"}), slow),
    "spend": (frozenset({"proposed", "settled", "observed"}), spend),
    "unusual": (frozenset({"proposed", "denied", "observed"}), unusual),
    "drop": (frozenset({"settled", "observed"}), drop),
    "malformed": (frozenset({"settled", "observed"}), malformed),
    "often": (frozenset({"started"}), often),
    "rarely": (frozenset({"clock"}), rarely),
    "silence": (frozenset({"clock"}), silence),
}
"""When each is judged, and how. `loop` looks at steps instead of a gauge: see `fold`."""
LOOP_MOMENTS: frozenset[Moment] = frozenset({"settled", "observed"})
