"""The story of a stop in a browser, from the trip to a better limit; and gauges that move without flooding it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from agents.models import Agent, Breaker, Condition, Trip
from agents.models.breaker import Scope
from agents.transitions import agent as agents
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import stops
from tests.browser.entering import enter
from tests.cast import Door

WIDE = """[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth)
          .map(e => e.tagName + "." + e.className).slice(0, 8)"""
HOSTILE = "\u202egnp.exe\u200b <script>alert(1)</script> " + "W" * 180


def test_a_false_trip_is_told_answered_judged_and_ends_in_a_better_limit(
    page: Page, live: str, door: Door, ada: Person
) -> None:
    for n in range(10):
        told = door.done(f"bad-{n}", "failed", tool="search", subject=f"mail:{n}", cost_usd="0.02")
    hold = told["control"]["hold_id"]
    enter(page, live, ada, f"/holds/{hold}/")
    main = page.locator("main")
    expect(main).to_contain_text("The rule: Pauses the agent at 10 failures within 5 minutes.")
    expect(page.get_by_role("img", name="Failures until it tripped: 10 in the end")).to_be_visible()
    fold = page.locator(".fold summary")
    expect(fold).to_contain_text("10 different")
    fold.click()
    expect(page.locator(".fold .moment a")).to_have_count(10)
    expect(page.locator("#verdict")).to_have_count(0)

    page.keyboard.press("a")

    verdict = page.locator("#verdict")
    expect(verdict).to_contain_text("Was it right to stop?")
    page.get_by_role("button", name="No, a false trip").click()
    expect(verdict).to_contain_text("A false trip")
    expect(verdict).to_contain_text("ada said so")
    better = page.locator("#better")
    expect(better).to_contain_text("Spares 1 of 1 false trip")
    better.get_by_role("button", name="Set it to").click()
    expect(page.get_by_role("heading", name="Try another limit")).to_be_visible()
    setting = Breaker.objects.get(condition=Condition.ERRORS, run=None)
    assert setting.limit > 10

    page.goto(f"{live}/holds/{hold}/")
    page.get_by_role("button", name="It was true after all").click()
    expect(verdict).to_contain_text("A true trip")
    assert Trip.objects.get(pk=hold).was_true is True


@pytest.mark.parametrize("end", [False, True], ids=["change", "terminate"])
def test_whether_it_was_right_is_asked_once_and_goes_with_every_answer(
    page: Page, live: str, door: Door, ada: Person, end: bool
) -> None:
    hold = trip(door)
    enter(page, live, ada, f"/holds/{hold}/")
    expect(page.get_by_text("Was it right to stop?")).to_have_count(1)
    page.get_by_text("No, a false alarm").click()

    page.keyboard.press("r" if end else "e")
    if end:
        page.get_by_label("Why", exact=True).fill("It is over.")
        page.get_by_role("button", name="Terminate 1 run").click()
    else:
        page.get_by_label("Tell it what to do differently").fill("Skip it.")
        page.get_by_role("button", name="Change this, then resume").click()

    expect(page.locator("#standing")).to_contain_text("ada")
    assert Trip.objects.get(pk=hold).was_true is False


def test_after_the_answer_nothing_says_that_it_is_still_paused(
    page: Page, live: str, door: Door, ada: Person
) -> None:
    hold = trip(door)
    enter(page, live, ada, f"/holds/{hold}/")
    head, evidence = page.locator(".hold-head"), page.locator(".hold-rest")
    expect(head).to_contain_text("scout is paused")
    expect(evidence).to_contain_text("Every call since is answered")
    fold = page.locator(".fold summary")
    fold.click()

    page.keyboard.press("a")

    expect(evidence).to_contain_text("Every call since was answered")
    expect(page.locator(".fold .moment a")).to_have_count(10)
    expect(page.locator(".fold .moment a").first).to_be_visible()
    expect(head).to_contain_text("scout was paused")
    expect(head.locator(".state")).to_have_text("Was paused")
    expect(head.locator(".state")).to_have_class("tag state off")


def trip(door: Door) -> str:
    """Ten failures of ten things; answers the hold."""
    for n in range(10):
        told = door.done(f"bad-{n}", "failed", tool="search", subject=f"mail:{n}", cost_usd="0.02")
    return str(told["control"]["hold_id"])


def test_gauges_move_as_things_happen_and_are_read_again_at_most_every_other_second(
    page: Page, live: str, door: Door, scout: Agent, ada: Person
) -> None:
    read: list[str] = []
    page.on("request", lambda r: read.append(r.url) if "region=gauges" in r.url else None)
    enter(page, live, ada, f"/agents/{scout.pk}/")
    gauge = page.locator('.breaker[data-condition="repeats"]')
    expect(gauge).to_contain_text("0 of 5")
    before, began = len(read), timezone.now()

    for n in range(4):
        door.done(f"again-{n}", subject="mail:8841")
    for n in range(60):
        door.propose(f"other-{n}", subject=f"mail:{n}")

    expect(gauge).to_contain_text("4 of 5")
    expect(gauge).to_contain_text("mail:8841")
    passed = (timezone.now() - began).total_seconds()
    assert len(read) - before <= 2 + passed / 2  # that it was read again, the gauge has said


@pytest.fixture
def stopped(scout: Agent, support: Team, door: Door, ada: Person) -> dict[str, str]:
    """A false trip that was answered, one of a team, and one that a shadow noted; with text that breaks pages."""
    error = {"type": "Timeout", "message": HOSTILE}
    for n in range(10):
        subject = f"{n} {HOSTILE}"
        told = door.done(f"bad-{n}", "failed", tool="search", subject=subject, error=error)
    answered = Hold.objects.get(pk=told["control"]["hold_id"])
    stops.modify(answered, by=ada, instruction=HOSTILE, was_true=False)
    Breaker.objects.create(
        team=support,
        scope=Scope.TEAM,
        condition=Condition.SLOW,
        threshold=1,
        limit=Decimal(3),
        window=timedelta(minutes=1),
    )
    breaker = Breaker.objects.filter(agent=scout, condition=Condition.ERRORS).first()
    agents.create(HOSTILE[:60], team=support, by="test")
    now = timezone.now()
    fields: dict[str, Any] = {"condition": "errors", "value": 3, "limit": 3, "is_shadow": True}
    noted = Trip.objects.create(
        agent=scout,
        breaker=breaker,
        reason=HOSTILE,
        window=timedelta(minutes=5),
        opened_at=now,
        ended_at=now,
        evidence={"actions": [], "judged": {}},
        **fields,
    )
    by_hand = agents.stop(Agent.objects.get(pk=scout.pk), by=ada, reason=HOSTILE)
    return {
        "answered": f"/holds/{answered.pk}/",
        "by hand": f"/holds/{by_hand.pk}/",
        "shadow": f"/trips/{noted.pk}/",
        "agent": f"/agents/{scout.pk}/",
    }


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", (1280, 900)), ("dark", (390, 844))], ids=["wide", "phone"]
)
def test_axe_finds_nothing_and_nothing_overflows(
    page: Page,
    live: str,
    stopped: dict[str, str],
    ada: Person,
    scheme: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)

    wrong = []
    for name, path in stopped.items():
        enter(page, live, ada, path)
        for fold in page.locator("details.fold > summary").all():
            fold.click()
        found = Axe().run(page)
        if found.violations_count:
            wrong.append(f"{name}: {found.generate_report()}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide = page.evaluate(WIDE)
            wrong.append(f"{name}: scrolls sideways, {wide}")
    assert not wrong, "\n".join(wrong)
