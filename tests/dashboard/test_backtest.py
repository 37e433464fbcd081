"""Trying another limit on the past, in the browser's words."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Action, Agent, Breaker, Policy, Run
from agents.replay import first_id
from agents.transitions import policy as policies
from people.models import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def repeats(scout: Agent) -> Breaker:
    return Breaker.objects.get(agent=scout, condition="repeats")


@pytest.fixture
def busy(run: Run) -> Run:
    """Nine tries of one item yesterday, a second apart."""
    begin = timezone.now() - timedelta(days=1)
    for n in range(9):
        at = begin + timedelta(seconds=n)
        Action.objects.create(
            id=UUID(int=first_id(at).int | uuid4().int & ((1 << 62) - 1)), agent=run.agent, run=run,
            call_id=str(n), tool="search", item="mail 7", digest=b"", state="succeeded", created_at=at,
            settled_at=at + timedelta(seconds=1), cost_usd=Decimal("1.5"),
        )  # fmt: skip
    return run


def enter(client: Client, person: Person) -> Client:
    client.force_login(person)
    return client


def test_another_limit_is_tried_and_nothing_changes(
    client: Client, bob: Person, repeats: Breaker, busy: Run
) -> None:
    page = enter(client, bob).get(f"/breakers/{repeats.pk}/backtest/?limit=7").content.decode()

    assert "It would have tripped 1 time" in page
    assert "1 with 5 as now" in page
    assert "$3.00" in page
    assert "search worked on one item 8 times" in page
    assert "Set the limit" not in page
    repeats.refresh_from_db()
    assert repeats.limit == 5


def test_it_is_set_with_a_button_and_stands_in_the_policy(
    client: Client, ada: Person, repeats: Breaker, busy: Run
) -> None:
    tried = {"limit": "9", "window": "1", "unit": "min"}
    page = enter(client, ada).get(f"/breakers/{repeats.pk}/backtest/", tried).content.decode()
    assert "It would not have tripped" in page
    assert "Set the limit to 9" in page

    client.post(f"/breakers/{repeats.pk}/backtest/", tried)

    repeats.refresh_from_db()
    assert repeats.limit == 9
    assert repeats.window == timedelta(minutes=1)
    said = Policy.objects.get(agent=repeats.agent).document["breakers"]
    assert {"when": "repeats", "limit": 9, "within": "1m", "pause": "agent"} in said


@pytest.mark.parametrize(
    "condition", ["loop", "spend", "failure_rate", "malformed", "unusual", "drop", "slow"]
)
def test_every_breaker_can_be_tried(
    client: Client, ada: Person, scout: Agent, busy: Run, condition: str
) -> None:
    breaker = Breaker.objects.get(agent=scout, condition=condition)

    answer = enter(client, ada).get(f"/breakers/{breaker.pk}/backtest/?days=30")

    assert answer.status_code == 200


@pytest.mark.parametrize("limit", ["", "-1", "a", "1e99", "NaN"])
def test_nonsense_is_answered_in_a_sentence(
    client: Client, ada: Person, repeats: Breaker, limit: str
) -> None:
    answer = enter(client, ada).get(f"/breakers/{repeats.pk}/backtest/", {"limit": limit})

    assert answer.status_code == 422
    assert "The limit must be a number above zero" in answer.content.decode()


def test_nothing_to_look_at_says_so(client: Client, ada: Person, repeats: Breaker) -> None:
    page = enter(client, ada).get(f"/breakers/{repeats.pk}/backtest/").content.decode()

    assert "Nothing to look at" in page


def test_the_editor_tries_breakers_and_budgets_beside_the_rules(
    client: Client, ada: Person, scout: Agent, busy: Run
) -> None:
    policy = policies.of_agent(scout)
    text = (
        'tools: ["*"]\nrules: []\nbreakers:\n  - {when: repeats, limit: 3, within: 1m}\n'
        "budgets:\n  - {name: Hour, per: hour, limit: $4}\n"
    )
    shown = enter(client, ada).get(f"/policies/{policy.pk}/edit/").content.decode()
    assert "{when: repeats, limit: 5, within: 1m, pause: agent}" in shown

    page = client.post(
        f"/policies/{policy.pk}/edit/", {"text": text, "do": "try", "expected": "1"}
    ).content.decode()

    assert "What they would have done last week" in page
    assert "Would have tripped 1 time" in page
    assert "$4.00 an hour for each agent" in page
    assert "How it reads" in page
    assert Breaker.objects.get(agent=scout, condition="repeats").limit == 5


def test_a_policys_page_says_what_watches(client: Client, bob: Person, scout: Agent) -> None:
    policy = policies.of_agent(scout)

    page = enter(client, bob).get(f"/policies/{policy.pk}/").content.decode()

    assert "Pauses the agent when one item is worked on more than 5 times within 1 minute." in page
    assert "Try another limit" in page


def test_history_offers_a_limit_without_keeping_the_page_waiting(
    client: Client, bob: Person, repeats: Breaker, busy: Run
) -> None:
    page = enter(client, bob).get(f"/breakers/{repeats.pk}/backtest/").content.decode()
    assert "region=offer" in page

    region = client.get(f"/breakers/{repeats.pk}/backtest/?region=offer").content.decode()
    plain = client.get(f"/breakers/{repeats.pk}/backtest/?offer=1").content.decode()

    for shown in (region, plain):
        assert "What was fine came to 9 at most." in shown
        assert "?limit=9&amp;window=60&amp;unit=s&amp;days=30" in shown
