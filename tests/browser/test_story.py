"""The whole floor as `bin/dev` opens it, agents at work, and one person with a browser."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.embedded.runtime import PROJECT
from tests.plugin import trusting
from tests.resilience.house import wait_for

SOON = 30_000
"""Milliseconds that an agent at its demonstration pace may take to come round."""


class Floor:
    """A floor opened by the README's first command, with an empty home and a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "dev.log"
        (folder / "home").mkdir()
        ours = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "WATCHFLOOR_", "DJANGO_")
        environment = {k: v for k, v in trusting().items() if not k.startswith(ours)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PROJECT / "bin" / "dev", "--port", str(port)],
                env={
                    **environment,
                    "HOME": str(folder / "home"),
                    "WATCHFLOOR_DATA": str(self.data),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._is_open, "bin/dev to say that it is open", within=120)

    def _is_open(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "Watchfloor is open" in self.log.read_text()

    def password(self, name: str) -> str:
        people = json.loads((self.data / "demo.json").read_text())["people"]
        return next(str(p["password"]) for p in people if p["name"] == name)

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the floor's own database."""
        address = json.loads((self.data / "addresses.json").read_text())["DATABASE_URL"]
        with psycopg.connect(address) as connection:
            return connection.execute(question.encode(), values).fetchall()

    def has_acted_since(self, count: int) -> bool:
        """Whether there are more actions by now."""
        return bool(self.ask("select count(*) from agents_action")[0][0] > count)

    def close(self) -> str:
        """Ctrl-C; returns what it said."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(40) == 0, self.log.read_text()
        return self.log.read_text()


@pytest.fixture
def floor() -> Iterator[Floor]:
    folder = Path(tempfile.mkdtemp(prefix="watchfloor-story-"))
    folder.chmod(0o711)  # root's PostgreSQL account walks through it
    opened = None
    try:
        opened = Floor(folder)
        yield opened
    finally:
        if opened is not None and opened.process.poll() is None:
            opened.process.terminate()
            opened.process.wait(40)
        shutil.rmtree(folder, ignore_errors=True)


def sign_in(page: Page, floor: Floor, name: str) -> None:
    page.goto(floor.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(floor.password(name))
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_have_text("Live")


def open_hold(page: Page, floor: Floor, kind: str, agent: str) -> Locator:
    """Open the newest waiting hold of a kind, waiting for one; returns the live part of its page."""
    found: list[str] = []

    def one_waits() -> bool:
        rows = floor.ask(
            """select h.id from reviews_hold h join agents_agent a on a.id = h.agent_id
                where h.state = 'open' and h.kind = %s and a.name = %s order by h.id desc limit 1""",
            kind,
            agent,
        )
        found[:] = [str(row[0]) for row in rows]
        return bool(found)

    wait_for(one_waits, f"a {kind} of {agent}", within=90)
    page.goto(f"{floor.url}/holds/{found[0]}/")
    expect(page.locator("#connection")).to_have_text("Live")
    return page.locator("#standing")


def test_a_person_keeps_watch_and_the_agents_follow(floor: Floor, page: Page) -> None:
    sign_in(page, floor, "admin")

    # Held work of the triage agent comes to stand on the open page by itself.
    expect(page.locator("main")).to_contain_text("refund.issue", timeout=SOON)
    expect(page).to_have_title(re.compile(r"^\(\d+\) "))

    # A loop has tripped, or soon will: the person says what to do differently, and it goes on.
    standing = open_hold(page, floor, "trip", "support-triage")
    expect(page.locator("main")).to_contain_text("worked on one item 6 times")
    page.keyboard.press("e")
    page.get_by_label("Tell it what to do differently").fill("Do not read a message again.")
    page.get_by_role("button", name="Change this, then resume").click()
    expect(standing).to_contain_text("admin modified and resumed it")
    expect(standing).to_contain_text(re.compile("[1-5] of 5 probes succeeded|Passed"), timeout=SOON)
    wait_for(
        lambda: bool(
            floor.ask(
                """select 1 from agents_directive where kind = 'instruction'
                    and acknowledged_at is not null"""
            )
        ),
        "the agent to take up the instruction",
    )

    # Approved once, with one key; the agent does it.
    standing = open_hold(page, floor, "approval", "support-triage")
    page.keyboard.press("a")
    expect(standing).to_contain_text("admin approved this")
    expect(standing).to_contain_text("It succeeded", timeout=SOON)

    # Approved with another amount; the agent does that instead.
    standing = open_hold(page, floor, "approval", "support-triage")
    page.keyboard.press("e")
    page.locator("[data-field=amount] input").fill("51.00")
    page.get_by_role("button", name="Approve with these changes").click()
    expect(standing).to_contain_text("approved this with changes")
    expect(standing).to_contain_text("It succeeded", timeout=SOON)
    ((arguments,),) = floor.ask(
        """select approved_arguments from agents_action
            where decision = 'edited' and state = 'succeeded'"""
    )
    assert arguments["amount"] == "51.00"

    # Rejected with words the agent reads.
    standing = open_hold(page, floor, "approval", "support-triage")
    page.keyboard.press("r")
    page.locator("#reject-note").fill("The hotel has paid it back already.")
    page.get_by_role("button", name="Reject refund.issue").click()
    expect(standing).to_contain_text("admin rejected this")
    expect(standing).to_contain_text("support-triage has the answer", timeout=SOON)

    # Work it gave up on, done by the person.
    standing = open_hold(page, floor, "review", "support-triage")
    page.get_by_role("button", name="Resolve: the work is done").click()
    expect(standing).to_contain_text("admin resolved this")
    expect(standing).to_contain_text("support-triage has taken it up", timeout=SOON)

    # Stopped by hand, resumed, stopped again and terminated.
    for ending in ("resume", "terminate"):
        ((agent, before),) = floor.ask(
            "select id, (select count(*) from agents_action) from agents_agent where name = %s",
            "support-triage",
        )
        page.goto(f"{floor.url}/agents/{agent}/")
        page.locator("summary", has_text="Stop support-triage").click()
        page.get_by_label("Why", exact=True).first.fill("It answers oddly.")
        page.get_by_role("button", name="Stop it now").click()
        wait_for(
            lambda: (
                floor.ask("select state from agents_agent where name = 'support-triage'")
                == [("paused",)]
            ),
            "the agent to be paused",
        )
        standing = open_hold(page, floor, "trip", "support-triage")
        if ending == "resume":
            page.keyboard.press("a")
            expect(standing).to_contain_text("admin resumed it")
            wait_for(partial(floor.has_acted_since, before + 1), "the agent to go on")
        else:
            ((run,),) = floor.ask(
                """select r.id from agents_run r join agents_agent a on a.id = r.agent_id
                    where a.name = 'support-triage' and r.state in ('running', 'paused')"""
            )
            page.keyboard.press("r")
            page.get_by_label("Why", exact=True).fill("It still answers oddly.")
            page.get_by_role("button", name=re.compile("^Terminate 1 run")).click()
            expect(standing).to_contain_text("No run of it is left", timeout=SOON)
            assert floor.ask("select state from agents_run where id = %s", run) == [("terminated",)]

    # Everything of it stands in the record, and Ctrl-C closes the house.
    page.goto(f"{floor.url}/record/?actor=admin")
    for kind in ("hold.terminated", "hold.resumed", "hold.resolved", "hold.rejected"):
        expect(page.locator("main")).to_contain_text(kind)
    page.goto("about:blank")
    assert "Traceback" not in floor.close()
