"""The agents' pages: gauges that tell the truth, keys shown once, buttons for those who may."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Action, Agent, AgentKey, Breaker, Bucket, Condition, Run
from agents.transitions import agent as agents
from agents.transitions import run as runs
from audit.models import Entry
from dashboard.pages import gauges
from people.models import Person, Team

pytestmark = pytest.mark.django_db


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def done(run: Run, call_id: str, **fields: Any) -> Action:
    given = {"tool": "search", "item": "a", "state": "succeeded", "created_at": timezone.now()}
    return Action.objects.create(
        agent=run.agent, run=run, call_id=call_id, digest=b"x", **{**given, **fields}
    )


# -- gauges ----------------------------------------------------------------------------------------


def test_repeats_show_the_busiest_item(scout: Agent, run: Run) -> None:
    for n in range(3):
        done(run, f"a{n}", subject="mail:1")
    done(run, "b", item="b", subject="mail:2")
    done(run, "denied", state="denied")
    done(run, "old", created_at=timezone.now() - timedelta(minutes=5))

    gauge = _gauge(scout, Condition.REPEATS)

    assert (gauge.value, gauge.of, gauge.reading) == (Decimal(3), "mail:1", "3 of 5")


def test_spend_and_errors_sum_the_window_and_forget_what_was_answered_for(scout: Agent) -> None:
    now = timezone.now()
    slot = gauges.slot(now)
    for back, cost in ((0, "2.5"), (3, "1"), (400, "50")):
        Bucket.objects.create(
            owner=scout.pk, width=10, slot=slot - back, failures=2, cost_usd=Decimal(cost)
        )
    assert _gauge(scout, Condition.SPEND).value == Decimal("3.5")
    assert _gauge(scout, Condition.ERRORS).value == 4

    Breaker.objects.filter(agent=scout, condition=Condition.SPEND).update(
        reset_at=now, baseline=Decimal("2")
    )

    assert _gauge(scout, Condition.SPEND).value == Decimal("0.5")


def test_a_breaker_of_runs_shows_the_run_nearest_to_its_limit(scout: Agent, run: Run) -> None:
    other, _ = runs.start(scout, name="the busy one")
    Breaker.objects.filter(agent=scout, condition=Condition.ERRORS).update(scope="run")
    slot = gauges.slot(timezone.now())
    for owner, failures in ((run.pk, 1), (other.pk, 4)):
        Bucket.objects.create(owner=owner, width=10, slot=slot, failures=failures)

    gauge = _gauge(scout, Condition.ERRORS)

    assert (gauge.value, gauge.of) == (Decimal(4), "the busy one")


def _gauge(agent: Agent, condition: Condition) -> gauges.Gauge:
    found = gauges.gauges(agent, now=timezone.now())
    return next(gauge for gauge in found if gauge.breaker.condition == condition)


# -- looking ---------------------------------------------------------------------------------------


def test_the_list_names_each_agent_in_words(scout: Agent, run: Run, ada: Person) -> None:
    page = sign_in(ada).get("/agents/").content.decode()

    assert "scout" in page
    assert "Active" in page
    assert "5 closed" in page


def test_a_hundred_agents_cost_no_more_queries_than_one(
    support: Team, ada: Person, django_assert_max_num_queries: Any
) -> None:
    Agent.objects.bulk_create(Agent(team=support, name=f"agent {n:03}") for n in range(120))
    client = sign_in(ada)

    with django_assert_max_num_queries(12):
        page = client.get("/agents/").content.decode()

    assert "agent 049" in page
    assert "agent 050" not in page
    more = re.search(r'href="(\?state=&amp;after=[^"]+)"', page)
    assert more
    further = client.get(f"/agents/{more[1].replace('&amp;', '&')}").content.decode()
    assert "agent 050" in further
    assert "agent 049" not in further


def test_strangers_find_no_agent(scout: Agent, eve: Person) -> None:
    client = sign_in(eve)

    assert "scout" not in client.get("/agents/").content.decode()
    assert client.get(scout.get_absolute_url()).status_code == 404
    assert client.post(f"/agents/{scout.pk}/stop/", {"reason": "x"}).status_code == 404


def test_the_page_says_what_it_may_do_and_how_to_connect(scout: Agent, ada: Person) -> None:
    page = sign_in(ada).get(scout.get_absolute_url()).content.decode()

    assert "needs a person when amount is over 50" in page
    assert "from watchfloor import Client" in page
    assert "/api/v1" in page


@pytest.mark.parametrize("region", ["state", "gauges", "runs"])
def test_a_live_region_is_read_alone(scout: Agent, ada: Person, region: str) -> None:
    part = sign_in(ada).get(f"{scout.get_absolute_url()}?region={region}").content.decode()

    assert "<html" not in part
    assert "data-live" in part


# -- acting ----------------------------------------------------------------------------------------


def test_stop_leads_to_the_hold_that_asks_what_now(scout: Agent, ada: Person) -> None:
    answer = sign_in(ada).post(f"/agents/{scout.pk}/stop/", {"reason": "It is odd."})

    scout.refresh_from_db()
    assert scout.is_paused
    assert answer.status_code == 302
    page = sign_in(ada).get(scout.get_absolute_url()).content.decode()
    assert answer["Location"] in page
    assert "It is odd." in page


def test_stopping_twice_is_refused_in_a_sentence(scout: Agent, ada: Person, otto: Person) -> None:
    agents.stop(scout, by=otto, reason="first")
    answer = sign_in(ada).post(f"/agents/{scout.pk}/stop/", {"reason": "second"})

    assert answer.status_code == 409
    assert "scout is paused already." in answer.content.decode()


@pytest.mark.parametrize("verb", ["stop", "retire", "keys/add"])
def test_those_who_only_read_see_no_buttons_and_are_refused(
    scout: Agent, bob: Person, verb: str
) -> None:
    client = sign_in(bob)
    page = client.get(scout.get_absolute_url()).content.decode()

    assert f"/agents/{scout.pk}/{verb}/" not in page
    answer = client.post(f"/agents/{scout.pk}/{verb}/", {"name": "scout"})
    assert answer.status_code == 403
    said = answer.content.decode()
    assert "Your role may not" in said or "takes a lead, ops or admin of its team" in said


def test_a_new_key_is_shown_once_and_kept_as_a_hash(scout: Agent, ada: Person) -> None:
    client = sign_in(ada)
    answer = client.post(f"/agents/{scout.pk}/keys/add/", {"label": "production"})

    found = re.search(r"wf_[\w-]{40,}", answer.content.decode())
    assert found
    assert "no-store" in answer["Cache-Control"]
    key = AgentKey.objects.get(label="production")
    assert bytes(key.hash) == sha256(found[0].encode()).digest()
    assert found[0] not in client.get(scout.get_absolute_url()).content.decode()


def test_a_key_is_revoked_and_only_this_agents(scout: Agent, support: Team, ada: Person) -> None:
    other, _ = agents.create("other", team=support, by="test")
    mine, others = scout.keys.get(), other.keys.get()
    client = sign_in(ada)

    assert client.post(f"/agents/{scout.pk}/keys/{others.pk}/revoke/").status_code == 404
    client.post(f"/agents/{scout.pk}/keys/{mine.pk}/revoke/")

    mine.refresh_from_db()
    others.refresh_from_db()
    assert mine.revoked_at
    assert not others.revoked_at


def test_retiring_wants_the_name(scout: Agent, ada: Person) -> None:
    client = sign_in(ada)

    assert client.post(f"/agents/{scout.pk}/retire/", {"name": "scot"}).status_code == 422
    client.post(f"/agents/{scout.pk}/retire/", {"name": "scout"})

    scout.refresh_from_db()
    assert scout.is_retired


def test_a_breaker_is_disabled_for_an_hour_unless_one_says_otherwise(
    scout: Agent, ada: Person
) -> None:
    breaker = scout.breakers.get(condition=Condition.REPEATS)
    address = f"/agents/{scout.pk}/breakers/{breaker.pk}/disable/"
    client = sign_in(ada)
    form = client.get(f"/agents/{scout.pk}/").content.decode()
    choices = form.partition('name="for"')[2].partition("</select>")[0]
    assert re.findall(r'value="(\w*)"', choices) == ["1h", "4h", "1d", ""]

    client.post(address, {"reason": "A move.", "for": "1h"})

    breaker.refresh_from_db()
    until = breaker.disabled_until
    assert until is not None
    page = client.get(f"/agents/{scout.pk}/").content.decode()
    assert "It watches again" in page
    assert "1 disabled" in client.get("/agents/").content.decode()
    said = Entry.objects.get(kind="breaker.disabled").summary
    assert said == f"Repeats of one item, until {until:%Y-%m-%d %H:%M} UTC. A move."


def test_disabled_without_an_end_it_says_so(scout: Agent, ada: Person) -> None:
    breaker = scout.breakers.get(condition=Condition.REPEATS)
    client = sign_in(ada)

    address = f"/agents/{scout.pk}/breakers/{breaker.pk}/disable/"
    client.post(address, {"reason": "A move.", "for": ""})

    page = client.get(f"/agents/{scout.pk}/").content.decode()
    assert "until somebody lets it watch again" in page
    said = Entry.objects.get(kind="breaker.disabled").summary
    assert said == "Repeats of one item, until somebody lets it watch again. A move."


def test_a_breaker_gets_another_limit(scout: Agent, ada: Person) -> None:
    breaker = scout.breakers.get(condition=Condition.REPEATS)
    address = f"/agents/{scout.pk}/breakers/{breaker.pk}"
    client = sign_in(ada)

    client.post(f"{address}/change/", {"limit": "9", "window": "2", "unit": "min"})
    for wrong in ({"limit": "0"}, {"limit": "NaN"}, {"window": "99999", "unit": "d"}):
        assert client.post(f"{address}/change/", wrong).status_code == 422
    assert client.post(f"{address}/disable/", {"reason": ""}).status_code == 422
    client.post(f"{address}/disable/", {"reason": "A test of the weekend."})

    breaker.refresh_from_db()
    assert (breaker.limit, breaker.window) == (Decimal(9), timedelta(minutes=2))
    assert breaker.state == "disabled"
