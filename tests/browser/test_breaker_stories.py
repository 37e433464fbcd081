"""Three agents gone wrong, told by the real client, and the person who answers in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from agents.models import Action, Agent, Breaker, Directive, Run, Trip
from agents.models.breaker import Condition, Scope
from agents.rules.breakers.evidence import rerun
from agents.transitions import agent as agents
from people.models import Person, Team
from reviews.models import Hold
from tests.browser.test_holds import Open, look  # noqa: F401  # a fixture
from tests.sdk.conftest import aside, waiting_hold  # noqa: F401  # a fixture
from watchfloor import Client, Terminated, Usage


def standing(page: Page) -> Any:
    return page.locator("#standing")


def trip_of(agent: Agent) -> Trip:
    """The one stop, explained by nothing but what was kept of it."""
    trip = Trip.objects.get(agent=agent, is_shadow=False)
    assert rerun(trip.evidence["judged"])
    return trip


def test_an_email_classified_more_than_five_times_in_a_minute(
    live: str,
    support: Team,
    ada: Person,
    look: Open,  # noqa: F811
    aside: Callable[..., Future[Any]],  # noqa: F811
) -> None:
    triage, key = agents.create("triage", team=support, by="test")
    classified: list[str] = []

    def classify(mail: str) -> str:
        classified.append(mail)
        return "card_lost" if len(classified) % 2 else "card_stolen"

    def sort_mail() -> list[str]:
        """It never believes its own answer; when told so, it takes the next mail."""
        with Client(live, key) as client, client.run("inbox", watch=False) as run:
            while True:
                mail = "mail:9001" if run.instructions else "mail:8841"
                run.step("classify", classify, arguments={"mail": mail}, subject=mail, kind="model")
                run.ack(*run.check())
                if run.instructions and classified[-1] == "mail:9001":
                    return run.instructions

    sorting = aside(sort_mail)
    hold = waiting_hold("trip")
    page = look(ada, hold.get_absolute_url())

    expect(page.locator("main")).to_contain_text(
        "classify worked on one item 6 times within 60 s; the limit is 5."
    )
    expect(page.locator("main")).to_contain_text("mail:8841")
    assert classified == ["mail:8841"] * 5
    page.keyboard.press("e")
    page.get_by_label("Tell it what to do differently").fill("Leave mail 8841 to us.")
    page.get_by_role("button", name="Change this, then resume").click()
    expect(standing(page)).to_contain_text("ada modified and resumed it")

    assert sorting.result(20) == ["Leave mail 8841 to us."]
    assert classified[5:] == ["mail:8841"] * (len(classified) - 6) + ["mail:9001"]
    assert trip_of(triage).evidence["item"] == "mail:8841"
    assert Directive.objects.get().acknowledged_at is not None


def test_a_daily_report_triggered_hourly(
    live: str,
    support: Team,
    otto: Person,
    look: Open,  # noqa: F811
) -> None:
    reporter, key = agents.create("reporter", team=support, by="test")
    Breaker.objects.create(
        agent=reporter, condition=Condition.OFTEN, limit=1, window=timedelta(hours=20)
    )
    sent: list[str] = []

    def report(client: Client) -> None:
        with client.run("daily report", watch=False) as run:
            run.step("report.send", lambda: sent.append("report"), kind="write")

    with Client(live, key) as client:
        report(client)
        an_hour_passes()
        with client.run("daily report", watch=False) as run:
            assert run.stop is not None
            assert run.stop.kind == "paused"

            page = look(otto, waiting_hold("trip").get_absolute_url())
            expect(page.locator("main")).to_contain_text(
                "2 runs started within 20 h; the limit is 1."
            )
            assert sent == ["report"]
            page.keyboard.press("r")
            page.get_by_label("Why", exact=True).fill("The schedule says hourly. Fixed.")
            page.get_by_role("button", name=re.compile("^Terminate 1 run")).click()
            expect(standing(page)).to_contain_text("otto terminated")

            with pytest.raises(Terminated, match="Fixed"):
                run.check()
        assert sent == ["report"]
    assert [one["name"] for one in trip_of(reporter).evidence["runs"]] == ["daily report"] * 2
    assert list(Run.objects.order_by("id").values_list("state", flat=True)) == [
        "completed",
        "terminated",
    ]


def an_hour_passes() -> None:
    """What was is an hour older."""
    hour = timedelta(hours=1)
    for run in Run.objects.all():
        Run.objects.filter(pk=run.pk).update(started_at=run.started_at - hour)


def test_a_looping_agent_that_costs_money(
    live: str,
    support: Team,
    ada: Person,
    look: Open,  # noqa: F811
    aside: Callable[..., Future[Any]],  # noqa: F811
) -> None:
    scout, key = agents.create("scout", team=support, by="test")
    asked = count(1)

    def think(question: str, attempt: int) -> dict[str, Any]:
        return {"plan": "search again", "tokens": 900 + next(asked)}

    def search(query: str, attempt: int) -> dict[str, Any]:
        return {"hits": [], "request_id": f"r-{next(asked)}", "at": timezone.now().isoformat()}

    def research() -> None:
        """Every step succeeds, and each says which attempt it is: only that changes."""
        dollar = Usage(input_tokens=900, output_tokens=100, cost_usd=Decimal("0.75"))
        with Client(live, key) as client, client.run("research", watch=False) as run:
            for attempt in range(1, 100):
                run.step(
                    "think",
                    think,
                    arguments={"question": "Where is the card?", "attempt": attempt},
                    kind="model",
                    usage=lambda _: dollar,
                )
                run.step("search", search, arguments={"query": "card", "attempt": attempt})

    researching = aside(research)
    page = look(ada, waiting_hold("trip").get_absolute_url())

    main = page.locator("main")
    expect(main).to_contain_text("It goes in circles: the same 2 steps 6 times in a row")
    expect(main).to_contain_text("$4.50")
    page.keyboard.press("r")
    page.get_by_label("Why", exact=True).fill("It found nothing six times.")
    page.get_by_role("button", name=re.compile("^Terminate 1 run")).click()
    expect(standing(page)).to_contain_text("ada terminated")

    with pytest.raises(Terminated):
        researching.result(20)
    trip = trip_of(scout)
    scout.refresh_from_db()
    assert (trip.condition, trip.run_id) == (Condition.LOOP, Run.objects.get().pk)
    assert (scout.state, Run.objects.get().state) == ("active", "terminated")
    assert set(Action.objects.values_list("state", flat=True)) == {"succeeded"}
    assert Action.objects.count() == 12
    assert (len(trip.evidence["actions"]), trip.evidence["cost_usd"]) == (12, "4.500000")
    assert Hold.objects.get().decision == "terminated"
    assert (
        Breaker.objects.filter(agent=scout, condition=Condition.LOOP, run=None).get().scope
        == Scope.RUN
    )
