"""The floor's page, search and settings."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from agents.models import Agent, Breaker, BreakerState, Bucket, Run
from agents.transitions import agent as agents
from dashboard.pages import floor
from dashboard.pages.gauges import slot, worst_first
from people.models import Person, Team
from reviews.transitions.opening import hand_over


@pytest.fixture
def lead(ada: Person) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def bucket(agent: Agent, *, ago: timedelta = timedelta(0), width: int = 10, **sums: object) -> None:
    at = slot(timezone.now() - ago, width)
    Bucket.objects.create(owner=agent.pk, width=width, slot=at, **sums)


def test_an_empty_floor_says_what_would_stand_there(lead: Client) -> None:
    page = lead.get("/").content.decode()

    assert "Nothing needs you" in page
    assert "No agent yet" in page
    assert "manage.py agent create" in page
    assert "<title>Floor · Watchfloor</title>" in page


def test_what_waits_stands_on_the_floor(lead: Client, run: Run) -> None:
    hand_over(run, key="1", title="Two intents", queue="unclassified")

    page = lead.get("/").content.decode()

    assert "Two intents" in page
    assert "<title>(1) Floor · Watchfloor</title>" in page
    assert "scout" in page


def test_strangers_see_nothing_of_it(eve: Person, run: Run) -> None:
    hand_over(run, key="1", title="Two intents", queue="unclassified")
    bucket(run.agent, width=3600, cost_usd=Decimal(7))
    client = Client()
    client.force_login(eve)

    page = client.get("/").content.decode()

    assert "Two intents" not in page
    assert "scout" not in page
    assert "$7" not in page


def test_troubled_agents_come_first_and_say_why(ada: Person, scout: Agent, support: Team) -> None:
    calm, _ = agents.create("calm", team=support, by="test")
    bucket(calm, actions=50)
    agents.stop(scout, by=ada, reason="I want to look")

    seen = floor.fleet(ada, now=timezone.now())

    assert [member.agent.name for member in seen.members] == ["scout", "calm"]
    assert seen.members[1].actions == 50


def test_stopped_by_hand_its_cause_is_said_and_no_breaker(
    lead: Client, ada: Person, scout: Agent
) -> None:
    agents.stop(scout, by=ada, reason="Drill")

    page = lead.get("/?region=fleet").content.decode()

    assert "Stopped by hand:" in page
    assert "Drill" in page
    assert "up to" not in page.partition("member-breaker")[2]


def test_a_breaker_that_watches_is_named_before_one_that_does_not() -> None:
    states = (BreakerState.DISABLED, BreakerState.SHADOW, BreakerState.CLOSED, BreakerState.OPEN)
    breakers = [Breaker(condition="errors", state=state) for state in states]

    assert [b.state for b in worst_first(breakers)] == [*reversed(states)]


def test_a_breaker_shows_its_value_against_its_limit(ada: Person, scout: Agent) -> None:
    errors = Breaker.objects.get(agent=scout, condition="errors")
    bucket(scout, actions=9, failures=4)

    worst = floor.fleet(ada, now=timezone.now()).members[0].worst

    assert worst is not None
    assert worst.breaker == errors
    assert worst.in_words.startswith(f"4 of {errors.limit:.0f} failures in ")


def test_probation_counts_its_probes(ada: Person, scout: Agent) -> None:
    Breaker.objects.filter(agent=scout, condition="errors").update(
        state=BreakerState.HALF_OPEN,
        probation_until=timezone.now() + timedelta(minutes=5),
        probes_leased=3,
        probes_succeeded=2,
    )

    seen = floor.fleet(ada, now=timezone.now())

    assert seen.probation == 1
    assert seen.members[0].worst is not None
    assert seen.members[0].worst.in_words == "2 of 5 probes went well"


def test_spend_of_today_begins_at_the_readers_midnight(ada: Person, scout: Agent) -> None:
    now = timezone.now().replace(hour=12, minute=0)
    for hours, cost in ((1, 3), (11, 4), (13, 100)):
        at = slot(now - timedelta(hours=hours), 3600)
        Bucket.objects.create(owner=scout.pk, width=3600, slot=at, cost_usd=cost)

    with timezone.override("UTC"):
        assert floor.spend_today(ada, now=now) == 7
    with timezone.override("Asia/Kathmandu"):  # 17:45 there, their day began at 18:15 UTC
        assert floor.spend_today(ada, now=now) == 107


def test_the_last_hour_is_told_by_the_minute(ada: Person, scout: Agent) -> None:
    bucket(scout, actions=2, failures=1, cost_usd=Decimal("0.5"))
    bucket(scout, ago=timedelta(minutes=30), actions=3)
    bucket(scout, ago=timedelta(hours=2), actions=100)

    hour = floor.hour(ada, now=timezone.now())

    assert (hour.total_actions, hour.total_failures, hour.total_spend) == (5, 1, Decimal("0.5"))
    assert hour.actions[-1] == 2
    assert sum(hour.actions[28:31]) == 3


def test_the_floor_costs_the_same_for_many_agents(
    lead: Client, support: Team, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(30):
        agents.create(f"agent {n}", team=support, by="test")

    with django_assert_max_num_queries(22):
        page = lead.get("/").content.decode()

    assert "All 30 agents" in page


def test_the_line_of_breakers_counts_every_state_and_those_of_teams(
    lead: Client, scout: Agent, support: Team
) -> None:
    Breaker.objects.all().delete()
    states = ("closed", "open", "forced_open", "shadow", "shadow", "disabled")
    for minutes, state in enumerate(states, 1):
        watching = {"window": timedelta(minutes=minutes), "state": state, "limit": 5}
        Breaker.objects.create(agent=scout, condition="errors", **watching)
    window = timedelta(minutes=9)
    Breaker.objects.create(team=support, scope="team", condition="loop", limit=5, window=window)

    page = lead.get("/?region=fleet").content.decode()

    told = ["1 open", "1 forced open", "2 breakers closed", "2 in shadow", "1 disabled"]
    assert [words for words in [*told, "1 of these watches a team"] if words not in page] == []


@pytest.mark.parametrize("region", ["summary", "needs", "fleet", "hour", "ticker", "stops"])
def test_regions_read_themselves_alone(lead: Client, scout: Agent, region: str) -> None:
    part = lead.get(f"/?region={region}").content.decode()

    assert f'id="{region}"' in part
    assert "<html" not in part


# -- search and settings -----------------------------------------------------------------------------


def test_an_id_goes_straight_to_its_page(lead: Client, run: Run) -> None:
    assert lead.get(f"/search/?q={run.pk}")["Location"] == run.get_absolute_url()
    assert lead.get(f"/search/?q=%20{run.agent_id}")["Location"] == run.agent.get_absolute_url()
    assert lead.get(f"/search/?q={uuid4()}").status_code == 200


def test_words_find_agents_runs_and_what_waits(lead: Client, run: Run) -> None:
    hand_over(run, key="1", title="Nightly puzzle", queue="unclassified")

    page = lead.get("/search/?q=NIGHT").content.decode()

    assert "Nightly puzzle" in page
    assert run.get_absolute_url() in page
    assert "Nothing by that name" in lead.get("/search/?q=zebra").content.decode()
    assert "Look for a hold" in lead.get("/search/").content.decode()


def test_strangers_find_nothing(eve: Person, run: Run) -> None:
    client = Client()
    client.force_login(eve)

    assert client.get(f"/search/?q={run.pk}").status_code == 200
    assert "Nothing by that name" in client.get("/search/?q=night").content.decode()


def test_settings_show_my_teams_alone(lead: Client, eve: Person, otto: Person) -> None:
    page = lead.get("/settings/").content.decode()

    assert "<td>otto" in page
    assert "<td>eve" not in page
    assert "elsewhere" not in page
    assert "Database" in page
