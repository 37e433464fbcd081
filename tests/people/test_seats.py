"""Whose right a person may use, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from people.models import Delegation, Group, Person, Team
from people.seats import seats, seats_of

DAY = timedelta(days=1)


def delegate(giver: Person, taker: Person, start: datetime, end: datetime) -> Delegation:
    return Delegation.objects.create(giver=giver, taker=taker, starts_at=start, ends_at=end)


@pytest.fixture
def now(db: None) -> datetime:
    return timezone.now()


def test_everybody_has_their_own_seat(ada: Person, now: datetime) -> None:
    (own,) = seats(ada, now)

    assert (own.id, own.name) == (ada.pk, "ada")
    assert own.roles == ada.roles


@pytest.mark.parametrize(
    ("start", "end", "has_seat"),
    [(-1, 1, True), (0, 1, True), (1, 2, False), (-2, -1, False), (-1, 0, False)],
)
def test_a_seat_is_lent_from_start_until_end(
    ada: Person, otto: Person, now: datetime, start: int, end: int, has_seat: bool
) -> None:
    delegate(ada, otto, now + start * DAY, now + end * DAY)

    assert (ada.pk in seats_of(otto, now)) is has_seat
    assert ada.is_out(now) is has_seat
    assert not otto.is_out(now)


def test_what_was_taken_back_is_over(ada: Person, otto: Person, now: datetime) -> None:
    Delegation.objects.filter(pk=delegate(ada, otto, now - DAY, now + DAY).pk).update(ended_at=now)

    assert seats_of(otto, now) == {otto.pk}


def test_a_seat_is_not_passed_on(ada: Person, otto: Person, bob: Person, now: datetime) -> None:
    delegate(ada, otto, now - DAY, now + DAY)
    delegate(otto, bob, now - DAY, now + DAY)

    assert seats_of(bob, now) == {bob.pk, otto.pk}


def test_who_left_lends_no_seat(ada: Person, otto: Person, now: datetime) -> None:
    delegate(ada, otto, now - DAY, now + DAY)
    Person.objects.filter(pk=ada.pk).update(is_active=False)

    assert seats_of(otto, now) == {otto.pk}
    assert seats_of(ada, now) == frozenset()


def test_a_seat_says_what_its_giver_may(
    ada: Person,
    bob: Person,
    eve: Person,
    support: Team,
    now: datetime,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    group = Group.objects.create(team=support, name="trading-leads")
    group.members.add(ada)
    delegate(ada, bob, now - DAY, now + DAY)

    with django_assert_num_queries(1):
        own, hers = seats(bob, now)

    assert not own.decides_for(support.pk)
    assert own.sees(support.pk)
    assert hers.name == "ada"
    assert hers.decides_for(support.pk)
    assert hers.is_in(support.pk, ["ops", "trading-leads"])
    assert not own.is_in(support.pk, ["trading-leads"])
    elsewhere = eve.team_ids[0]
    assert not hers.is_in(elsewhere, ["trading-leads"]), "a group is one of its team"
    assert not hers.decides_for(elsewhere)


def test_the_database_refuses_what_makes_no_sense(ada: Person, otto: Person, now: datetime) -> None:
    for taker, end in ((ada, now + DAY), (otto, now)):
        with pytest.raises(IntegrityError), transaction.atomic():
            delegate(ada, taker, now, end)
