"""The fleet guard: when too many agents trip at once, something else is wrong than the agents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

WITHIN = timedelta(minutes=5)
LEAST = 3


@dataclass(frozen=True, slots=True)
class Fleet:
    """A team, or the whole house: how many agents a breaker stopped lately, and how many are still active.

    `stopped` does not count the agent that is about to be; `active` does.
    """

    name: str
    stopped: int
    active: int


def guards(fleet: Fleet, share: float) -> bool:
    """Whether one more would be more than this share (0 to 1) of all who ran five minutes ago, and at least three."""
    tripped = fleet.stopped + 1
    return tripped >= LEAST and tripped > share * (fleet.stopped + fleet.active)


def sentence(fleet: Fleet, agent: str, share: float) -> str:
    return (
        f"{fleet.stopped + 1} of {fleet.stopped + fleet.active} agents of {fleet.name} tripped within "
        f"{WITHIN.seconds // 60} minutes, more than {share:.0%}: {agent} was not paused. Look for a common cause."
    )
