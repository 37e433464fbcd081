"""Webhooks in a browser: axe finds nothing, and a message's page follows it on its way."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from audit import outbox, sending
from audit.models import Endpoint
from people.models import Person
from reviews.models import Hold
from tests.audit.receiver import Receiver
from tests.cast import Door

from .entering import enter

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def is_well(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_its_pages_look_well(
    page: Page,
    live: str,
    otto: Person,
    hook: Endpoint,
    receiver: Receiver,
    size: dict[str, int],
    scheme: str,
) -> None:
    Endpoint.objects.update(label="x" * 80, url=f"{receiver.url}?{'y' * 1900}")
    delivery = outbox.enqueue(hook, "hold.opened", {"title": "z" * 900, "on": "\u202ew"})[0]
    receiver.status = 500
    sending.send_due()
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]

    for path in ("", f"{hook.pk}/", f"{hook.pk}/messages/{delivery.pk}/"):
        enter(page, live, otto, f"/settings/webhooks/{path}")
        is_well(page)
        for menu in page.locator("details.menu > summary:visible").all()[:3]:
            menu.click()
            is_well(page)
            page.keyboard.press("Escape")


def test_nobody_told_yet_looks_well(page: Page, live: str, otto: Person) -> None:
    enter(page, live, otto, "/settings/webhooks/")

    expect(page.get_by_role("heading", name="Nobody is told yet")).to_be_visible()
    is_well(page)


def test_a_webhook_is_added_tested_and_followed(
    page: Page, live: str, otto: Person, receiver: Receiver
) -> None:
    enter(page, live, otto, "/settings/webhooks/")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("Name").fill("Chat")
    page.get_by_role("button", name="Add it").click()
    secret = page.locator("#secret").inner_text()
    is_well(page)

    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#course")).to_contain_text("On its way")
    expect(page.locator("#connection, [data-connection]").first).to_contain_text("Live")
    sending.send_due()

    expect(page.locator("#course")).to_contain_text("Delivered")
    assert receiver.verified(secret)[0]["type"] == "webhook.test"


def test_a_link_opens_its_answer_and_presses_nothing(
    page: Page, live: str, ada: Person, door: Door
) -> None:
    proposed = door.propose("1", tool="refund.issue", arguments={"amount": 80})
    hold = Hold.objects.get(pk=proposed.json()["action"]["id"])

    enter(page, live, ada, f"/holds/{hold.pk}/reject/")
    expect(page.get_by_label("Why not?")).to_be_focused()
    is_well(page)

    enter(page, live, ada, f"/holds/{hold.pk}/approve/")
    expect(page.locator("#invited")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    hold.refresh_from_db()
    assert hold.is_open

    page.get_by_role("button", name="Approve").first.click()
    expect(page.locator("#standing")).to_contain_text("Approved")
