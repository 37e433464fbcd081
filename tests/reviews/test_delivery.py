"""Decided, delivered, executed: a yes that its agent does not use is said again, and never for longer than it may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from agents.models import Action, Agent
from agents.transitions import agent as agents
from agents.transitions import policy as policies
from audit.errors import Conflict, NotFound
from audit.models import Entry
from people.models import Person
from reviews.models import Hold
from reviews.transitions import delivery
from reviews.transitions import hold as holds
from tests.cast import Door
from tests.reviews.test_voting import stand_in
from tests.sdk.conftest import eventually

from .conftest import Rule

type Held = Callable[..., Hold]


@pytest.fixture
def approved(held: Held, ada: Person) -> Callable[..., Hold]:
    """A refund that ada approved and nobody began."""

    def approving(**more: Any) -> Hold:
        return holds.approve(held(**more), by=ada)

    return approving


def lapse() -> None:
    Action.objects.update(expires_at=timezone.now() - timedelta(minutes=1))


def test_a_yes_holds_as_long_as_policy_says(
    rule: Rule, approved: Callable[..., Hold], take: Callable[[Any], Any]
) -> None:
    assert lasts(approved()) == timedelta(hours=1)
    rule(valid_for="5m")
    hold = approved(arguments={"amount": 81})
    assert lasts(hold) == timedelta(minutes=5)
    lapse()

    with pytest.raises(Conflict) as refusal:
        take(hold.pk)

    assert refusal.value.code == "approval_expired"
    assert Action.objects.get(pk=hold.pk).state == "approved"


def lasts(hold: Hold) -> timedelta:
    action = Action.objects.get(pk=hold.pk)
    assert action.expires_at is not None
    assert action.decided_at is not None
    exact = action.expires_at - action.decided_at
    return timedelta(minutes=round(exact / timedelta(minutes=1)))


def test_what_was_told_is_told_again(approved: Callable[..., Hold], otto: Person) -> None:
    hold = approved()
    Action.objects.update(delivered_at=timezone.now())
    before = Action.objects.get().expires_at

    delivery.retry(hold, by=otto)

    action = Action.objects.get()
    assert (action.delivered_at, action.expires_at, action.state) == (None, before, "approved")
    entry = Entry.objects.get(kind="hold.redelivered")
    assert (entry.actor, entry.data["renewed"]) == (otto.record_name, False)


def test_a_lapsed_yes_is_renewed_by_who_could_give_it(
    approved: Callable[..., Hold], take: Callable[[Any], Any], otto: Person
) -> None:
    hold = approved()
    lapse()

    delivery.retry(hold, by=otto)

    assert take(hold.pk)["state"] == "executing"
    assert Entry.objects.get(kind="hold.redelivered").data["renewed"] is True


def test_what_took_several_people_is_not_renewed_by_one(
    rule: Rule, held: Held, ada: Person, otto: Person, take: Callable[[Any], Any]
) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)
    holds.approve(hold, by=otto)
    lapse()

    with pytest.raises(Conflict, match="several people"):
        delivery.retry(hold, by=ada)
    with pytest.raises(Conflict, match="not used in time"):
        take(hold.pk)


def test_a_renewal_is_a_yes_and_asks_for_the_same_right(
    rule: Rule, held: Held, ada: Person, otto: Person, bob: Person
) -> None:
    rule(people=["ada"])
    hold = holds.approve(held(), by=ada)
    lapse()

    with pytest.raises(PermissionDenied, match="needs the approval of ada"):
        delivery.retry(hold, by=otto)
    stand_in(ada, bob)

    assert delivery.retry(hold, by=bob).pk == hold.pk


def test_nobody_renews_what_was_asked_for_them(held: Held, ada: Person, otto: Person) -> None:
    hold = holds.approve(held(on_behalf_of="otto"), by=ada)
    lapse()

    with pytest.raises(PermissionDenied, match="on your behalf"):
        delivery.retry(hold, by=otto)


def test_a_renewal_does_not_outlive_a_stricter_policy(
    approved: Callable[..., Hold], take: Callable[[Any], Any], scout: Agent, otto: Person
) -> None:
    hold = approved()
    lapse()
    nothing = {"tools": ["search"], "rules": []}
    policies.write(policies.of_agent(scout), nothing, by="test", why="")
    delivery.retry(hold, by=otto)

    with pytest.raises(Conflict) as refusal:
        take(hold.pk)

    assert refusal.value.code == "policy_changed"


@pytest.mark.parametrize(
    ("name", "refusal"), [("iris", PermissionDenied), ("bob", PermissionDenied), ("eve", NotFound)]
)
def test_who_may_not_decide_cannot_tell_again(
    approved: Callable[..., Hold],
    request: pytest.FixtureRequest,
    name: str,
    refusal: type[Exception],
) -> None:
    with pytest.raises(refusal):
        delivery.retry(approved(), by=request.getfixturevalue(name))


@pytest.mark.parametrize("ending", ["open", "rejected", "begun", "cancelled"])
def test_only_what_waits_for_its_agent_is_told_again(
    held: Held,
    take: Callable[[Any], Any],
    scout: Agent,
    ada: Person,
    ending: str,
) -> None:
    hold = held()
    if ending == "rejected":
        holds.reject(hold, by=ada, note="No.")
    elif ending != "open":
        holds.approve(hold, by=ada)
        if ending == "begun":
            take(hold.pk)
        else:
            agents.retire(scout, by=ada)

    with pytest.raises(Conflict, match="does not wait for its agent"):
        delivery.retry(hold, by=ada)

    assert not Entry.objects.filter(kind="hold.redelivered").exists()


def test_each_step_from_yes_to_done_is_seen(door: Door, ada: Person) -> None:
    told = door.propose("1", "refund.issue", arguments={"amount": 80}).json()["action"]["id"]
    holds.approve(Hold.objects.get(pk=told), by=ada)

    def steps(*expected: bool) -> bool:
        action = Action.objects.get()
        moments = (action.decided_at, action.delivered_at, action.claimed_at, action.settled_at)
        return [moment is not None for moment in moments] == list(expected)

    assert steps(True, False, False, False)
    assert door.read(told)["state"] == "approved"
    assert eventually(lambda: steps(True, True, False, False))
    delivery.retry(Hold.objects.get(pk=told), by=ada)
    assert steps(True, False, False, False)
    assert door.read(told, wait=5)["state"] == "approved"
    assert eventually(lambda: steps(True, True, False, False))
    assert door.claim(told, claim_id="c").status_code == 200
    assert steps(True, True, True, False)
    door.settle(told, claim_id="c")
    assert steps(True, True, True, True)


def test_a_process_that_died_before_it_began_finds_the_yes_again(door: Door, ada: Person) -> None:
    """It asks for the same under the same name, and is told what it missed."""
    told = door.propose("1", "refund.issue", arguments={"amount": 80}).json()["action"]["id"]
    holds.approve(Hold.objects.get(pk=told), by=ada)

    again = door.propose("1", "refund.issue", arguments={"amount": 80}).json()

    assert (again["admission"], again["action"]["state"]) == ("replayed", "approved")
    assert door.claim(told, claim_id="c").status_code == 200
