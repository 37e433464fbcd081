"""A policy is changed in a browser: tried on last week, refused in words, saved, and taken back."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Page, expect

from agents.models import Agent, Policy
from agents.transitions import policy as policies
from people.models import Person
from tests.cast import Door

WIDE, PHONE = (1440, 900), (390, 844)

TEXT = """\
tools: [search, refund.issue]
rules:
  - name: Large refunds
    tools: [refund.issue]
    when: double(args.amount) > 90.0
    then: approve
"""


def enter(page: Page, live: str, person: Person) -> None:
    client = Client()
    client.force_login(person)
    page.context.add_cookies(
        [
            {"name": name, "value": cookie.value, "url": live}
            for name, cookie in client.cookies.items()
        ]
    )


@pytest.fixture
def policy(door: Door, scout: Agent) -> Policy:
    """One with a past."""
    door.done("a", tool="mail.read", subject="mail:1")
    door.propose("b", "refund.issue", arguments={"amount": 80}, subject="order:7")
    return policies.of_agent(scout)


def test_a_rule_is_tried_refused_saved_and_taken_back(
    page: Page, live: str, policy: Policy, ada: Person
) -> None:
    enter(page, live, ada)
    page.goto(f"{live}/policies/")
    page.get_by_role("link", name="scout").first.click()
    page.get_by_role("link", name="Edit and try").click()

    page.get_by_label("Policy, as YAML").fill(TEXT.replace("double", "dubble"))
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("alert")).to_contain_text("knows no “dubble”. Did you mean “double”?")

    page.get_by_label("Policy, as YAML").fill(TEXT)
    page.get_by_role("button", name="Try it").click()
    result = page.locator("#result")
    expect(result).to_contain_text("Tools mail.read model")
    expect(result.get_by_role("row", name="went through be denied 1")).to_be_visible()
    expect(result.get_by_role("row", name="waits for a person go through 1")).to_be_visible()
    expect(result.get_by_role("link", name="refund.issue order:7")).to_be_visible()

    page.get_by_label("Why").fill("Fewer small ones.")
    page.get_by_role("button", name="Save version 2").click()
    expect(page.locator("#toasts")).to_contain_text("Version 2 is in force.")
    expect(page.locator("#rule-1")).to_contain_text("double(args.amount) > 90.0")

    page.get_by_role("link", name="Version 1").click()
    page.get_by_text("Go back to this…").click()
    page.get_by_label("Why").fill("Too few.")
    page.get_by_role("button", name="Put version 1 in force again").click()
    expect(page.locator("#versions")).to_contain_text("Version 3 in force")


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_axe_finds_nothing_and_nothing_overflows(
    page: Page,
    live: str,
    policy: Policy,
    ada: Person,
    scheme: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    long_rule: dict[str, Any] = {
        "name": "W" * 80,
        "tools": ["tool." + "w" * 190, "search"],
        "when": " && ".join(f'args.a_long_name_{n} == "{"v" * 20}"' for n in range(20)),
        "then": "approve",
        "because": "\u202egnp.exe <script>alert(1)</script> " + "W" * 300,
        "shadow": True,
        "approval": {"groups": [], "within": "4h", "queue": "q" * 80},
    }
    policies.write(policy, {"tools": ["*", "t" * 200], "rules": [long_rule]}, by=ada, why="y" * 300)
    enter(page, live, ada)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)

    wrong = []
    own = f"/policies/{policy.pk}/"
    for path in ("/policies/", own, f"{own}edit/", f"{own}versions/2/", f"{own}versions/1/?with=2"):
        page.goto(f"{live}{path}")
        expect(page.locator("#connection")).to_have_text("Live")
        if path.endswith("edit/"):
            page.get_by_role("button", name="Try it").click()
            expect(page.locator("#week-title")).to_be_visible()
        found = Axe().run(page)
        if found.violations_count:
            wrong.append(f"{path}: {found.generate_report()}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{path}: scrolls sideways")
    assert not wrong, "\n".join(wrong)
