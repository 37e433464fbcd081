"""How many entries there were, and when: bars that lead to their stretch of time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from django.http import QueryDict

from .record import Filters, Search

MOST_BARS = 60
MINUTE, HOUR, DAY = 60, 3600, 86400
WIDTHS = (
    *(1, 5, 15, 30),
    *(MINUTE * n for n in (1, 5, 10, 30)),
    *(HOUR * n for n in (1, 2, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 14, 28, 91, 364)),
)
"""Seconds that a bar may stand for."""


@dataclass(frozen=True)
class Bar:
    """One stretch of time. `x`, `width` and `tall` are percent of the drawing."""

    since: datetime
    until: datetime
    count: int
    x: float
    width: float
    tall: float
    url: str

    @property
    def top(self) -> float:
        return 100 - self.tall


@dataclass(frozen=True)
class Histogram:
    bars: list[Bar]
    since: datetime
    until: datetime
    count: int
    is_all: bool
    """Whether everything that fits was counted."""


def histogram(search: Search, query: QueryDict, now: datetime, zone: tzinfo) -> Histogram | None:
    """Nothing where fewer than two entries fit."""
    times = search.times(search.counted + 1)
    is_all, times = len(times) <= search.counted, times[: search.counted]
    if len(times) < 2:
        return None
    since, until = _ends(times, search.wanted, now, is_all=is_all)
    step = _width((until - since).total_seconds())
    offset = (since.astimezone(zone).utcoffset() or timedelta(0)).total_seconds()

    def slot(at: datetime) -> int:
        return int((at.timestamp() + offset) // step)

    first, last = slot(since), slot(until - timedelta(microseconds=1))
    counts = Counter(min(max(slot(at), first), last) for at in times)
    most, whole = max(counts.values()), last - first + 1
    bars = []
    for n in sorted(counts):
        begins = datetime.fromtimestamp(n * step - offset, UTC).astimezone(zone)
        ends = begins + timedelta(seconds=step)
        bars.append(
            Bar(
                begins,
                ends,
                counts[n],
                x=round(100 * (n - first) / whole, 3),
                width=round(100 / whole, 3),
                tall=round(max(4.0, 100 * counts[n] / most), 2),
                url=_narrower(query, begins, ends),
            )
        )
    return Histogram(bars, since, until, len(times), is_all)


def _ends(
    times: list[datetime], wanted: Filters, now: datetime, *, is_all: bool
) -> tuple[datetime, datetime]:
    """From what was asked for, or the oldest that was counted, until what was asked for, or now."""
    oldest, newest = min(times), max(times)
    since = wanted.since if wanted.since and is_all else oldest
    until = min(wanted.until, now) if wanted.until else now
    return min(since, oldest), max(until, newest + timedelta(microseconds=1))


def _width(span: float) -> int:
    return next((width for width in WIDTHS if span / width <= MOST_BARS - 1), WIDTHS[-1])


def _narrower(query: QueryDict, since: datetime, until: datetime) -> str:
    narrowed = query.copy()
    for name in ("before", "after", "region"):
        narrowed.pop(name, None)
    narrowed["since"], narrowed["until"] = since.isoformat(), until.isoformat()
    return f"?{narrowed.urlencode()}"
