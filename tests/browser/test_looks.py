"""Every page in light and dark, wide and narrow: axe finds nothing, and nothing runs over the edge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from agents.models import Run
from agents.transitions import agent as agents
from people.models import Person, Team
from people.transitions import delegation as delegations
from people.transitions import group as groups
from people.transitions import token as tokens
from reviews.transitions.opening import hand_over
from tests.cast import Door

from .entering import enter

PATHS = (
    "/",
    "/inbox/",
    "/inbox/?tab=done",
    "/inbox/?tab=approved",
    "/search/?q=n",
    "/settings/",
    "/account/",
)
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
def busy(door: Door, run: Run, ada: Person) -> Run:
    """A bit of everything: something of each kind waits, things succeeded and failed, names are long."""
    door.done("1", subject="mail:1")
    door.done("2", "failed", subject="mail:2")
    door.propose(
        "3", "refund.issue", subject="order:" + "9" * 300, arguments={"amount": 82}, amount="82"
    )
    hand_over(run, key=uuid4().hex, title="x" * 300, queue="q" * 80, subject="\u202eهل وصلت")
    agents.stop(
        run.agent, by=ada, reason="Something looks odd, and the sentence about it is a long one"
    )
    return run


@pytest.fixture
def seen(page: Page, live: str) -> Callable[..., None]:
    def look(person: Person | None, path: str, size: dict[str, int], scheme: str) -> None:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if person:
            enter(page, live, person, path)
        else:
            page.goto(live + path)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{path} is {over} px too wide"

    return look


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_busy_pages(
    seen: Callable[..., None], ada: Person, busy: Run, size: dict[str, int], scheme: str
) -> None:
    for path in PATHS:
        seen(ada, path, size, scheme)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_empty_pages(seen: Callable[..., None], ada: Person, size: dict[str, int]) -> None:
    for path in PATHS:
        seen(ada, path, size, "light")


@pytest.mark.allow_console("404")
@pytest.mark.allow_console("410")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_outside_of_the_room(seen: Callable[..., None], db: None, scheme: str) -> None:
    for path in ("/sign-in/", "/welcome/x/y/", "/nothing/"):
        seen(None, path, NARROW, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_people(seen: Callable[..., None], ada: Person, otto: Person, scheme: str) -> None:
    team = Team.objects.get(name="support")
    group = groups.create(team, "x" * 80, by="test")
    groups.add(group, ada, by="test")
    groups.create(team, "nobody", by="test")
    tokens.issue(ada, label="y" * 80, scopes=["read"], by=ada)
    now = timezone.now()
    for giver, taker in ((ada, otto), (otto, ada)):
        delegations.give(
            giver,
            taker,
            starts_at=now - timedelta(hours=1),
            ends_at=now + timedelta(days=9),
            reason="z" * 300,
            by=giver,
        )

    for path in ("/account/", f"/settings/teams/{team.pk}/", "/sign-in/again/?next=/account/"):
        size = WIDE if scheme == "light" else NARROW
        seen(None if "again" in path else ada, path, size, scheme)


def test_hours_say_what_they_mean_while_they_are_typed(
    page: Page, live: str, ada: Person, support: Team
) -> None:
    enter(page, live, ada, f"/settings/teams/{support.pk}/")

    page.get_by_label("Opens").fill("22:00")
    page.get_by_label("Closes").fill("06:00")
    page.get_by_label("Closes").blur()
    expect(page.locator("#preview")).to_contain_text("4 working hours from now is")
    page.get_by_label("Region").fill("ZZ")
    page.get_by_label("Region").blur()
    expect(page.locator("#preview")).to_contain_text("That is no region")
    page.get_by_label("Region").fill("")
    page.get_by_role("button", name="Keep these hours").click()

    expect(page.locator("#toasts")).to_contain_text("support's working hours are kept")
    expect(page.get_by_label("Opens")).to_have_value("22:00")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_over_a_page(page: Page, live: str, ada: Person, busy: Run, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    enter(page, live, ada, "/inbox/?tab=reviews")

    page.keyboard.press("?")
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Escape")
    for summary in ("You: ada", "Filter"):
        page.locator("summary", has_text=summary.split()[-1]).click()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("x")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Discard…").click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
