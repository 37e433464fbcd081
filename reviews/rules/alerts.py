"""Which alert goes where: what a route or a silence means, what belongs together, when to try again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.rules.policy.patterns import fits

INFO, WARNING, CRITICAL = SEVERITIES = ("info", "warning", "critical")
"""From what can wait to what cannot."""

SEVERITY_WORDS = {INFO: "Info", WARNING: "Warning", CRITICAL: "Critical"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What happened, in a word for programs, words for people, and how much it matters."""

    name: str
    words: str
    severity: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("trip", "Agent or run stopped", CRITICAL),
        Kind("fleet", "Fleet guard", CRITICAL),
        Kind("record", "The record needs a person", CRITICAL),
        Kind("reminder", "Deadline comes near", WARNING),
        Kind("escalation", "Escalated", WARNING),
        Kind("expiry", "Nobody answered in time", WARNING),
        Kind("unused", "Approved, not executed", WARNING),
        Kind("budget", "Budget nearly spent", WARNING),
        Kind("webhook", "Webhook message dead", WARNING),
        Kind("approval", "Approval waits", INFO),
        Kind("review", "Review waits", INFO),
        Kind("shadow", "Shadow breaker", INFO),
    )
}

USUAL_GROUP = timedelta(minutes=5)
"""How long what is alike belongs together where no route says otherwise."""

BACKOFF = tuple(
    timedelta(seconds=s)
    for s in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)  # 23 h 43 min in all
)
"""How long to wait after the first, second, … try that failed. After the last comes one more try."""


def rank(severity: str) -> int:
    return SEVERITIES.index(severity)


@dataclass(frozen=True, slots=True)
class Matter:
    """What an alert is about, as routes and silences look at it. `agent` is empty where it is about none."""

    kind: str
    severity: str
    agent: str = ""


def route_fits(matter: Matter, *, kinds: Sequence[str], least: str, agents: Sequence[str]) -> bool:
    """No kinds: any. No agents: any, also none. What is about no agent fits no name of one."""
    return (
        (not kinds or matter.kind in kinds)
        and rank(matter.severity) >= rank(least)
        and (not agents or (matter.agent != "" and any(fits(one, matter.agent) for one in agents)))
    )


def silence_fits(matter: Matter, *, kind: str, agent: str, most: str) -> bool:
    """Empty: any. Nothing graver than `most` is silenced."""
    return (
        kind in ("", matter.kind)
        and rank(matter.severity) <= rank(most)
        and (not agent or (matter.agent != "" and fits(agent, matter.agent)))
    )


def patience(attempts: int) -> timedelta | None:
    """How long to wait after so many tries that failed; None: give up."""
    return BACKOFF[attempts - 1] if attempts <= len(BACKOFF) else None


def rest(failures: int) -> timedelta:
    """How long a channel is left alone after so many failures in a row: 1, 2, 4 … 60 seconds."""
    return timedelta(seconds=min(2 ** min(failures - 1, 6), 60))


def more_at(now: datetime, told: datetime | None, group: timedelta) -> datetime:
    """When people hear that there is more of it: at once if they were last told long ago."""
    return now if told is None else max(now, told + group)
