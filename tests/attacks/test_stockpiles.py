"""What was allowed in better times, and is begun when it no longer would be."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from agents.models import Account, Action, Agent, Breaker
from agents.models.breaker import BreakerState, Condition
from agents.rules.budget_settings import parse_budget
from agents.transitions import budget as budgets
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door


def stock(door: Door, many: int) -> list[str]:
    """Allowed, reserving nothing, and not begun."""
    return [door.propose(f"kept-{n}", subject=f"{n}").json()["action"]["id"] for n in range(many)]


def one_error(scout: Agent, probes: int = 2) -> Breaker:
    Breaker.objects.filter(agent=scout).delete()
    return Breaker.objects.create(
        agent=scout,
        condition=Condition.ERRORS,
        limit=Decimal(1),
        window=timedelta(minutes=1),
        probes_allowed=probes,
    )


@pytest.mark.django_db(transaction=True)
class TestStock:
    def test_is_not_begun_beside_the_probes(self, door: Door, scout: Agent, ada: Person) -> None:
        one_error(scout)
        kept = stock(door, 8)
        assert door.done("bad", "failed")["control"]["state"] == "paused"
        holds.resume(Hold.objects.get(kind="trip"), by=ada)
        assert Breaker.objects.get().state == BreakerState.HALF_OPEN

        begun = [door.claim(action) for action in kept]

        assert [one.status_code for one in begun] == [200] * 2 + [409] * 6
        assert {one.json()["code"] for one in begun[2:]} == {"probation"}
        assert door.propose("more").json()["code"] == "probation"

        for action in kept[:2]:
            door.settle(action)
        assert Breaker.objects.get().state == BreakerState.CLOSED
        assert door.claim(kept[2]).status_code == 200

    def test_a_probe_that_was_given_back_is_still_that_probe(
        self, door: Door, scout: Agent, ada: Person
    ) -> None:
        breaker = one_error(scout)
        (kept,) = stock(door, 1)
        door.done("bad", "failed")
        holds.resume(Hold.objects.get(kind="trip"), by=ada)

        for _ in range(3):
            assert door.claim(kept, claim_id="c").status_code == 200
            assert door.settle(kept, "interrupted", claim_id="c").status_code == 200

        breaker.refresh_from_db()
        assert breaker.probes_leased == 1

    def test_what_a_person_allowed_needs_no_probe(
        self, door: Door, scout: Agent, ada: Person
    ) -> None:
        one_error(scout, probes=1)
        asked = door.propose("asked", ask=True).json()["action"]["id"]
        door.done("bad", "failed")
        holds.resume(Hold.objects.get(kind="trip"), by=ada)
        hold = Hold.objects.get(kind="approval")
        holds.approve(hold, by=ada)
        assert door.propose("probe").json()["admission"] == "allowed"

        assert door.claim(asked).status_code == 200

    def test_is_not_begun_when_the_budget_is_used_up(
        self, door: Door, scout: Agent, support: Team, ada: Person
    ) -> None:
        Breaker.objects.filter(agent=scout).delete()
        budgets.set(support, None, parse_budget({"name": "Day", "limit": "$10"}), by=ada)
        kept = stock(door, 5)
        told = []
        for action in kept:
            told.append(door.claim(action))
            if told[-1].status_code == 200:
                door.settle(action, cost_usd="9")

        assert [one.status_code for one in told] == [200, 200, 409, 409, 409]
        assert told[-1].json()["code"] == "budget"
        assert Account.objects.get().spent == 18
        assert not Action.objects.filter(pk__in=kept[2:], claimed_at__isnull=False).exists()
        assert Entry.objects.filter(kind="action.executing").count() == 2

    def test_what_was_reserved_for_is_begun_although_nothing_is_left_beside_it(
        self, door: Door, scout: Agent, support: Team, ada: Person
    ) -> None:
        Breaker.objects.filter(agent=scout).delete()
        budgets.set(support, None, parse_budget({"name": "Day", "limit": "$10"}), by=ada)
        kept = [
            door.propose(f"{n}", subject=f"{n}", estimated_cost_usd="5").json()["action"]["id"]
            for n in range(2)
        ]

        assert [door.claim(action).status_code for action in kept] == [200, 200]
