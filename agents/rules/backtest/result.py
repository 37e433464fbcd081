"""What a backtest comes to: what would have tripped, what that would have saved, and how it compares to what was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ..policy import durations
from .better import Lived
from .past import Stopped
from .replay import Point, Tried, WouldTrip

USUAL_ANSWER = timedelta(minutes=30)
"""How long people are taken to need for an answer where none of them ever answered a stop."""
LATE = timedelta(minutes=1)
"""The clock's own trips come up to this late: a sweep finds them."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """`complete` is false when there was more than was looked at; `since` is then where looking really began."""

    tried: Tried
    since: datetime
    until: datetime
    looked_at: int
    complete: bool
    answer_takes: timedelta
    trips: Sequence[WouldTrip] = ()
    course: Sequence[Point] = ()
    lived: Sequence[Lived] = ()

    @property
    def saved_usd(self) -> Decimal:
        return sum((trip.saved_usd for trip in self.trips), Decimal(0))

    @property
    def saved_tokens(self) -> int:
        return sum(trip.saved_tokens for trip in self.trips)

    @property
    def saved_actions(self) -> int:
        return sum(trip.saved_actions for trip in self.trips)

    @property
    def caught(self) -> list[Lived]:
        """Trips that really were, and would be again."""
        return [one for one in self.lived if self.meets(one)]

    @property
    def missed(self) -> list[Lived]:
        """Trips that really were, and would not be."""
        return [one for one in self.lived if not self.meets(one)]

    @property
    def fresh(self) -> list[WouldTrip]:
        """Trips that would be, and really were not."""
        return [t for t in self.trips if not any(is_one(t, one) for one in self.lived)]

    def meets(self, one: Lived) -> bool:
        return any(is_one(trip, one) for trip in self.trips)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is taken for granted, said to whoever decides by it."""
        if self.tried.condition == "budget":
            return (
                "Used up, it stops what it is for until its period ends, as if nobody had raised it; saved is what "
                "was done from there on. Costs are counted as they are known now.",
            )
        said = [
            f"What would have been stopped stays stopped until the real stop that followed was answered, or for "
            f"{durations.spoken(self.answer_takes)}, the time answers take here; saved is what it did meanwhile.",
            "Each trip is taken to be answered with “resume”; probation, other breakers and budgets are not replayed.",
        ]
        if self.lived:
            said.append("What a real stop prevented is not known: behind it nothing can trip.")
        if self.tried.condition == "silence":
            said.append("Heartbeats are not kept: a run that only gave those looks silent here.")
        if self.tried.condition == "unusual":
            said.append("What was usual before is taken from the counts kept now.")
        return tuple(said)


def is_one(trip: WouldTrip, one: Lived) -> bool:
    """Whether a trip that would be stops what a real one stopped: at its time, or in time before it."""
    return trip.owner == one.owner and trip.at <= one.at + LATE and trip.until >= one.at


class Patience:
    """When people would have answered: as they really did where it really stopped soon after, else after the usual time."""

    def __init__(self, stops: Sequence[Stopped], usual: timedelta) -> None:
        self._stops = sorted(stops, key=lambda stop: stop.at)
        self._usual = usual

    def __call__(self, agent: str, run: str, at: datetime) -> datetime:
        for stop in self._stops:
            if stop.at > at + self._usual:
                break
            whose = not agent or stop.agent == agent
            same = not run or stop.run in ("", run)
            if whose and same and stop.until > at and stop.at >= at - LATE:
                return stop.until
        return at + self._usual


def usual_answer(stops: Sequence[Stopped], now: datetime) -> timedelta:
    """The median of how long answers took."""
    took = sorted(stop.until - stop.at for stop in stops if stop.until < now)
    if not took:
        return USUAL_ANSWER
    whole = max(60, round(took[len(took) // 2].total_seconds() / 60) * 60)
    return timedelta(seconds=whole)
