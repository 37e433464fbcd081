"""Whether a permit is given: places first, then the rate. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .gcra import NONE, Rate, next_slot

ASK_AGAIN = timedelta(seconds=1)
"""When all places are taken: leases are mostly given back long before their end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A limit as it stands at `now`."""

    rate: Rate | None
    tat: datetime | None
    now: datetime
    concurrency: int | None = None
    lease: timedelta | None = None
    held: int = 0
    """Places taken."""
    ahead: int = 0
    """Who waits for a place and asked earlier."""
    free_at: datetime | None = None
    """When the next lease ends, if nobody renews it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said, and what is to be written when it is yes."""

    granted: bool
    wait: timedelta = NONE
    """Granted: sleep so long, then act. Refused: how long it would have been."""
    retry_after: timedelta = NONE
    """Refused: when asking the same again makes sense."""
    tat: datetime | None = None
    starts_at: datetime | None = None
    lease_until: datetime | None = None
    is_full: bool = False
    """Refused because all places are taken: whoever likes may wait for one."""


def judge(standing: Standing, n: int, *, max_wait: timedelta, lease: timedelta | None) -> Verdict:
    """A place and a slot, or when to ask again. `n` is at most the burst; `lease` shortens the limit's own."""
    now = standing.now
    if standing.concurrency is not None and standing.held + standing.ahead >= standing.concurrency:
        soon = min(ASK_AGAIN, standing.free_at - now) if standing.free_at else ASK_AGAIN
        return Verdict(False, retry_after=soon, is_full=True)
    wait, tat = NONE, standing.tat
    if standing.rate is not None:
        slot = next_slot(standing.rate, standing.tat, n, now)
        wait, tat = slot.wait, slot.tat
        if wait > max_wait:
            return Verdict(False, wait=wait, retry_after=wait - max_wait)
    until = None
    if standing.lease is not None:
        until = now + wait + min(lease or standing.lease, standing.lease)
    return Verdict(True, wait, tat=tat, starts_at=now + wait, lease_until=until)
