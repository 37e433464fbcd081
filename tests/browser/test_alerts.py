"""Alerts in a browser: axe finds nothing, a stop appears by itself, and a test is followed to its answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from people.models import Person, Team
from reviews.alerting import sending
from reviews.models import Alert, Channel, Hold, Notification, Route
from reviews.transitions import silence as silences
from tests.alerts.conftest import *  # noqa: F403  # channels and routes
from tests.audit.receiver import Receiver

from .entering import enter

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

type Stop = Callable[..., Hold]
type Routing = Callable[..., Route]


def is_well(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_its_pages_look_well(
    page: Page,
    live: str,
    ada: Person,
    support: Team,
    to_desk: Routing,
    stop: Stop,
    receiver: Receiver,
    size: dict[str, int],
    scheme: str,
) -> None:
    route = to_desk(name="r" * 80, agents=["a" * 200, "*"], repeat="30m")
    receiver.status = 500
    silence = {"severity": "info", "length": timedelta(hours=1), "reason": "y" * 300}
    silences.create(support, **silence, by=ada)  # type: ignore[arg-type]
    stop("z" * 900 + "\u202ew")
    sending.send_due()
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    channel, alert = Channel.objects.get(), Alert.objects.get()

    for path in (
        "/alerts/",
        f"/alerts/{alert.pk}/",
        "/settings/alerts/",
        f"/settings/alerts/channels/{channel.pk}/",
        f"/settings/alerts/routes/{route.pk}/",
    ):
        enter(page, live, ada, path)
        page.evaluate("document.querySelectorAll('.alert-more').forEach(d => d.open = true)")
        is_well(page)


def test_nothing_looks_well_too(page: Page, live: str, ada: Person) -> None:
    enter(page, live, ada, "/alerts/")
    expect(page.get_by_role("heading", name="Nothing fires")).to_be_visible()
    is_well(page)

    enter(page, live, ada, "/settings/alerts/")
    expect(page.get_by_role("heading", name="Nobody is told outside")).to_be_visible()
    is_well(page)


def test_a_channel_and_a_route_are_added_and_a_test_is_followed(
    page: Page, live: str, ada: Person, support: Team, receiver: Receiver
) -> None:
    receiver.status = 200
    enter(page, live, ada, "/settings/alerts/")
    page.locator("#channel-name").fill("desk")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Add the channel").click()
    expect(page.locator("#standing")).to_contain_text("Not tried yet")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#messages")).to_contain_text("On its way")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    sending.send_due()
    expect(page.locator("#messages")).to_contain_text("Sent")
    expect(page.locator("#standing")).to_contain_text("Works")

    enter(page, live, ada, "/settings/alerts/")
    page.get_by_text("Add a route").click()
    page.locator("#route-name").fill("Stops")
    page.get_by_role("checkbox", name="Agent or run stopped").check()
    page.get_by_role("checkbox", name="desk").check()
    page.get_by_role("button", name="Add the route").click()
    expect(page.locator("#routes")).to_contain_text("Stops")
    assert Route.objects.get().kinds == ["trip"]


def test_a_stop_appears_is_acknowledged_and_over_with_its_answer(
    page: Page, live: str, ada: Person, to_desk: Routing, stop: Stop
) -> None:
    to_desk()
    enter(page, live, ada, "/alerts/")
    expect(page.locator("#alerts")).to_contain_text("Nothing fires")

    hold = stop("It loops")

    expect(page.locator("#alerts")).to_contain_text("It loops")
    page.get_by_role("link", name="It loops").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#standing")).to_contain_text("Acknowledged")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    from reviews.transitions import hold as holds

    holds.resume(hold, by=ada)

    expect(page.locator("#standing")).to_contain_text("Resolved")
    sending.send_due()
    assert Notification.objects.get().state == "dropped"
