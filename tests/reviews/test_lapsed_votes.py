"""A yes counts as long as whoever gave it could still give it: those who left decide nothing afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from people.models import Delegation, Group, Membership, Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold, Vote
from reviews.transitions import hold as holds

type Change = Callable[[Person], Any]

CHANGES: dict[str, Change] = {
    "switched off": lambda who: Person.objects.filter(pk=who.pk).update(is_active=False),
    "only reads": lambda who: Membership.objects.filter(person=who).update(role=Role.VIEWER),
    "left the team": lambda who: Membership.objects.filter(person=who).delete(),
    "left the group": lambda who: Group.objects.get().members.remove(who),
}


@pytest.fixture
def two_cashiers(rule: Callable[..., None], support: Team, ada: Person, otto: Person) -> Person:
    """Two of three cashiers must say yes; returns the third."""
    lena = people.create("lena", role=Role.LEAD, team=support, by="test")
    Group.objects.create(team=support, name="cashiers").members.add(ada, otto, lena)
    rule(groups=["cashiers"], votes=2)
    return lena


@pytest.mark.parametrize("change", CHANGES)
def test_the_yes_of_who_lost_the_right_since_counts_no_more(
    two_cashiers: Person, held: Callable[..., Hold], ada: Person, otto: Person, change: str
) -> None:
    hold = held()
    holds.approve(hold, by=ada)

    CHANGES[change](ada)

    assert holds.approve(hold, by=otto).is_open
    assert Vote.objects.standing().get().person == otto
    assert holds.approve(hold, by=two_cashiers).decision == "approved"


def test_a_yes_in_the_seat_of_somebody_who_is_back_counts_on(
    two_cashiers: Person, held: Callable[..., Hold], ada: Person, otto: Person, bob: Person
) -> None:
    hold = held()
    now = timezone.now()
    out = Delegation.objects.create(
        giver=ada, taker=bob, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1)
    )
    holds.approve(hold, by=bob)
    Delegation.objects.filter(pk=out.pk).update(ended_at=now)

    assert holds.approve(hold, by=otto).decision == "approved"
