"""Rates by GCRA, the generic cell rate algorithm (ITU-T I.371, annex A), with slots booked ahead.

`T = period / count` is what one unit costs, `tat` (theoretical arrival time) until when use is promised. Asking
for n: `new = max(now, tat) + n·T`, and they may begin at `new − burst·T`, which is the usual
`new − T − τ` with `τ = T·(burst − 1)`. It is the *new* time that is looked at: looking at the old one lets n > 1
overshoot. Whoever begins later than now has booked: nobody who asks afterwards begins earlier.

Pure. Times are whole microseconds; what a number of units costs is rounded up, so that no rate is exceeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MICROSECOND = timedelta(microseconds=1)
NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` units in `period`, and `burst` of them at one moment after a rest."""

    count: int
    period: timedelta
    burst: int = 1

    def cost(self, n: int) -> timedelta:
        """How long the rate takes to give n units."""
        return timedelta(microseconds=-(-n * (self.period // MICROSECOND) // self.count))


@dataclass(frozen=True, slots=True)
class Slot:
    """When n units may be used, and what `tat` becomes when they are."""

    wait: timedelta
    tat: datetime


def next_slot(rate: Rate, tat: datetime | None, n: int, now: datetime) -> Slot:
    """The first moment for n units (at most the burst) behind all that is promised."""
    new = max(now, tat or now) + rate.cost(n)
    return Slot(max(NONE, new - rate.cost(rate.burst) - now), new)


def booked_until(rate: Rate, tat: datetime | None, now: datetime) -> datetime | None:
    """When the last of those begins who were told to wait; None when nobody waits."""
    last = tat - rate.cost(rate.burst) if tat else now
    return last if last > now else None


def spent(rate: Rate, tat: datetime | None, now: datetime) -> float:
    """Units of the burst that are used up; more than the burst when slots are booked."""
    return max(NONE, (tat or now) - now) * rate.count / rate.period


def carried_over(
    before: Rate | None, after: Rate | None, tat: datetime | None, now: datetime
) -> datetime | None:
    """`tat` under another rate. Who was promised a slot keeps it, whoever asks next comes after them.

    With nothing booked, as many units of the burst stay used as were: a change is no fresh burst, and no penance.
    """
    if after is None or before is None or tat is None or tat <= now:
        return None
    booked = booked_until(before, tat, now)
    if booked is not None:
        return booked + after.cost(after.burst)
    used = min(-(-(tat - now) // before.cost(1)), after.burst)
    return now + after.cost(used)
