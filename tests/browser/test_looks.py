"""Every page in light and dark, wide and narrow: axe finds nothing, and nothing runs over the edge."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from agents.models import Run
from agents.transitions import agent as agents
from people.models import Person
from reviews.transitions.opening import hand_over
from tests.cast import Door

from .entering import enter

PATHS = ("/", "/inbox/", "/inbox/?tab=done", "/search/?q=n", "/settings/")
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
