"""Events judged one after the other against all breakers that watch: one live, many in a batch, all in a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from ..facts import BreakerFacts, Event
from . import loops
from .conditions import CONDITIONS, LOOP_MOMENTS, Verdict, loop
from .gauges import Gauge, after

WATCHING = frozenset({"closed", "half_open"})
"""States in which a condition can trip. Shadow breakers judge, too, and never trip."""
JUDGING = WATCHING | {"shadow"}


class Tripped(NamedTuple):
    """A breaker that opens (or would, in shadow), as it was just before the event, and why."""

    breaker: BreakerFacts
    verdict: Verdict


class Watch:
    """The breakers that watch one run, and what their windows hold as events come in.

    `items` holds, for batches, how often (breaker id, item, tool) was worked on before; without it the
    breaker's own value is taken. `steps` are the fingerprints of the run's last steps.
    """

    def __init__(
        self,
        breakers: Sequence[BreakerFacts],
        *,
        steps: bytes = b"",
        items: Mapping[tuple[str, str, str], int] | None = None,
    ) -> None:
        self.breakers = breakers
        self.steps = steps
        self._items = dict(items) if items is not None else None
        self._gauges: dict[str, Gauge] = {}

    def step(self, event: Event) -> list[Tripped]:
        """Count an event and say which breakers it opens, shadows included, in the order given."""
        if event.fingerprint and event.moment in LOOP_MOMENTS:
            self.steps = loops.append(self.steps, event.fingerprint, event.at)
        found = []
        for breaker in self.breakers:
            if breaker.state in JUDGING:
                before = self._before(breaker, event)
                verdict = self._judge(breaker, before, event)
                if verdict is not None and verdict.trips:
                    found.append(Tripped(as_it_was(breaker, before), verdict))
        return found

    def _judge(self, breaker: BreakerFacts, before: Gauge, event: Event) -> Verdict | None:
        if breaker.condition == "loop":
            if event.moment not in LOOP_MOMENTS or not event.fingerprint:
                return None
            steps = loops.recent(self.steps, window_s=breaker.window_s, reset_at=breaker.reset_at)
            return loop(breaker, Gauge(Decimal(0)), event, loops.cycle(steps))
        known = CONDITIONS.get(breaker.condition)
        if known is None:
            return None
        moments, judge = known
        gauge = after(breaker, before, event)
        self._keep(breaker, event, gauge)
        return judge(breaker, gauge, event) if event.moment in moments else None

    def _before(self, breaker: BreakerFacts, event: Event) -> Gauge:
        if breaker.condition == "repeats" and self._items is not None:
            return Gauge(Decimal(self._items.get((breaker.id, event.item, event.tool), 0)))
        return self._gauges.get(breaker.id) or Gauge.before(breaker)

    def _keep(self, breaker: BreakerFacts, event: Event, gauge: Gauge) -> None:
        if breaker.condition == "repeats" and self._items is not None:
            self._items[breaker.id, event.item, event.tool] = int(gauge.value)
        else:
            self._gauges[breaker.id] = gauge


def as_it_was(breaker: BreakerFacts, before: Gauge) -> BreakerFacts:
    """The breaker with what it held just before the event: in a batch that is more than was read."""
    if before == Gauge.before(breaker):
        return breaker
    return replace(breaker, value=before.value, volume=before.volume)


def opening(found: Sequence[Tripped]) -> Tripped | None:
    """The first that really opens."""
    return next((one for one in found if one.breaker.state in WATCHING), None)


def shadowed(found: Sequence[Tripped]) -> list[Tripped]:
    """Those that only say they would."""
    return [one for one in found if one.breaker.state == "shadow"]
