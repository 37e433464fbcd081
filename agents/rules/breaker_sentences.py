"""Breakers as people read them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from .breakers.words import amount, counted, plain
from .policy import durations

PAUSED = {"run": "the run", "agent": "the agent", "team": "every agent of the team"}


class Watching(Protocol):
    """What a breaker's sentence is made of."""

    @property
    def when(self) -> str: ...
    @property
    def limit(self) -> Decimal: ...
    @property
    def window(self) -> timedelta: ...
    @property
    def pause(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def minimum(self) -> int: ...
    @property
    def threshold(self) -> Decimal: ...
    @property
    def state(self) -> str: ...


def sentence(found: Watching) -> str:
    """`Pauses the agent when one item is worked on more than 5 times within 1 minute.`"""
    consequence = f"pauses {PAUSED[found.pause]}"
    if found.state == "shadow":
        consequence = f"in shadow: would pause {PAUSED[found.pause]}"
    elif found.state == "disabled":
        consequence = f"switched off: would pause {PAUSED[found.pause]}"
    said = f"{consequence} {when(found)}."
    return said[0].upper() + said[1:]


def when(found: Watching) -> str:
    """`at 10 failures within 5 minutes`"""
    during = f"within {durations.spoken(found.window)}" if found.window else "by the whole run"
    limit, count = plain(found.limit), int(found.limit)
    enough = f"of at least {counted(found.minimum, 'action')} " if found.minimum else ""
    match found.when:
        case "repeats":
            return f"when one item is worked on more than {counted(count, 'time')} {during}"
        case "loop":
            return f"when it goes through the same one to four steps {counted(count, 'time')} in a row {during}"
        case "errors":
            return f"at {counted(count, 'failure')} {during}"
        case "failure_rate":
            return f"when more than {limit} % {enough}{'fail' if enough else 'of actions fail'} {during}"
        case "slow":
            return f"at {counted(count, 'call')} of more than {plain(found.threshold)} s {during}"
        case "spend":
            spent = amount(found.limit, found.unit)
            return f"when more than {spent} {'are' if found.unit == 'tokens' else 'is'} spent or reserved {during}"
        case "unusual":
            rare = (
                f", new to it or under {plain(found.threshold)} % of what it does"
                if found.threshold
                else " or new to it"
            )
            known = (
                f", once it has done {counted(found.minimum, 'action')}" if found.minimum else ""
            )
            return f"at {counted(count, 'use')} of a tool that is not allowed{rare} {during}{known}"
        case "drop":
            return f"when {limit} percentage points fewer {enough}succeed {during} than in the week before"
        case "malformed":
            return f"at {counted(count, 'output')} in a row that cannot be read"
        case "often":
            return f"when more than {counted(count, 'run')} start {during}"
        case "rarely":
            return f"when fewer than {counted(count, 'run')} start {during}"
    whose = "it" if found.pause == "run" else "one of its runs"
    return f"when {whose} gives no sign of life for {durations.spoken(found.window)}"
