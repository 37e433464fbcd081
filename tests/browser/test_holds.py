"""Deciding in a real browser, with sockets: by key, side by side, and without any script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from agents.models import Agent, Trip
from agents.rules.policy.shorthand import over
from agents.transitions import policy as policies
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
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
    second.route("**/*region=*", lambda route: route.abort())
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
    expect(second.locator("#yes")).to_contain_text("While ada has this, nobody else answers it")
    second.keyboard.press("a")
    second.keyboard.press("r")
    second.get_by_label("Why not?").fill("No.")
    second.get_by_role("button", name="Reject ").click()
    expect(second.locator("#problem")).to_contain_text("ada has this.")

    first.keyboard.press("a")

    expect(second.locator("#standing")).to_contain_text("ada approved this")
    expect(second.locator("#problem")).to_be_empty()


def test_a_loop_is_stopped_explained_changed_and_resumed(
    door: Door, ada: Person, look: Open
) -> None:
    for n in range(6):
        result = {"text": "abcdef"[n]}  # else it goes in circles, which is noticed before
        told = door.done(f"loop-{n}", subject="mail:8841", cost_usd="0.01", result=result)
    hold = told["control"]["hold_id"]
    page = look(ada, f"/holds/{hold}/")
    expect(page.locator("main")).to_contain_text("worked on one item 6 times")
    expect(page.locator(".fold summary")).to_contain_text("5 ×")

    page.keyboard.press("e")
    page.get_by_label("Tell it what to do differently").fill("Skip mail:8841.")
    page.locator("#limit").fill("7")
    page.get_by_text("No, a false alarm").click()
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
    page.get_by_label("Why", exact=True).fill("It works on one mail only.")
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


# -- forms, several people, questions ----------------------------------------------------------------


@pytest.fixture
def desk(door: Door, scout: Agent) -> Door:
    """An agent that has said what its tool takes, and whose refunds over 50 need two people."""
    schema = {
        "type": "object",
        "required": ["order", "amount"],
        "properties": {
            "order": {"type": "string", "pattern": "^A-"},
            "amount": {"type": "number", "multipleOf": 0.5},
            "notify": {"type": "boolean"},
            "due": {"type": "string", "format": "date"},
        },
    }
    answer = door.http.post("/versions", json={"label": "2", "schemas": {"refund.issue": schema}})
    assert answer.status_code == 201, answer.text
    document = {"tools": ["*"], "rules": [over("refund.issue", "amount", 50)]}
    document["rules"][0]["approval"] = {"votes": 2}  # type: ignore[index]
    policies.write(policies.of_agent(scout), document, by="test", why="")
    return door


def wants(door: Door, call_id: str = "w-1", **more: Any) -> str:
    body = {"arguments": {"order": "A-17", "amount": 80, "notify": True}, "subject": "order:A-17"}
    told = door.propose(call_id, "refund.issue", **(body | more))
    assert told.status_code == 202, told.text
    return str(told.json()["action"]["id"])


def test_what_the_tool_would_refuse_is_said_beside_the_field(
    desk: Door, ada: Person, look: Open
) -> None:
    hold = wants(desk)
    page = look(ada, f"/holds/{hold}/")
    page.keyboard.press("e")
    order, amount = page.get_by_label("order"), page.get_by_label("amount")
    order.fill("B-1")
    amount.fill("60.3")
    page.get_by_role("button", name="Approve with these changes").click()

    expect(order).to_have_attribute("aria-invalid", "true")
    expect(order).to_have_accessible_description(re.compile("does not have the form"))
    expect(amount).to_have_accessible_description(re.compile("not a multiple of 0.5"))
    expect(order).to_be_focused()
    expect(amount).to_have_value("60.3")
    changes = page.locator("[data-changes-list]").first
    expect(changes.locator("del")).to_have_text(["A-17", "80"])

    order.fill("A-17")
    amount.fill("60.5")
    page.get_by_role("button", name="Approve with these changes").click()

    expect(page.locator("#standing")).to_contain_text("1 of 2 said yes")
    expect(page.locator("#yes")).to_contain_text("You said yes to version 2")
    expect(page.locator("#what")).to_contain_text("Changed since the agent asked")


def test_two_people_and_a_change_between_them(
    desk: Door, ada: Person, otto: Person, look: Open
) -> None:
    hold = wants(desk)
    first, second = look(ada, f"/holds/{hold}/"), look(otto, f"/holds/{hold}/")
    expect(first.locator("#yes button")).to_contain_text("Approve (1 of 2)")

    first.keyboard.press("a")

    expect(first.locator("#yes")).to_contain_text("You said yes")
    expect(second.locator("#standing")).to_contain_text("ada")
    expect(second.locator("#yes button")).to_contain_text("Approve (2 of 2)")
    assert desk.read(hold)["state"] == "held"

    second.keyboard.press("e")
    second.get_by_label("amount").fill("70")
    second.get_by_role("button", name="Approve with these changes").click()

    expect(first.locator("#standing")).to_contain_text("said yes to version 1, which was changed")
    expect(first.locator("#yes")).to_contain_text("this is version 2 now")
    first.keyboard.press("a")  # reads it; approves nothing
    expect(first.locator("#what")).to_contain_text("70")
    assert desk.read(hold)["state"] == "held"
    expect(first.locator("#yes button")).to_contain_text("Approve (2 of 2)")
    first.keyboard.press("a")

    expect(second.locator("#standing")).to_contain_text("ada approved this with changes")
    action = desk.read(hold)
    assert (action["decision"], action["arguments"]["amount"]) == ("edited", 70)
    assert desk.claim(hold, claim_id="c").status_code == 200
    assert desk.claim(hold, claim_id="another").status_code == 409
    desk.settle(hold, claim_id="c", result={"paid": 70})
    expect(second.locator("#standing")).to_contain_text("It succeeded")


def test_a_question_and_the_new_version(
    door: Door, held: str, ada: Person, otto: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{held}/")
    page.keyboard.press("q")
    note = page.locator("#ask-note")
    expect(note).to_be_focused()
    note.fill("Why eighty?")
    page.get_by_role("button", name="Ask, and wait for a new version").click()
    expect(page.locator("#standing")).to_contain_text("ada asked the agent first")
    assert door.read(held)["decision"] == "asked"

    new = wants(door, arguments={"order": "A-17", "amount": 75}, reason="It was 75, sorry.")

    page.reload()
    page.get_by_role("link", name="A new version is here").click()
    expect(page).to_have_url(re.compile(new))
    expect(page.locator("#what")).to_contain_text("Why eighty?")
    expect(page.locator("#what del").first).to_be_visible()
    expect(page.locator("#what")).to_contain_text("It was 75, sorry.")


def test_people_talk_and_take_more_time(held: str, ada: Person, otto: Person, look: Open) -> None:
    first, second = look(ada, f"/holds/{held}/"), look(otto, f"/holds/{held}/")
    first.keyboard.press("m")
    first.locator("#comment").fill("I know this customer.")
    first.get_by_role("button", name="Comment").click()

    expect(first.locator("#talk")).to_contain_text("I know this customer.")
    expect(first.locator("#comment")).to_have_value("")
    expect(second.locator("#talk")).to_contain_text("I know this customer.")

    before = Hold.objects.get(pk=held).expires_at
    first.keyboard.press("d")
    first.get_by_role("button", name="4 hours").click()

    expect(first.locator("details.answer[open]")).to_have_count(0)
    expect(first.locator("#standing")).to_contain_text("1 day")
    after = Hold.objects.get(pk=held).expires_at
    assert before
    assert after == before + timedelta(hours=4)


def test_a_yes_nobody_used_is_told_again(door: Door, held: str, ada: Person, look: Open) -> None:
    holds.approve(Hold.objects.get(pk=held), by=ada)
    door.read(held)
    page = look(ada, "/inbox/?tab=approved")
    expect(page.locator(".undone")).to_contain_text("Delivered")

    page.get_by_role("button", name="Tell the agent again").click()

    expect(page.locator(".toasts")).to_contain_text("scout is told again")
    expect(page.locator(".undone")).to_contain_text("Not delivered")
    assert door.claim(held, claim_id="c").status_code == 200
    expect(page.locator(".undone")).to_contain_text("Executing")


def test_an_edit_is_refused_beside_its_field_without_scripts_too(
    desk: Door, ada: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{wants(desk)}/", java_script_enabled=False)
    page.locator("summary", has_text="Edit and approve").click()
    page.get_by_label("amount").fill("60.3")
    page.get_by_role("button", name="Approve with these changes").click()

    expect(page.get_by_label("amount")).to_have_accessible_description(re.compile("multiple of"))
    expect(page.get_by_label("amount")).to_have_value("60.3")


def test_everything_works_without_scripts(door: Door, held: str, ada: Person, look: Open) -> None:
    page = look(ada, f"/holds/{held}/", java_script_enabled=False)

    page.locator("summary", has_text="Reject").click()
    page.locator("#reject-note").fill("Too much.")
    page.get_by_role("button", name="Reject refund.issue").click()

    expect(page.locator("#standing")).to_contain_text("ada rejected this")
    assert door.read(held)["message"] == "Too much."


# -- what was typed is not lost ------------------------------------------------------------------------


@pytest.fixture
def work(door: Door) -> str:
    """The id of some work that was handed over to a person."""
    handed = door.http.post(
        f"/runs/{door.run.pk}/reviews",
        json={"key": "mail:1", "title": "Fits nowhere", "payload": {"text": "where is my"}},
    )
    return str(handed.json()["id"])


def signed_out_at(page: Page, work: str) -> None:
    """Their session is over while they write, and they press the button."""
    page.locator("#resolve-note").fill("I called them.")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.get_by_role("button", name="Resolve: the work is done").click()
    expect(page.locator("#problem")).to_have_text(
        "You were signed out; nothing was decided. Sign in"
    )


def sign_in(page: Page, name: str) -> None:
    page.locator("#problem").get_by_role("link", name="Sign in").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("a long password")
    page.keyboard.press("Enter")


def test_an_answer_of_somebody_signed_out_is_one_line_and_what_was_typed_stays(
    work: str, ada: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{work}/")

    signed_out_at(page, work)

    expect(page.locator("input[type=password]")).to_have_count(0)
    expect(page.locator("#resolve-note")).to_have_value("I called them.")
    assert Hold.objects.get(pk=work).is_open

    sign_in(page, "ada")

    expect(page).to_have_url(re.compile(f"/holds/{work}/$"))
    expect(page.locator("#resolve-note")).to_have_value("I called them.")
    page.get_by_role("button", name="Resolve: the work is done").click()
    expect(page.locator("#standing")).to_contain_text("ada resolved this")


def test_what_was_typed_outlives_a_page_that_leaves_by_itself(
    work: str, ada: Person, otto: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{work}/")
    page.locator("#resolve-note").fill("I called them.")

    ada.sessions.all().delete()
    holds.claim(UUID(work), by=otto)  # the page hears of it, and reads again

    expect(page).to_have_url(re.compile("/sign-in/"))
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("a long password")
    page.keyboard.press("Enter")
    expect(page.locator("#resolve-note")).to_have_value("I called them.")


def test_what_was_typed_and_decided_meanwhile_is_shown_at_the_return(
    work: str, ada: Person, otto: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{work}/", quiet=True)
    signed_out_at(page, work)
    holds.resolve(UUID(work), by=otto)

    sign_in(page, "ada")

    unsent = page.get_by_role("status").filter(has_text="while you were writing")
    expect(unsent).to_contain_text("otto resolved this while you were writing.")
    expect(unsent).to_contain_text("I called them.")


def test_what_one_typed_is_not_shown_to_the_next(
    work: str, ada: Person, otto: Person, look: Open
) -> None:
    page = look(ada, f"/holds/{work}/")
    signed_out_at(page, work)

    sign_in(page, "otto")

    expect(page.get_by_label("You: otto")).to_be_visible()
    expect(page.locator("#resolve-note")).to_have_value("")
    assert page.evaluate("sessionStorage.length") == 0


def test_a_comment_of_somebody_signed_out_says_so_too(held: str, ada: Person, look: Open) -> None:
    page = look(ada, f"/holds/{held}/")
    page.locator("#comment").fill("I know this customer.")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)

    page.get_by_role("button", name="Comment").click()

    expect(page.locator("#toasts")).to_have_text(
        "You were signed out; nothing was changed. Sign in"
    )
    expect(page.locator("#comment")).to_have_value("I know this customer.")


def test_a_page_older_than_the_sign_in_says_so_and_what_was_typed_outlives_it(
    held: str, ada: Person, look: Open, live: str
) -> None:
    page = look(ada, f"/holds/{held}/")
    page.keyboard.press("r")
    page.locator("#reject-note").fill("Too much.")
    page.context.add_cookies(
        [{"name": "csrftoken", "value": "n" * 32, "url": live}]  # another tab signed in
    )

    page.get_by_role("button", name="Reject refund.issue").click()

    problem = page.locator("#problem")
    expect(problem).to_have_text(
        "This page is older than your sign-in; nothing was decided. Reload it"
    )
    expect(page.locator("#reject-note")).to_have_value("Too much.")

    problem.get_by_role("link", name="Reload it").click()

    expect(problem).to_be_empty()
    expect(page.locator("#reject-note")).to_be_visible()
    expect(page.locator("#reject-note")).to_have_value("Too much.")
    page.get_by_role("button", name="Reject refund.issue").click()
    expect(page.locator("#standing")).to_contain_text("ada rejected this")


def test_what_was_typed_about_one_version_is_not_put_into_the_next(
    desk: Door, ada: Person, otto: Person, look: Open
) -> None:
    hold = wants(desk)
    page = look(ada, f"/holds/{hold}/", quiet=True)
    page.keyboard.press("e")
    page.get_by_label("amount").fill("70")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.get_by_role("button", name="Approve with these changes").click()
    expect(page.locator("#problem")).to_contain_text("You were signed out")
    holds.edit(UUID(hold), by=otto, arguments={"order": "A-17", "amount": 60, "notify": True})

    sign_in(page, "ada")

    expect(page.get_by_label("amount")).to_have_value("60")


def test_a_double_click_is_one_answer(held: str, ada: Person, look: Open) -> None:
    page = look(ada, f"/holds/{held}/")
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)

    def slowly(route: Route) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.route("**/approve/", slowly)

    page.locator("#yes button").dblclick()

    expect(page.locator("#standing")).to_contain_text("ada approved this")
    expect(page.locator("#answers")).to_be_hidden()
    expect(page.locator("#problem .notice")).to_have_count(0)
    assert len(sent) == 1


def test_whoever_was_still_writing_is_told_and_gets_the_text(
    held: str, ada: Person, otto: Person, look: Open
) -> None:
    first, second = look(ada, f"/holds/{held}/"), look(otto, f"/holds/{held}/")
    second.keyboard.press("r")
    second.locator("#reject-note").fill("Not <b>this</b> one,\nbecause")

    first.keyboard.press("a")

    unsent = second.get_by_role("status").filter(has_text="while you were writing")
    expect(unsent).to_contain_text("ada approved this while you were writing.")
    expect(unsent).to_contain_text("Your text was not sent:")
    expect(unsent).to_contain_text("Why not?")
    expect(unsent).to_contain_text("Not <b>this</b> one,\nbecause", use_inner_text=True)
    expect(first.locator("#standing")).to_contain_text("ada approved this")
    expect(first.get_by_text("while you were writing")).to_have_count(0)

    holds.comment(Hold.objects.get(pk=held), by=ada, text="Done.")

    expect(second.locator("#talk")).to_contain_text("Done.")
    expect(unsent).to_be_visible()


def test_whoever_loses_the_race_keeps_what_was_sent(
    held: str, ada: Person, otto: Person, look: Open
) -> None:
    page = look(otto, f"/holds/{held}/", quiet=True)
    page.keyboard.press("r")
    page.locator("#reject-note").fill("I would rather not.")
    holds.approve(Hold.objects.get(pk=held), by=ada)

    page.get_by_role("button", name="Reject refund.issue").click()

    expect(page.locator("#problem")).to_contain_text("ada already approved this.")
    unsent = page.get_by_role("status").filter(has_text="while you were writing")
    expect(unsent).to_contain_text("I would rather not.")


def test_nobody_is_told_of_their_own_answer(held: str, ada: Person, look: Open) -> None:
    page = look(ada, f"/holds/{held}/")
    page.keyboard.press("r")
    page.locator("#reject-note").fill("Or rather yes.")

    page.locator("#yes button").click()

    expect(page.locator("#standing")).to_contain_text("ada approved this")
    page.wait_for_timeout(500)
    expect(page.get_by_text("while you were writing")).to_have_count(0)
