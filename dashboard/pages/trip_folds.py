"""What an agent did until it was stopped, folded: the same thing several times is one line, a circle is one circle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from agents.models import Action, ActionState, Condition, Trip
from agents.rules.breakers import loops

from .kept import bytes_of, moment_of
from .timeline import Line, lines

SINGLES = 3
"""More single things than this, done with one tool, are one line, too."""


@dataclass(frozen=True)
class Fold:
    """The same thing done several times, or several things done with one tool, as one line."""

    tool: str
    subject: str
    lines: list[Line]
    different: int = 1
    """How many things were worked on."""

    @property
    def first_at(self) -> datetime:
        return self.lines[0].action.created_at

    @property
    def last_at(self) -> datetime:
        return self.lines[-1].action.created_at

    @property
    def cost_usd(self) -> Decimal:
        return sum((line.action.cost_usd for line in self.lines), Decimal(0))

    @property
    def failures(self) -> int:
        return sum(line.action.state == ActionState.FAILED for line in self.lines)

    @property
    def error(self) -> str:
        """What most of them came to, where they came to the same."""
        errors = {line.error for line in self.lines if line.error}
        return errors.pop() if len(errors) == 1 and len(self.lines) > 1 else ""


def folded(actions: Iterable[Action]) -> list[Fold]:
    """By what was done to what, in the order of first occurrence; many single ones by their tool."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines(actions):
        groups.setdefault((line.action.tool, line.action.item), []).append(line)
    singles: dict[str, list[Line]] = {}
    for (tool, _), group in groups.items():
        if len(group) == 1:
            singles.setdefault(tool, []).append(group[0])
    found: dict[object, Fold] = {}
    for (tool, item), group in groups.items():
        alike = singles.get(tool, [])
        if len(group) == 1 and len(alike) > SINGLES:
            found.setdefault(tool, Fold(tool, "", alike, different=len(alike)))
        else:
            found[tool, item] = Fold(tool, group[0].action.subject, group)
    return list(found.values())


@dataclass(frozen=True)
class Cycle:
    """A circle: its steps once, and how often it was gone through."""

    steps: Sequence[Line]
    times: int


def cycle(trip: Trip, actions: Sequence[Action]) -> Cycle | None:
    """What was gone through in circles. Its steps are the last actions of the evidence."""
    if trip.condition != Condition.LOOP or not actions:
        return None
    length, times = loops.cycle(marks(trip))
    if times < 2 or length > len(actions):
        return None
    return Cycle(lines(actions[-length:]), times)


def ring(trip: Trip) -> bytes:
    """The run's steps as they were when it tripped, the last one included."""
    judged: dict[str, Any] = trip.evidence.get("judged") or {}
    event = judged.get("event") or {}
    mark = bytes_of(event.get("fingerprint"))
    steps = bytes_of(judged.get("steps"))
    return loops.append(steps, mark, moment_of(event.get("at"))) if mark else steps


def marks(trip: Trip) -> list[bytes]:
    kept = (trip.evidence.get("judged") or {}).get("breaker") or {}
    window = trip.window.total_seconds() if trip.window else 0
    return loops.recent(ring(trip), window_s=window, reset_at=moment_of(kept.get("reset_at")))
