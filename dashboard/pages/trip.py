"""Why an agent stopped: the rule, its gauge at that moment, what it did, what that cost, and what happened since."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from agents.models import Action, Agent, Condition, Run, Trip
from reviews.models import Hold, HoldKind

from . import trip_course, trip_since, trip_spent
from .charts import Chart
from .measures import AT_LEAST, against, rule_then, said
from .timeline import readable
from .trip_folds import Cycle, Fold, cycle, folded
from .trip_since import Since
from .trip_spent import Saved

SHOWN = 100
COUNTED = 1000
"""Counts beyond this are shown as “1000 or more”: nobody decides differently for the exact number."""


@dataclass(frozen=True)
class Evidence:
    trip: Trip
    actions: list[Action]
    """What did it, the oldest first."""
    folds: list[Fold]
    cycle: Cycle | None
    since: Since
    saved: Saved | None
    runs: int
    approvals: int

    # -- the gauge ---------------------------------------------------------------------------------

    @property
    def value(self) -> Decimal | None:
        return self.trip.value

    @property
    def most(self) -> Decimal | None:
        """The limit that was crossed; of silence, how long it may last."""
        if self.trip.condition == Condition.SILENCE and self.trip.window:
            return Decimal(self.trip.window.total_seconds())
        return self.trip.limit

    @property
    def share(self) -> float:
        """The value in percent of a scale that has room for both value and limit."""
        return self._percent(self.value)

    @property
    def limit_at(self) -> float:
        return self._percent(self.most)

    def _percent(self, number: Decimal | None) -> float:
        top = max(self.value or Decimal(0), self.most or Decimal(0))
        return round(float(100 * (number or Decimal(0)) / top) * 0.96, 1) if top else 0.0

    @property
    def reading(self) -> str:
        return self._measure(self.value)

    @property
    def limit(self) -> str:
        at_least = "at least " if self.trip.condition in AT_LEAST else ""
        return at_least + self._measure(self.most)

    def _measure(self, number: Decimal | None) -> str:
        return "" if number is None else said(number, self.trip.condition, self.trip.unit)

    @property
    def in_words(self) -> str:
        """`6 of 5`: for lists of trips."""
        if self.value is None or self.most is None:
            return ""
        return against(self.value, self.most, self.trip.condition, self.trip.unit)

    @property
    def rule(self) -> str:
        """The rule that was crossed, as it was then."""
        return rule_then(self._judged.get("breaker") or {}) if self.trip.condition else ""

    @cached_property
    def chart(self) -> Chart | None:
        """The gauge's course up to the trip."""
        return trip_course.chart(self.trip, self.actions, limit=self.most, reading=self.reading)

    @property
    def _judged(self) -> dict[str, Any]:
        found = self.trip.evidence.get("judged")
        return found if isinstance(found, dict) else {}

    # -- what did it -------------------------------------------------------------------------------

    @property
    def more(self) -> int:
        """How many more there were than are kept."""
        counts = (Condition.REPEATS, Condition.ERRORS, Condition.SLOW, Condition.MALFORMED)
        if self.trip.condition not in counts or self.value is None or not self.actions:
            return 0
        wanted = 1 if self.proposal else 0  # the last one was never done
        return max(int(self.value) - wanted - len(self.actions), 0)

    @property
    def began(self) -> list[dict[str, Any]]:
        """Runs that were started too often, the newest first."""
        return trip_course.runs_of(self.trip)

    @property
    def offender(self) -> str:
        """The agent that tripped its team's breaker, where that was another one."""
        found = self.trip.evidence.get("offender")
        if not isinstance(found, dict) or found.get("id") == str(self.trip.agent_id):
            return ""
        return str(found.get("name") or "")

    @property
    def tokens(self) -> int:
        return _whole(self.trip.evidence.get("tokens")) or sum(one.tokens for one in self.actions)

    @property
    def cost_usd(self) -> Decimal:
        kept = _decimal(self.trip.evidence.get("cost_usd"))
        return kept or sum((one.cost_usd for one in self.actions), Decimal(0))

    @property
    def proposal(self) -> dict[str, Any] | None:
        """What it wanted to do when it was stopped; not done."""
        found = self.trip.evidence.get("proposal")
        return found if isinstance(found, dict) and found.get("tool") else None

    @property
    def is_judged_by_rule(self) -> bool:
        """Whether a rule stopped it, of which one can say that it was right or wrong."""
        return bool(self.trip.condition or self.trip.budget_id)


def evidence(hold: Hold, trip: Trip) -> Evidence:
    trip.agent, trip.run = hold.agent, hold.run
    return story(trip)


def story(trip: Trip) -> Evidence:
    """All of it; of a breaker in shadow, which has no hold, too."""
    actions = acted(trip)
    agent, run = trip.agent, trip.run
    circle = cycle(trip, actions)
    return Evidence(
        trip,
        actions,
        folds=folded(actions),
        cycle=circle,
        since=trip_since.since(trip),
        saved=trip_spent.saved(trip),
        runs=1 if trip.run_id else live_runs(agent),
        approvals=waiting_approvals(agent, run),
    )


def acted(trip: Trip) -> list[Action]:
    """What the evidence names, of the same team; for a budget, what cost most of it."""
    ids = [pk for pk in trip.evidence.get("actions") or [] if isinstance(pk, str)][:SHOWN]
    if trip.budget_id and not ids:
        return trip_spent.dearest(trip)
    if not ids:
        return []
    found = Action.objects.filter(pk__in=ids, agent__team=trip.agent.team_id)
    return list(readable(found).order_by("id"))


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
