"""Real commits, real concurrency: over HTTP for agents, in threads of their own for people."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import connection

from agents.models import Action, Agent, Run, Trip
from agents.transitions import agent as agents
from audit.errors import Conflict
from audit.models import Entry
from people.models import Person
from reviews.models import Hold, QueueCount
from reviews.transitions import hold as holds
from tests.cast import Door


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run all of them, released by one barrier; answers or the exceptions they raised."""
    barrier = threading.Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        barrier.wait(30)
        try:
            return work()
        except Conflict as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def held(door: Door, call_id: str = "1") -> Hold:
    told = door.propose(call_id, tool="refund.issue", arguments={"amount": 80}, subject=call_id)
    return Hold.objects.get(pk=told.json()["action"]["id"])


def test_fifty_claims_of_one_approval_execute_once(door: Door, ada: Person) -> None:
    hold = holds.approve(held(door), by=ada)

    answers = at_once(*[lambda n=n: door.claim(str(hold.pk), claim_id=f"c{n}") for n in range(50)])

    winners = [a for a in answers if a.status_code == 200]
    assert len(winners) == 1
    assert {a.json()["code"] for a in answers if a.status_code != 200} == {"already_claimed"}
    assert Action.objects.get().claim_id == winners[0].json()["claim_id"]
    assert Entry.objects.filter(kind="action.executing").count() == 1


def test_a_pause_racing_fifty_proposals_admits_none_after_it(
    door: Door, scout: Agent, ada: Person
) -> None:
    answers = at_once(
        lambda: agents.stop(scout, by=ada, reason="now"),
        *[lambda n=n: door.propose(f"{n}", subject=f"s{n}", claim_id="c") for n in range(50)],
    )

    pause = Entry.objects.get(kind="agent.paused")
    late = Entry.objects.filter(kind="action.allowed", id__gt=pause.id)
    assert not late.exists()
    admissions = [a.json() for a in answers[1:]]
    assert len(admissions) == 50
    assert {a["admission"] for a in admissions} <= {"allowed", "retry_later"}
    assert sum(a["admission"] == "allowed" for a in admissions) == Action.objects.count()
    assert door.propose("after").json()["code"] == "paused"


def test_two_deciders_have_one_winner(door: Door, ada: Person, otto: Person) -> None:
    for n in range(10):
        hold = held(door, f"{n}")

        answers = at_once(
            partial(holds.approve, hold, by=ada),
            partial(holds.reject, hold, by=otto, note="no"),
        )

        (loser,) = [a for a in answers if isinstance(a, Conflict)]
        (winner,) = [a for a in answers if isinstance(a, Hold)]
        assert winner.decider in loser.detail
        assert Action.objects.get(pk=hold.pk).decided_by == winner.decided_by
        assert (
            Entry.objects.filter(
                about=f"reviews.hold:{hold.pk}", actor__startswith="person:"
            ).count()
            == 1
        )


def test_fifty_identical_proposals_are_one_action(door: Door) -> None:
    answers = at_once(*[lambda: door.propose("same", claim_id="c") for _ in range(50)])

    told = [a.json() for a in answers]
    assert sorted(t["admission"] for t in told) == ["allowed"] + ["replayed"] * 49
    assert len({t["action"]["id"] for t in told}) == 1


def test_one_idempotency_key_takes_effect_once_in_a_stampede(door: Door) -> None:
    answers = at_once(
        *[
            lambda n=n: door.propose(f"{n}", idempotency_key="ticket", claim_id=f"c{n}")
            for n in range(30)
        ]
    )

    told = [a.json() for a in answers]
    assert sorted(t["admission"] for t in told) == ["allowed"] + ["replayed"] * 29
    assert len({t["action"]["claim_id"] for t in told}) == 1


def test_a_loop_on_many_connections_is_let_in_exactly_five_times(door: Door) -> None:
    answers = at_once(*[lambda n=n: door.propose(f"{n}", subject="mail:1") for n in range(40)])

    told = [a.json() for a in answers]
    assert sum(t["admission"] == "allowed" for t in told) == 5
    assert sum(t["code"] == "tripped" for t in told) == 1
    assert Trip.objects.count() == 1
    assert Hold.objects.filter(kind="trip").count() == 1


def test_reserved_spend_never_overshoots(door: Door) -> None:
    answers = at_once(
        *[
            lambda n=n: door.propose(f"{n}", subject=f"{n}", estimated_cost_usd="1")
            for n in range(40)
        ]
    )

    assert sum(a.json()["admission"] == "allowed" for a in answers) == 25


def test_terminate_racing_decisions_leaves_nothing_to_execute(
    door: Door, scout: Agent, ada: Person, otto: Person
) -> None:
    waiting = [held(door, f"{n}") for n in range(8)]
    trip = agents.stop(scout, by=ada, reason="stop")

    at_once(
        lambda: holds.terminate(trip.hold, by=ada, note="enough"),
        *[partial(holds.approve, hold, by=otto) for hold in waiting],
    )

    assert not Action.objects.filter(state__in=["held", "approved"]).exists()
    assert not Hold.objects.waiting().exists()
    assert Run.objects.get().state == "terminated"
    assert {c.waiting for c in QueueCount.objects.all()} == {0}
    assert {door.claim(str(h.pk)).status_code for h in waiting} == {409}


def test_a_failure_storm_trips_once(door: Door) -> None:
    claimed = [
        door.propose(f"{n}", subject=f"{n}", claim_id="c").json()["action"]["id"] for n in range(30)
    ]

    at_once(
        *[lambda action=action: door.settle(action, "failed", claim_id="c") for action in claimed]
    )

    assert Action.objects.filter(state="failed").count() == 30
    assert Trip.objects.count() == 1
