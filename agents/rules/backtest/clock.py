"""What the clock would have tripped: runs that began too rarely, runs that fell silent."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from ..breakers import Watch
from ..facts import Event
from .past import Began, Done, Stopped
from .replay import ANY, Answered, Point, Replayed, Tried, WouldTrip, facts_of

CLOCKED = frozenset({"rarely", "silence"})
PATIENT = Decimal(10) ** 12
"""A limit under which every count lies."""


def by_the_clock(
    tried: Tried,
    actions: Sequence[Done],
    runs: Sequence[Began],
    stops: Sequence[Stopped],
    *,
    team: str,
    since: datetime,
    until: datetime,
    answered: Answered | None,
) -> Replayed:
    """Trips of `rarely` and `silence` in this time. While something is stopped, nobody expects anything of it."""
    clock = Clock(tried, team, answered, stops, since, until)
    if tried.condition == "rarely":
        starts: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        for run in runs:
            owner = team if tried.scope == "team" else run.agent
            starts[owner, "" if tried.scope == "team" else run.agent].append(run.started_at)
        for (owner, agent), times in starts.items():
            clock.rarely(owner, agent, sorted(times))
    else:
        signs = signs_of_life(actions, runs)
        for run in runs:
            clock.silence(run, signs[run.id])
    clock.found.trips.sort(key=lambda trip: trip.at)
    clock.found.course.sort()
    return clock.found


class Clock:
    def __init__(
        self,
        tried: Tried,
        team: str,
        answered: Answered | None,
        stops: Sequence[Stopped],
        since: datetime,
        until: datetime,
    ) -> None:
        self.tried = tried
        self.found = Replayed()
        self._answered = answered
        self._stops = stops
        self._since, self._until = since, until
        learning = PATIENT if tried.condition == "rarely" else ANY
        self._facts = facts_of(tried, tried.limit if answered else learning)
        self._team = team

    def rarely(self, owner: str, agent: str, times: list[datetime]) -> None:
        """Looked at where a start leaves the window: only there a count can fall."""
        window = self.tried.window
        begin = max(self._since, times[0]) if times else self._since
        due = begin + window
        while due <= self._until:
            stop = self._stop_at(agent, "", begin, due)
            if stop is not None:
                begin, due = stop.until, stop.until + window
                continue
            count = bisect_right(times, due) - bisect_right(times, max(due - window, begin))
            tripped = self._judge(owner, agent, "", due, Decimal(count))
            if tripped is not None:
                begin, due = tripped, tripped + window
                continue
            leaves = bisect_right(times, due - window)
            due = times[leaves] + window if leaves < len(times) else self._until + window

    def silence(self, run: Began, signs: list[tuple[datetime, datetime]]) -> None:
        """Between two signs of life, longer than the window. A run that waits for a person is not silent."""
        window = self.tried.window
        last = run.started_at
        over = run.ended_at or self._until
        for begin, end in [*sorted(signs), (over, over)]:
            gap = min(begin, over) - last
            due = last + window
            if due >= self._since and due <= self._until:
                stopped = self._stop_at(run.agent, run.id, last, due)
                longest = window if self._answered else gap
                if gap >= window and stopped is None:
                    value = Decimal(round(longest.total_seconds()))
                    self._judge(self._owner(run), run.agent, run.id, due, value)
                elif self._answered is None and stopped is None and gap > timedelta(0):
                    value = Decimal(round(gap.total_seconds()))
                    self.found.course.append(Point(begin, self._owner(run), value))
            last = max(last, end)

    def _owner(self, run: Began) -> str:
        scope = self.tried.scope
        return run.id if scope == "run" else self._team if scope == "team" else run.agent

    def _stop_at(self, agent: str, run: str, begin: datetime, due: datetime) -> Stopped | None:
        for stop in self._stops:
            whose = not agent or stop.agent == agent
            if whose and stop.run in ("", run) and stop.at < due and stop.until > begin:
                return stop
        return None

    def _judge(
        self, owner: str, agent: str, run: str, at: datetime, value: Decimal
    ) -> datetime | None:
        """Until when it is stopped; None: it goes on."""
        self.found.judged += 1
        self.found.course.append(Point(at, owner, value))
        facts = msgspec.structs.replace(self._facts, value=value)
        found = Watch([facts]).step(Event("clock"))
        if not found or self._answered is None:
            return None
        until = self._answered(agent, run if self.tried.scope == "run" else "", at)
        verdict = found[0].verdict
        self.found.trips.append(
            WouldTrip(at, until, owner, agent, run, "", "", verdict.reason, verdict.value)
        )
        return until


def signs_of_life(
    actions: Iterable[Done], runs: Iterable[Began]
) -> dict[str, list[tuple[datetime, datetime]]]:
    """Of each run: when something was heard of it, and until when it then waited for a person."""
    signs: dict[str, list[tuple[datetime, datetime]]] = {run.id: [] for run in runs}
    for done in actions:
        if done.run in signs:
            signs[done.run] += list(_signs(done))
    return signs


def _signs(done: Done) -> Iterator[tuple[datetime, datetime]]:
    yield done.asked_at, max(done.asked_at, done.waited_until or done.asked_at)
    if done.ended_at is not None:
        yield done.ended_at, done.ended_at
