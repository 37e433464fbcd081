"""Budgets: set, raised and removed by people; reserved, settled, voided and lapsed by what agents do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from agents import ledger, signals
from agents.models import Account, Action, Agent, Budget, Run, Trip
from agents.rules.budget_settings import BudgetSetting, parse_budget
from agents.tasks import sweep
from agents.transitions import action as actions
from agents.transitions import budget as budgets
from agents.transitions import correcting
from audit.errors import Conflict, Invalid
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door


def written(limit: str = "$10", **more: Any) -> BudgetSetting:
    return parse_budget({"name": "Day", "limit": limit, **more})


@pytest.fixture
def day(support: Team, ada: Person) -> Budget:
    return budgets.set(support, None, written(), by=ada)


@pytest.fixture(autouse=True)
def adds_up(db: None) -> Iterator[None]:
    """Whatever a test did, accounts and runs are the sums of their actions."""
    yield
    assert ledger.check() == []


def ask(door: Door, n: int, cost: str = "1", **more: Any) -> Any:
    return door.propose(f"{n}", subject=f"{n}", estimated_cost_usd=cost, **more).json()


def account() -> Account:
    return Account.objects.get()


# -- set, raised, removed --------------------------------------------------------------------------


@pytest.mark.django_db
class TestPeople:
    def test_setting_is_recorded_with_what_was_before(self, support: Team, ada: Person) -> None:
        budgets.set(support, None, written(), by=ada)

        changed = budgets.set(support, None, written("$20"), by=ada)

        assert (changed.limit, changed.scope, changed.period) == (Decimal(20), "team", "day")
        first, second = Entry.objects.filter(kind="budget.set").order_by("id")
        assert first.data == {"after": written().as_dict()}
        assert second.data == {"before": {"limit": "$10"}, "after": {"limit": "$20"}}
        assert second.summary == "Day: $20.00 a day for the team together"

    def test_the_same_again_writes_nothing(self, day: Budget, support: Team, ada: Person) -> None:
        budgets.set(support, None, written(), by=ada)

        assert Entry.objects.filter(kind="budget.set").count() == 1

    def test_another_period_is_another_budget(
        self, day: Budget, support: Team, ada: Person
    ) -> None:
        made = budgets.set(support, None, written(per="month"), by=ada)

        assert made.pk != day.pk
        assert Budget.objects.get() == made

    def test_who_only_reads_sets_none(self, day: Budget, support: Team, bob: Person) -> None:
        for verb in (
            lambda: budgets.set(support, None, written("$99"), by=bob),
            lambda: budgets.remove(day, by=bob),
            lambda: budgets.raise_for_good(day, Decimal(99), by=bob),
        ):
            with pytest.raises(PermissionDenied):
                verb()

        assert Budget.objects.get().limit == 10

    def test_a_raise_is_upwards(self, day: Budget, ada: Person) -> None:
        with pytest.raises(Invalid, match="needs more than that"):
            budgets.raise_for_good(day, Decimal(10), by=ada)

    def test_removing_is_done_once(self, day: Budget, ada: Person) -> None:
        budgets.remove(day, by=ada)

        with pytest.raises(Conflict, match="removed already"):
            budgets.remove(day, by=ada)
        assert Entry.objects.get(kind="budget.removed").data["before"] == written().as_dict()

    def test_applying_makes_them_just_these(self, day: Budget, support: Team, ada: Person) -> None:
        month = written("2M tokens", name="Month", per="month", scope="agent")

        for _ in range(2):
            budgets.apply(support, None, [month], by=ada)

        assert budgets.settings_of(support, None) == [month]
        assert Entry.objects.filter(kind="budget.removed").count() == 1

    def test_days_begin_where_the_team_works(self, support: Team, ada: Person) -> None:
        from datetime import time

        from people.models import Calendar

        hours = {"days": [0], "opens": time(9), "closes": time(17)}
        Calendar.objects.create(team=support, time_zone="Asia/Tokyo", **hours)

        assert budgets.set(support, None, written(), by=ada).time_zone == "Asia/Tokyo"


# -- what agents do --------------------------------------------------------------------------------


def test_cost_is_reserved_at_admission_and_settled_at_the_outcome(
    door: Door, scout: Agent, day: Budget
) -> None:
    first, second = ask(door, 1, "4"), ask(door, 2, "3", claim_id="c")

    door.settle(second["action"]["id"], claim_id="c", cost_usd="2.5")

    found = account()
    assert first["admission"] == "allowed"
    assert (found.reserved, found.spent, found.owner) == (Decimal(4), Decimal("2.5"), day.team_id)


def test_what_finds_no_room_pauses_its_agent_and_asks(
    door: Door, scout: Agent, day: Budget
) -> None:
    ask(door, 1, "8")

    told = ask(door, 2, "3")

    assert (told["admission"], told["code"]) == ("retry_later", "budget")
    assert told["reason"] == (
        "The budget “Day” of $10.00 for today has $2.00 left, and this wants $3.00."
    )
    trip = Trip.objects.get()
    assert (trip.budget, trip.run, Hold.objects.get(kind="trip").trip) == (day, None, trip)
    assert ask(door, 3, "1")["code"] == "paused"


def test_a_run_has_a_budget_of_its_own(door: Door, support: Team, ada: Person) -> None:
    budgets.set(support, None, written("1k tokens", per="run"), by=ada)

    told = [
        door.propose(f"{n}", subject=f"{n}", estimated_tokens=400).json()["admission"]
        for n in range(3)
    ]

    assert told == ["allowed", "allowed", "retry_later"]
    trip = Trip.objects.get()
    assert (trip.run, account().owner, account().ends_at) == (door.run, door.run.pk, None)
    assert Agent.objects.get().state == "active"


def test_what_is_denied_reserves_nothing(door: Door, day: Budget) -> None:
    told = ask(door, 1, "4", tool="rm")

    assert told["admission"] == "denied"
    assert Action.objects.get().accounts == []


def test_what_is_rejected_gives_back(door: Door, ada: Person, day: Budget) -> None:
    told = ask(door, 1, "4", tool="refund.issue", arguments={"amount": 80})
    assert account().reserved == 4

    holds.reject(told["action"]["id"], by=ada, note="no")

    assert account().reserved == 0


def test_an_unknown_outcome_keeps_its_reservation_until_a_person_says(
    door: Door, ada: Person, day: Budget
) -> None:
    for n, happened in ((1, True), (2, False)):
        told = ask(door, n, "4", claim_id="c")
        past = timezone.now() - timedelta(minutes=1)
        Action.objects.filter(pk=told["action"]["id"]).update(lease_until=past)
        action = actions.lose(Action.objects.get(pk=told["action"]["id"]))
        assert account().reserved == 4

        actions.clear_up(action, happened=happened, by=ada)

        assert account().reserved == 0
    assert account().spent == 4
    assert Action.objects.get(call_id="1").cost_source == "assumed"
    assert Run.objects.get().cost_usd == 4


# -- reservations that lapse -----------------------------------------------------------------------


def lapsed(action: str) -> None:
    Action.objects.filter(pk=action).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_what_was_allowed_and_not_begun_lapses(door: Door, day: Budget) -> None:
    action = ask(door, 1, "4")["action"]["id"]
    lapsed(action)

    sweep()
    sweep()

    assert account().reserved == 0
    told = door.read(action)
    assert (told["state"], told["code"]) == ("expired", "reservation_lapsed")
    assert "Propose it again under another call id." in told["reason"]
    assert Entry.objects.filter(kind="action.lapsed").count() == 1
    late = door.claim(action)
    assert (late.status_code, late.json()["code"]) == (409, "reservation_lapsed")
    assert ask(door, 2, "4")["admission"] == "allowed"


def test_a_claim_after_the_lapse_is_refused_before_the_clock_comes_by(
    door: Door, day: Budget
) -> None:
    action = ask(door, 1, "4")["action"]["id"]
    lapsed(action)

    late = door.claim(action)

    assert (late.status_code, late.json()["code"]) == (409, "reservation_lapsed")
    assert account().reserved == 4


def test_what_began_or_reserves_nothing_does_not_lapse(door: Door, day: Budget) -> None:
    begun, free = ask(door, 1, "4", claim_id="c"), ask(door, 2, "0")

    found = Action.objects.in_bulk([begun["action"]["id"], free["action"]["id"]])

    assert {one.expires_at for one in found.values()} == {None}


def test_an_interrupted_action_waits_for_its_next_process(door: Door, day: Budget) -> None:
    action = ask(door, 1, "4", claim_id="c")["action"]["id"]

    door.settle(action, "interrupted", claim_id="c")

    kept = Action.objects.get(pk=action).expires_at
    assert kept is not None
    assert timedelta(minutes=14) < kept - timezone.now() <= timedelta(minutes=15)
    assert account().reserved == 4


# -- answers ---------------------------------------------------------------------------------------


@pytest.fixture
def stopped(door: Door, day: Budget) -> Hold:
    """$8 of $10 are reserved, and $3 more were asked for."""
    ask(door, 1, "8", claim_id="c")
    ask(door, 2, "3")
    return Hold.objects.get(kind="trip")


def test_resume_alone_is_refused_without_room(stopped: Hold, ada: Person) -> None:
    with pytest.raises(Conflict, match=r"There is no room: “Day” has \$2.00 of \$10.00 left"):
        holds.resume(stopped, by=ada)

    assert Hold.objects.get(kind="trip").is_open


def test_raise_for_good_and_resume(door: Door, stopped: Hold, ada: Person) -> None:
    holds.modify(stopped, by=ada, limit=Decimal(20))

    assert ask(door, 3, "3")["admission"] == "allowed"
    assert Budget.objects.get().limit == 20
    (entry,) = Entry.objects.filter(kind="budget.raised")
    assert (entry.actor, entry.data["after"]["limit"]) == (ada.record_name, "$20")


def test_raise_for_this_period_and_resume(door: Door, stopped: Hold, ada: Person) -> None:
    holds.resume(stopped, by=ada, extra=Decimal(5))

    assert ask(door, 3, "3")["admission"] == "allowed"
    assert (Budget.objects.get().limit, account().raised) == (Decimal(10), Decimal(5))


def test_too_small_a_raise_is_refused_and_raises_nothing(stopped: Hold, ada: Person) -> None:
    with pytest.raises(Conflict, match="would stop again"):
        holds.modify(stopped, by=ada, limit=Decimal("10.5"))

    assert Budget.objects.get().limit == 10


def test_other_instructions_need_only_some_room(door: Door, stopped: Hold, ada: Person) -> None:
    holds.modify(stopped, by=ada, instruction="Use the small model.")

    assert ask(door, 3, "1")["admission"] == "allowed"


def test_when_the_next_period_began_resume_needs_no_raise(
    door: Door, stopped: Hold, ada: Person
) -> None:
    day = timedelta(days=1)
    found = account()
    assert found.ends_at is not None
    Account.objects.update(starts_at=found.starts_at - day, ends_at=found.ends_at - day)

    holds.resume(stopped, by=ada)

    assert ask(door, 3, "3")["admission"] == "allowed"
    assert Account.objects.count() == 2


def test_terminate_needs_no_room(stopped: Hold, ada: Person) -> None:
    holds.terminate(stopped, by=ada, note="enough")

    assert Run.objects.get().state == "terminated"


def test_without_the_budget_nothing_is_in_the_way(
    door: Door, stopped: Hold, ada: Person, day: Budget
) -> None:
    budgets.remove(day, by=ada)

    holds.resume(stopped, by=ada)

    assert ask(door, 3, "3")["admission"] == "allowed"


def test_a_period_that_is_over_is_not_raised(stopped: Hold, ada: Person) -> None:
    Account.objects.update(ends_at=timezone.now())

    with pytest.raises(Conflict, match="This period is over"):
        budgets.raise_for_now(account(), Decimal(50), by=ada)


# -- void ------------------------------------------------------------------------------------------


def test_a_voided_cost_leaves_every_sum(door: Door, ada: Person, day: Budget) -> None:
    from agents.models import Bucket

    door.done("1", estimated_cost_usd="1", cost_usd="9.5")
    action = Action.objects.get()

    voided = correcting.void(action, by=ada, reason="The provider credited it.")

    assert (voided.cost_usd, voided.cost_source) == (Decimal(0), "voided")
    assert (account().spent, Run.objects.get().cost_usd) == (Decimal(0), Decimal(0))
    assert {bucket.cost_usd for bucket in Bucket.objects.all()} == {Decimal(0)}
    (entry,) = Entry.objects.filter(kind="action.voided")
    assert entry.summary == "$9.50 does not count: The provider credited it."
    assert Decimal(entry.data["before"]["cost_usd"]) == Decimal("9.5")
    with pytest.raises(Conflict, match="voided already"):
        correcting.void(action, by=ada, reason="again")


def test_voiding_takes_a_reason_and_the_right(
    door: Door, ada: Person, bob: Person, day: Budget
) -> None:
    door.done("1", cost_usd="2")
    action = Action.objects.get()

    with pytest.raises(Invalid, match="Say why"):
        correcting.void(action, by=ada, reason=" ")
    with pytest.raises(PermissionDenied):
        correcting.void(action, by=bob, reason="no")
    assert account().spent == 2


# -- nearly spent ----------------------------------------------------------------------------------


@pytest.fixture
def low() -> Iterator[list[str]]:
    told: list[str] = []

    def listen(sentence: str, **_: Any) -> None:
        told.append(sentence)

    signals.budget_low.connect(listen)
    yield told
    signals.budget_low.disconnect(listen)


def test_people_are_told_at_80_and_100_percent_once(
    door: Door, day: Budget, low: list[str]
) -> None:
    ask(door, 1, "7")
    assert low == []

    for n, cost in ((2, "1"), (3, "1"), (4, "1")):
        ask(door, n, cost)

    assert low == [
        "80 % of “Day” for today is used: $8.00 of $10.00.",
        "“Day” for today is used up: $10.00 of $10.00.",
    ]


def test_an_outcome_that_costs_more_tells_too(door: Door, day: Budget, low: list[str]) -> None:
    door.done("1", estimated_cost_usd="1", cost_usd="12")

    assert low == ["“Day” for today is used up: $12.00 of $10.00."]
    assert account().warned == 100
    assert ask(door, 2, "0.1")["code"] == "budget"


def test_once_raised_people_are_told_anew(
    door: Door, day: Budget, ada: Person, low: list[str]
) -> None:
    ask(door, 1, "9")
    budgets.raise_for_now(account(), Decimal(20), by=ada)

    ask(door, 2, "8")

    assert low[1:] == ["80 % of “Day” for today is used: $17.00 of $20.00."]
