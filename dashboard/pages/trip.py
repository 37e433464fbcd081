"""Why an agent stopped: the rule, its gauge at that moment, and what it did over and over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from agents.models import Action, ActionState, Agent, Condition, Run, Trip
from agents.rules.breakers import amount, plain, span
from reviews.models import Hold, HoldKind

from .timeline import Line, lines, readable

SHOWN = 100
COUNTED = 1000
"""Counts beyond this are shown as “1000 or more”: nobody decides differently for the exact number."""


@dataclass(frozen=True)
class Fold:
    """The same thing done several times, as one line."""

    tool: str
    subject: str
    lines: list[Line]

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


@dataclass(frozen=True)
class Evidence:
    trip: Trip
    folds: list[Fold]
    in_flight: list[Line]
    runs: int
    approvals: int

    @property
    def share(self) -> float:
        """The value in percent of a scale that has room for both value and limit."""
        return self._percent(self.trip.value)

    @property
    def limit_at(self) -> float:
        return self._percent(self.trip.limit)

    def _percent(self, number: Decimal | None) -> float:
        top = max(self.trip.value or Decimal(0), self.trip.limit or Decimal(0))
        return round(float(100 * (number or Decimal(0)) / top) * 0.96, 1) if top else 0.0

    @property
    def reading(self) -> str:
        return self._measure(self.trip.value)

    @property
    def limit(self) -> str:
        return self._measure(self.trip.limit)

    def _measure(self, number: Decimal | None) -> str:
        if number is None:
            return ""
        if self.trip.condition == Condition.SPEND:
            return amount(number, self.trip.unit)
        return plain(number)

    @property
    def rule(self) -> str:
        """The rule that was crossed, as a sentence."""
        trip = self.trip
        if not trip.condition or trip.window is None:
            return ""
        window = span(trip.window.total_seconds())
        match trip.condition:
            case Condition.REPEATS:
                return f"One item may be worked on at most {self.limit} times in {window}."
            case Condition.ERRORS:
                return f"{self.limit} failures in {window} are too many."
        return f"At most {self.limit} may be spent or reserved in {window}."

    @property
    def tokens(self) -> int:
        return _whole(self.trip.evidence.get("tokens"))

    @property
    def cost_usd(self) -> Decimal:
        return _decimal(self.trip.evidence.get("cost_usd"))

    @property
    def proposal(self) -> dict[str, Any] | None:
        """What it wanted to do when it was stopped; not done."""
        found = self.trip.evidence.get("proposal")
        return found if isinstance(found, dict) and found.get("tool") else None


def evidence(hold: Hold, trip: Trip) -> Evidence:
    ids = [pk for pk in trip.evidence.get("actions") or [] if isinstance(pk, str)][:SHOWN]
    actions = Action.objects.filter(agent_id=hold.agent_id)
    repeated = readable(actions.filter(pk__in=ids)).order_by("id")
    in_flight = actions.executing()
    if hold.run_id:
        in_flight = in_flight.filter(run_id=hold.run_id)
    return Evidence(
        trip,
        folds=folded(repeated),
        in_flight=lines(readable(in_flight).order_by("-id")[:20]),
        runs=1 if hold.run_id else live_runs(hold.agent),
        approvals=waiting_approvals(hold.agent, hold.run),
    )


def folded(actions: Any) -> list[Fold]:
    """Group by what was done to what, in the order of first occurrence."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines(actions):
        groups.setdefault((line.action.tool, line.action.item), []).append(line)
    return [Fold(tool, group[0].action.subject, group) for (tool, _item), group in groups.items()]


def live_runs(agent: Agent) -> int:
    return Run.objects.filter(agent=agent).live()[:COUNTED].count()


def waiting_approvals(agent: Agent, run: Run | None = None) -> int:
    waiting = Hold.objects.waiting().filter(agent=agent, kind=HoldKind.APPROVAL)
    if run:
        waiting = waiting.filter(run=run)
    return waiting[:COUNTED].count()


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _decimal(value: Any) -> Decimal:
    try:
        found = Decimal(str(value or 0))
    except ArithmeticError:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)
