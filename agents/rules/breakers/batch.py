"""Many events at once, of several runs: breakers that runs share go on counting from one run to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from ..facts import BreakerFacts, Event
from .conditions import CONDITIONS
from .fold import JUDGING, Watch
from .gauges import Gauge

type Tries = dict[tuple[str, str, str], int]
"""How often (breaker id, item, tool) was worked on within the breaker's window."""


class Shared:
    """What the runs of one batch have in common: gauges and items of breakers that watch more than one run."""

    def __init__(self, tries: Tries) -> None:
        self.gauges: dict[str, Gauge] = {}
        self.tries = tries


class Sums(NamedTuple):
    """What a whole report adds, if all of it counts."""

    events: int
    failures: int
    malformed: int
    tokens: int
    cost_usd: Decimal
    most_tries: int
    """Of one item with one tool, those before it included, whichever breaker counts them."""
    longest_ms: int
    uses: int = 0
    """How often the agent acted before."""
    fewest_uses: int = 0
    """Of the tools in the report: how often the one that was used least was used before."""
    most_alike: int = 0
    """Steps that did the same, those that the run remembers included."""


class BatchWatch(Watch):
    """The breakers that watch one run of a batch; `step` an event after `look_at` its time."""

    def __init__(
        self,
        breakers: Sequence[BreakerFacts],
        shared: Shared,
        *,
        now: datetime,
        steps: bytes,
        tries: Tries,
    ) -> None:
        self._watching = [
            (one, begin_of(one, now))
            for one in breakers
            if one.state in JUDGING and judges_reports(one)
        ]
        super().__init__([one for one, _ in self._watching], steps=steps)
        self._latest_begin = max((begin for _, begin in self._watching if begin), default=None)
        self._shared = shared
        self._tries = tries

    def look_at(self, at: datetime) -> None:
        """Only those judge the next event whose window it falls into: a span that comes late is history."""
        if not self.is_within(at):
            self.breakers = [one for one, begin in self._watching if begin is None or at >= begin]
        elif len(self.breakers) != len(self._watching):
            self.breakers = [one for one, _ in self._watching]

    def is_within(self, at: datetime) -> bool:
        """Whether all of them look at this moment."""
        return self._latest_begin is None or at >= self._latest_begin

    def leave_out(self, gone: Iterable[BreakerFacts]) -> None:
        """These have said what they had to say about this batch."""
        ids = {one.id for one in gone}
        self._watching = [(one, begin) for one, begin in self._watching if one.id not in ids]
        self.breakers = [one for one, _ in self._watching]

    def stays_calm(self, sums: Sums) -> bool:
        """Whether no event of this report can open anything: then none has to be judged by itself.

        Only where what is counted grows with every event, so that the end of the report is its worst moment.
        """
        return all(is_calm(one, self._gauge(one), sums) for one, _ in self._watching)

    def skip(self, sums: Sums, items: Mapping[tuple[str, str], int]) -> None:
        """Count a calm report as a whole, for the reports of other runs; `items` says how often each (item, tool)
        stands in it."""
        shared = self._shared
        for one, _ in self._watching:
            if one.scope == "run":
                continue
            if one.condition == "repeats":
                for (item, tool), more in items.items():
                    key = (one.id, item, tool)
                    shared.tries[key] = shared.tries.get(key, 0) + more
            elif one.condition != "loop":
                shared.gauges[one.id] = added(one, self._gauge(one), sums)

    def most_tries(self, items: Mapping[tuple[str, str], int]) -> int:
        """The most that one item will have been worked on, for any breaker."""
        most = 0
        for one, _ in self._watching:
            if one.condition == "repeats":
                tries = self._tries_of(one)
                for (item, tool), more in items.items():
                    most = max(most, more + tries.get((one.id, item, tool), 0))
        return most

    def _tries_of(self, breaker: BreakerFacts) -> Tries:
        return self._tries if breaker.scope == "run" else self._shared.tries

    def _gauge(self, breaker: BreakerFacts) -> Gauge:
        gauges = self._gauges if breaker.scope == "run" else self._shared.gauges
        return gauges.get(breaker.id) or Gauge.before(breaker)

    def _before(self, breaker: BreakerFacts, event: Event) -> Gauge:
        if breaker.condition == "repeats":
            tries = self._tries_of(breaker)
            return Gauge(Decimal(tries.get((breaker.id, event.item, event.tool), 0)))
        return self._gauge(breaker)

    def _keep(self, breaker: BreakerFacts, event: Event, gauge: Gauge) -> None:
        if breaker.condition == "repeats":
            self._tries_of(breaker)[breaker.id, event.item, event.tool] = int(gauge.value)
        else:
            gauges = self._gauges if breaker.scope == "run" else self._shared.gauges
            gauges[breaker.id] = gauge


def is_calm(breaker: BreakerFacts, gauge: Gauge, sums: Sums) -> bool:
    """Whether a report that adds this cannot open it."""
    match breaker.condition:
        case "repeats":
            return sums.most_tries <= breaker.limit
        case "errors":
            return not sums.failures or gauge.value + sums.failures < breaker.limit
        case "failure_rate" | "drop":
            return not sums.failures
        case "slow":
            return sums.longest_ms <= breaker.threshold * 1000
        case "spend":
            return added(breaker, gauge, sums).value <= breaker.limit
        case "malformed":
            return not sums.malformed and not gauge.value
        case "loop":
            return sums.most_alike < breaker.limit
        case "unusual":
            most = sums.uses + sums.events
            return most <= breaker.minimum or (
                sums.fewest_uses > 0 and sums.fewest_uses * 100 >= breaker.threshold * most
            )
    return False


def added(breaker: BreakerFacts, gauge: Gauge, sums: Sums) -> Gauge:
    """The gauge after a whole report of which nothing was malformed and nothing slow."""
    value: Decimal | int = 0
    match breaker.condition:
        case "errors" | "failure_rate" | "drop":
            value = sums.failures
        case "spend":
            value = Decimal(sums.tokens) if breaker.unit == "tokens" else sums.cost_usd
        case "malformed":
            return Gauge(Decimal(0), gauge.volume + sums.events - sums.failures)
    return gauge.plus(value, sums.events)


def judges_reports(breaker: BreakerFacts) -> bool:
    """Whether what is reported can open it; runs that begin and time that passes are judged elsewhere."""
    if breaker.condition == "loop":
        return True
    known = CONDITIONS.get(breaker.condition)
    return known is not None and "observed" in known[0]


def begin_of(breaker: BreakerFacts, now: datetime) -> datetime | None:
    """Where what a breaker looks at begins: its window, or what was answered for; None: with the run."""
    begin, reset = None, breaker.reset_at
    if breaker.window_s:
        begin = now - timedelta(seconds=breaker.window_s)
    return begin if reset is None or (begin is not None and begin > reset) else reset
