"""The states of a breaker and every arrow between them. What is not here is refused, in words."""

from __future__ import annotations

from typing import Final

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"
FORCED: Final = "forced_open"
DISABLED: Final = "disabled"
SHADOW: Final = "shadow"

STATES = (CLOSED, OPEN, HALF_OPEN, FORCED, DISABLED, SHADOW)
VERBS = (
    "trip",
    "resume",
    "close",
    "force",
    "release",
    "disable",
    "wake",
    "enable",
    "shadow",
    "grant",
)
"""`trip`: its condition holds. `resume`: a person lets what it paused run again. `close`: probation went well. `force` and `release`: a person
keeps it open, and no longer. `disable`, `wake` (its time is over), `enable`, `shadow` (judge, never trip). `grant`: its limit is raised once."""

ARROWS: dict[tuple[str, str], str] = {
    (CLOSED, "trip"): OPEN,
    (HALF_OPEN, "trip"): OPEN,
    (OPEN, "resume"): HALF_OPEN,
    # Several agents can wait for the answer to one breaker: with the first it goes on probation.
    (HALF_OPEN, "resume"): HALF_OPEN,
    (CLOSED, "resume"): CLOSED,
    (DISABLED, "resume"): DISABLED,
    (SHADOW, "resume"): SHADOW,
    (HALF_OPEN, "close"): CLOSED,
    (CLOSED, "force"): FORCED,
    (OPEN, "force"): FORCED,
    (HALF_OPEN, "force"): FORCED,
    (DISABLED, "force"): FORCED,
    (SHADOW, "force"): FORCED,
    (FORCED, "release"): OPEN,  # CLOSED where nothing that it paused waits for an answer
    (CLOSED, "disable"): DISABLED,
    (HALF_OPEN, "disable"): DISABLED,
    (SHADOW, "disable"): DISABLED,
    (DISABLED, "disable"): DISABLED,
    (DISABLED, "wake"): CLOSED,
    (DISABLED, "enable"): CLOSED,
    (SHADOW, "enable"): CLOSED,
    (CLOSED, "shadow"): SHADOW,
    (HALF_OPEN, "shadow"): SHADOW,
    (DISABLED, "shadow"): SHADOW,
    (CLOSED, "grant"): CLOSED,
    (HALF_OPEN, "grant"): HALF_OPEN,
    (SHADOW, "grant"): SHADOW,
}

REFUSALS = {
    CLOSED: "This breaker is closed: it watches already.",
    OPEN: "This breaker is open: answer its trip first.",
    HALF_OPEN: "This breaker is on probation: it watches already.",
    FORCED: "This breaker is forced open: release it first.",
    DISABLED: "This breaker is disabled: let it watch again first.",
    SHADOW: "This breaker is in shadow: let it watch first.",
}


def after(state: str, verb: str) -> str | None:
    """Where this verb leads from there; None where it does not lead anywhere."""
    return ARROWS.get((state, verb))
