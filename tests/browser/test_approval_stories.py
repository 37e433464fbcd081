"""Two stories, told by real agents and seen by real browsers: a trade that two must approve, a refund refused once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agents.models import Action, Agent
from agents.transitions import agent as agents
from audit.models import Entry
from people.models import Group, Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold
from tests.browser.test_holds import Open, look  # noqa: F401  # a fixture
from tests.sdk.conftest import waiting_hold
from watchfloor import Client, Rejected

TRADES = {
    "name": "Large trades",
    "tools": ["trade.place"],
    "when": "double(args.quantity) * double(args.price) > 10000.0",
    "then": "approve",
    "because": "Two of the desk's leads look at every trade over $10,000.",
    "approval": {"votes": 2, "groups": ["trading-leads"]},
}
REFUNDS = {"name": "Refunds", "tools": ["refund.issue"], "then": "approve"}


@pytest.fixture
def agent(live: str, support: Team) -> Callable[..., tuple[Agent, str]]:
    def made(name: str, rule: dict[str, Any]) -> tuple[Agent, str]:
        return agents.create(name, team=support, by="test", rules=[rule])

    return made


@pytest.fixture
def aside() -> Iterator[Callable[..., Future[Any]]]:
    """Runs an agent beside the browsers."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


def approve(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Approve .*trade.place")).click()


def test_a_large_trade_is_approved_by_two_who_mean_the_same_and_placed_once(
    live: str,
    agent: Callable[..., tuple[Agent, str]],
    aside: Callable[..., Future[Any]],
    support: Team,
    ada: Person,
    otto: Person,
    look: Open,  # noqa: F811
) -> None:
    lena = people.create("lena", role=Role.LEAD, team=support, by="test")
    Group.objects.create(team=support, name="trading-leads").members.add(ada, otto)
    key = agent("trader", TRADES)[1]
    placed: list[dict[str, Any]] = []

    def place(**order: Any) -> dict[str, Any]:
        placed.append(order)
        return {"order": "T-1"}

    def trade() -> Any:
        with Client(live, key) as client, client.run("rebalance") as run:
            order = {"symbol": "ACME", "quantity": 500, "price": 40.25}
            return run.step("trade.place", place, arguments=order, subject="ACME")

    traded = aside(trade)
    hold = waiting_hold()
    first, second = (look(person, hold.get_absolute_url()) for person in (ada, otto))
    expect(look(lena, hold.get_absolute_url()).locator("main")).to_contain_text(
        "This needs the approval of a member of trading-leads"
    )
    expect(first.locator("main")).to_contain_text("Large trades")

    approve(first)
    expect(first.locator("#standing")).to_contain_text("1 of 2 said yes")
    expect(second.locator("#standing")).to_contain_text("1 of 2 said yes")

    second.keyboard.press("e")
    second.get_by_label("quantity", exact=False).first.fill("300")
    second.get_by_role("button", name=re.compile("^Approve with these changes")).click()
    expect(second.locator("#standing")).to_contain_text("1 of 2 said yes")
    expect(first.locator("#standing s")).to_have_text("ada")
    expect(first.locator("main")).to_contain_text("version 2 now")
    expect(first.get_by_role("button", name=re.compile("^Approve .*trade.place"))).to_have_count(0)
    assert (placed, traded.done()) == ([], False)

    first.get_by_role("link", name="Read version 2").click()
    expect(first.locator("main ins").first).to_contain_text("300")
    approve(first)

    assert traded.result(20) == {"order": "T-1"}
    assert placed == [{"symbol": "ACME", "quantity": 300, "price": 40.25}]
    for page in (first, second):
        expect(page.locator("#standing")).to_contain_text("2 of 2 said yes")
        expect(page.locator("#standing")).to_contain_text("It succeeded")
    action = Action.objects.get()
    assert (action.decision, action.arguments["quantity"]) == ("edited", 500)
    assert Entry.objects.filter(kind="action.executing").count() == 1


class Model:
    """Stands in for a language model that does not take no for an answer at once."""

    def __init__(self, tries: int) -> None:
        self.tries = tries
        self.read: list[str] = []

    def next(self) -> dict[str, Any] | None:
        """The call it wants to make now, or none: it gives up."""
        return {"order": "A-17", "amount": 80} if len(self.read) < self.tries else None


def test_a_refund_that_was_rejected_is_not_asked_about_again(
    live: str,
    agent: Callable[..., tuple[Agent, str]],
    aside: Callable[..., Future[Any]],
    ada: Person,
    look: Open,  # noqa: F811
) -> None:
    key = agent("refunder", REFUNDS)[1]
    model = Model(tries=3)
    remembered: list[bool] = []

    def work() -> str:
        with Client(live, key) as client, client.run("complaints") as run:
            while (wish := model.next()) is not None:
                try:
                    run.step("refund.issue", pytest.fail, arguments=wish, subject="order:A-17")
                except Rejected as no:
                    model.read.append(no.message)
                    remembered.append(no.remembered)
            run.output = {"told the customer": model.read[-1]}
            return str(run.id)

    worked = aside(work)
    hold = waiting_hold()
    page = look(ada, hold.get_absolute_url())
    page.keyboard.press("r")
    page.get_by_label("Why not?").fill("The parcel was delivered: see the photo.")
    page.get_by_role("button", name="Reject refund.issue").click()
    expect(page.locator("#standing")).to_contain_text("ada rejected this")

    run = worked.result(20)

    assert model.read == ["The parcel was delivered: see the photo."] * 3
    assert remembered == [False, True, True]
    assert Hold.objects.count() == 1
    page.reload()
    expect(page.locator("#standing")).to_contain_text("Asked again 2 times since")
    page.goto(f"/runs/{run}/")
    answers = page.get_by_role("link", name="Answered from memory: ada rejected it before")
    expect(answers).to_have_count(2)
    answers.first.click()
    expect(page).to_have_url(re.compile(hold.get_absolute_url()))
    page.goto("/inbox/")
    expect(page.locator("main")).not_to_contain_text("refund.issue")
