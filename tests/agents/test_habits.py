"""What is usual for an agent: learned from the record, counted from then on, and taught by a person's answer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from agents.models import Agent, Breaker, Run, ToolUse, Trip
from agents.models.breaker import BreakerState, Condition
from agents.tasks import sweep
from agents.transitions import habits
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door


def uses(scout: Agent) -> dict[str, int]:
    return dict(ToolUse.objects.filter(agent=scout).values_list("tool", "uses"))


def watch(scout: Agent) -> Breaker:
    return Breaker.objects.create(
        agent=scout,
        condition=Condition.UNUSUAL,
        limit=Decimal(1),
        minimum=5,
        threshold=Decimal(2),
        window=timedelta(minutes=10),
    )


def test_where_nobody_looks_nothing_is_kept(door: Door, scout: Agent) -> None:
    Breaker.objects.filter(condition=Condition.UNUSUAL).delete()
    door.done("1")

    sweep()

    assert uses(scout) == {}


def test_a_breaker_that_begins_to_look_learns_from_the_record(door: Door, scout: Agent) -> None:
    Breaker.objects.filter(condition=Condition.UNUSUAL).delete()
    for n in range(4):
        door.done(f"{n}", subject=f"{n}")
    door.done("m", tool="mail.read")
    door.propose("no", tool="rm")
    watch(scout)

    sweep()
    sweep()

    assert uses(scout) == {"": 5, "search": 4, "mail.read": 1}
    door.done("5", subject="5")
    assert uses(scout) == {"": 6, "search": 5, "mail.read": 1}


def test_a_tool_a_person_let_pass_is_not_unusual_any_more(
    door: Door, scout: Agent, run: Run, ada: Person
) -> None:
    Breaker.objects.filter(condition=Condition.UNUSUAL).delete()
    breaker = watch(scout)
    for n in range(6):
        door.done(f"{n}", subject=f"{n}")

    assert door.propose("new", tool="mail.read").json()["code"] == "tripped"
    holds.resume(Hold.objects.get(), by=ada)
    for n in range(3):
        told = door.propose(f"new-{n}", tool="mail.read", subject=f"m{n}").json()
        assert told["admission"] == "allowed"

    assert Trip.objects.count() == 1
    assert ToolUse.objects.get(agent=scout, tool="mail.read").is_known
    breaker.refresh_from_db()
    assert breaker.state == BreakerState.HALF_OPEN


def test_learning_anew_forgets_no_answer(door: Door, scout: Agent) -> None:
    door.done("1")
    ToolUse.objects.update_or_create(agent=scout, tool="model", defaults={"is_known": True})

    habits.learn(scout)

    assert ToolUse.objects.get(agent=scout, tool="model").is_known
