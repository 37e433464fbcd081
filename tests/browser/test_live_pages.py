"""Pages stay true by themselves: what comes in appears, what is decided changes, a lost socket heals."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from agents.models import Run
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as transitions
from reviews.transitions.opening import hand_over
from tests.cast import Door

from .entering import enter


def hand(run: Run, title: str) -> Hold:
    return hand_over(run, key=uuid4().hex, title=title, queue="unclassified")[0]


def test_signing_in_and_out_with_the_keyboard(page: Page, live: str, ada: Person) -> None:
    page.goto(live)
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("a long password")
    page.keyboard.press("Enter")

    expect(page).to_have_title("Floor · Watchfloor")
    page.get_by_label("You: ada").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in/"))


def test_an_agents_request_stands_on_an_open_floor(
    page: Page, live: str, ada: Person, door: Door
) -> None:
    enter(page, live, ada)
    expect(page.locator("#needs")).to_contain_text("Nothing needs you")

    asked_at = time.monotonic()
    door.propose(tool="refund.issue", subject="order:7", arguments={"amount": 82}, amount="82")

    expect(page.locator("#needs")).to_contain_text("Wants to use refund.issue: order:7")
    assert time.monotonic() - asked_at < 2, "one machine does all of this at once in a test run"
    expect(page).to_have_title("(1) Floor · Watchfloor")
    expect(page.locator("#inbox-count")).to_have_text("1 waiting")
    expect(page.locator("#ticker")).to_contain_text("refund.issue")


def test_new_rows_are_announced_and_move_nothing(
    page: Page, live: str, ada: Person, run: Run
) -> None:
    hand(run, "the first one")
    enter(page, live, ada, "/inbox/")

    hand(run, "the second one")
    hand(run, "the third one")

    expect(page.locator("#news")).to_contain_text("2 new")
    expect(page.locator("#rows li")).to_have_count(1)
    expect(page.locator("#tabs")).to_contain_text("All 3")
    page.keyboard.press("n")
    expect(page.locator("#rows li")).to_have_count(3)
    expect(page.locator("#news")).to_be_empty()


def test_an_empty_inbox_fills_itself(page: Page, live: str, ada: Person, run: Run) -> None:
    enter(page, live, ada, "/inbox/")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()

    hand(run, "the first one")

    expect(page.locator("#rows")).to_contain_text("the first one")


def test_what_another_decides_is_shown_in_place(
    page: Page, live: str, ada: Person, otto: Person, run: Run
) -> None:
    first, second = hand(run, "the first one"), hand(run, "the second one")
    enter(page, live, ada, "/inbox/")

    transitions.resolve(second, by=otto)

    row = page.locator(f"#row-{second.pk}")
    expect(row).to_contain_text("Resolved")
    expect(row).to_contain_text("by otto")
    expect(page.locator("#rows li").first).to_have_id(f"row-{second.pk}")
    expect(page.locator(f"#row-{first.pk}")).to_contain_text("Review")


def test_a_selection_survives_what_happens_meanwhile(
    page: Page, live: str, ada: Person, otto: Person, run: Run
) -> None:
    first, second = hand(run, "the first one"), hand(run, "the second one")
    enter(page, live, ada, "/inbox/")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()

    transitions.claim(first, by=otto)

    expect(page.locator(f"#row-{first.pk}")).to_contain_text("otto")
    expect(page.locator(f"#row-{second.pk} input")).to_be_checked()
    expect(page.locator(f"#row-{second.pk}")).to_have_attribute("data-selected", "")


def test_several_are_resolved_with_a_note(page: Page, live: str, ada: Person, run: Run) -> None:
    for n in range(3):
        hand(run, f"nr {n}")
    enter(page, live, ada, "/inbox/")

    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.get_by_role("button", name="Resolve…").click()
    page.get_by_label("Note for the agents and the record").fill("done by hand")
    page.get_by_role("button", name="Resolve them").click()

    expect(page.get_by_text("2 resolved.")).to_be_visible()
    assert set(Hold.objects.exclude(state="open").values_list("note", flat=True)) == {
        "done by hand"
    }
    assert Hold.objects.waiting().count() == 1


def test_keys_go_places_and_claim(page: Page, live: str, ada: Person, run: Run) -> None:
    hold = hand(run, "the first one")
    enter(page, live, ada)

    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page).to_have_title("(1) Inbox · Watchfloor")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("c")

    expect(page.locator(f"#row-{hold.pk}")).to_contain_text("ada")
    hold.refresh_from_db()
    assert hold.claimed_by == ada


def test_keys_are_letters_while_one_types(page: Page, live: str, ada: Person) -> None:
    enter(page, live, ada)

    page.keyboard.press("/")
    page.keyboard.type("gi?jx")

    expect(page.get_by_label("Search")).to_have_value("gi?jx")
    expect(page).to_have_title("Floor · Watchfloor")


def test_the_ticker_can_be_paused(page: Page, live: str, ada: Person, door: Door) -> None:
    door.done("1", subject="mail:1")
    enter(page, live, ada)
    ticker = page.locator("#ticker")
    expect(ticker).to_contain_text("mail:1")

    page.get_by_role("button", name="Pause").click()
    door.done("2", subject="mail:2")
    page.wait_for_timeout(1500)
    expect(ticker).not_to_contain_text("mail:2")

    page.get_by_role("button", name="Go on").click()
    expect(ticker).to_contain_text("mail:2")


@pytest.mark.allow_console("WebSocket")
def test_a_lost_socket_says_so_and_heals(page: Page, live: str, ada: Person, run: Run) -> None:
    sockets: list[WebSocketRoute] = []
    is_cut = False

    def between(socket: WebSocketRoute) -> None:
        if is_cut:
            socket.close(code=1012)
            return
        sockets.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile("/live$"), between)
    enter(page, live, ada)

    is_cut = True
    sockets[-1].close(code=1012)
    expect(page.locator("#connection")).to_contain_text(re.compile(r"stale since \d\d:\d\d"))
    hand(run, "came while nobody listened")
    is_cut = False

    expect(page.locator("#connection")).to_have_text("Live", timeout=15_000)
    expect(page.locator("#needs")).to_contain_text("came while nobody listened")
    expect(page).to_have_title("(1) Floor · Watchfloor")


def test_a_session_that_ended_leads_to_sign_in(
    page: Page, live: str, ada: Person, run: Run
) -> None:
    enter(page, live, ada)

    ada.sessions.all().delete()
    hand(run, "secret")

    expect(page).to_have_url(re.compile("/sign-in/"))


def test_hostile_titles_are_text(page: Page, live: str, ada: Person, run: Run) -> None:
    hand(run, "<img src=x onerror=alert(1)>\u202eevil</a><script>document.title='owned'</script>")

    enter(page, live, ada, "/inbox/")

    expect(page.locator("#rows")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#rows .ghost")).to_have_text("RLO")
    expect(page).to_have_title("(1) Inbox · Watchfloor")


def test_the_theme_is_chosen_from_the_menu(page: Page, live: str, ada: Person) -> None:
    enter(page, live, ada)

    page.get_by_label("You: ada").click()
    page.get_by_text("Dark", exact=True).click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
