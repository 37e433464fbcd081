"""What a breaker would have done to the past: tables of histories, limits, and what would have tripped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agents.rules.backtest import (
    Began,
    Better,
    Done,
    Lived,
    Point,
    Replay,
    Replayed,
    Stopped,
    Tried,
    better,
    by_the_clock,
    moments,
)
from agents.rules.backtest.result import Backtest, Patience

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
PATIENCE = timedelta(minutes=30)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def done(seconds: float, **more: Any) -> Done:
    """One action of scout's run, over a second after it was asked for."""
    asked = at(seconds)
    usual: dict[str, Any] = {
        "id": str(seconds),
        "agent": "scout",
        "run": "nightly",
        "tool": "mail.classify",
        "item": "mail 7",
        "asked_at": asked,
        "outcome": "succeeded",
        "ended_at": asked + timedelta(seconds=1),
    }
    made = usual | more
    if made["outcome"] == "failed":
        made["failed"] = True
    return Done(**made)


def tried(condition: str, limit: Any, window: timedelta = MINUTE, **more: Any) -> Tried:
    return Tried(condition, Decimal(str(limit)), window, **more)


def answers(agent: str, run: str, when: datetime) -> datetime:
    return when + PATIENCE


def replay(breaker: Tried, *actions: Done, runs: Sequence[Began] = ()) -> Replayed:
    looking = Replay(breaker, team="support", answered=answers)
    return looking.look_at(moments(actions, runs))


def seconds_of(found: Replayed) -> list[float]:
    return [(trip.at - NOON).total_seconds() for trip in found.trips]


def every(step: float, count: int, **more: Any) -> list[Done]:
    return [done(n * step, **more) for n in range(count)]


