"""Where a quorum could be got around: rules that change, amounts that move, names written otherwise."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from agents.models import Action, Agent
from agents.transitions import policy as policies
from audit.errors import Conflict, Refused
from people.models import Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold, Vote
from reviews.transitions import hold as holds

from .conftest import TOOLS, Ask, Rule
from .test_voting import stand_in

type Held = Callable[..., Hold]


@pytest.fixture
def lena(support: Team) -> Person:
    return people.create("lena", role=Role.LEAD, team=support, by="test")


@pytest.fixture
def limits(scout: Agent) -> Callable[..., None]:
    """Rules about the amount at stake: two votes over 100, and what else is given."""

    def writing(*more: dict[str, Any]) -> None:
        rules = [
            *more,
            {
                "name": "large",
                "then": "approve",
                "when": "amount > 100.0",
                "approval": {"votes": 2},
            },
            {"name": "any", "then": "approve", "tools": ["refund.issue"]},
        ]
        document = {"tools": TOOLS, "rules": rules}
        policies.write(policies.of_agent(scout), document, by="test", why="")

    return writing


def test_who_voted_may_vote_again_once_one_vote_is_enough(
    rule: Rule, held: Held, ada: Person
) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)
    rule(votes=1)

    assert holds.approve(hold, by=ada).decision == "approved"
    assert Vote.objects.standing().get().digest == Action.objects.get().approval_digest


def test_whose_seat_was_used_may_vote_once_one_vote_is_enough(
    rule: Rule, held: Held, ada: Person, bob: Person
) -> None:
    rule(votes=2)
    hold = held()
    stand_in(ada, bob)
    holds.approve(hold, by=bob)
    rule(votes=1)

    assert holds.approve(hold, by=ada).decision == "approved"


@pytest.mark.parametrize("name", ["ada@example.org", "ADA@Example.org", " Person:Ada "])
def test_a_stand_in_is_bound_by_every_name_of_whom_it_was_asked_for(
    held: Held, ada: Person, bob: Person, name: str
) -> None:
    Person.objects.filter(pk=ada.pk).update(email="ada@example.org")
    ada.refresh_from_db()
    hold = held(on_behalf_of=name)
    stand_in(ada, bob)

    for person in (bob, ada):
        with pytest.raises(PermissionDenied):
            holds.approve(hold, by=person)


def test_an_edit_of_what_was_asked_for_oneself_is_no_way_round(held: Held, ada: Person) -> None:
    with pytest.raises(PermissionDenied):
        holds.edit(held(on_behalf_of="ada"), by=ada, arguments={"amount": 60})


def test_an_edit_that_raises_the_amount_needs_the_votes_of_the_new_one(
    limits: Callable[..., None], held: Held, ada: Person, otto: Person
) -> None:
    limits()
    hold = held(amount="80")
    assert hold.votes_needed == 1

    raised = holds.edit(hold, by=ada, arguments={"amount": 200})

    assert (raised.state, raised.votes_needed, raised.amount) == ("open", 2, Decimal(200))
    assert holds.approve(hold, by=otto).decision == "edited"


@pytest.mark.parametrize("other", ["qty", "quantity"])
def test_of_two_arguments_like_the_amount_the_larger_counts(
    limits: Callable[..., None], held: Held, ada: Person, other: str
) -> None:
    """Which of them the amount was taken from nobody knows; guessing low would go around the rule."""
    limits()
    hold = held(arguments={other: 80, "amount": 80}, amount="80")

    raised = holds.edit(hold, by=ada, arguments={other: 80, "amount": 500})

    assert (raised.state, raised.votes_needed) == ("open", 2)


@pytest.mark.parametrize("value", ["lots", None, [500]])
def test_an_amount_that_cannot_be_read_any_more_is_read_the_strict_way(
    limits: Callable[..., None], held: Held, ada: Person, value: Any
) -> None:
    limits()

    hold = holds.edit(held(amount="80"), by=ada, arguments={"amount": value})

    assert (hold.state, hold.votes_needed, hold.amount) == ("open", 2, None)


def test_policy_that_changes_after_an_edit_judges_the_edited_amount(
    limits: Callable[..., None],
    held: Held,
    ada: Person,
    otto: Person,
    take: Callable[[Any], Any],
) -> None:
    limits()
    hold = holds.edit(held(amount="80"), by=ada, arguments={"amount": 600})
    holds.approve(hold, by=otto)
    limits({"name": "never huge", "then": "deny", "when": "amount > 500.0"})

    with pytest.raises(Conflict) as refusal:
        take(hold.pk)

    assert refusal.value.code == "policy_changed"


def test_policy_that_refuses_by_now_is_not_outvoted(
    rule: Rule, held: Held, scout: Agent, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)
    nothing = {"tools": ["search"], "rules": []}
    policies.write(policies.of_agent(scout), nothing, by="test", why="")

    with pytest.raises(Refused, match="Policy refuses"):
        holds.approve(hold, by=otto)

    assert holds.reject(hold, by=otto, note="Not any more.").decision == "rejected"


def test_other_people_by_now_means_other_votes(
    rule: Rule, held: Held, ada: Person, otto: Person, lena: Person
) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)
    rule(votes=2, people=["otto", "lena"])

    holds.approve(hold, by=otto)
    with pytest.raises(PermissionDenied, match="otto or lena"):
        holds.approve(hold, by=ada)

    assert holds.approve(hold, by=lena).decision == "approved"
    voters = set(Vote.objects.standing().values_list("person__name", flat=True))
    assert voters == {"otto", "lena"}


def test_who_lost_the_right_cannot_vote_and_who_left_lends_no_seat(
    rule: Rule, held: Held, ask: Ask, ada: Person, bob: Person
) -> None:
    rule(people=["ada"])
    hold = held()
    stand_in(ada, bob)
    Person.objects.filter(pk=ada.pk).update(is_active=False)

    with pytest.raises(PermissionDenied):
        holds.approve(hold, by=bob)
