"""The trip page: the rule, its gauge and its course, what did it, what it cost, what was told, and whether it was right."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from agents.models import Account, Action, Agent, Breaker, Budget, Condition, Directive, Run, Trip
from agents.models.breaker import Scope
from agents.models.run import DirectiveKind
from agents.rules.breakers import Tripped, Verdict, loops
from agents.rules.breakers.evidence import judged_budget
from agents.rules.facts import BreakerFacts, BudgetFacts, Event
from agents.transitions import agent as agents
from agents.transitions import stopping, together, tripping, verdict
from audit.errors import Conflict, Invalid
from audit.models import Entry
from dashboard.pages import trip as pages
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import stops

pytestmark = pytest.mark.django_db

type TripIt = Callable[..., Trip]


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def look(person: Person, trip: Trip) -> str:
    answer = sign_in(person).get(f"/holds/{trip.pk}/")
    assert answer.status_code == 200
    return words(answer.content.decode())


def words(page: str) -> str:
    main = page.partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main))


def done(run: Run, call_id: str, **fields: Any) -> Action:
    at = fields.pop("at", timezone.now())
    given = {"tool": "search", "item": "a", "subject": "mail:1", "state": "succeeded"}
    times = {"created_at": at, "claimed_at": at, "settled_at": at}
    return Action.objects.create(
        agent=run.agent, run=run, call_id=call_id, digest=b"x", **{**given, **times, **fields}
    )


@pytest.fixture
def trip_it(scout: Agent, run: Run) -> TripIt:
    """A breaker that trips the way it does live, with its own evidence."""

    def tripping_it(
        condition: Condition,
        *,
        limit: float = 5,
        value: float = 6,
        window: timedelta = timedelta(minutes=1),
        scope: str = Scope.AGENT,
        state: str = "closed",
        moment: Any = "proposed",
        **more: Any,
    ) -> Trip:
        team = scout.team if scope == Scope.TEAM else None
        breaker, _ = Breaker.objects.update_or_create(
            agent=None if team else scout,
            team=team,
            run=None,
            condition=condition,
            unit=more.get("unit", ""),
            scope=scope,
            window=window,
            defaults={"limit": Decimal(str(limit)), "state": state},
        )
        facts = BreakerFacts(
            id=str(breaker.pk),
            condition=condition,
            unit=breaker.unit,
            scope=scope,
            run_id=None,
            state=state,
            limit=breaker.limit,
            window_s=window.total_seconds(),
            value=Decimal(str(value)) - 1,
            generation=1,
            probes_allowed=5,
            probes_leased=0,
            probes_succeeded=0,
            probation_until=None,
            minimum=more.get("minimum", 0),
        )
        now: datetime = more.get("at", timezone.now())
        mark = more.get("mark", b"")
        event = Event(moment, tool="search", item="a", fingerprint=mark, at=now)
        found = Tripped(
            facts, Verdict.trip(f"{condition} went over its limit.", Decimal(str(value)))
        )
        offence = {"tool": "search", "item": "a"} | more.get("offence", {})

        @together.whole_team
        def trip() -> Trip | None:
            if state == "shadow":
                return tripping.note(
                    found, event, agent_id=scout.pk, run_id=run.pk, at=now, evidence=offence
                )
            return tripping.trip(
                found,
                event,
                agent_id=scout.pk,
                run_id=run.pk,
                at=now,
                evidence=offence,
                steps=more.get("steps", b""),
            )

        made = trip()
        assert made is not None
        return made

    return tripping_it


def story(trip: Trip) -> pages.Evidence:
    return pages.story(Trip.objects.select_related("agent", "run").get(pk=trip.pk))


# -- the gauge and what did it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "more", "said"),
    [
        (Condition.REPEATS, {}, "more than 5 times within 1 minute"),
        (Condition.LOOP, {"scope": Scope.RUN}, "in a row"),
        (Condition.ERRORS, {}, "at 5 failures within 1 minute"),
        (Condition.FAILURE_RATE, {"limit": 50, "value": 62.5, "minimum": 20}, "62.5 %"),
        (Condition.SLOW, {}, "5 calls"),
        (Condition.SPEND, {"unit": "usd", "limit": 25, "value": 25.5}, "$25.50 at that moment"),
        (Condition.SPEND, {"unit": "tokens", "limit": 9000, "value": 12000}, "12,000 tokens"),
        (Condition.UNUSUAL, {}, "5 uses of a tool"),
        (Condition.DROP, {"limit": 20, "value": 31.25}, "31.2 points"),
        (Condition.MALFORMED, {}, "cannot be read"),
        (Condition.OFTEN, {"moment": "started"}, "more than 5 runs start"),
        (Condition.RARELY, {"limit": 3, "value": 1, "moment": "clock"}, "limit at least 3"),
        (Condition.SILENCE, {"limit": 1, "value": 95, "moment": "clock"}, "95 s at that moment"),
    ],
)
def test_every_condition_says_its_rule_and_its_gauge(
    trip_it: TripIt, run: Run, ada: Person, condition: Condition, more: dict[str, Any], said: str
) -> None:
    for n in range(5):
        done(run, f"{n}", state="failed", is_malformed=True, duration_ms=1)

    page = look(ada, trip_it(condition, **more))

    assert said in page
    assert f"{condition} went over its limit." in page
    assert "The rule:" in page


def test_repeats_are_one_line_that_opens_to_each_action(
    trip_it: TripIt, run: Run, ada: Person
) -> None:
    made = [done(run, f"{n}", cost_usd=Decimal("0.01")) for n in range(5)]

    trip = trip_it(Condition.REPEATS)

    (fold,) = story(trip).folds
    assert (len(fold.lines), fold.subject, fold.cost_usd) == (5, "mail:1", Decimal("0.05"))
    answer = sign_in(ada).get(f"/holds/{trip.pk}/").content.decode()
    assert all(f"/runs/{run.pk}/actions/{one.pk}/" in answer for one in made)


def test_many_single_failures_of_one_tool_are_one_line(trip_it: TripIt, run: Run) -> None:
    for n in range(8):
        done(run, f"{n}", item=f"{n}", subject=f"mail:{n}", state="failed")
    done(run, "b", tool="model", item="m", state="failed")

    folds = story(trip_it(Condition.ERRORS)).folds

    assert [(fold.tool, len(fold.lines), fold.different) for fold in folds] == [
        ("search", 8, 8),
        ("model", 1, 1),
    ]


def test_more_repeats_than_are_kept_are_counted(trip_it: TripIt, run: Run) -> None:
    for n in range(40):
        done(run, f"{n}", state="failed")

    found = story(trip_it(Condition.ERRORS, value=40))

    assert (len(found.actions), found.more) == (25, 15)


def test_a_circle_shows_its_steps_once(trip_it: TripIt, run: Run, ada: Person) -> None:
    steps, now = b"", timezone.now()
    marks = [b"step-one", b"step-two"] * 6
    for n, mark in enumerate(marks):
        at = now - timedelta(seconds=len(marks) - n)
        tool = ("search", "mail.read")[n % 2]
        done(run, f"{n}", tool=tool, at=at, fingerprint=mark)
        if n < len(marks) - 1:
            steps = loops.append(steps, mark, at)
    Run.objects.filter(pk=run.pk).update(steps=loops.append(steps, marks[-1], now))

    trip = trip_it(
        Condition.LOOP, scope=Scope.RUN, steps=steps, mark=marks[-1], moment="settled", at=now
    )

    circle = story(trip).cycle
    assert circle is not None
    assert [line.action.tool for line in circle.steps] == ["search", "mail.read"]
    assert circle.times == 6
    assert "× 6" in look(ada, trip)
    chart = story(trip).chart
    assert chart is not None
    assert chart.points[-1] == (1.0, 6.0)


def test_the_course_rises_to_the_trip_and_is_drawn_with_its_limit(
    trip_it: TripIt, run: Run, ada: Person
) -> None:
    now = timezone.now()
    for n in range(5):
        done(run, f"{n}", at=now - timedelta(seconds=50 - 10 * n))

    trip = trip_it(Condition.REPEATS, at=now)

    chart = story(trip).chart
    assert chart is not None
    values = [value for _, value in chart.points]
    assert values[0] == 0
    assert values[-1] == 6
    assert values == sorted(values)
    page = sign_in(ada).get(f"/holds/{trip.pk}/").content.decode()
    drawn = re.search(r'<svg class="course-chart".*?</svg>', page, re.DOTALL)
    assert drawn
    assert 'role="img"' in drawn[0]
    assert 'class="limit"' in drawn[0]
    assert 'class="moment-dot"' in drawn[0]


def test_runs_that_began_too_often_are_told(trip_it: TripIt, run: Run, ada: Person) -> None:
    trip = trip_it(Condition.OFTEN, limit=1, value=2, window=timedelta(hours=1), moment="started")

    page = look(ada, trip)

    assert "Runs it started" in page
    assert "nightly" in page


# -- money -----------------------------------------------------------------------------------------


def test_what_a_stop_saved_is_its_pace_until_somebody_answered(trip_it: TripIt, run: Run) -> None:
    now = timezone.now()
    for n in range(4):
        done(run, f"{n}", at=now - timedelta(seconds=110 - n), cost_usd=Decimal("0.50"))
    trip = trip_it(Condition.ERRORS, at=now, window=timedelta(minutes=5))
    Trip.objects.filter(pk=trip.pk).update(ended_at=now + timedelta(minutes=30))

    saved = story(trip).saved

    assert saved is not None
    assert saved.is_answered
    assert saved.lasted == timedelta(minutes=30)
    assert saved.cost_usd == pytest.approx(Decimal("32.73"), abs=Decimal("0.01"))


def test_without_a_pace_nothing_is_said_to_be_saved(trip_it: TripIt, run: Run, ada: Person) -> None:
    done(run, "1", cost_usd=Decimal(5))

    trip = trip_it(Condition.REPEATS)

    assert story(trip).saved is None
    assert "Saved" not in look(ada, trip)


def test_a_weekend_is_not_counted_as_saved(trip_it: TripIt, run: Run, ada: Person) -> None:
    for n in range(3):
        done(run, f"{n}", input_tokens=100)
    trip = trip_it(Condition.REPEATS)
    Trip.objects.filter(pk=trip.pk).update(
        opened_at=trip.opened_at, ended_at=trip.opened_at + timedelta(days=3)
    )

    saved = story(trip).saved

    assert saved is not None
    assert saved.is_capped
    assert saved.lasted == timedelta(days=1)
    assert "of which one day is counted" in look(ada, trip)


# -- around it -------------------------------------------------------------------------------------


def test_what_was_in_flight_is_shown_with_how_it_ended(
    trip_it: TripIt, run: Run, ada: Person
) -> None:
    ended = done(run, "ended", at=timezone.now() - timedelta(seconds=30))
    before = timezone.now() - timedelta(seconds=20)
    lease = before + timedelta(minutes=5)
    under_way: dict[str, Any] = {"settled_at": None, "claim_id": "c", "lease_until": lease}
    slow = done(run, "slow", tool="mail.read", at=before, state="executing", **under_way)

    trip = trip_it(Condition.REPEATS)
    Action.objects.filter(pk=slow.pk).update(state="failed", settled_at=timezone.now())

    found = [line.action for line in story(trip).since.in_flight]
    assert [(one.pk, one.state) for one in found] == [(slow.pk, "failed")]
    assert ended.pk not in {one.pk for one in found}
    assert "In flight when it stopped" in look(ada, trip)


def test_an_agent_that_goes_on_is_said_not_to_obey(trip_it: TripIt, run: Run, ada: Person) -> None:
    trip = trip_it(Condition.REPEATS)
    assert "it obeyed" in look(ada, trip)

    done(run, "after", at=timezone.now() + timedelta(seconds=1), gated=False)

    assert "It did not obey: 1 thing done after it was told" in look(ada, trip)


def test_what_a_person_told_it_waits_to_be_confirmed(trip_it: TripIt, ada: Person) -> None:
    trip = trip_it(Condition.REPEATS)
    hold = Hold.objects.get(pk=trip.pk)
    stops.modify(hold, by=ada, instruction="Skip mail:1.", was_true=True)

    page = look(ada, trip)
    assert "Skip mail:1." in page
    assert "not confirmed yet" in page
    assert "A true trip" in page
    Directive.objects.filter(kind=DirectiveKind.INSTRUCTION).update(acknowledged_at=timezone.now())
    assert re.search(r"confirmed \d\d:", look(ada, trip))


def test_stops_like_it_before_are_listed_with_what_was_said(
    trip_it: TripIt, run: Run, ada: Person
) -> None:
    first = trip_it(Condition.ERRORS, limit=10, value=10)
    stops.resume(Hold.objects.get(pk=first.pk), by=ada, was_true=False)

    page = look(ada, trip_it(Condition.ERRORS, limit=10, value=11))

    assert "0 true, 1 false" in page
    assert "10 of 10" in page
    assert re.search(r"ada resumed", page)


def test_a_stop_by_hand_tells_who_and_asks_nothing_of_rules(scout: Agent, ada: Person) -> None:
    trip = agents.stop(scout, by=ada, reason="It writes nonsense.")
    assert "Stopped by hand by ada" in look(ada, trip)

    stops.resume(Hold.objects.get(pk=trip.pk), by=ada)

    assert "Was it right" not in look(ada, trip)
    with pytest.raises(Invalid, match="no rule"):
        verdict.judge(trip, was_true=True, by=ada)


def test_a_budgets_trip_shows_what_cost_most(scout: Agent, run: Run, ada: Person) -> None:
    now = timezone.now()
    budget = Budget.objects.create(
        team=scout.team, agent=scout, name="Day", scope="agent", period="day", limit=Decimal(10)
    )
    account = Account.objects.create(
        budget=budget,
        owner=scout.pk,
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=23),
        unit="usd",
        spent=Decimal(10),
    )
    dear = done(run, "dear", cost_usd=Decimal(9))
    done(run, "free")
    facts = BudgetFacts(
        account=str(account.pk),
        budget=str(budget.pk),
        name="Day",
        scope="agent",
        unit="usd",
        period="day",
        limit=Decimal(10),
        reserved=Decimal(0),
        spent=Decimal(10),
    )
    event = Event("proposed", tool="search", cost_usd=Decimal(1))
    with transaction.atomic():
        trip = stopping.stop(
            scout,
            None,
            at=now,
            reason="The budget “Day” is used up.",
            budget=budget,
            value=Decimal(11),
            evidence={"judged": judged_budget(facts, event)},
        )

    assert [one.pk for one in story(trip).actions] == [dear.pk]
    page = look(ada, trip)
    assert "What cost most" in page
    assert "The budget" in page


def test_a_teams_breaker_names_the_others_and_who_did_it(
    trip_it: TripIt, scout: Agent, support: Team, ada: Person
) -> None:
    others = [agents.create(f"other {n}", team=support, by="test")[0] for n in range(6)]

    trip = trip_it(Condition.ERRORS, scope=Scope.TEAM, window=timedelta(minutes=5))

    page = look(ada, trip)
    assert "Stopped by the same deed" in page
    assert all(other.name in page for other in others)
    theirs = Trip.objects.get(agent=others[0])
    assert "scout that tripped the breaker of the whole team" in look(ada, theirs).replace(
        " ,", ","
    )


# -- true or false? --------------------------------------------------------------------------------


def test_one_question_after_the_answer_and_it_can_be_answered_otherwise_later(
    trip_it: TripIt, ada: Person, otto: Person
) -> None:
    trip = trip_it(Condition.REPEATS)
    assert "Yes, a true trip" not in look(ada, trip)
    stops.resume(Hold.objects.get(pk=trip.pk), by=ada)
    assert "Was it right to stop?" in look(ada, trip)

    sign_in(ada).post(f"/trips/{trip.pk}/judge/", {"was_true": "true"})
    assert "A true trip" in look(ada, trip)
    sign_in(otto).post(f"/trips/{trip.pk}/judge/", {"was_true": "false"})

    page = look(ada, trip)
    assert "A false trip" in page
    assert "otto said so" in page
    trip.refresh_from_db()
    assert trip.was_true is False
    said = Entry.objects.filter(kind="trip.judged").order_by("id")
    assert [(one.actor, one.data["was_true"]) for one in said] == [
        (ada.record_name, True),
        (otto.record_name, False),
    ]


def test_nobody_judges_before_the_answer_nor_without_the_role(
    trip_it: TripIt, ada: Person, bob: Person, eve: Person
) -> None:
    trip = trip_it(Condition.REPEATS)

    with pytest.raises(Conflict, match="Answer it first"):
        verdict.judge(trip, was_true=True, by=ada)
    assert sign_in(bob).post(f"/trips/{trip.pk}/judge/", {"was_true": "true"}).status_code == 403
    assert sign_in(eve).post(f"/trips/{trip.pk}/judge/", {"was_true": "true"}).status_code == 404
    assert sign_in(ada).post(f"/trips/{trip.pk}/judge/", {}).status_code == 422
    trip.refresh_from_db()
    assert trip.was_true is None


def test_one_verdict_on_a_teams_breaker_is_for_all_it_stopped(
    trip_it: TripIt, support: Team, ada: Person
) -> None:
    agents.create("other", team=support, by="test")
    trip = trip_it(Condition.ERRORS, scope=Scope.TEAM, window=timedelta(minutes=5))
    stops.resume(Hold.objects.get(pk=trip.pk), by=ada)

    verdict.judge(trip, was_true=False, by=ada)

    assert set(Trip.objects.values_list("was_true", flat=True)) == {False}


def test_a_false_trip_offers_a_better_limit_to_try_and_to_set(
    trip_it: TripIt, run: Run, ada: Person
) -> None:
    now = timezone.now()
    for n in range(9):
        done(run, f"{n}", at=now - timedelta(seconds=20 - n), state="failed")
    trip = trip_it(Condition.ERRORS, limit=5, value=9, at=now, moment="settled")
    stops.resume(Hold.objects.get(pk=trip.pk), by=ada, was_true=False)

    page = sign_in(ada).get(f"/holds/{trip.pk}/").content.decode()
    assert f"/trips/{trip.pk}/better/" in page
    better = sign_in(ada).get(f"/trips/{trip.pk}/better/", headers={"HX-Request": "true"})

    text = better.content.decode()
    assert "Try it on what happened" in text
    assert "false trip" in words(f"<main>{text}")
    setting = Breaker.objects.get(condition=Condition.ERRORS, window=timedelta(minutes=1))
    assert f"/breakers/{setting.pk}/backtest/" in text
    given = dict(
        re.findall(r'<input type="hidden" name="(limit|window|unit|days)" value="([^"]*)"', text)
    )
    sign_in(ada).post(f"/breakers/{setting.pk}/backtest/", given)
    setting.refresh_from_db()
    assert setting.limit == Decimal(given["limit"]) > 9


# -- shadow ----------------------------------------------------------------------------------------


def test_what_a_shadow_would_have_stopped_has_a_page_of_its_own(
    trip_it: TripIt, run: Run, ada: Person, eve: Person
) -> None:
    for n in range(5):
        done(run, f"{n}")
    trip = trip_it(Condition.REPEATS, state="shadow")

    page = sign_in(ada).get(f"/trips/{trip.pk}/").content.decode()

    assert "nothing was paused" in page
    assert "Why it would have stopped" in page
    assert "Would it have been right to stop?" in page
    assert sign_in(eve).get(f"/trips/{trip.pk}/").status_code == 404
    agent_page = sign_in(ada).get(f"/agents/{trip.agent_id}/").content.decode()
    assert "would have tripped 1 time" in agent_page


def test_a_real_stop_is_told_where_it_is_answered(trip_it: TripIt, ada: Person) -> None:
    trip = trip_it(Condition.REPEATS)

    answer = sign_in(ada).get(f"/trips/{trip.pk}/")

    assert answer.headers["Location"] == f"/holds/{trip.pk}/"


# -- cost ------------------------------------------------------------------------------------------


def test_a_trip_page_costs_the_same_for_25_actions_and_a_group(
    trip_it: TripIt, run: Run, support: Team, ada: Person, django_assert_max_num_queries: Any
) -> None:
    for n in range(6):
        agents.create(f"other {n}", team=support, by="test")
    for n in range(60):
        done(run, f"{n}", state="failed", subject="\u202egnp.exe" + "W" * 300)
    trip = trip_it(Condition.ERRORS, scope=Scope.TEAM, value=60, window=timedelta(minutes=5))
    client = sign_in(ada)

    with django_assert_max_num_queries(70):
        page = client.get(f"/holds/{trip.pk}/").content.decode()

    assert "\u202e" not in page
