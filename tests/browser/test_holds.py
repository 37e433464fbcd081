"""Deciding in a real browser, with sockets: by key, side by side, and without any script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from agents.models import Trip
from people.models import Person
from tests.cast import Door

Open = Callable[..., Page]


@pytest.fixture
def look(browser: Browser, live: str) -> Iterator[Open]:
    """Opens a page as a person, in a browser of their own."""
    contexts: list[BrowserContext] = []

    def looking(person: Person, path: str, *, quiet: bool = False, **options: Any) -> Page:
        client = Client()
        client.force_login(person)
        context = browser.new_context(base_url=live, **options)
        context.add_cookies(
            [
                {"name": name, "value": morsel.value, "url": live}
                for name, morsel in client.cookies.items()
            ]
        )
        contexts.append(context)
        page = context.new_page()
        if quiet:
            page.route_web_socket("**/live", lambda socket: None)  # opens, and never says a word
        page.goto(path)
        if not quiet and options.get("java_script_enabled", True):
            expect(page.locator("#connection")).to_have_text("Live")
        return page

    yield looking
    for context in contexts:
        context.close()


@pytest.fixture
def held(door: Door) -> str:
    """The id of a refund that waits for a person, and of its hold."""
    told = door.propose(
        "refund-1",
        "refund.issue",
        arguments={"order": "A-17", "amount": 80, "notify": True},
        subject="order:A-17",
        amount="80",
        currency="EUR",
        reason="Charged twice.",
    )
    assert told.status_code == 202, told.text
    return str(told.json()["action"]["id"])


def test_one_key_approves_and_the_page_follows_to_the_outcome(
    door: Door, held: str, ada: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{held}/")

    page.keyboard.press("a")

    standing = page.locator("#standing")
    expect(standing).to_contain_text("ada approved this")
    expect(page.locator("#answers")).to_be_hidden()
    assert door.read(held)["decision"] == "approved"
    expect(standing).to_contain_text("scout has the answer")
    assert door.claim(held, claim_id="c").status_code == 200
    expect(standing).to_contain_text("It is running")
    door.settle(held, claim_id="c", result={"refund": "R-100"})
    expect(standing).to_contain_text("It succeeded")
    expect(standing).to_contain_text("R-100")


def test_whoever_was_second_is_told_at_once_and_keeps_what_was_typed(
    held: str, ada: Person, otto: Person, look: Open
) -> None:
    first, second = look(ada, f"/holds/{held}/"), look(otto, f"/holds/{held}/")
    second.keyboard.press("r")
    note = second.locator("#reject-note")
    expect(note).to_be_focused()
    note.fill("I would rather not, because")

    first.keyboard.press("a")

    expect(second.locator("#standing")).to_contain_text("ada approved this")
    expect(note).to_be_hidden()
    expect(note).to_have_value("I would rather not, because")


def test_a_lost_race_is_one_sentence(held: str, ada: Person, otto: Person, look: Open) -> None:
    first, second = look(ada, f"/holds/{held}/"), look(otto, f"/holds/{held}/")
    second.route("**/*region=standing*", lambda route: route.abort())
    second.reload()  # so that no read of the region is on its way already
    expect(second.locator("#connection")).to_have_text("Live")
    first.keyboard.press("a")
    expect(first.locator("#standing")).to_contain_text("ada approved this")

    second.keyboard.press("a")

    expect(second.locator("#problem")).to_contain_text("ada already approved this.")
    expect(second.locator("#answers")).to_be_hidden()


def test_an_edit_shows_its_changes_and_the_agent_gets_them(
    door: Door, held: str, ada: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{held}/")
    page.keyboard.press("e")
    amount = page.get_by_label("amount", exact=False).first
    amount.fill("60.25")

    changes = page.locator("[data-changes-list]").first
    expect(changes.locator("del")).to_have_text("80")
    expect(changes.locator("ins")).to_have_text("60.25")
    page.get_by_role("button", name="Approve with these changes").click()

    expect(page.locator("#standing")).to_contain_text("approved this with changes")
    expect(page.locator("#what")).to_contain_text("Changed by ada")
    expect(page.locator("#story")).to_contain_text("Approved")
    action = door.read(held)
    assert action["arguments"] == {"order": "A-17", "amount": 60.25, "notify": True}


def test_a_number_that_cannot_be_meant_is_said_beside_the_form(
    held: str, ada: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{held}/")
    page.keyboard.press("e")
    page.get_by_text("Edit as JSON").click()
    page.locator("#edit-raw").fill('{"amount": NaN}')
    page.get_by_role("button", name="Approve with this JSON").click()

    expect(page.locator("#problem")).to_contain_text("holds NaN, which JSON does not know")
    expect(page.locator("#edit-raw")).to_have_value('{"amount": NaN}')


def test_the_answer_shows_even_when_the_socket_is_lost(held: str, ada: Person, look: Open) -> None:
    page = look(ada, f"/holds/{held}/", quiet=True)

    page.keyboard.press("a")

    expect(page.locator("#standing")).to_contain_text("ada approved this")
    expect(page.locator("#answers")).to_be_hidden()


def test_claiming_is_seen_by_the_other(held: str, ada: Person, otto: Person, look: Open) -> None:
    first, second = look(ada, f"/holds/{held}/"), look(otto, f"/holds/{held}/")

    first.keyboard.press("c")

    expect(first.locator("#standing")).to_contain_text("You have this")
    expect(second.locator("#standing")).to_contain_text("ada has this")
    second.keyboard.press("a")
    expect(second.locator("#problem")).to_contain_text("ada has this.")


def test_a_loop_is_stopped_explained_changed_and_resumed(
    door: Door, ada: Person, look: Open
) -> None:
    for n in range(6):
        told = door.done(f"loop-{n}", tool="search", subject="mail:8841", cost_usd="0.01")
    hold = told["control"]["hold_id"]
    page = look(ada, f"/holds/{hold}/")
    expect(page.locator("main")).to_contain_text("worked on one item 6 times")
    expect(page.locator(".fold summary")).to_contain_text("5 ×")

    page.keyboard.press("e")
    page.get_by_label("Tell it what to do differently").fill("Skip mail:8841.")
    page.locator("#limit").fill("7")
    page.locator("details[open]").get_by_text("No, a false alarm").click()
    page.get_by_role("button", name="Change this, then resume").click()

    standing = page.locator("#standing")
    expect(standing).to_contain_text("ada modified and resumed it")
    expect(standing).to_contain_text("0 of 5 probes succeeded")
    control = door.control()
    assert control["state"] == "running"
    assert {d["kind"] for d in control["directives"]} == {"instruction", "limit"}
    assert Trip.objects.get(pk=hold).was_true is False
    door.done("probe-1", tool="search", subject="mail:9000")
    expect(standing).to_contain_text("1 of 5 probes succeeded")


def test_terminating_says_in_numbers_what_it_ends(
    door: Door, held: str, ada: Person, look: Open
) -> None:
    for n in range(6):
        told = door.done(f"loop-{n}", tool="search", subject="mail:8841")
    page = look(ada, f"/holds/{told['control']['hold_id']}/")

    page.keyboard.press("r")
    page.get_by_role("button", name="Terminate 1 run, cancel 1 approval").click()

    expect(page.locator("#standing")).to_contain_text("No run of it is left")
    assert door.control()["state"] == "terminated"
    assert door.read(held)["state"] == "cancelled"


def test_work_is_resolved_with_a_value_the_agent_gets(door: Door, ada: Person, look: Open) -> None:
    review = door.http.post(
        f"/runs/{door.run.pk}/reviews",
        json={"key": "mail:1", "title": "Fits nowhere", "payload": {"text": "where is my"}},
    ).json()
    page = look(ada, f"/holds/{review['id']}/")

    page.keyboard.press("e")
    page.get_by_label("Name of the new value").fill("category")
    page.get_by_label("The new value", exact=True).fill("card_arrival")
    page.get_by_role("button", name="Resolve: the work is done").click()

    expect(page.locator("#standing")).to_contain_text("ada resolved this")
    (directive,) = door.control()["directives"]
    assert directive["body"]["payload"] == {"text": "where is my", "category": "card_arrival"}
    door.http.post(f"/runs/{door.run.pk}/directives/ack", json={"ids": [directive["id"]]})
    expect(page.locator("#standing")).to_contain_text("scout has taken it up")


def test_everything_works_without_scripts(door: Door, held: str, ada: Person, look: Open) -> None:
    page = look(ada, f"/holds/{held}/", java_script_enabled=False)

    page.locator("summary", has_text="Reject").click()
    page.locator("#reject-note").fill("Too much.")
    page.get_by_role("button", name="Reject refund.issue").click()

    expect(page.locator("#standing")).to_contain_text("ada rejected this")
    assert door.read(held)["message"] == "Too much."
