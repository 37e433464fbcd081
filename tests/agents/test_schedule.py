"""Runs that start too often or too rarely, and those that went silent. Time is in the rows: nobody waits here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Action, Agent, AgentState, Breaker, Run, RunState, Trip
from agents.models.breaker import Condition, Scope
from agents.rules.breakers.evidence import rerun
from agents.tasks import sweep
from agents.transitions import run as runs
from agents.transitions import schedule
from audit.ids import first_id
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door

DAY = timedelta(hours=20)


def watch(scout: Agent, condition: Condition, window: timedelta, **more: Any) -> Breaker:
    """A breaker that has been there for long."""
    long_ago = timezone.now() - timedelta(days=30)
    scope = more.pop("scope", Scope.AGENT)
    whose = {"team": scout.team} if scope == Scope.TEAM else {"agent": scout}
    return Breaker.objects.create(
        id=UUID(int=first_id(long_ago).int + 7), **whose, condition=condition, window=window,
        scope=scope, limit=more.pop("limit", 1), **more,
    )  # fmt: skip


def began(scout: Agent, ago: timedelta, name: str = "report", **more: Any) -> Run:
    """A run that was started then."""
    at = timezone.now() - ago
    made = Run.objects.create(
        id=UUID(int=first_id(at).int + Run.objects.count() + 1), agent=scout, name=name, **more
    )
    Run.objects.filter(pk=made.pk).update(started_at=at)
    return made


def aged(scout: Agent) -> None:
    """It was made long ago, and its id says so."""
    old = UUID(int=first_id(timezone.now() - timedelta(days=60)).int + 1)
    with connection.cursor() as cursor:
        cursor.execute("set constraints all deferred")
        for table, column in (
            ("agents_agent", "id"), ("agents_agentkey", "agent_id"), ("agents_breaker", "agent_id"),
            ("agents_policy", "agent_id"), ("agents_run", "agent_id"),
        ):  # fmt: skip
            cursor.execute(f"update {table} set {column} = %s where {column} = %s", [old, scout.pk])
    scout.pk = scout.id = old


def test_a_daily_report_that_starts_again_is_recorded_and_stopped(scout: Agent) -> None:
    watch(scout, Condition.OFTEN, DAY)

    first, _ = runs.start(scout, name="daily report")
    second, made = runs.start(scout, name="daily report")

    scout.refresh_from_db()
    trip = Trip.objects.get()
    assert made
    assert (scout.state, first.state, second.state) == ("paused", "running", "running")
    assert trip.reason == "2 runs started within 20 h; the limit is 1."
    assert trip.evidence["run"]["id"] == str(second.pk)
    assert [one["id"] for one in trip.evidence["runs"]] == [str(second.pk), str(first.pk)]
    assert rerun(trip.evidence["judged"])


def test_with_the_scope_of_a_run_only_the_new_one_waits(scout: Agent) -> None:
    watch(scout, Condition.OFTEN, DAY, scope=Scope.RUN)

    first, _ = runs.start(scout, name="daily report")
    second, _ = runs.start(scout, name="daily report")

    scout.refresh_from_db()
    first.refresh_from_db()
    assert (scout.state, first.state, second.state) == ("active", "running", "paused")


def test_a_run_that_is_continued_was_started_once(scout: Agent) -> None:
    watch(scout, Condition.OFTEN, DAY)

    for _ in range(3):
        runs.start(scout, name="daily report", key="2026-11-21")

    assert not Trip.objects.exists()


@pytest.mark.parametrize(("hours", "stopped"), [(19, True), (21, False)])
def test_what_was_started_before_the_window_does_not_count(
    scout: Agent, hours: int, stopped: bool
) -> None:
    watch(scout, Condition.OFTEN, DAY)
    began(scout, timedelta(hours=hours))

    runs.start(scout, name="report")

    assert Trip.objects.exists() is stopped


def test_after_an_answer_a_whole_window_begins_anew(scout: Agent, ada: Person) -> None:
    watch(scout, Condition.OFTEN, DAY)
    runs.start(scout, name="report")
    runs.start(scout, name="report")
    holds.resume(Hold.objects.get(), by=ada)

    runs.start(scout, name="report")
    assert Trip.objects.count() == 1
    runs.start(scout, name="report")
    assert Trip.objects.count() == 2


def test_a_shadow_only_says_it(scout: Agent) -> None:
    watch(scout, Condition.OFTEN, DAY, state="shadow")

    for _ in range(2):
        runs.start(scout, name="report")

    scout.refresh_from_db()
    assert scout.state == AgentState.ACTIVE
    assert Trip.objects.get().is_shadow


def test_agents_of_a_team_are_counted_and_stopped_together(scout: Agent, support: Team) -> None:
    other = Agent.objects.create(team=support, name="other")
    watch(scout, Condition.OFTEN, DAY, scope=Scope.TEAM)

    runs.start(scout, name="report")
    runs.start(other, name="report")

    assert set(Agent.objects.values_list("state", flat=True)) == {"paused"}


def test_who_should_start_daily_and_did_not_is_found_once(scout: Agent) -> None:
    aged(scout)
    watch(scout, Condition.RARELY, timedelta(hours=26))
    began(scout, timedelta(hours=27))

    sweep()
    sweep()

    trip = Trip.objects.get()
    assert trip.reason == "Only 0 runs started within 26 h; at least 1 should."
    assert rerun(trip.evidence["judged"])


def lately(scout: Agent) -> None:
    began(scout, timedelta(hours=25))


def paused(scout: Agent) -> None:
    Agent.objects.filter(pk=scout.pk).update(state=AgentState.PAUSED, state_reason="No.")


def stopped_until_just_now(scout: Agent) -> None:
    now = timezone.now()
    Trip.objects.create(agent=scout, reason="No.", opened_at=now - DAY * 9, ended_at=now)


def answered(scout: Agent) -> None:
    Breaker.objects.filter(condition=Condition.RARELY).update(reset_at=timezone.now())


def new(scout: Agent) -> None:
    Breaker.objects.filter(condition=Condition.RARELY).delete()
    Breaker.objects.create(
        agent=scout, condition=Condition.RARELY, limit=1, window=timedelta(hours=26)
    )


@pytest.mark.parametrize("calm", [lately, paused, stopped_until_just_now, answered, new])
def test_who_has_a_reason_not_to_have_started_is_not_judged(scout: Agent, calm: Any) -> None:
    aged(scout)
    watch(scout, Condition.RARELY, timedelta(hours=26))
    calm(scout)

    sweep()

    assert not Trip.objects.filter(ended_at=None).exists()


def test_a_new_agent_has_a_whole_window_before_anything_is_expected(scout: Agent) -> None:
    watch(scout, Condition.RARELY, timedelta(hours=26))

    sweep()

    assert not Trip.objects.exists()


QUIET = timedelta(minutes=10)


def silent(run: Run, since: datetime | None = None) -> None:
    at = since or timezone.now() - timedelta(minutes=11)
    Run.objects.filter(pk=run.pk).update(started_at=at, seen_at=at)


@pytest.mark.parametrize(("scope", "agent", "state"), [
    (Scope.RUN, "active", "paused"), (Scope.AGENT, "paused", "running"),
])  # fmt: skip
def test_a_run_without_a_sign_of_life_is_found_once(
    scout: Agent, run: Run, scope: Scope, agent: str, state: str
) -> None:
    watch(scout, Condition.SILENCE, QUIET, scope=scope)
    silent(run)

    sweep()
    sweep()

    scout.refresh_from_db()
    run.refresh_from_db()
    trip = Trip.objects.get()
    assert (scout.state, run.state) == (agent, state)
    assert trip.reason.startswith("No sign of life for")
    assert rerun(trip.evidence["judged"])


def test_a_run_that_was_let_go_on_has_a_whole_window_again(
    scout: Agent, run: Run, ada: Person
) -> None:
    watch(scout, Condition.SILENCE, QUIET, scope=Scope.RUN)
    silent(run)
    sweep()
    holds.resume(Hold.objects.get(), by=ada)

    sweep()
    assert Trip.objects.count() == 1

    earlier = timezone.now() - timedelta(minutes=11)
    Trip.objects.update(ended_at=earlier)
    Breaker.objects.filter(run=run).update(reset_at=earlier)
    sweep()
    assert Trip.objects.count() == 2


@pytest.mark.parametrize("sign", ["propose", "claim", "settle", "heartbeat", "observe"])
def test_whatever_it_says_is_a_sign_of_life(door: Door, run: Run, scout: Agent, sign: str) -> None:
    action = door.propose("1").json()["action"]["id"]
    if sign == "settle":
        door.claim(action, claim_id="c")
    watch(scout, Condition.SILENCE, QUIET, scope=Scope.RUN)
    silent(run)

    match sign:
        case "propose":
            answer = door.propose("2", subject="other")
        case "claim":
            answer = door.claim(action, claim_id="c")
        case "settle":
            answer = door.settle(action, claim_id="c")
        case "heartbeat":
            answer = door.http.post(f"/runs/{run.pk}/heartbeat")
            assert answer.json()["control"]["state"] == "running"
        case _:
            seen = {"observations": [{"id": "9", "tool": "search", "outcome": "succeeded"}]}
            answer = door.http.post(f"/runs/{run.pk}/observations", json=seen)
    Action.objects.filter(state="executing").update(lease_until=timezone.now())  # no promise helps
    schedule.sweep(10)

    assert answer.status_code == 200
    assert not Trip.objects.exists()


def waits_for_a_person(door: Door) -> None:
    assert door.propose("h", ask=True).status_code == 202


def said_how_long_it_takes(door: Door) -> None:
    door.propose("x", claim_id="c", lease_s=3600)


def just_got_an_answer(door: Door) -> None:
    told = door.propose("h", ask=True).json()
    holds.reject(Hold.objects.get(pk=told["action"]["id"]), by=Person.objects.get(), note="No.")


@pytest.mark.parametrize("doing", [waits_for_a_person, said_how_long_it_takes, just_got_an_answer])
def test_who_waits_or_works_is_not_silent(
    door: Door, run: Run, scout: Agent, ada: Person, doing: Any
) -> None:
    watch(scout, Condition.SILENCE, QUIET, scope=Scope.RUN)
    doing(door)
    silent(run)

    sweep()

    assert not Trip.objects.exists()


def test_what_is_over_or_paused_says_nothing_and_need_not(scout: Agent, run: Run) -> None:
    watch(scout, Condition.SILENCE, QUIET, scope=Scope.RUN)
    runs.finish(run, outcome="completed", by=scout)
    other = began(scout, timedelta(hours=1), state=RunState.PAUSED)
    silent(other)

    sweep()

    assert not Trip.objects.exists()


def test_a_heartbeat_of_somebody_elses_run_is_not_heard(door: Door, eve: Person) -> None:
    stranger = Agent.objects.create(team=Team.objects.get(name="elsewhere"), name="theirs")
    theirs = runs.start(stranger, name="theirs")[0]

    assert door.http.post(f"/runs/{theirs.pk}/heartbeat").status_code == 404
    theirs.refresh_from_db()
    assert theirs.seen_at is None
