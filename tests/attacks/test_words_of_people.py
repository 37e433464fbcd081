"""What people type beside a deed reaches the record, whatever stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from django.test import Client

from agents.api.shapes import Observation
from agents.models import Action, Agent, Breaker, Run, Trip
from agents.transitions import observation
from audit.models import Entry
from people.models import Person, Team

REASON = "a\0b" + "c" * 5000


@pytest.mark.django_db
@pytest.mark.parametrize("verbs", [("grant",), ("disable", "enable"), ("force", "release")])
def test_a_reason_with_a_nul_is_kept_or_refused_in_words(
    client: Client, ada: Person, scout: Agent, verbs: Sequence[str]
) -> None:
    client.force_login(ada)
    breaker = Breaker.objects.filter(agent=scout, state="closed").first()
    assert breaker is not None

    for verb in verbs[:-1]:
        client.post(f"/breakers/{breaker.pk}/{verb}/", {"reason": "first"})
    answer = client.post(
        f"/breakers/{breaker.pk}/{verbs[-1]}/", {"reason": REASON[:300], "extra": "3"}
    )
    longer = client.post(f"/breakers/{breaker.pk}/{verbs[-1]}/", {"reason": REASON, "extra": "3"})

    assert answer.status_code < 500
    assert longer.status_code < 500
    assert not Entry.objects.filter(summary__contains="c" * 4000).exists()


@pytest.mark.django_db
def test_names_and_reasons_of_teams(
    client: Client, ada: Person, scout: Agent, support: Team
) -> None:
    client.force_login(ada)

    stopped = client.post(
        f"/switch/teams/{support.pk}/", {"reason": REASON[:300], "word": support.name}
    )
    group = Trip.objects.get().group
    resumed = client.post(f"/switch/resume/{group}/", {"reason": REASON[:300], "word": "RESUME"})
    named = client.post(
        "/budgets/add/", {"owner": f"team:{support.pk}", "name": "a\0b", "limit": "$5"}
    )

    assert stopped.status_code < 500
    assert resumed.status_code < 500
    assert named.status_code < 500


@pytest.mark.django_db
def test_why_a_cost_is_void(client: Client, ada: Person, scout: Agent, run: Run) -> None:
    observation.add(
        run,
        [Observation(id="1", tool="search", outcome="succeeded", cost_usd=Decimal(3))],
    )
    client.force_login(ada)
    action = Action.objects.get()

    answer = client.post(f"/runs/{run.pk}/actions/{action.pk}/void/", {"reason": REASON[:300]})

    assert answer.status_code < 400
