"""What the page of a breaker's trial shows: another limit, and what it would have done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.urls import reverse

from agents.backtest import MONTH, WEEK, Suggestion, backtest, suggest_for, tried_of
from agents.history import Known, Whose
from agents.models import Action, Agent, Breaker, Run
from agents.rules.backtest import Tried, WouldTrip
from agents.rules.backtest.better import shown, threshold_of
from agents.rules.backtest.result import Backtest
from agents.rules.breaker_settings import BreakerSetting
from agents.rules.breakers import span
from agents.transitions.applying import setting_of
from audit.errors import Invalid
from people.models import Person

TRIPS_SHOWN = 25
SINCE = {"7": WEEK, "30": MONTH, "1": timedelta(days=1)}
SIZES = {"s": 1, "min": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=31)


@dataclass(frozen=True)
class Asked:
    """What was typed: another limit, window and period, as the form shows them again."""

    limit: str
    window: str
    unit: str
    days: str

    @classmethod
    def of(cls, breaker: Breaker, given: Mapping[str, str]) -> Asked:
        count, _, unit = span(breaker.window.total_seconds()).partition(" ")
        return cls(
            limit=given.get("limit", f"{breaker.limit.normalize():f}").strip(),
            window=given.get("window", count).strip(),
            unit=given.get("unit", unit),
            days=given.get("days", "7"),
        )

    def tried(self, breaker: Breaker) -> Tried:
        """The breaker with what was typed. Raises Invalid."""
        window = breaker.window
        if breaker.window:
            seconds = number(self.window, "window") * SIZES.get(self.unit, 0)
            window = timedelta(seconds=float(seconds))
            if not timedelta(seconds=10) <= window <= LONGEST:
                raise Invalid("The window can be from 10 seconds to 31 days.")
        return tried_of(breaker)._replace(limit=number(self.limit, "limit"), window=window)

    @property
    def since(self) -> timedelta:
        return SINCE.get(self.days, WEEK)


def number(text: str, word: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 < value < 10**12 or value != round(value, 6):
        raise Invalid(f"The {word} must be a number above zero, such as 10 or 2.5.")
    return value


@dataclass(frozen=True)
class Line:
    """One trip that would have been."""

    trip: WouldTrip
    agent: str
    run: str
    link: str
    was: bool
    """Whether it really tripped there."""


@dataclass(frozen=True)
class Tries:
    """A limit and what it would have done, beside what the present one would have."""

    would: Backtest
    present: Backtest | None
    lines: Sequence[Line]

    @property
    def not_shown(self) -> int:
        return len(self.would.trips) - len(self.lines)

    @property
    def limit(self) -> str:
        return shown(self.would.tried, threshold_of(self.would.tried))

    @property
    def before(self) -> str:
        return shown(self.present.tried, threshold_of(self.present.tried)) if self.present else ""

    @property
    def before_limit(self) -> Decimal | None:
        return self.present.tried.limit if self.present else None

    @property
    def false_spared(self) -> int:
        return sum(one.was_true is False for one in self.would.missed)

    @property
    def true_missed(self) -> int:
        return sum(one.was_true is True for one in self.would.missed)

    @property
    def judged_true(self) -> int:
        return sum(one.was_true is True for one in self.would.lived)

    @property
    def judged_false(self) -> int:
        return sum(one.was_true is False for one in self.would.lived)

    @property
    def title(self) -> str:
        """What the chart shows, in words."""
        highest = max((point.value for point in self.would.course), default=Decimal(0))
        return (
            f"The gauge came to {shown(self.would.tried, highest)} at most; with a limit of {self.limit} "
            f"it would have tripped {len(self.would.trips)} times."
        )


def one(pk: UUID, person: Person) -> Breaker:
    """The setting, if this person watches its team. Raises Http404."""
    found = Breaker.objects.visible_to(person).select_related("agent__team", "team")
    return get_object_or_404(found.filter(run=None), pk=pk)


def tries(breaker: Breaker, tried: Tried, *, since: timedelta, now: datetime) -> Tries:
    whose = Whose.of(breaker)
    as_is = tried_of(breaker)
    known: Known = {}
    longest = max((tried, as_is), key=lambda one: one.window)  # reads what the other looks at, too
    found = {
        one: backtest(one, whose, now=now, since=since, known=known)
        for one in dict.fromkeys((longest, tried, as_is))
    }
    would, present = found[tried], found[as_is] if as_is != tried else None
    return Tries(would, present, lines(would))


def lines(found: Backtest) -> list[Line]:
    """The newest first, each with where it would have been."""
    trips = sorted(found.trips, key=lambda trip: trip.at, reverse=True)[:TRIPS_SHOWN]
    agents = names(Agent, {trip.agent for trip in trips})
    runs = names(Run, {trip.run for trip in trips})
    known = {
        str(pk)
        for pk in Action.objects.filter(pk__in=[t.action for t in trips if t.action]).values_list(
            "pk", flat=True
        )
    }
    fresh = {id(trip) for trip in found.fresh}
    return [
        Line(
            trip,
            agents.get(trip.agent, ""),
            runs.get(trip.run, ""),
            reverse("action", args=[trip.run, trip.action])
            if trip.action in known
            else reverse("run", args=[trip.run])
            if trip.run in runs
            else "",
            id(trip) not in fresh,
        )
        for trip in trips
    ]


def names(model: type[Agent] | type[Run], ids: set[str]) -> dict[str, str]:
    rows = model.objects.filter(pk__in=[pk for pk in ids if pk]).values_list("pk", "name")
    return {str(pk): name for pk, name in rows}


def offered(breaker: Breaker, *, now: datetime) -> Suggestion:
    return suggest_for(breaker, now=now)


def sentence(breaker: Breaker, tried: Tried) -> str:
    """The breaker as it would be."""
    setting: BreakerSetting = setting_of(breaker)
    return str(
        BreakerSetting(
            setting.when,
            tried.limit,
            tried.window,
            setting.pause,
            setting.unit,
            setting.minimum,
            setting.threshold,
            state=setting.state,
        )
    )
