"""What the clock does: probation ends, outcomes are missed, twice is harmless."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from agents.models import Action, Breaker, Bucket, Trip
from agents.tasks import sweep
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door


def on_probation(door: Door, ada: Person) -> Breaker:
    for n in range(10):
        door.done(f"{n}", "failed", subject=f"{n}")
    holds.resume(Hold.objects.get(), by=ada)
    return Breaker.objects.get(condition="errors")


def end_deadline(breaker: Breaker) -> None:
    Breaker.objects.filter(pk=breaker.pk).update(probation_until=timezone.now())


def test_probation_without_trouble_closes_at_its_deadline(door: Door, ada: Person) -> None:
    breaker = on_probation(door, ada)
    door.done("probe", subject="probe")
    end_deadline(breaker)

    sweep()
    sweep()

    breaker.refresh_from_db()
    assert (breaker.state, Trip.objects.count()) == ("closed", 1)


def test_a_probe_that_never_came_back_opens_again(door: Door, ada: Person) -> None:
    breaker = on_probation(door, ada)
    door.propose("probe", subject="probe", claim_id="c")
    end_deadline(breaker)

    sweep()
    sweep()

    breaker.refresh_from_db()
    assert (breaker.state, breaker.reopenings) == ("open", 1)
    assert Trip.objects.filter(ended_at=None).count() == 1
    assert door.propose("next").json()["code"] == "paused"


def test_a_missed_outcome_becomes_unknown_and_a_late_one_is_welcome(door: Door) -> None:
    action = door.propose("1", claim_id="c").json()["action"]["id"]
    Action.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    sweep()

    assert door.read(action)["state"] == "unknown"
    assert Hold.objects.waiting().count() == 1
    late = door.settle(action, claim_id="c", result="done")
    assert late.json()["action"]["state"] == "succeeded"
    assert Hold.objects.get().state == "cancelled"


def test_old_buckets_are_forgotten(door: Door) -> None:
    door.done("1")
    Bucket.objects.filter(width=10).update(slot=1)

    sweep()

    assert set(Bucket.objects.values_list("width", flat=True)) == {3600}


def test_what_waits_for_a_person_is_no_probe(door: Door, ada: Person) -> None:
    breaker = on_probation(door, ada)
    for n in range(6):
        told = door.propose(f"h{n}", tool="refund.issue", arguments={"amount": 80}, subject=f"h{n}")
        assert told.status_code == 202

    for n in range(5):
        door.done(f"p{n}", subject=f"p{n}")

    breaker.refresh_from_db()
    assert breaker.state == "closed"


def test_a_probe_that_never_runs_gives_its_place_back(door: Door, ada: Person) -> None:
    breaker = on_probation(door, ada)
    told = [door.propose(f"p{n}", subject=f"p{n}").json() for n in range(5)]
    assert door.propose("next").json()["code"] == "probation"

    door.http.post(f"/actions/{told[0]['action']['id']}/cancel", json={})

    breaker.refresh_from_db()
    assert breaker.probes_leased == 4
    assert door.propose("next").json()["admission"] == "allowed"


def test_what_never_runs_reserves_nothing(door: Door, ada: Person) -> None:
    for n in range(20):
        told = door.propose(f"{n}", ask=True, subject=f"{n}", estimated_cost_usd="3").json()
        assert told["admission"] == "held"
        door.http.post(f"/actions/{told['action']['id']}/cancel", json={})

    assert not Trip.objects.exists()
    assert {b.cost_usd for b in Bucket.objects.all()} == {0}


def test_what_was_reserved_leaves_the_slot_it_was_reserved_in(door: Door) -> None:
    action = door.propose("1", estimated_cost_usd="3", claim_id="c").json()["action"]["id"]
    earlier = timezone.now() - timedelta(hours=2)
    Action.objects.update(created_at=earlier)
    for bucket in Bucket.objects.all():
        Bucket.objects.filter(owner=bucket.owner, width=bucket.width).update(
            slot=int(earlier.timestamp()) // bucket.width
        )

    door.settle(action, claim_id="c", cost_usd="1.5")

    costs = Bucket.objects.filter(width=10).order_by("slot").values_list("cost_usd", flat=True)
    assert list(costs) == [0, Decimal("1.5")]
