"""Live gauges: every condition as judging reads it, with its course, at a cost that does not grow."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import (
    Account,
    Action,
    Agent,
    Breaker,
    BreakerState,
    Bucket,
    Budget,
    Condition,
    Run,
    Streak,
    Trip,
)
from agents.models.breaker import Scope, Unit
from agents.rules.breakers import Gauge as Held
from agents.rules.breakers import loops, shown
from agents.transitions import run as runs
from agents.weighing import breakers_decoder
from dashboard.pages import charts, gauges
from dashboard.templatetags.charts import course
from people.models import Person, Team

pytestmark = pytest.mark.django_db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def watch(agent: Agent, condition: Condition, *, limit: float = 5, **more: Any) -> Breaker:
    window = more.pop("window", 10 * MINUTE)
    return Breaker.objects.create(
        agent=agent, condition=condition, limit=Decimal(str(limit)), window=window, **more
    )


def only(agent: Agent, condition: Condition, **more: Any) -> Breaker:
    Breaker.objects.all().delete()
    return watch(agent, condition, **more)


def gauge(agent: Agent, now: datetime | None = None) -> gauges.Gauge:
    (found,) = gauges.gauges(agent, now=now or timezone.now())
    return found


def counted(owner: Any, at: datetime, width: int = 10, **fields: Any) -> None:
    Bucket.objects.create(owner=owner, width=width, slot=gauges.slot(at, width), **fields)


def done(run: Run, call_id: str, **fields: Any) -> Action:
    given = {"tool": "search", "item": "a", "state": "succeeded", "created_at": timezone.now()}
    return Action.objects.create(
        agent=run.agent, run=run, call_id=call_id, digest=b"x", **{**given, **fields}
    )


# -- what they show --------------------------------------------------------------------------------


def test_counts_of_buckets_are_what_judging_reads(scout: Agent, run: Run) -> None:
    """Whatever stands in the buckets, the page and the judge say the same."""
    Breaker.objects.all().delete()
    chance, now = random.Random(4), timezone.now()
    settings: list[tuple[Condition, dict[str, Any]]] = [
        (Condition.ERRORS, {}),
        (Condition.FAILURE_RATE, {"limit": 50, "minimum": 2}),
        (Condition.SLOW, {"threshold": 10}),
        (Condition.SPEND, {"unit": Unit.USD, "window": HOUR}),
        (Condition.SPEND, {"unit": Unit.TOKENS, "window": timedelta(days=1)}),
        (Condition.UNUSUAL, {}),
        (Condition.DROP, {"limit": 20, "window": HOUR}),
        (Condition.ERRORS, {"scope": Scope.RUN, "window": MINUTE}),
    ]
    for condition, more in settings:
        watch(scout, condition, **more)
    for owner in (scout.pk, run.pk):
        for width, slots in ((10, 400), (3600, 30)):
            for back in chance.sample(range(slots), slots // 3):
                counted(
                    owner,
                    now - timedelta(seconds=back * width),
                    width,
                    failures=chance.randint(0, 3),
                    finished=chance.randint(3, 9),
                    slow=chance.randint(0, 2),
                    unusual=chance.randint(0, 1),
                    tokens=chance.randint(0, 900),
                    cost_usd=Decimal(chance.randint(0, 99)) / 100,
                )

    with connection.cursor() as cursor:
        cursor.execute(
            "select agents_breakers_json(%s, %s, %s, %s)",
            [scout.pk, scout.team_id, run.pk, now],
        )
        judged = breakers_decoder.decode(cursor.fetchone()[0])
    found = {str(one.breaker.pk): one.value for one in gauges.gauges(scout, now=now)}

    assert len(found) == len(settings)
    assert found == {
        one.id: shown(one.condition, Held(one.value, one.volume, one.base, one.base_volume))
        for one in judged
    }


def test_a_circle_shows_the_run_that_goes_round(scout: Agent, run: Run) -> None:
    only(scout, Condition.LOOP, scope=Scope.RUN)
    now, steps = timezone.now(), b""
    for n in range(8):
        at = now - timedelta(seconds=60 - n)
        steps = loops.append(steps, (b"step-one", b"step-two")[n % 2], at)
    Run.objects.filter(pk=run.pk).update(steps=steps)

    found = gauge(scout, now)

    assert (found.value, found.of, found.reading) == (Decimal(4), "nightly", "4 of 5")
    assert found.chart is not None
    assert [value for _, value in found.chart.points][-1] == 4
    assert gauge(scout, now + HOUR).value == 0, "what is older than the window is no circle now"


def test_silence_shows_the_run_that_was_quiet_longest(scout: Agent, run: Run) -> None:
    only(scout, Condition.SILENCE, limit=1)
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(seen_at=now - timedelta(seconds=480))

    found = gauge(scout, now)

    assert (found.reading, found.of, found.level) == ("8 min, limit 10 min", "nightly", "near")


def test_starting_too_rarely_is_over_when_it_is_below(scout: Agent, run: Run) -> None:
    only(scout, Condition.RARELY, limit=2, window=HOUR)
    assert (gauge(scout).reading, gauge(scout).level) == ("1, at least 2", "over")

    runs.start(scout, name="again")

    assert (gauge(scout).reading, gauge(scout).level) == ("2, at least 2", "calm")


def test_starting_too_often_counts_runs(scout: Agent, run: Run) -> None:
    only(scout, Condition.OFTEN, limit=3, window=HOUR)
    runs.start(scout, name="again")

    found = gauge(scout)

    assert (found.reading, found.level) == ("2 of 3", "near")
    assert found.chart is not None
    assert [value for _, value in found.chart.points][-1] == 2


def test_malformed_outputs_in_a_row(scout: Agent, run: Run) -> None:
    only(scout, Condition.MALFORMED, window=HOUR)
    Streak.objects.create(owner=scout.pk, malformed=3)
    now = timezone.now()
    for n, bad in enumerate([True, False, True, True, True]):
        at, state = now - timedelta(seconds=50 - n), "failed" if bad else "succeeded"
        done(run, f"{n}", kind="model", is_malformed=bad, state=state, created_at=at)

    found = gauge(scout)

    assert found.reading == "3 of 5"
    assert found.chart is not None
    assert found.chart.points[-1] == (1.0, 3)


def test_a_teams_breaker_is_among_its_agents_gauges(
    scout: Agent, run: Run, support: Team, ada: Person
) -> None:
    Breaker.objects.all().delete()
    Breaker.objects.create(
        team=support, scope=Scope.TEAM, condition=Condition.ERRORS, limit=20, window=10 * MINUTE
    )
    counted(support.pk, timezone.now(), failures=4)

    found = gauge(scout)

    assert (found.reading, found.is_of_team) == ("4 of 20", True)
    page = sign_in(ada).get(f"/agents/{scout.pk}/").content.decode()
    assert "all of the team" in page
    assert f"/agents/{scout.pk}/breakers/{found.breaker.pk}/change/" not in page


def test_too_few_finished_actions_say_nothing(scout: Agent) -> None:
    only(scout, Condition.FAILURE_RATE, limit=50, minimum=20)
    counted(scout.pk, timezone.now(), failures=3, finished=3)

    found = gauge(scout)

    assert (found.too_few, found.level) == ("3 of 20 finished actions so far", "calm")
    assert found.chart is not None
    assert not any(value for _, value in found.chart.points)


def test_what_is_granted_once_is_on_top_while_it_lasts(scout: Agent) -> None:
    breaker = only(scout, Condition.ERRORS, extra=3, extra_until=timezone.now() + MINUTE)
    assert (gauge(scout).reading, gauge(scout).granted) == ("0 of 8", "3 failures")

    Breaker.objects.filter(pk=breaker.pk).update(extra_until=timezone.now() - MINUTE)

    assert (gauge(scout).reading, gauge(scout).granted) == ("0 of 5", "")


def test_a_shadow_says_how_often_it_would_have_tripped_this_week(
    scout: Agent, run: Run, ada: Person
) -> None:
    breaker = only(scout, Condition.ERRORS, state=BreakerState.SHADOW)
    now = timezone.now()
    times = {"opened_at": now, "ended_at": now, "window": breaker.window}
    for _ in range(3):
        Trip.objects.create(
            agent=scout, breaker=breaker, is_shadow=True, condition="errors", reason="x", **times
        )

    assert len(gauge(scout).would_have) == 3
    page = sign_in(ada).get(f"/agents/{scout.pk}/?region=gauges").content.decode()
    assert "would have tripped 3 times" in page
    assert gauge(scout, now + timedelta(days=8)).would_have == []


def test_states_are_said_in_words(scout: Agent, ada: Person) -> None:
    Breaker.objects.all().delete()
    later = timezone.now() + HOUR
    watch(scout, Condition.ERRORS, state="disabled", disabled_until=later, state_reason="A move.")
    watch(scout, Condition.SLOW, state="forced_open", state_reason="Not before \u202ethe fix.")
    watch(scout, Condition.SPEND, unit="usd", state="half_open", probation_until=later)
    watch(scout, Condition.OFTEN, state="open")

    page = sign_in(ada).get(f"/agents/{scout.pk}/?region=gauges").content.decode()

    said = ["Disabled", "A move.", "watches again", "Forced open", "On probation", "0 of 5 probes"]
    assert [word for word in [*said, "Open"] if word not in page] == []
    assert "\u202e" not in page


def test_budgets_that_watch_it_are_drawn_and_read_again(scout: Agent, ada: Person) -> None:
    now = timezone.now()
    budget = Budget.objects.create(
        team=scout.team, name="Day\u202e", scope="agent", period="day", limit=Decimal(10)
    )
    since = now - 5 * HOUR
    Account.objects.create(
        budget=budget, owner=scout.pk, starts_at=since, ends_at=now + HOUR, unit="usd", spent=6
    )
    for back in (4, 2, 0):
        counted(scout.pk, now - back * HOUR, 3600, cost_usd=Decimal(2))

    page = sign_in(ada).get(f"/agents/{scout.pk}/?region=budgets").content.decode()

    drawn = re.search(r'<svg class="course-chart".*?</svg>', page, re.DOTALL)
    assert drawn
    assert "$6.00 spent" in drawn[0]
    assert "$4.00 left of $10.00" in drawn[0]
    heights = [float(y) for y in re.findall(r",([\d.]+)", drawn[0].partition("polyline")[2])]
    assert heights == sorted(heights, reverse=True), "what was spent only grows"


# -- courses ---------------------------------------------------------------------------------------


def test_a_moving_sum_forgets_what_left_its_window() -> None:
    now = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    slot = int(now.timestamp() // 10)
    slots = charts.Slots({slot - 12: 4.0, slot: 1.0}, grain=10, first=slot - 60, last=slot)

    assert slots.sum(now, MINUTE) == 1
    assert slots.sum(now - 2 * MINUTE, MINUTE) == 4
    assert slots.sum(now - MINUTE, 2 * MINUTE) == 4
    assert slots.sum(now, 5 * MINUTE) == 5
    assert slots.sum(now, 5 * MINUTE, since=now - MINUTE) == 1
    assert slots.sum(now - 20 * MINUTE, MINUTE) == 0


def test_a_course_says_in_words_what_it_draws() -> None:
    chart = charts.Chart(
        [(0, 0), (0.5, 4), (1, 6)], 5.0, 'Failures: "6" <of 5>', at=1.0, is_over=True
    )

    drawn = course(chart)

    assert 'role="img"' in drawn
    assert "Failures: &quot;6&quot; &lt;of 5&gt;" in drawn
    assert 'data-over="yes"' in drawn
    assert course(charts.Chart([(1, 6)], 5.0, "one point is no course")) == ""
    numbers = [float(y) for y in re.findall(r",([\d.]+)", drawn)]
    assert all(0 <= number <= 40 for number in numbers)


# -- cost ------------------------------------------------------------------------------------------


def everything(scout: Agent, support: Team) -> None:
    """All twelve conditions, some of the team, some of runs."""
    Breaker.objects.all().delete()
    needs: dict[Condition, dict[str, Any]] = {
        Condition.SPEND: {"unit": "usd", "window": HOUR},
        Condition.SLOW: {"threshold": 5},
    }
    for condition in Condition:
        watch(scout, condition, **needs.get(condition, {}))
    for condition in (Condition.REPEATS, Condition.ERRORS):
        watch(scout, condition, scope=Scope.RUN, state=BreakerState.SHADOW)
        Breaker.objects.create(
            team=support, scope=Scope.TEAM, condition=condition, limit=9, window=HOUR
        )


def test_twelve_breakers_cost_as_many_queries_as_a_few(
    scout: Agent, run: Run, support: Team, ada: Person, django_assert_max_num_queries: Any
) -> None:
    everything(scout, support)
    for n in range(30):
        runs.start(scout, name=f"run {n}")
    now = timezone.now()
    for n in range(120):
        counted(scout.pk, now - timedelta(seconds=10 * n), actions=5, finished=5, failures=1)
        done(run, f"{n}", item=f"{n % 7}")

    with django_assert_max_num_queries(22):
        found = gauges.gauges(scout, now=now)

    assert len(found) == 16


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client
