"""What the end of a probe says, as a table; and that a breaker which opens again can say why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent, Breaker, Run, Trip
from agents.rules.breakers.evidence import judged_probe, rerun
from agents.rules.breakers.probes import Probe, reopens
from agents.transitions import probation
from people.models import Person

FAILED = "A probe failed while on probation."
LOST = "A probe did not come back before probation ended."


@pytest.mark.parametrize(
    ("condition", "of_generation", "outcome", "why"),
    [
        ("errors", 3, "failed", FAILED),
        ("failure_rate", 3, "failed", FAILED),
        ("drop", 3, "failed", FAILED),
        ("repeats", 3, "failed", ""),
        ("spend", 3, "failed", ""),
        ("errors", 3, "succeeded", ""),
        ("errors", 2, "failed", ""),
        ("repeats", 3, "lost", LOST),
        ("repeats", 2, "lost", ""),
    ],
)
def test_the_end_of_a_probe(condition: str, of_generation: int, outcome: str, why: str) -> None:
    probe = Probe(condition, 3, of_generation, outcome)  # type: ignore[arg-type]

    assert reopens(probe) == why
    assert rerun(judged_probe(probe)) == why


@pytest.mark.django_db
def test_a_breaker_that_opens_again_is_explained_by_what_was_kept(
    scout: Agent, run: Run, ada: Person
) -> None:
    breaker = Breaker.objects.get(agent=scout, condition="failure_rate")
    now = timezone.now()
    Breaker.objects.filter(pk=breaker.pk).update(
        state="half_open", reset_at=now, probation_until=now + timedelta(minutes=10)
    )

    probation.settle_probe(breaker.pk, breaker.generation, failed=True, at=now, agent_id=scout.pk)

    trip = Trip.objects.get()
    breaker.refresh_from_db()
    assert (breaker.state, breaker.reopenings, trip.reason) == ("open", 1, FAILED)
    assert rerun(trip.evidence["judged"]) == FAILED
