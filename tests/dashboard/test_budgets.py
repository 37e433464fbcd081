"""Budgets and prices as people see them, and what they do there."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Account, Action, Agent, Budget, Price, Run
from agents.rules.budget_settings import parse_budget
from agents.rules.prices import PriceSetting
from agents.transitions import budget as budgets
from agents.transitions import price as prices
from people.models import Person, Role, Team
from people.transitions import person as people
from tests.agents.test_budgets import ask, written
from tests.cast import Door


@pytest.fixture
def as_ada(client: Client, ada: Person) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def as_root(client: Client, support: Team) -> Client:
    client.force_login(people.create("root", role=Role.ADMIN, by="test"))
    return client


@pytest.fixture
def day(support: Team) -> Budget:
    return budgets.set(support, None, written(), by="test")


def open_account(budget: Budget, spent: str, reserved: str = "0") -> Account:
    now = timezone.now()
    return Account.objects.create(
        budget=budget,
        owner=budget.team_id,
        starts_at=now.replace(hour=0, minute=0, second=0, microsecond=0),
        ends_at=now + timedelta(hours=1),
        unit=budget.unit,
        spent=Decimal(spent),
        reserved=Decimal(reserved),
    )


def test_without_budgets_the_page_says_what_would_stand_here(as_ada: Client) -> None:
    page = as_ada.get("/budgets/").content.decode()

    assert "Nothing is budgeted yet" in page
    assert "200k tokens for each run" in page


def test_the_list_says_what_is_spent_reserved_and_left(as_ada: Client, day: Budget) -> None:
    open_account(day, "6.5", "2")

    page = as_ada.get("/budgets/").content.decode()

    assert "$10.00 a day for the team together" in page
    assert "$6.50 spent, $2.00 reserved, $1.50 left of $10.00" in page
    assert 'data-level="near"' in page


def test_a_budget_is_added_changed_raised_and_removed(
    as_ada: Client, support: Team, scout: Agent
) -> None:
    form = {"name": "Hour", "owner": f"agent:{scout.pk}", "per": "hour", "limit": "$5"}
    assert as_ada.post("/budgets/add/", form).status_code == 302
    made = Budget.objects.get()
    assert (made.agent, made.scope, made.period) == (scout, "agent", "hour")

    as_ada.post(f"/budgets/{made.pk}/change/", {"limit": "8.50"})
    made.refresh_from_db()
    assert made.limit == Decimal("8.5")

    account = open_account(made, "8")
    url = f"/budgets/{made.pk}/accounts/{account.pk}/raise/"
    assert as_ada.post(url, {"limit": "20", "why": "a big day"}).status_code == 302
    account.refresh_from_db()
    assert account.raised == Decimal("11.5")
    assert "raised" in as_ada.get(f"/budgets/{made.pk}/").content.decode()

    as_ada.post(f"/budgets/{made.pk}/remove/")
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"limit": "a lot"}, "Write how much"),
        ({"name": ""}, "Give it a name"),
        ({"per": "day", "scope": "run"}, "lasts a run"),
        ({"owner": ""}, "Say whose budget it is."),
        ({"owner": "team:nobody"}, "Say whose budget it is."),
    ],
)
def test_what_is_typed_wrongly_is_said(
    as_ada: Client, support: Team, form: dict[str, str], why: str
) -> None:
    given = {"name": "Day", "owner": f"team:{support.pk}", "per": "day", "limit": "$5"} | form

    answer = as_ada.post("/budgets/add/", given)

    assert answer.status_code == 422
    assert why in answer.content.decode()


def test_periods_before_are_drawn(as_ada: Client, day: Budget) -> None:
    for days, spent in ((1, "4"), (2, "12")):
        account = open_account(day, spent)
        account.starts_at -= timedelta(days=days)
        account.ends_at = timezone.now() - timedelta(hours=days)
        account.save()

    page = as_ada.get(f"/budgets/{day.pk}/").content.decode()

    assert "$16.00" in page
    assert "1 of 2 used it up." in page


def test_the_floor_says_what_is_budgeted(as_ada: Client, day: Budget) -> None:
    open_account(day, "4")

    page = as_ada.get("/").content.decode()

    assert '<span class="money">$10</span> budgeted' in page


def test_an_agents_page_shows_what_limits_it(as_ada: Client, day: Budget, scout: Agent) -> None:
    own = parse_budget({"name": "Mine", "limit": "1k tokens"}, of_agent=True)
    budgets.set(day.team, scout, own, by="test")
    open_account(day, "10")

    page = as_ada.get(f"/agents/{scout.pk}/").content.decode()

    assert "Used up" in page
    assert "1,000 tokens left" in page


# -- prices ----------------------------------------------------------------------------------------

PRICE = {"name": "gpt-x*", "team": "", "input": "10", "output": "30"}


def test_a_price_says_first_what_it_changes(as_root: Client, run: Run) -> None:
    then = timezone.now() - timedelta(hours=1)
    prices.add(None, PriceSetting("gpt-x*", Decimal(20), Decimal(30), valid_from=then), by="test")
    Action.objects.create(
        agent=run.agent, run=run, call_id="1", tool="m", item="m", digest=b"", state="succeeded",
        model="gpt-x-1", input_tokens=100_000, cost_usd=2, cost_source="priced",
        created_at=then, settled_at=timezone.now(),
    )  # fmt: skip
    form = PRICE | {"valid_from": then.isoformat()}

    looked = as_root.post("/prices/add/", form).content.decode()
    assert "Re-prices 1 action" in looked
    assert "−$1" in looked
    assert Price.objects.count() == 1

    assert as_root.post("/prices/add/", form | {"sure": "yes"}).status_code == 302
    assert Price.objects.count() == 2


def test_the_table_shows_what_counts_and_what_it_replaced(as_root: Client) -> None:
    for dollars in (20, 10):
        prices.add(None, PriceSetting("gpt-x*", Decimal(dollars), Decimal(30)), by="test")

    page = as_root.get("/prices/").content.decode()
    correct = as_root.get(f"/prices/?correct={Price.objects.latest('pk').pk}").content.decode()

    assert page.count("Correct…") == 1
    assert "1 other row" in page
    assert 'value="gpt-x*"' in correct
    assert "Correct a price" in correct


def test_a_lead_sets_no_price_of_the_house(as_ada: Client, support: Team) -> None:
    assert as_ada.post("/prices/add/", PRICE).status_code == 403
    assert as_ada.post("/prices/add/", PRICE | {"team": str(support.pk)}).status_code == 200


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"input": "ten"}, "write dollars"),
        ({"valid_from": "soon"}, "write a moment"),
        ({"name": "a*b"}, "a star"),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused(
    as_root: Client, form: dict[str, str], why: str
) -> None:
    answer = as_root.post("/prices/add/", PRICE | form)

    assert answer.status_code == 422
    assert why in answer.content.decode()


# -- at a stop, and at an action -------------------------------------------------------------------


def test_the_trips_page_raises_and_resumes(
    door: Door, day: Budget, as_ada: Client, scout: Agent
) -> None:
    ask(door, 1, "8")
    ask(door, 2, "3")
    hold = scout.holds.get(kind="trip")

    page = as_ada.get(f"/holds/{hold.pk}/").content.decode()
    assert "Resuming alone is refused" in page
    assert "Raise it, then resume" in page
    refused = as_ada.post(f"/holds/{hold.pk}/resume/")
    assert refused.status_code == 409
    assert "There is no room" in refused.content.decode()

    raised = as_ada.post(f"/holds/{hold.pk}/modify/", {"raise_to": "20", "raise_for": "now"})
    assert raised.status_code == 302
    assert ask(door, 3, "3")["admission"] == "allowed"
    assert Budget.objects.get().limit == 10


def test_the_trips_page_says_that_spending_was_corrected(
    door: Door, day: Budget, as_ada: Client, scout: Agent
) -> None:
    wrong = prices.add(None, PriceSetting("m", Decimal(100), Decimal(0)), by="test")
    told = door.propose("1", claim_id="c").json()
    door.settle(told["action"]["id"], claim_id="c", model="m", input_tokens=100_000)
    ask(door, 2, "1")
    right = PriceSetting("m", Decimal(1), Decimal(0), valid_from=wrong.valid_from)
    corrected = prices.add(None, right, by="test")
    while prices.step(corrected.pk):
        pass
    hold = scout.holds.get(kind="trip")

    page = as_ada.get(f"/holds/{hold.pk}/").content.decode()

    assert "Corrected since:" in page
    assert "m: 1 action priced anew, −$9.90" in page
    assert "What it wanted fits: it can be resumed." in page
    assert as_ada.post(f"/holds/{hold.pk}/resume/").status_code == 302


def test_a_cost_is_voided_on_the_actions_page(door: Door, day: Budget, as_ada: Client) -> None:
    door.done("1", cost_usd="4")
    url = f"/runs/{door.run.pk}/actions/{Action.objects.get().pk}/"
    assert "Void its cost…" in as_ada.get(url).content.decode()

    assert as_ada.post(f"{url}void/", {"reason": ""}).status_code == 422
    assert as_ada.post(f"{url}void/", {"reason": "credited"}).status_code == 302

    page = as_ada.get(url).content.decode()
    assert "Void its cost…" not in page
    assert "Voided" in page
    assert Account.objects.get().spent == 0
