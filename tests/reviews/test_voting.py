"""Who decides: n of m, nobody twice, nobody for themselves, and votes only for what was read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Action, Agent, ToolSchema
from agents.transitions import policy as policies
from audit.errors import Conflict, Invalid, Refused
from audit.models import Entry
from people.models import Delegation, Group, Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold, Vote
from reviews.transitions import hold as holds

from .conftest import TOOLS, Ask, Rule

type Held = Callable[..., Hold]


@pytest.fixture
def lena(support: Team) -> Person:
    """Leads support, too."""
    return people.create(
        "lena", role=Role.LEAD, team=support, password="a long password", by="test"
    )


def test_two_must_say_yes(rule: Rule, held: Held, ada: Person, otto: Person) -> None:
    rule(votes=2)
    hold = held()

    first = holds.approve(hold, by=ada, note="Fine.")
    assert (first.state, Action.objects.get().state) == ("open", "held")
    second = holds.approve(hold, by=otto, note="Fine by me.")

    assert (second.state, second.decision) == ("decided", "approved")
    action = Action.objects.get()
    assert (action.state, action.message) == ("approved", "ada: Fine.\notto: Fine by me.")
    assert list(Entry.objects.filter(kind="hold.voted").values_list("actor", flat=True)) == [
        ada.record_name
    ]


def test_nobody_votes_twice(rule: Rule, held: Held, ada: Person) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)

    with pytest.raises(Conflict, match="somebody else must, too"):
        holds.approve(hold, by=ada)

    assert Vote.objects.count() == 1


def test_one_no_is_enough(rule: Rule, held: Held, ada: Person, otto: Person) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)

    holds.reject(hold, by=otto, note="Paid back already.")

    assert Action.objects.get().state == "rejected"


def test_an_edit_dismisses_the_votes_and_is_its_editors_vote(
    rule: Rule, held: Held, ada: Person, otto: Person, lena: Person
) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)

    changed = holds.edit(hold, by=otto, arguments={"amount": 70})
    assert (changed.state, changed.revision, changed.candidate) == ("open", 2, {"amount": 70})
    assert Vote.objects.standing().get().person == otto
    over = holds.approve(changed, by=ada)

    action = Action.objects.get()
    assert (over.decision, action.decision) == ("edited", "edited")
    assert (action.arguments, action.approved_arguments) == ({"amount": 80}, {"amount": 70})


def test_a_yes_is_for_the_version_that_was_read(
    rule: Rule, held: Held, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = held()
    holds.edit(hold, by=otto, arguments={"amount": 70})

    with pytest.raises(Conflict, match="version 2") as refusal:
        holds.approve(hold, by=ada, revision=1)

    assert refusal.value.code == "changed"


def test_an_edit_is_judged_by_policy(scout: Agent, held: Held, ada: Person, otto: Person) -> None:
    rules = [
        {
            "name": "never huge",
            "then": "deny",
            "when": "double(args.amount) > 1000.0",
            "because": "Nobody refunds that much.",
        },
        {
            "name": "large",
            "then": "approve",
            "when": "double(args.amount) > 500.0",
            "approval": {"votes": 2},
        },
        {"name": "some", "then": "approve", "when": "double(args.amount) > 50.0"},
    ]
    policies.write(policies.of_agent(scout), {"tools": TOOLS, "rules": rules}, by="test", why="")
    hold = held()

    with pytest.raises(Refused, match="Nobody refunds that much"):
        holds.edit(hold, by=ada, arguments={"amount": 2000})
    larger = holds.edit(hold, by=ada, arguments={"amount": 600})

    assert (larger.state, larger.votes_needed, larger.requirement.votes) == ("open", 2, 2)
    assert holds.approve(hold, by=otto).decision == "edited"


def test_an_edit_must_fit_the_tools_own_schema(scout: Agent, held: Held, ada: Person) -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "number", "maximum": 100}}}
    ToolSchema.objects.create(agent=scout, tool="refund.issue", schema=schema)
    hold = held()

    with pytest.raises(Invalid) as refusal:
        holds.edit(hold, by=ada, arguments={"amount": 101})

    assert list(refusal.value.extra["fields"]) == ["amount"]  # type: ignore[call-overload]
    assert Hold.objects.get().is_open


def test_an_edit_that_changes_nothing_is_a_yes(held: Held, ada: Person) -> None:
    assert holds.edit(held(), by=ada, arguments={"amount": 80}).decision == "approved"


@pytest.mark.parametrize("name", ["ada", "ADA", "person:ada", "ada@example.org"])
def test_nobody_approves_what_was_asked_for_them(held: Held, ada: Person, name: str) -> None:
    Person.objects.filter(pk=ada.pk).update(email="ada@example.org")
    ada.refresh_from_db()
    hold = held(on_behalf_of=name)

    with pytest.raises(PermissionDenied, match="on your behalf"):
        holds.approve(hold, by=ada)

    assert holds.reject(hold, by=ada, note="I changed my mind.").decision == "rejected"


def test_only_named_groups_and_people_approve(
    rule: Rule, held: Held, support: Team, ada: Person, otto: Person, lena: Person
) -> None:
    Group.objects.create(team=support, name="cashiers").members.add(lena)
    rule(groups=["cashiers"], people=["otto"], votes=2)
    hold = held()

    with pytest.raises(PermissionDenied, match="a member of cashiers or otto"):
        holds.approve(hold, by=ada)
    holds.approve(hold, by=lena)

    assert holds.approve(hold, by=otto).decision == "approved"


def test_who_stands_in_decides_in_the_others_seat(
    rule: Rule, held: Held, support: Team, ada: Person, bob: Person, otto: Person
) -> None:
    rule(people=["ada"])
    hold = held()
    stand_in(ada, bob)

    assert holds.approve(hold, by=bob).decision == "approved"

    vote = Vote.objects.get()
    assert (vote.person, vote.seat) == (bob, ada)


def test_a_seat_votes_once(rule: Rule, held: Held, ada: Person, bob: Person, otto: Person) -> None:
    rule(votes=2)
    hold = held()
    stand_in(ada, bob)
    holds.approve(hold, by=bob)

    with pytest.raises(Conflict, match="in the same seat"):
        holds.approve(hold, by=ada)

    assert holds.approve(hold, by=otto).state == "decided"


def test_who_stands_in_cannot_approve_what_was_asked_for_the_one_who_is_out(
    held: Held, ada: Person, bob: Person
) -> None:
    hold = held(on_behalf_of="ada")
    stand_in(ada, bob)

    with pytest.raises(PermissionDenied):
        holds.approve(hold, by=bob)


def test_a_fresh_sign_in_can_be_demanded(rule: Rule, held: Held, ada: Person) -> None:
    rule(step_up=True)
    hold = held()

    with pytest.raises(Refused) as refusal:
        holds.approve(hold, by=ada)
    assert refusal.value.code == "step_up"
    ada.signed_in_at = timezone.now()

    assert holds.approve(hold, by=ada).decision == "approved"


def test_postgres_refuses_an_approval_without_its_votes(rule: Rule, held: Held) -> None:
    rule(votes=2)
    hold = held()

    with pytest.raises(IntegrityError, match="lacks votes"), transaction.atomic():
        Hold.objects.filter(pk=hold.pk).update(
            state="decided", decision="approved", decided_by="person:x", decided_at=timezone.now()
        )


def test_a_policy_that_changes_between_two_votes_is_asked_again(
    rule: Rule, held: Held, ada: Person, otto: Person, lena: Person
) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)
    rule(votes=3)

    second = holds.approve(hold, by=otto)
    assert (second.state, second.votes_needed) == ("open", 3)
    assert Vote.objects.standing().get().person == otto
    holds.approve(hold, by=lena)

    assert holds.approve(hold, by=ada).decision == "approved"


def test_what_policy_asks_more_for_by_now_is_not_begun(
    rule: Rule, held: Held, ada: Person, take: Callable[[Any], Any]
) -> None:
    hold = holds.approve(held(), by=ada)
    rule(votes=2)

    with pytest.raises(Conflict) as refusal:
        take(hold.pk)

    assert refusal.value.code == "policy_changed"
    assert Action.objects.get().state == "approved"


def test_what_policy_asks_less_for_by_now_is_begun(
    rule: Rule, held: Held, ada: Person, otto: Person, take: Callable[[Any], Any]
) -> None:
    rule(votes=2)
    hold = holds.approve(held(), by=ada)
    holds.approve(hold, by=otto)
    rule(votes=1)

    assert take(hold.pk)["state"] == "executing"


def test_changed_arguments_are_never_begun(
    held: Held, ada: Person, take: Callable[[Any], Any]
) -> None:
    hold = holds.approve(held(), by=ada)
    Action.objects.update(approved_arguments={"amount": 81})

    with pytest.raises(Conflict, match="does not bind"):
        take(hold.pk)


def stand_in(giver: Person, taker: Person) -> None:
    now = timezone.now()
    Delegation.objects.create(
        giver=giver,
        taker=taker,
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=1),
    )


MOVES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 60, 70])), min_size=1, max_size=8
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(needed=st.integers(1, 3), moves=MOVES)
def test_it_runs_when_enough_different_people_said_yes_to_the_same(
    rule: Rule, ask: Ask, support: Team, needed: int, moves: list[tuple[str, int | None]]
) -> None:
    """A model of the quorum beside the real one: who said yes since the arguments last changed."""
    with transaction.atomic():
        persons = {n: people.create(n, role=Role.LEAD, team=support, by="test") for n in "abcd"}
        rule(votes=needed)
        hold = UUID(ask()["action"]["id"])
        said: set[str] = set()
        asked = 80

        for name, amount in moves:
            over = len(said) >= needed
            again = name in said and amount in (None, asked)
            try:
                if amount is None:
                    holds.approve(hold, by=persons[name])
                else:
                    holds.edit(hold, by=persons[name], arguments={"amount": amount})
            except Conflict:
                assert over or again
                continue
            assert not over
            assert not again
            said = {name} if amount not in (None, asked) else said | {name}
            asked = amount or asked

        action = Action.objects.get(pk=hold)
        assert action.state == ("approved" if len(said) >= needed else "held")
        if action.state == "approved":
            assert action.effective_arguments == {"amount": asked}
            assert bytes(action.approval_digest) == bytes(Vote.objects.standing().first().digest)  # type: ignore[union-attr,arg-type]
        connection.set_rollback(True)
