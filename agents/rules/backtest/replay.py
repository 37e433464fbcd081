"""What a breaker would have done to the past: the live rules, moment by moment, over windows that slide exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from ..breakers import Watch, loops, shown
from ..breakers.conditions import CONDITIONS, LOOP_MOMENTS
from ..breakers.gauges import BEGINS, Gauge, after
from ..facts import BreakerFacts, Event
from .past import Done, Moment
from .windows import Entry, Uses, Window

ANY = Decimal("0.000001")
"""A limit that everything crosses: what a gauge came to is learned by it."""


class Tried(NamedTuple):
    """A breaker to try: as in `models.Breaker`. `window` of nothing is the whole run."""

    condition: str
    limit: Decimal
    window: timedelta
    scope: str = "agent"
    unit: str = ""
    minimum: int = 0
    threshold: Decimal = Decimal(0)


@dataclass(slots=True)
class WouldTrip:
    """A trip that would have been. What the stopped ones began until somebody would have answered was saved."""

    at: datetime
    until: datetime
    owner: str
    agent: str
    run: str
    action: str
    """The recorded action it would have tripped on; empty for one that really tripped, for runs and the clock."""
    tool: str
    reason: str
    value: Decimal
    saved_actions: int = 0
    saved_tokens: int = 0
    saved_usd: Decimal = Decimal(0)

    def save(self, done: Done | None) -> None:
        if done is None or done.outcome in ("denied", "refused"):
            return
        self.saved_actions += 1
        self.saved_tokens += done.tokens
        self.saved_usd += done.cost_usd


class Point(NamedTuple):
    """The gauge of one owner (run, agent or team) at a moment when the rule judged it."""

    at: datetime
    owner: str
    value: Decimal


type Answered = Callable[[str, str, datetime], datetime]
"""When a person would have answered a stop of this agent and run (empty: all of its runs) at that moment."""


@dataclass(slots=True)
class Replayed:
    trips: list[WouldTrip] = field(default_factory=list)
    course: list[Point] = field(default_factory=list)
    judged: int = 0
    stopped_at: datetime | None = None
    """Where there was no time left to look at more."""


class Replay:
    """Judges one moment after the other. Without `answered` nothing stops: only the course is learned.

    `judge_from` is where looking begins; what was before only fills the windows. `uses` says how often each
    (agent, tool) was used before the first moment, tool empty for all of them.
    """

    def __init__(
        self,
        tried: Tried,
        *,
        team: str,
        answered: Answered | None,
        judge_from: datetime | None = None,
        uses: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self.tried = tried
        self.found = Replayed()
        self._team = team
        self._answered = answered
        self._judge_from = judge_from
        self._facts = facts_of(tried, ANY if answered is None else tried.limit)
        known = CONDITIONS.get(tried.condition)
        self._moments = known[0] if known else LOOP_MOMENTS
        """When it is judged; nothing else is counted by it, either."""
        self._windows: dict[tuple[str, ...], Window] = {}
        self._reserved: dict[str, tuple[Window, Entry]] = {}
        self._steps: dict[str, bytes] = {}
        self._runs: dict[str, set[str]] = defaultdict(set)
        self._streaks: dict[str, Decimal] = {}
        self._resets: dict[str, datetime] = {}
        self._stops: dict[str, WouldTrip] = {}
        self._never: set[str] = set()
        self._uses = Uses()
        for (agent, tool), count in (uses or {}).items():
            self._uses.set(agent, tool, count)

    def look_at(self, moments: Iterable[Moment]) -> Replayed:
        for moment in moments:
            self.step(moment)
        return self.found

    def step(self, moment: Moment) -> None:
        done, event = moment.done, moment.event
        owner = self._owner(moment)
        stop = self._stops.get(owner)
        if stop is not None and moment.at < stop.until:
            if event is not None and event.moment != "settled" and moment.at >= stop.at:
                stop.save(done)
                if done is not None:
                    self._never.add(done.id)
            return
        if done is not None and done.id in self._never:
            return
        if event is None:
            self._release(moment, owner)
        elif event.moment in self._moments:
            self._judge(moment, owner, self._in_its_place(moment, event))

    def _in_its_place(self, moment: Moment, event: Event) -> Event:
        """With how often the agent did this before, where the rule asks."""
        if self.tried.condition != "unusual":
            return event
        uses, tool_uses = self._uses.of(moment.agent, event.tool)
        if event.moment in BEGINS:
            self._uses.count(moment.agent, event.tool)
        return msgspec.structs.replace(event, uses=uses, tool_uses=tool_uses)

    def _judge(self, moment: Moment, owner: str, event: Event) -> None:
        steps = self._steps.get(moment.run, b"")
        before = self._before(moment, owner)
        facts = msgspec.structs.replace(
            self._facts,
            value=before.value,
            volume=before.volume,
            base=int(before.base),
            base_volume=before.base_volume,
        )
        watch = Watch([facts], steps=steps)
        found = watch.step(event)
        self._count(moment, owner, event, before, watch.steps)
        if self._judge_from is not None and moment.at < self._judge_from:
            return
        # Learning, everything crosses the limit that can: rates with too few actions do not.
        if found or self._answered is not None:
            self._draw(moment, owner, event, facts, before, watch.steps)
        if found and self._answered is not None:
            self._stop(moment, owner, found[0].verdict.reason, found[0].verdict.value)

    def _draw(
        self,
        moment: Moment,
        owner: str,
        event: Event,
        facts: BreakerFacts,
        before: Gauge,
        steps: bytes,
    ) -> None:
        """Keep what the gauge came to, where the rule looks at it at all."""
        condition = self.tried.condition
        if condition == "loop":
            if event.moment not in LOOP_MOMENTS or not event.fingerprint:
                return
            kept = loops.recent(steps, window_s=self._facts.window_s)
            value = Decimal(loops.cycle(kept)[1])
        else:
            value = shown(condition, after(facts, before, event))
        self.found.judged += 1
        self.found.course.append(Point(moment.at, owner, value))

    def _stop(self, moment: Moment, owner: str, reason: str, value: Decimal) -> None:
        assert self._answered is not None
        done = moment.done
        until = self._answered(
            moment.agent, moment.run if self.tried.scope == "run" else "", moment.at
        )
        refused = done is None or done.outcome == "refused"
        made = WouldTrip(
            at=moment.at,
            until=until,
            owner=owner,
            agent=moment.agent,
            run=moment.run,
            action="" if done is None or refused else done.id,
            tool=done.tool if done else "",
            reason=reason,
            value=value,
        )
        if done is not None and moment.event is not None and moment.event.moment == "proposed":
            made.save(done)
            self._never.add(done.id)
        self.found.trips.append(made)
        self._stops[owner] = made
        self._resets[owner] = until
        self._streaks.pop(owner, None)
        for run in self._runs.pop(owner, ()):
            self._steps.pop(run, None)

    # -- windows -----------------------------------------------------------------------------------

    def _owner(self, moment: Moment) -> str:
        scope = self.tried.scope
        return moment.run if scope == "run" else self._team if scope == "team" else moment.agent

    def _since(self, owner: str, at: datetime) -> datetime | None:
        begin = at - self.tried.window if self.tried.window else None
        return max(filter(None, (begin, self._resets.get(owner))), default=None)

    def _window(self, moment: Moment, owner: str) -> Window:
        key: tuple[str, ...] = (owner,)
        if self.tried.condition == "repeats" and moment.done is not None:
            key = (owner, moment.done.item, moment.done.tool)
        if key not in self._windows:
            self._windows[key] = Window(keeps_older=self.tried.condition == "drop")
        return self._windows[key]

    def _before(self, moment: Moment, owner: str) -> Gauge:
        if self.tried.condition == "malformed":
            return Gauge(self._streaks.get(owner, Decimal(0)))
        window = self._window(moment, owner)
        window.slide(self._since(owner, moment.at))
        return Gauge(window.value, window.volume, int(window.base), window.base_volume)

    def _count(self, moment: Moment, owner: str, event: Event, before: Gauge, steps: bytes) -> None:
        condition = self.tried.condition
        if condition == "loop":
            self._steps[moment.run] = steps
            self._runs[owner].add(moment.run)
            return
        gauge = after(self._facts, before, event)
        if condition == "malformed":
            self._streaks[owner] = gauge.value
            return
        window = self._window(moment, owner)
        more, volume = gauge.value - before.value, gauge.volume - before.volume
        if condition != "spend" or moment.done is None:
            window.add(moment.at, more, volume)
            return
        done = moment.done
        if event.moment == "settled":
            self._release(moment, owner)
            more = Decimal(done.tokens) if self.tried.unit == "tokens" else done.cost_usd
        entry = window.add(moment.at, more, volume)
        if event.moment == "proposed" and done.outcome != "refused":
            self._reserved[done.id] = (window, entry)

    def _release(self, moment: Moment, owner: str) -> None:
        """What was reserved leaves the window it was reserved in."""
        kept = self._reserved.pop(moment.done.id, None) if moment.done else None
        if kept is not None:
            window, entry = kept
            since = self._since(owner, moment.at)
            window.slide(since)
            window.take(entry, entry.value, since)


def facts_of(tried: Tried, limit: Decimal) -> BreakerFacts:
    return BreakerFacts(
        id="tried",
        condition=tried.condition,
        unit=tried.unit,
        scope=tried.scope,
        run_id=None,
        state="closed",
        limit=limit,
        window_s=tried.window.total_seconds(),
        value=Decimal(0),
        generation=1,
        probes_allowed=1,
        probes_leased=0,
        probes_succeeded=0,
        probation_until=None,
        minimum=tried.minimum,
        threshold=tried.threshold,
    )
