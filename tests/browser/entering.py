"""Coming in without typing: a session made on the server, its cookie given to the browser."""

from __future__ import annotations

from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from people.models import Person


def enter(page: Page, live: str, person: Person, path: str = "/") -> None:
    """Open `path` as `person`, and wait until the page hears what happens."""
    client = Client()
    client.force_login(person)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live}])
    page.goto(live + path)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
