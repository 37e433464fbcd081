"""Every kind of hold × every state × every verb × every person: who may do what when, and that it is written down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Agent, Run
from agents.transitions import agent as agents
from audit.errors import Conflict, Invalid, NotFound
from audit.models import Entry
from people.models import Group, Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold
from reviews.transitions import hold as holds
from reviews.transitions import opening

from .conftest import Rule
from .test_voting import stand_in

type Held = Callable[..., Hold]
type Refusal = type[Exception] | None

KINDS = ("approval", "of a group", "trip", "review")
STATES = ("open", "claimed", "decided", "expired", "cancelled", "frozen", "overdue")
PERSONS = ("ada", "otto", "gina", "dan", "iris", "bob", "eve")

ONLY: dict[str, str] = {
    "approve": "approval",
    "edit": "approval",
    "reject": "approval",
    "answer": "approval",
    "ask": "approval",
    "resume": "trip",
    "modify": "trip",
    "terminate": "trip",
    "resolve": "review",
    "retry": "review",
    "discard": "review",
}
SAID: dict[str, dict[str, Any]] = {
    "edit": {"arguments": {"amount": 60}},
    "reject": {"note": "no"},
    "answer": {"note": "ask the customer"},
    "ask": {"note": "which order?"},
    "modify": {"instruction": "Be brief."},
    "terminate": {"note": "enough"},
    "escalate": {"queue": "ops", "note": "not mine"},
    "comment": {"text": "The customer called."},
}
VERBS = (*ONLY, "claim", "release", "extend", "escalate", "comment")


def expected(kind: str, state: str, verb: str, name: str) -> Refusal:
    """The house rules, written a second time, from outside in."""
    plain = "approval" if kind == "of a group" else kind
    if name == "eve":
        return NotFound
    if verb == "comment":
        return None
    if name in ("iris", "bob"):
        return PermissionDenied
    if state in ("decided", "expired", "cancelled", "overdue"):
        return Conflict
    if verb in ONLY and ONLY[verb] != plain:
        return Invalid
    if state == "claimed" and name != "otto":
        return Conflict
    if verb == "extend" and plain != "approval":
        return Conflict
    if verb in ("approve", "edit") and kind == "of a group" and name not in ("gina", "dan"):
        return PermissionDenied
    return None


@pytest.fixture
def cast(request: pytest.FixtureRequest, support: Team) -> dict[str, Person]:
    """Gina leads, too, and is a cashier; dan may only look, but stands in for her."""
    named = ("ada", "otto", "iris", "bob", "eve")
    found = {name: request.getfixturevalue(name) for name in named}
    found["gina"] = people.create("gina", role=Role.LEAD, team=support, by="test")
    found["dan"] = people.create("dan", role=Role.VIEWER, team=support, by="test")
    Group.objects.create(team=support, name="cashiers").members.add(found["gina"])
    stand_in(found["gina"], found["dan"])
    return found


@pytest.fixture
def standing(
    rule: Rule, held: Held, scout: Agent, run: Run, cast: dict[str, Person]
) -> Callable[[str, str], Hold]:
    """A hold of this kind, in this state."""

    def made(kind: str) -> Hold:
        if kind == "trip":
            return agents.stop(scout, by=cast["ada"], reason="odd").hold
        if kind == "review":
            return opening.hand_over(run, key="mail:1", title="Unclear", queue="unclassified")[0]
        rule(groups=["cashiers"] if kind == "of a group" else [])
        return held()

    def making(kind: str, state: str) -> Hold:
        hold = made(kind)
        past = timezone.now() - timedelta(minutes=1)
        if state == "claimed":
            holds.claim(hold, by=cast["otto"])
        elif state == "decided":
            end = {"trip": "resume", "review": "discard"}.get(kind, "reject")
            getattr(holds, end)(hold, by=cast["otto"], note="over")
        elif state in ("expired", "cancelled"):
            facts = {"state": state, "decided_at": past, "decided_by": "clock"}
            Hold.objects.filter(pk=hold.pk).update(**facts)
        elif state == "overdue":
            Hold.objects.filter(pk=hold.pk).update(expires_at=past)
        elif state == "frozen" and kind != "trip":
            agents.stop(scout, by=cast["ada"], reason="odd")
        return hold

    return making


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_who_may_do_what_and_when(
    standing: Callable[[str, str], Hold], cast: dict[str, Person], kind: str, state: str
) -> None:
    hold = standing(kind, state)
    before, wrong = facts(hold), []

    for verb, name in product(VERBS, PERSONS):
        outcome, due = tried(hold, verb, cast[name], before), expected(kind, state, verb, name)
        if outcome is not due:
            wrong.append((verb, name, f"{outcome} instead of {due}"))

    assert not wrong


def tried(hold: Hold, verb: str, person: Person, before: Any) -> Refusal:
    """What came of it. A refusal changes nothing, everything else is written down; then it is undone."""
    said = SAID.get(verb, {})
    if verb == "extend":
        said = {"until": timezone.now() + timedelta(days=9)}
    with transaction.atomic():
        refusal: Refusal = None
        try:
            getattr(holds, verb)(hold, by=person, **said)
        except (Conflict, Invalid, NotFound, PermissionDenied) as error:
            refusal = type(error)
            assert facts(hold) == before
        else:
            mine = Entry.objects.filter(about=hold.record_name, actor=person.record_name)
            assert mine.filter(id__gt=before[0], kind__startswith="hold.").exists()
        connection.set_rollback(True)
    return refusal


def facts(hold: Hold) -> tuple[int, dict[str, Any]]:
    """The newest entry of the record, and all that is known of the hold."""
    newest = Entry.objects.order_by("-id").values_list("id", flat=True).first()
    return newest or 0, dict(Hold.objects.filter(pk=hold.pk).values().get())


def test_every_verb_of_a_hold_is_in_the_matrix() -> None:
    """A new one must be added above, with who may use it."""
    by_the_clock = {"expire", "remind"}

    assert set(holds.__all__) - by_the_clock == set(VERBS)
