"""What SQL reads of a window is what a patient person would count, whatever happened before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent, Breaker, Run
from agents.models.breaker import Scope
from agents.transitions import probation
from agents.transitions import run as runs
from people.models import Team
from tests.agents.history import Lived, Past

START = datetime(2026, 11, 21, 2, 59, 40, tzinfo=UTC)
"""Three in the morning, and just before an hour begins."""
HUGE = Decimal(10**9)
COUNTED = ("repeats", "errors", "failure_rate", "slow", "spend", "drop", "malformed")

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("wait"),
            st.sampled_from([0.4, 9.99, 10, 21, 29, 31, 59, 61, 299, 599, 3600, 7201]),
        ),
        st.tuples(
            st.just("propose"),
            st.sampled_from(["search", "mail.read"]),
            st.sampled_from(["a", "b"]),
            st.sampled_from([Decimal(0), Decimal("1.5")]),
            st.sampled_from(["tool", "model"]),
            st.integers(0, 1),
        ),
        st.tuples(
            st.just("settle"),
            st.booleans(),
            st.booleans(),
            st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(4)]),
            st.sampled_from([1, 20_000]),
        ),
        st.tuples(st.just("did"), st.booleans(), st.sampled_from(["tool", "model"])),
        st.tuples(st.just("forget")),
    ),
    min_size=4,
    max_size=30,
)
windows = st.sampled_from([30, 60, 300, 3600, 10_800])


@pytest.fixture
def two_runs(scout: Agent) -> list[Run]:
    return [runs.start(scout, name=f"r{n}")[0] for n in range(2)]


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=steps, window_s=windows, scope=st.sampled_from(list(Scope)))
def test_windows_hold_what_a_patient_person_counts(
    scout_with_key: tuple[Agent, str],
    two_runs: list[Run],
    support: Team,
    script: list[Any],
    window_s: int,
    scope: Scope,
) -> None:
    scout, key = scout_with_key
    with transaction.atomic():
        Breaker.objects.all().delete()
        breakers = {name: made(name, scout, support, scope, window_s) for name in COUNTED}
        past = Past(scout, key, START)
        reset: datetime | None = None
        for step in script:
            reset = live(past, two_runs, breakers, step) or reset

            for run in two_runs:
                expect_equal(past, run, breakers, reset)
        transaction.set_rollback(True)


def made(name: str, scout: Agent, support: Team, scope: Scope, window_s: int) -> Breaker:
    whose = {"team": support} if scope == Scope.TEAM else {"agent": scout}
    return Breaker.objects.create(
        **whose,
        condition=name,
        unit="usd" if name == "spend" else "",
        scope=scope,
        limit=HUGE,
        minimum=5,
        threshold=10,
        window=timedelta(seconds=window_s),
    )


def live(
    past: Past, two_runs: list[Run], breakers: dict[str, Breaker], step: tuple[Any, ...]
) -> datetime | None:
    """Do one thing; returns when what was before it was answered for."""
    under_way = [one for one in past.actions if one.ended_at is None]
    match step:
        case ("wait", seconds):
            past.wait(seconds)
        case ("propose", tool, item, reserved, kind, number):
            past.propose(two_runs[number], tool=tool, item=item, reserved=reserved, kind=kind)
        case ("settle", failed, malformed, cost, took) if under_way:
            past.settle(under_way[0], failed=failed, malformed=malformed, cost=cost, took_ms=took)
        case ("did", failed, kind):
            one = past.propose(
                two_runs[0], tool="mail.read", item="a", reserved=Decimal(1), kind=kind
            )
            past.settle(one, failed=failed, malformed=failed, cost=Decimal(2), took_ms=20_000)
        case ("forget",) if not under_way and breakers["errors"].scope != Scope.RUN:
            past.wait(0.001)
            for breaker in breakers.values():
                probation.forget(breaker, past.now)
                breaker.save()
            at = past.now
            past.wait(0.001)
            return at
    return None


def expect_equal(
    past: Past, run: Run, breakers: dict[str, Breaker], reset: datetime | None
) -> None:
    read = past.read(run)
    for name, one in breakers.items():
        if name == "repeats":
            for item in ("a", "b"):
                facts = past.read(run, item=item, tool="mail.read")[str(one.pk)]
                assert facts.value == tries(past, one, run, item, reset), name
            continue
        facts = read[str(one.pk)]
        counted = Count(past, one, run, reset)
        assert facts.value == counted.value(name), (name, past.now)
        if name != "malformed":
            assert facts.volume == counted.volume, (name, past.now)
        if name == "drop":
            assert (facts.base, facts.base_volume) == counted.usual()


def tries(past: Past, one: Breaker, run: Run, item: str, reset: datetime | None) -> int:
    """Exact to the microsecond: repeats are counted in actions, not in slots."""
    since = max(filter(None, (past.now - one.window, reset)))
    return sum(
        x.item == item and x.tool == "mail.read" and x.at > since
        for x in past.actions
        if one.scope != Scope.RUN or x.run == run.pk
    )


class Count:
    """By hand, action by action, in whole slots of ten seconds or an hour."""

    def __init__(self, past: Past, one: Breaker, run: Run, reset: datetime | None) -> None:
        self.past, self.one, self.reset = past, one, reset
        self.width = 3600 if one.window > timedelta(hours=2) else 10
        self.first = int((past.now - one.window).timestamp()) // self.width + 1
        self.mine = [x for x in past.actions if one.scope != Scope.RUN or x.run == run.pk]
        self.ended = [x for x in self.mine if x.ended_at and self.counts(x.ended_at)]

    def counts(self, at: datetime) -> bool:
        if self.reset is not None and at <= self.reset:
            return False
        return int(at.timestamp()) // self.width >= self.first

    @property
    def volume(self) -> int:
        return len(self.ended)

    def value(self, name: str) -> Decimal | int:
        match name:
            case "slow":
                return sum(x.took_ms > 10_000 for x in self.ended)
            case "spend":
                waiting = [x for x in self.mine if x.ended_at is None and self.counts(x.at)]
                return sum((x.cost for x in self.ended), Decimal(0)) + sum(
                    (x.reserved for x in waiting), Decimal(0)
                )
            case "malformed":
                return self.row()
        return sum(x.failed for x in self.ended)

    def row(self) -> int:
        """How many outputs of models in a row could not be read, up to now."""
        row = 0
        for x in sorted((x for x in self.mine if x.ended_at), key=ended):
            if self.reset is not None and ended(x) <= self.reset:
                continue
            if x.malformed:
                row += 1
            elif not x.failed and x.kind == "model":
                row = 0
        return row

    def usual(self) -> tuple[int, int]:
        """Failures and volume of the week before the hour in which the window begins."""
        now, begin = self.past.now.timestamp(), (self.past.now - self.one.window).timestamp()
        hours = range(int(now) // 3600 - 168, int(begin) // 3600)
        week = [x for x in self.mine if x.ended_at and int(ended(x).timestamp()) // 3600 in hours]
        return sum(x.failed for x in week), len(week)


def ended(one: Lived) -> datetime:
    assert one.ended_at is not None
    return one.ended_at
