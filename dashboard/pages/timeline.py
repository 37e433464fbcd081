"""A run's actions as lines people read: tries folded under their step, durations to one scale.

Arguments, results and prompts are not read here: a line opens on its own page, one click away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import groupby

from django.db.models import F, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Left

from agents.models import Action, ActionState

UNREAD = ("arguments", "approved_arguments", "result", "error", "resume")
"""Columns of any size, left in the database."""


@dataclass(frozen=True)
class Line:
    """One action. `share` is its duration in percent of the longest beside it."""

    action: Action
    share: float = 0.0

    @property
    def error(self) -> str:
        kind = getattr(self.action, "error_type", "") or ""
        said = getattr(self.action, "error_message", "") or ""
        return f"{kind}: {said}" if kind and said else kind or said

    @property
    def waited(self) -> timedelta | None:
        """How long a person took."""
        if self.action.decision and self.action.decided_at:
            return self.action.decided_at - self.action.created_at
        return None

    @property
    def is_repeated_try(self) -> bool:
        return self.action.attempt > 1


@dataclass(frozen=True)
class Step:
    """Consecutive actions of one step: its tries and fallbacks. Without a name it is a single line."""

    name: str
    lines: list[Line] = field(default_factory=list)

    @property
    def is_folded(self) -> bool:
        return len(self.lines) > 1

    @property
    def failures(self) -> int:
        return sum(line.action.state == ActionState.FAILED for line in self.lines)

    @property
    def last(self) -> Line:
        return self.lines[-1]

    @property
    def cost_usd(self) -> Decimal:
        return sum((line.action.cost_usd for line in self.lines), Decimal(0))

    @property
    def tokens(self) -> int:
        return sum(line.action.tokens for line in self.lines)


def readable(actions: QuerySet[Action]) -> QuerySet[Action]:
    """Without the columns of any size, with the beginning of an error."""
    return actions.defer(*UNREAD).annotate(
        error_type=Left(KeyTextTransform("type", "error"), 80),
        error_message=Left(KeyTextTransform("message", "error"), 400),
        run_name=F("run__name"),
    )


def lines(actions: Iterable[Action]) -> list[Line]:
    found = list(actions)
    longest = max((action.took for action in found if action.took), default=timedelta(0))
    return [Line(action, share(action.took, longest)) for action in found]


def share(took: timedelta | None, longest: timedelta) -> float:
    """Percent of the longest, never invisible."""
    if not took or not longest:
        return 0.0
    return max(round(100 * (took / longest), 1), 0.5)


def steps(actions: Iterable[Action]) -> list[Step]:
    return list(_steps(lines(actions)))


def _steps(found: list[Line]) -> Iterator[Step]:
    for name, group in groupby(found, key=lambda line: line.action.step):
        if name:
            yield Step(name, list(group))
        else:
            yield from (Step("", [line]) for line in group)