LOOPING = [done(n, fingerprint=bytes([n % 2] * 8)) for n in range(12)]
FAILING = [done(n * 10, outcome="failed") for n in range(6)]
HALF = [done(n, outcome="failed" if n % 2 else "succeeded") for n in range(20)]
CASES: list[tuple[str, Tried, list[Done], list[float]]] = [
    ("the sixth try of one item", tried("repeats", 5), every(2, 8), [10]),
    ("tries that are too far apart", tried("repeats", 5), every(13, 20), []),
    ("other items are counted apart", tried("repeats", 1), [done(0), done(1, item="8")], []),
    ("another run of it counts", tried("repeats", 1), [done(0), done(1, run="b")], [1]),
    ("not with one breaker a run", tried("repeats", 1, scope="run"), [done(0), done(1, run="b")], []),
    ("another agent counts in a team", tried("repeats", 1, scope="team"), [done(0), done(1, agent="b")], [1]),
    ("what was denied is no try", tried("repeats", 1), every(1, 4, outcome="denied"), []),
    ("the refused one, too", tried("repeats", 1), [done(0), done(1, outcome="refused")], [1]),
    ("two steps over and over", tried("loop", 4, HOUR, scope="run"), LOOPING, [8]),
    ("the fifth failure", tried("errors", 5), FAILING, [41]),
    ("failures that left the window", tried("errors", 5, timedelta(seconds=40)), FAILING, []),
    ("half of them fail", tried("failure_rate", 40, minimum=10), HALF, [10]),
    ("too few to say", tried("failure_rate", 40, minimum=50), HALF, []),
    ("slow ones", tried("slow", 2, threshold=Decimal(5)), every(1, 4, duration_ms=6000), [2]),
    ("money", tried("spend", 1, unit="usd"), every(10, 9, cost_usd=Decimal("0.3")), [31]),
    ("what is reserved counts", tried("spend", 1, unit="usd"), [done(0, estimated_cost_usd=Decimal(2))], [0]),
    ("and what is given back does not", tried("spend", 2, unit="usd"),
     [done(0, estimated_cost_usd=Decimal(2), outcome="released"), done(5, estimated_cost_usd=Decimal(2))], []),
    ("a whole run's", tried("spend", 2, timedelta(0), scope="run", unit="usd"),
     every(3600, 4, cost_usd=Decimal(1)), [7201]),
    ("tokens", tried("spend", 250, unit="tokens"), every(5, 9, tokens=100), [11]),
    ("a tool it never used", tried("unusual", 1, minimum=5), [*every(1, 6), done(9, tool="rm")], [9]),
    ("what policy refuses", tried("unusual", 2), every(1, 3, outcome="denied"), [1]),
    ("outputs in a row", tried("malformed", 3), every(1, 4, outcome="failed", malformed=True), [3]),
    ("a good one between", tried("malformed", 2),
     [done(n, outcome="failed" if n != 1 else "succeeded", malformed=n != 1) for n in range(3)], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("breaker", "past", "trips"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_it_would_have_tripped_there(breaker: Tried, past: list[Done], trips: list[float]) -> None:
    assert seconds_of(replay(breaker, *past)) == trips


def test_a_drop_is_below_what_was_usual_in_the_week_before() -> None:
    usual = [done(-86400 * 3 + n) for n in range(50)]
    worse = [done(n, outcome="failed" if n % 2 else "succeeded") for n in range(30)]

    found = replay(tried("drop", 30, minimum=20), *usual, *worse)

    assert len(found.trips) == 1
    assert found.trips[0].value > 30


def test_what_it_did_until_a_person_would_have_answered_is_saved() -> None:
    past = [done(n * 60, cost_usd=Decimal("0.5"), tokens=10) for n in range(60)]

    [first, second] = replay(tried("repeats", 5, timedelta(minutes=10)), *past).trips

    assert (first.at, first.until) == (at(300), at(300) + PATIENCE)
    assert (first.saved_actions, first.saved_usd, first.saved_tokens) == (30, Decimal(15), 300)
    assert second.at == at(300 + 1800 + 360)  # counts anew after the answer


def test_runs_started_too_often_trip_and_runs_of_others_do_not_count() -> None:
    runs = [Began(str(n), "scout", at(n * 60)) for n in range(4)]
    others = [Began(f"b{n}", "other", at(n)) for n in range(4)]

    assert seconds_of(replay(tried("often", 2, HOUR), runs=[*runs, *others])) == [2, 120]


def clocked(breaker: Tried, *actions: Done, **more: Any) -> list[float]:
    usual: dict[str, Any] = {"runs": [], "stops": [], "since": NOON, "until": at(86400)}
    given = usual | more
    found = by_the_clock(
        breaker, actions, given["runs"], given["stops"],
        team="support", since=given["since"], until=given["until"], answered=answers,
    )  # fmt: skip
    return seconds_of(found)


def test_a_daily_report_that_does_not_come_is_told_of() -> None:
    hours = [0, 6, 12]
    runs = [Began(str(h), "scout", at(h * 3600), at(h * 3600 + 60)) for h in hours]

    assert clocked(tried("rarely", 1, timedelta(hours=8)), runs=runs) == [20 * 3600]


@pytest.mark.parametrize(
    ("actions", "stops", "trips"),
    [
        ([done(100)], [], [101 + 600]),
        ([done(n * 500) for n in range(4)], [], [1501 + 600]),
        ([done(0, waited_until=at(1500))], [], [1500 + 600]),
        ([done(100)], [Stopped("scout", "", at(200), at(9000))], []),
    ],
    ids=["silent", "alive, then silent", "it waited for a person", "it was stopped"],
)
def test_a_run_that_falls_silent_is_told_of(
    actions: list[Done], stops: list[Stopped], trips: list[float]
) -> None:
    runs = [Began("nightly", "scout", NOON)]
    breaker = tried("silence", 1, timedelta(minutes=10), scope="run")

    assert clocked(breaker, *actions, runs=runs, stops=stops, until=at(3000)) == trips


# -- comparing with what was -----------------------------------------------------------------------


def test_people_answer_as_they_did_where_it_really_stopped() -> None:
    patience = Patience([Stopped("scout", "", at(600), at(4000))], PATIENCE)

    assert patience("scout", "", at(0)) == at(4000)
    assert patience("scout", "nightly", at(600)) == at(4000)
    assert patience("other", "", at(0)) == at(0) + PATIENCE
    assert patience("scout", "", at(4001)) == at(4001) + PATIENCE


def test_real_trips_are_caught_missed_or_new() -> None:
    lived = [
        Lived("caught", "scout", at(20), at(60), was_true=True),
        Lived("missed", "scout", at(7200), at(7300), was_true=False),
        Lived("of another", "other", at(10), at(60), was_true=None),
    ]
    found = replay(tried("repeats", 5), *every(2, 8), *(done(9000 + n) for n in range(6)))
    result = Backtest(
        tried("repeats", 5), NOON, at(9999), 14, True, PATIENCE, found.trips, [], lived
    )

    assert [one.id for one in result.caught] == ["caught"]
    assert [one.id for one in result.missed] == ["missed", "of another"]
    assert [(trip.at - NOON).total_seconds() for trip in result.fresh] == [9005]


# -- a better limit --------------------------------------------------------------------------------


def course(*values: float, owner: str = "scout", start: float = 0) -> list[Point]:
    """One reading a minute."""
    return [Point(at(start + n * 60), owner, Decimal(str(v))) for n, v in enumerate(values)]


def lived(seconds: float, was_true: bool | None) -> Lived:
    return Lived(f"{seconds}", "scout", at(seconds), at(seconds + 60), was_true)


DAY = 86400.0
REAL = [*course(1, 3, 4), *course(9, 12, start=DAY)]
BETTER: list[tuple[str, Tried, list[Point], list[Lived], str, Any]] = [
    ("a false trip raises it", tried("repeats", 5), course(2, 6, 7), [lived(60, False)], "better", 7),
    ("a true one may lower it", tried("repeats", 8), REAL, [lived(DAY, True)], "better", 4),
    ("where it trips at its limit, one more", tried("errors", 5), course(4, 5), [lived(60, False)], "better", 6),
    ("it is the best there is", tried("repeats", 4), REAL, [lived(DAY, True)], "same", None),
    ("nothing tells them apart", tried("repeats", 5),
     [*course(6, 9), *course(6, start=DAY)], [lived(0, False), lived(DAY, True)], "mixed", None),
    ("nothing to compare with", tried("repeats", 5), course(6), [lived(0, True)], "none", None),
    ("nobody judged it: left out", tried("repeats", 5), [*course(3), *course(40, start=DAY)],
     [lived(DAY, None)], "better", 3),
    ("never below two", tried("repeats", 5), course(1, 1, 1), [], "better", 2),
    ("money in round numbers", tried("spend", 5, unit="usd"), course(18.34), [lived(0, False)], "better", 19),
    ("unless it would catch nothing then", tried("spend", 5, unit="usd"),
     [*course(18.34), *course(18.6, start=DAY)], [lived(DAY, True)], "better", 18.34),
    ("percent", tried("failure_rate", 30), course(41.2), [lived(0, False)], "better", 42),
    ("too rarely is the other way round", tried("rarely", 5, HOUR), course(3, 4), [lived(0, False)], "better", 3),
    ("silence is a longer window", tried("silence", 1, MINUTE, scope="run"), course(63), [lived(0, False)],
     "better", 64),
]  # fmt: skip


@pytest.mark.parametrize(
    ("breaker", "points", "trips", "kind", "limit"),
    [c[1:] for c in BETTER],
    ids=[c[0] for c in BETTER],
)
def test_a_better_limit_spares_what_was_fine_and_catches_what_was_wrong(
    breaker: Tried, points: list[Point], trips: list[Lived], kind: str, limit: Any
) -> None:
    found: Better = better(breaker, points, trips)

    assert (found.kind, found.limit) == (kind, None if limit is None else Decimal(str(limit)))
    assert found.sentence.endswith(".")


def test_the_course_is_learned_without_stopping() -> None:
    looking = Replay(tried("repeats", 2), team="support", answered=None)

    found = looking.look_at(moments(every(2, 8)))

    assert [int(point.value) for point in found.course] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found.trips == []
