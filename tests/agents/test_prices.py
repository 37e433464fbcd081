"""Prices: what they make of an outcome, and what a correction computes anew."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from agents import ledger, prices
from agents.models import Account, Action, Agent, Breaker, Bucket, Price, Repricing, Run
from agents.rules.prices import PriceSetting
from agents.tasks import reprice
from agents.transitions import budget as budgets
from agents.transitions import correcting
from agents.transitions import price as verbs
from agents.transitions.room import room_of
from audit.errors import Conflict
from audit.models import Entry
from people.models import Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door

from .test_budgets import ask, written

# -- adding, and what it computes anew -------------------------------------------------------------


@pytest.fixture(autouse=True)
def adds_up(db: None) -> Iterator[None]:
    """Whatever a test did, accounts and runs are the sums of their actions."""
    yield
    assert ledger.check() == []


@pytest.fixture(autouse=True)
def only_budgets(scout: Agent) -> None:
    """No breaker stops what these tests spend."""
    Breaker.objects.filter(condition="spend").delete()


@pytest.fixture
def root(db: None) -> Person:
    return people.create("root", role=Role.ADMIN, by="test")


def setting(input: str = "10", **more: Any) -> PriceSetting:
    return PriceSetting("gpt-x*", Decimal(input), Decimal(more.pop("output", "30")), **more)


def used(door: Door, n: int, tokens: int = 100_000, **more: Any) -> Action:
    """An action that used so many tokens of a model, of which nobody said what they cost."""
    told = door.propose(f"{n}", subject=f"{n}", claim_id="c", kind="model", tool="model")
    report: dict[str, Any] = {"model": "gpt-x-1", "input_tokens": tokens} | more
    door.settle(told.json()["action"]["id"], claim_id="c", **report)
    return Action.objects.get(call_id=f"{n}")


def corrected(price: Price) -> Repricing:
    while verbs.step(price.pk):
        pass
    return Repricing.objects.get(price=price)


def test_tokens_are_priced_where_nobody_said_what_they_cost(door: Door, root: Person) -> None:
    verbs.add(None, setting(cached_input=Decimal(1)), by=root)

    priced = used(door, 1, output_tokens=10_000, cached_tokens=50_000)
    said = used(door, 2, cost_usd="0.5")
    unheard = used(door, 3, model="unheard of")

    assert (priced.cost_usd, priced.cost_source) == (Decimal("0.85"), "priced")
    assert (said.cost_usd, said.cost_source) == (Decimal("0.5"), "reported")
    assert (unheard.cost_usd, unheard.cost_source) == (Decimal(0), "")
    assert Run.objects.get().cost_usd == Decimal("1.35")
    assert door.settle(
        str(priced.pk), model="gpt-x-1", input_tokens=100_000, output_tokens=10_000,
        cached_tokens=50_000, claim_id="c",
    ).status_code == 200  # fmt: skip


def test_a_new_price_is_known_at_once(door: Door, root: Person) -> None:
    verbs.add(None, setting("10"), by=root)
    assert used(door, 1).cost_usd == 1

    verbs.add(None, setting("20"), by=root)

    assert used(door, 2).cost_usd == 2
    assert prices.price("gpt-x", 100_000, 0, at=timezone.now()) == 2


def test_a_correction_computes_anew_what_it_concerns(
    door: Door, root: Person, support: Team, ada: Person
) -> None:
    budgets.set(support, None, written("$500"), by=ada)
    wrong = verbs.add(None, setting("1000"), by=root)
    for n in range(3):
        used(door, n)
    used(door, 3, cost_usd="7")
    voided = correcting.void(used(door, 4), by=ada, reason="credited")
    used(door, 5, model="other", cost_usd="1")
    assert Account.objects.get().spent == 308

    expected = verbs.preview(None, setting("10", valid_from=wrong.valid_from))
    right = verbs.add(None, setting("10", valid_from=wrong.valid_from), by=root)
    work = corrected(right)

    assert (work.changed, work.difference) == (3, Decimal(-297))
    assert (expected.actions, expected.difference, expected.is_whole) == (
        3,
        Decimal(-297),
        True,
    )
    assert Account.objects.get().spent == 11
    assert Run.objects.get().cost_usd == 11
    assert {b.cost_usd for b in Bucket.objects.filter(width=3600)} == {Decimal(11)}
    assert Action.objects.get(pk=voided.pk).cost_source == "voided"
    (entry,) = Entry.objects.filter(kind="price.repriced", about=right.record_name)
    assert entry.data == {"looked_at": 3, "changed": 3, "difference_usd": "-297.000000"}
    assert entry.summary == "gpt-x*: 3 actions priced anew, −$297.00"


def test_the_first_price_of_a_model_counts_from_when_it_is_valid(door: Door, root: Person) -> None:
    before = timezone.now()
    used(door, 1)

    corrected(verbs.add(None, setting("10"), by=root))
    assert Action.objects.get().cost_usd == 0

    corrected(verbs.add(None, setting("10", valid_from=before), by=root))
    assert (Action.objects.get().cost_usd, Action.objects.get().cost_source) == (
        Decimal(1),
        "priced",
    )


def test_a_withdrawn_price_leaves_nothing_priced(door: Door, root: Person) -> None:
    made = verbs.add(None, setting("10"), by=root)
    used(door, 1)

    corrected(verbs.add(None, setting("0", withdrawn=True, valid_from=made.valid_from), by=root))

    assert (Action.objects.get().cost_usd, Action.objects.get().cost_source) == (Decimal(0), "")
    assert Entry.objects.filter(kind="price.withdrawn").count() == 1


def test_it_goes_on_where_it_stopped_and_twice_is_harmless(
    door: Door, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "AT_ONCE", 2)
    made = verbs.add(None, setting("10"), by=root)
    for n in range(5):
        used(door, n)
    right = verbs.add(None, setting("20", valid_from=made.valid_from), by=root)

    for _ in range(3):
        verbs.step(right.pk)
    half = Repricing.objects.get(price=right)
    reprice(right.pk)
    reprice(right.pk)

    assert half.changed == 4
    done = Repricing.objects.get(price=right)
    assert (done.changed, done.difference) == (5, Decimal(5))
    assert Entry.objects.filter(kind="price.repriced", about=right.record_name).count() == 1


def test_a_teams_price_is_its_leads_the_houses_its_admins(
    support: Team, ada: Person, bob: Person, root: Person
) -> None:
    verbs.add(support, setting(), by=ada)
    verbs.add(None, setting(), by=root)

    for team, person in ((support, bob), (None, ada), (None, bob)):
        with pytest.raises(PermissionDenied):
            verbs.add(team, setting(), by=person)
    assert Entry.objects.filter(kind="price.added").count() == 2


# -- the story -------------------------------------------------------------------------------------


def test_a_mispriced_model_locks_nobody_out(
    door: Door, scout: Agent, root: Person, support: Team, ada: Person
) -> None:
    """Somebody typed dollars a thousand tokens; a correct price frees the budget that this used up."""
    budgets.set(support, None, written("$50"), by=ada)
    wrong = verbs.add(None, setting("1000"), by=root)
    used(door, 1)
    assert ask(door, 2, "0.5")["code"] == "budget"
    hold = Hold.objects.get(kind="trip")
    with pytest.raises(Conflict, match="There is no room"):
        holds.resume(hold, by=ada)

    corrected(verbs.add(None, setting("1", valid_from=wrong.valid_from), by=root))

    room = room_of(hold.trip)  # type: ignore[arg-type]
    assert room is not None
    assert room.sentence == "“Day” has $49.90 of $50.00 left for today."
    holds.resume(hold, by=ada)
    assert ask(door, 3, "0.5")["admission"] == "allowed"
