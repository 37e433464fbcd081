"""The record in a browser: it grows while one watches and not while one reads; a case is told, and printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, WebSocketRoute, expect

from agents.models import Agent
from audit import checking, keys, log, sequencing, text
from audit.models import Entry
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.browser.entering import enter
from tests.cast import Door

HOSTILE = "\u202egnp.exe\u200b <script>alert(1)</script> " + "W" * 180


def settled() -> None:
    """As the worker does every second."""
    sequencing.sequence_all()
    text.index_all()


@pytest.fixture
def act(scout: Agent) -> Callable[[str], Entry]:
    """Something happens, and has its place."""

    def acting(what: str) -> Entry:
        entry = Entry.objects.create(
            kind="budget.set", actor="clock", about=scout.record_name, summary=what,
            team=str(scout.team_id), agent=str(scout.pk),
        )  # fmt: skip
        settled()
        return entry

    return acting


def test_entries_appear_by_themselves_and_not_while_one_reads(
    page: Page, live: str, act: Callable[[str], Entry], iris: Person
) -> None:
    act("before anybody looked")
    enter(page, live, iris, "/record/")
    rows = page.locator("#entries .entry")
    expect(rows.filter(has_text="before anybody looked")).to_have_count(1)
    expect(page.locator(".tail-live")).to_be_visible()

    act("while she watches")
    expect(rows.first).to_contain_text("while she watches")
    expect(rows.first.locator(".proved")).to_have_attribute("data-proved", "yes")

    rows.first.get_by_text("Details").click()
    expect(page.locator(".tail-reading")).to_be_visible()
    act("while she reads")
    expect(page.get_by_role("link", name="new entries wait")).to_be_visible()
    expect(page.get_by_text("while she reads")).to_have_count(0)

    rows.first.get_by_text("Details").click()
    page.mouse.move(5, 5)
    page.locator("h1").click()
    expect(rows.first).to_contain_text("while she reads")


def test_the_tail_can_be_paused_and_goes_on(
    page: Page, live: str, act: Callable[[str], Entry], iris: Person
) -> None:
    act("before")
    enter(page, live, iris, "/record/")
    pause = page.get_by_role("button", name="Pause")

    pause.click()
    page.mouse.move(5, 5)
    expect(page.locator(".tail-paused")).to_be_visible()
    act("meanwhile")
    expect(page.get_by_role("link", name="new entries wait")).to_be_visible()
    expect(page.get_by_text("meanwhile")).to_have_count(0)

    page.get_by_role("button", name="Go on").click()
    page.mouse.move(5, 5)
    page.locator("h1").click()
    expect(page.locator("#entries .entry").first).to_contain_text("meanwhile")


@pytest.mark.allow_console("WebSocket")
@pytest.mark.allow_console("ERR_INTERNET_DISCONNECTED")
def test_a_lost_connection_is_said(
    page: Page, live: str, act: Callable[[str], Entry], iris: Person
) -> None:
    act("before")
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page.route_web_socket("**/live", through)
    enter(page, live, iris, "/record/")

    page.context.set_offline(True)
    sockets[0].close()

    expect(page.locator(".tail-lost")).to_be_visible()


def test_a_bar_narrows_to_its_time(
    page: Page, live: str, act: Callable[[str], Entry], iris: Person
) -> None:
    act("before")
    enter(page, live, iris, "/record/")

    page.locator(".histogram a").first.focus()
    page.keyboard.press("Enter")

    expect(page.locator(".filter")).to_have_count(2)
    expect(page.locator("#entries .entry").first).to_be_visible()


@pytest.fixture
def case(door: Door, ada: Person) -> str:
    """A request that was changed, approved and done, with text that breaks pages."""
    asked = door.propose(
        "a", "refund.issue", arguments={"amount": 80, "to": HOSTILE}, subject=HOSTILE,
        reason=HOSTILE,
    )  # fmt: skip
    pk = asked.json()["action"]["id"]
    holds.comment(Hold.objects.get(pk=pk), by=ada, text=HOSTILE)
    holds.edit(pk, by=ada, arguments={"amount": 70, "to": HOSTILE}, note="Seventy is enough")
    door.claim(pk, claim_id="c")
    door.settle(pk, claim_id="c", result={"receipt": HOSTILE})
    settled()
    return str(pk)


def test_a_case_is_found_from_its_hold_told_whole_and_printed(
    page: Page, live: str, case: str, ada: Person
) -> None:
    enter(page, live, ada, f"/holds/{case}/")
    page.get_by_role("link", name="Its record").click()
    main = page.locator("main")
    expect(main).to_contain_text("What ran is what was approved")
    expect(main.locator(".case-steps .entry").first).to_contain_text("asked to use refund.issue")
    expect(main.locator(".case-steps .entry").last).to_contain_text("succeeded")
    expect(main.locator('.proved:not([data-proved="yes"])')).to_have_count(0)

    page.emulate_media(media="print")
    for hidden in (".rail", ".top", ".actions", ".copy"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.locator(".case-printed")).to_be_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_an_entry_leads_to_its_proof_and_the_log(
    page: Page, live: str, case: str, iris: Person
) -> None:
    enter(page, live, iris, "/record/")
    page.locator('.proved[data-proved="yes"]').first.click()
    expect(page.get_by_role("heading", name="Proof")).to_be_visible()
    with page.expect_download() as taken:
        page.locator("a", has_text=".tlog-proof").click()
    assert taken.value.suggested_filename.endswith(".tlog-proof")

    page.goto(f"{live}/record/proof/")
    expect(page.locator("#checkpoint")).to_contain_text(str(log.size()))


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", (1280, 900)), ("dark", (390, 844))], ids=["wide", "phone"]
)
def test_axe_finds_nothing_and_nothing_overflows(
    page: Page,
    live: str,
    case: str,
    act: Callable[[str], Entry],
    iris: Person,
    scheme: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)
    entry = act(HOSTILE)
    keys.rotate(by="test")
    settled()
    checking.write_down(log.size(), [HOSTILE])
    sequencing.halt(HOSTILE)

    wrong = []
    for path in (
        "/record/", "/record/?text=zzz", f"/record/{entry.pk}/", f"/record/case/{case}/",
        "/record/proof/",
    ):  # fmt: skip
        enter(page, live, iris, path)
        for fold in page.locator(".entry-more > summary").all()[:5]:
            fold.click()
        found = Axe().run(page)
        if found.violations_count:
            wrong.append(f"{path}: {found.generate_report()}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{path}: scrolls sideways")
    assert not wrong, "\n".join(wrong)
