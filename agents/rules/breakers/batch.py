"""Many events at once, of several runs: breakers that runs share go on counting from one run to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from ..facts import BreakerFacts, Event
from .conditions import CONDITIONS
from .fold import JUDGING, Watch
from .gauges import Gauge

type Items = Mapping[tuple[str, str, str], int]
"""How often (breaker id, item, tool) was worked on within the breaker's window."""


class Shared:
    """What the runs of one batch have in common: gauges and items of breakers that watch more than one run."""

    def __init__(self) -> None:
        self.gauges: dict[str, Gauge] = {}
        self.items: dict[tuple[str, str, str], int] = {}


class BatchWatch(Watch):
    """The breakers that watch one run of a batch; `step` an event after `look_at` its time.

    `resets` says until when what a breaker saw was answered for.
    """

    def __init__(
        self,
        breakers: Sequence[BreakerFacts],
        shared: Shared,
        *,
        now: datetime,
        steps: bytes,
        items: Items,
        resets: Mapping[str, datetime],
    ) -> None:
        self._watching = [
            (one, begin_of(one, now, resets.get(one.id)))
            for one in breakers
            if one.state in JUDGING and judges_reports(one)
        ]
        super().__init__([one for one, _ in self._watching], steps=steps)
        self._latest_begin = max((begin for _, begin in self._watching if begin), default=None)
        self._shared = shared
        self._tries: dict[tuple[str, str, str], int] = {}
        of_run = {one.id for one in breakers if one.scope == "run"}
        for key, tries in items.items():
            (self._tries if key[0] in of_run else shared.items).setdefault(key, tries)

    def look_at(self, at: datetime) -> None:
        """Only those judge the next event whose window it falls into: a span that comes late is history."""
        if self._latest_begin is not None and at < self._latest_begin:
            self.breakers = [one for one, begin in self._watching if begin is None or at >= begin]
        elif len(self.breakers) != len(self._watching):
            self.breakers = [one for one, _ in self._watching]

    def leave_out(self, gone: Iterable[BreakerFacts]) -> None:
        """These have said what they had to say about this batch."""
        ids = {one.id for one in gone}
        self._watching = [(one, begin) for one, begin in self._watching if one.id not in ids]
        self.breakers = [one for one, _ in self._watching]

    def _before(self, breaker: BreakerFacts, event: Event) -> Gauge:
        of_run = breaker.scope == "run"
        if breaker.condition == "repeats":
            tries = self._tries if of_run else self._shared.items
            return Gauge(Decimal(tries.get((breaker.id, event.item, event.tool), 0)))
        gauges = self._gauges if of_run else self._shared.gauges
        return gauges.get(breaker.id) or Gauge.before(breaker)

    def _keep(self, breaker: BreakerFacts, event: Event, gauge: Gauge) -> None:
        of_run = breaker.scope == "run"
        if breaker.condition == "repeats":
            tries = self._tries if of_run else self._shared.items
            tries[breaker.id, event.item, event.tool] = int(gauge.value)
        else:
            (self._gauges if of_run else self._shared.gauges)[breaker.id] = gauge


def judges_reports(breaker: BreakerFacts) -> bool:
    """Whether what is reported can open it; runs that begin and time that passes are judged elsewhere."""
    if breaker.condition == "loop":
        return True
    known = CONDITIONS.get(breaker.condition)
    return known is not None and "observed" in known[0]


def begin_of(breaker: BreakerFacts, now: datetime, reset_at: datetime | None) -> datetime | None:
    """Where what a breaker looks at begins; None: with the run."""
    begin = now - timedelta(seconds=breaker.window_s) if breaker.window_s else None
    return max(filter(None, (begin, reset_at)), default=None)
