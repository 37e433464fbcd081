"""Tries a breaker on what agents really did, before it is switched on; and offers a better limit from history."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from .history import History, Known, Whose, history
from .models import Breaker, Trip
from .rules.backtest import (
    CLOCKED,
    Answered,
    Better,
    Moment,
    Replay,
    Replayed,
    Tried,
    TriedBudget,
    better,
    by_the_clock,
    moments,
    replay_budget,
)
from .rules.backtest.budgets import period
from .rules.backtest.result import Backtest, Patience

WEEK = timedelta(days=7)
MONTH = timedelta(days=30)
LONGEST_S = 4.0
"""Seconds of judging; what was judged until then is told."""


def tried_of(breaker: Breaker) -> Tried:
    """The breaker as it is set now, without what was granted once on top."""
    return Tried(
        condition=breaker.condition,
        limit=breaker.limit,
        window=breaker.window,
        scope=breaker.scope,
        unit=breaker.unit,
        minimum=breaker.minimum,
        threshold=breaker.threshold,
    )


def backtest(
    tried: Tried,
    whose: Whose,
    *,
    now: datetime | None = None,
    since: timedelta = WEEK,
    known: Known | None = None,
) -> Backtest:
    """What this breaker would have tripped on in the last `since`, and what that would have saved."""
    now = now or timezone.now()
    return on(history(whose, tried, since=now - since, until=now, known=known), tried, whose)


def backtest_budget(
    tried: TriedBudget,
    whose: Whose,
    *,
    now: datetime | None = None,
    since: timedelta = WEEK,
    known: Known | None = None,
) -> Backtest:
    """When this budget would have been used up in the last `since`, and what was spent beyond it."""
    now = now or timezone.now()
    begin = period(tried, now - since)[0] or now - since
    as_breaker = Tried("budget", tried.limit, timedelta(0), tried.scope, tried.unit)
    past = history(whose, as_breaker, since=begin, until=now, known=known)
    found = replay_budget(
        tried,
        moments(past.actions),
        team=str(whose.team_id),
        judge_from=max(past.since, now - since),
    )
    return Backtest(
        tried=as_breaker,
        since=max(past.since, now - since),
        until=now,
        looked_at=len(past.actions),
        complete=past.complete,
        answer_takes=past.answer_takes,
        trips=found.trips,
        course=found.course,
    )


def on(past: History, tried: Tried, whose: Whose) -> Backtest:
    """On what was read already: the same past serves many limits."""
    found = replayed(past, tried, whose, Patience(past.stops, past.answer_takes))
    return Backtest(
        tried=tried,
        since=past.since,
        until=found.stopped_at or past.until,
        looked_at=len(past.runs)
        if tried.condition in (*CLOCKED, "often")
        else sum(action.outcome != "refused" for action in past.actions),
        complete=past.complete and found.stopped_at is None,
        answer_takes=past.answer_takes,
        trips=found.trips,
        course=found.course,
        lived=past.lived,
    )


def replayed(past: History, tried: Tried, whose: Whose, answered: Answered | None) -> Replayed:
    """With `answered` None nothing stops, and only the gauge's course is learned."""
    if tried.condition in CLOCKED:
        return by_the_clock(
            tried,
            past.actions,
            past.runs,
            past.stops,
            team=str(whose.team_id),
            since=past.since,
            until=past.until,
            answered=answered,
        )
    replay = Replay(
        tried,
        team=str(whose.team_id),
        answered=answered,
        judge_from=past.since,
        uses=past.uses,
    )
    only_runs = tried.condition == "often"
    in_time = InTime(moments(() if only_runs else past.actions, past.runs))
    found = replay.look_at(in_time)
    found.stopped_at = in_time.stopped_at
    return found


class InTime:
    """Moments, as long as there is time; `stopped_at` says where there was none left."""

    def __init__(self, past: Sequence[Moment]) -> None:
        self._past = past
        self.stopped_at: datetime | None = None

    def __iter__(self) -> Iterator[Moment]:
        end = time.monotonic() + LONGEST_S
        for number, moment in enumerate(self._past):
            if number % 500 == 0 and time.monotonic() > end:
                self.stopped_at = moment.at
                return
            yield moment


# -- a better limit --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A better limit (of `silence`: window), or None with the sentence that says why there is none.

    `would_have` is what it would have done, compared with the trips that were. `spared` of the false ones it
    would not have tripped, `caught` of the true ones it still would.
    """

    limit: Decimal | None
    window: timedelta | None
    sentence: str
    would_have: Backtest | None = None
    spared: int = 0
    caught: int = 0
    false_trips: int = 0
    true_trips: int = 0


def suggest(
    trip: Trip,
    was_true: bool | None = None,
    *,
    now: datetime | None = None,
    since: timedelta = MONTH,
) -> Suggestion:
    """A better limit for the breaker that tripped, from what its agent, run or team did and how people judged its trips.

    `was_true` stands for an answer that was not given yet; without any, this trip is taken for a false one, since a
    better limit is asked for. A trip without breaker (by hand, by a budget) has none.
    """
    breaker = trip.breaker
    if breaker is None:
        return Suggestion(None, None, "This stop has no breaker whose limit could be another.")
    now = now or timezone.now()
    tried, whose = tried_of(breaker), Whose.of(breaker)
    past = history(whose, tried, since=now - since, until=now)
    said = was_true if was_true is not None else bool(trip.was_true)
    past = replace(
        past,
        lived=[
            one._replace(was_true=said) if one.id == str(trip.pk) else one for one in past.lived
        ],
    )
    return suggestion(past, tried, whose)


def suggest_for(
    breaker: Breaker, *, now: datetime | None = None, since: timedelta = MONTH
) -> Suggestion:
    """A better limit for a breaker, from the trips that people judged."""
    now = now or timezone.now()
    tried, whose = tried_of(breaker), Whose.of(breaker)
    return suggestion(history(whose, tried, since=now - since, until=now), tried, whose)


def suggestion(past: History, tried: Tried, whose: Whose) -> Suggestion:
    course = replayed(past, tried, whose, None).course
    found: Better = better(tried, course, past.lived)
    wrong = [one for one in past.lived if one.was_true]
    fine = [one for one in past.lived if one.was_true is False]
    if found.limit is None:
        return Suggestion(None, None, found.sentence, true_trips=len(wrong), false_trips=len(fine))
    silence = tried.condition == "silence"
    window = timedelta(seconds=float(found.limit)) if silence else None
    changed = (
        tried._replace(window=window) if window is not None else tried._replace(limit=found.limit)
    )
    would = on(past, changed, whose)
    return Suggestion(
        limit=None if silence else found.limit,
        window=window,
        sentence=found.sentence,
        would_have=would,
        spared=sum(not would.meets(one) for one in fine),
        caught=sum(would.meets(one) for one in wrong),
        false_trips=len(fine),
        true_trips=len(wrong),
    )
