"""Holds, agents, runs and the record: axe finds nothing, nothing overflows, in light and dark, wide and narrow."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Page, expect

from agents.models import Agent
from people.models import Person
from tests.cast import Door

WIDE, PHONE = (1440, 900), (390, 844)


@pytest.fixture
def places(door: Door, scout: Agent) -> dict[str, str]:
    """A page of each kind, with the kind of text that breaks pages."""
    hostile = "\u202egnp.exe\u200b <script>alert(1)</script> " + "W" * 180
    fields = {
        "amount": {"type": "number", "title": hostile, "description": hostile * 3},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "x": {"type": "string", "enum": [hostile, "other"]},
        "to": {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sure": {"type": "boolean"},
    }
    schema = {"type": "object", "required": ["amount", "to"], "properties": fields}
    door.http.post("/versions", json={"label": "1", "schemas": {"refund.issue": schema}})
    arguments: dict[str, Any] = {f"key {n} {'k' * n}": "v" * n * 4 for n in range(60)} | {
        "amount": 80,
        "x": hostile,
    }
    proposed = door.propose(
        "held", "refund.issue", arguments=arguments, subject=hostile, reason=hostile * 9
    )
    assert proposed.status_code == 202, proposed.text
    held = proposed.json()["action"]["id"]
    review = door.http.post(
        f"/runs/{door.run.pk}/reviews",
        json={"key": hostile[:190], "title": hostile, "reason": hostile, "payload": arguments},
    ).json()["id"]
    error = {"type": "Timeout", "message": hostile}
    door.done("e", "failed", tool="mail.read", step="read", error=error, input_tokens=900)
    done = door.done("f", tool="mail.read", step="read", attempt=2, result=arguments)
    for n in range(6):
        told = door.done(f"loop-{n}", tool="search", subject=hostile, cost_usd="0.01")
    action = done["action"]["id"]
    return {
        "approval": f"/holds/{held}/",
        "inbox": "/inbox/",
        "approved": "/inbox/?tab=approved",
        "review": f"/holds/{review}/",
        "trip": f"/holds/{told['control']['hold_id']}/",
        "agents": "/agents/",
        "agent": f"/agents/{scout.pk}/",
        "runs": "/runs/",
        "run": f"/runs/{door.run.pk}/",
        "action": f"/runs/{door.run.pk}/actions/{action}/",
        "record": "/record/",
    }


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_axe_finds_nothing_and_nothing_overflows(
    page: Page,
    live: str,
    places: dict[str, str],
    ada: Person,
    scheme: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    client = Client()
    client.force_login(ada)
    page.context.add_cookies(
        [
            {"name": name, "value": cookie.value, "url": live}
            for name, cookie in client.cookies.items()
        ]
    )
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)

    wrong = []
    for name, path in places.items():
        page.goto(f"{live}{path}")
        expect(page.locator("#connection")).to_have_text("Live")
        for answer in page.locator("details.answer > summary").all():
            answer.click()
        found = Axe().run(page)
        if found.violations_count:
            wrong.append(f"{name}: {found.generate_report()}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{name}: scrolls sideways")
    assert not wrong, "\n".join(wrong)
