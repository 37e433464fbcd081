"""Courses: what a breaker counted as time went by, as points of a small chart. Pure; times are arguments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from operator import itemgetter

SAMPLES = 40


@dataclass(frozen=True)
class Chart:
    """A line over time: `points` are (share of the width, value), oldest first.

    `is_stepped` where a value holds until the next one. `at` marks a moment on the same scale. `title` says the
    whole of it to those who cannot see it; `since` and `until` are words for its ends.
    """

    points: Sequence[tuple[float, float]]
    limit: float | None
    title: str
    since: str = ""
    until: str = "now"
    at: float | None = None
    is_stepped: bool = False
    is_over: bool = False
    """Whether the limit is crossed in the end: drawn in the colour of what is stopped."""

    @property
    def top(self) -> float:
        """The highest value with room above it, so that neither line nor limit touches the edge."""
        highest = max((value for _, value in self.points), default=0.0)
        return max(highest, self.limit or 0.0) * 1.15 or 1.0

    @property
    def is_drawn(self) -> bool:
        """Whether there is a course: a single point is none."""
        return len(self.points) > 1


type Points = list[tuple[float, float]]


def moments(now: datetime, span: timedelta, samples: int = SAMPLES) -> list[datetime]:
    """Evenly from `now - span` to `now`."""
    return [now - span * (1 - n / (samples - 1)) for n in range(samples)]


def even(values: Sequence[float]) -> Points:
    last = max(1, len(values) - 1)
    return [(n / last, value) for n, value in enumerate(values)]


def within(times: Sequence[datetime], at: datetime, window: timedelta) -> int:
    """How many of these, oldest first, fall into the window that ends at a moment."""
    return bisect_right(times, at) - bisect_right(times, at - window)


class Slots:
    """Sums of slots of equal width, for windows that move over them."""

    def __init__(self, counts: Mapping[int, float], *, grain: int, first: int, last: int) -> None:
        """`counts` by slot, a slot being `grain` seconds since 1970; from `first` to `last`."""
        self.grain, self.first = grain, first
        self._sums = [0.0, *accumulate(counts.get(n, 0.0) for n in range(first, last + 1))]

    def slot(self, at: datetime) -> int:
        return int(at.timestamp() // self.grain)

    def sum(self, at: datetime, window: timedelta, since: datetime | None = None) -> float:
        """What the window that ends at a moment holds; of what was before `since` nothing, once that has passed."""
        end = self.slot(at)
        begin = int((at - window).timestamp() // self.grain) + 1
        if since is not None and since <= at:
            begin = max(begin, self.slot(since))
        return max(0.0, self._upto(end) - self._upto(begin - 1))

    def _upto(self, slot: int) -> float:
        return self._sums[min(max(slot - self.first + 1, 0), len(self._sums) - 1)]


def streaks(outcomes: Sequence[tuple[datetime, bool | None]]) -> list[tuple[datetime, int]]:
    """Bad ones in a row after each of them: True adds, False ends the row, None says nothing."""
    found, row = [], 0
    for at, bad in outcomes:
        row = row + 1 if bad else 0 if bad is False else row
        found.append((at, row))
    return found


def last_before[T](found: Sequence[tuple[datetime, T]], at: datetime, otherwise: T) -> T:
    """The value that held at a moment; `found` is in the order of time."""
    place = bisect_right(found, at, key=itemgetter(0))
    return found[place - 1][1] if place else otherwise


def sampled(
    read: Callable[[datetime], float], now: datetime, span: timedelta, samples: int = SAMPLES
) -> Points:
    return even([read(at) for at in moments(now, span, samples)])


def placed(found: Sequence[tuple[datetime, float]], since: datetime, until: datetime) -> Points:
    """Values at their moments, on a scale from `since` to `until`."""
    whole = (until - since).total_seconds() or 1.0
    return [
        (min(1.0, max(0.0, (at - since).total_seconds() / whole)), value) for at, value in found
    ]
