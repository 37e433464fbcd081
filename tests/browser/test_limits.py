"""A hundred workers hitting one rate-limited API: they stay within its rate, and a person gives them more."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import connection
from playwright.sync_api import Page, expect

from agents.models import Agent, Limit, LimitUse
from agents.rules.limits import parse_limit
from agents.transitions import limit as limits
from audit.models import Entry
from people.models import Person, Team
from watchfloor import Client, NoPermit

from .entering import enter

WORKERS = 100
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


class Api:
    """Somebody else's API: it knows its rate, and counts who comes too early."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.called: list[float] = []

    def call(self) -> None:
        with self.lock:
            self.called.append(time.monotonic())

    def most_over(self, rate: float, since: int = 0, until: int | None = None) -> float:
        """How many more came than `rate` a second allows, in the worst span of time."""
        called = self.called[since:until]
        return max(
            count - rate * (last - first)
            for n, first in enumerate(called)
            for count, last in enumerate(called[n:], 1)
        )


class Workers:
    """Many threads with one client: each wants the API once, and asks until it had it."""

    def __init__(self, client: Client, api: Api) -> None:
        self.client, self.api = client, api
        self.refused = 0
        self.goes_on = threading.Event()
        self.goes_on.set()

    def work(self, _: int) -> None:
        while self.goes_on.is_set():
            try:
                with self.client.permit("openai", max_wait=2):
                    self.api.call()
                return
            except NoPermit as refusal:
                self.refused += 1
                time.sleep(min(refusal.retry_after, 0.5))


@pytest.fixture
def workers(live: str, scout_with_key: tuple[Agent, str]) -> Iterator[Workers]:
    with Client(live, scout_with_key[1], patience=60, timeout=60) as client:
        workers = Workers(client, Api())
        yield workers
        workers.goes_on.clear()


def test_a_hundred_workers_stay_within_the_rate_and_a_person_raises_it(
    page: Page, live: str, workers: Workers, support: Team, ada: Person
) -> None:
    api, slow, fast = workers.api, 4, 40
    made = limits.set(
        support, parse_limit({"resource": "openai", "rate": f"{slow}/1s", "burst": 2}), by="test"
    )
    enter(page, live, ada, f"/settings/limits/{made.pk}/")
    with ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(workers.work, n) for n in range(WORKERS)]

        # She sees that it is booked as far as anybody has patience for, by whom, and that the rest is refused.
        standing, people = page.locator("#standing"), page.locator("#people")
        expect(standing).to_contain_text(re.compile(r"Booked for \d\.\d s"), timeout=30_000)
        expect(standing).to_contain_text(re.compile(r"[1-9][\d,]* refused"), timeout=30_000)
        expect(people).to_contain_text("scout")
        expect(people).to_contain_text(re.compile(r"begins \d\d:\d\d:\d\d"))
        assert len(api.called) < WORKERS
        before = len(api.called)
        assert api.most_over(slow, until=before) <= slow + 2

        # The API's owner has given her more; so does she.
        page.get_by_label("How often").fill(f"{fast}/1s")
        page.get_by_role("button", name="Change the limit").click()
        expect(page.locator("#toasts")).to_contain_text("40 in 1 second")

        for each in done:
            each.result(60)

    assert len(api.called) == WORKERS
    assert workers.refused > 0
    row = Limit.objects.get()
    assert (row.count, row.changed_by) == (fast, "person:ada")
    entry = Entry.objects.filter(kind="limit.set").order_by("id").last()
    assert entry is not None
    assert entry.data["before"]["rate"] == "4/1s"
    expect(standing).to_contain_text("100 permits")
    assert sum(LimitUse.objects.values_list("granted", flat=True)) == WORKERS


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
    scout: Agent,
    support: Team,
    size: Any,
    scheme: Any,
) -> None:
    made = in_use(support, scout)
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)

    for path in ("", f"{made.pk}/"):
        enter(page, live, otto, f"/settings/limits/{path}")
        is_well(page)
        for menu in page.locator("details.menu > summary:visible").all()[:3]:
            menu.click()
            is_well(page)
            page.keyboard.press("Escape")


def in_use(team: Team, scout: Agent) -> Limit:
    """A limit with everything that can be shown, and names as long as they come."""
    written = {"resource": "x" * 80, "rate": "60/1m", "burst": 10, "concurrency": 4}
    made = limits.set(team, parse_limit(written), by="test")
    limits.set(None, parse_limit({"resource": "crm", "concurrency": 1}), by="test")
    Agent.objects.filter(pk=scout.pk).update(name="s\u202e" + "y" * 70)
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into agents_permit (id, limit_id, agent_id, units, is_lease, asked_at, starts_at, until)
               select gen_random_uuid(), %s, %s, n, true, now(),
                      case when n < 8 then now() + make_interval(secs => 20 * (n - 4)) end,
                      now() + interval '200 s'
                 from generate_series(1, 12) n""",
            [made.pk, scout.pk],
        )
        cursor.execute(
            """insert into agents_limituse (limit_id, agent_id, minute, granted, units, delayed, refused)
               select %s, %s, extract(epoch from now())::int / 60 - n, n %% 17, n, n / 2, n / 3
                 from generate_series(0, 70) n""",
            [made.pk, scout.pk],
        )
        cursor.execute(
            "update agents_limit set tat = now() + interval '90 s' where id = %s", [made.pk]
        )
    return made


@pytest.mark.allow_console("422 (Unprocessable Content)")
@pytest.mark.allow_console("404")  # its open page may hear that it is removed before it is left
def test_a_limit_is_added_and_removed_by_hand(page: Page, live: str, ada: Person) -> None:
    enter(page, live, ada, "/settings/limits/")
    expect(page.get_by_role("heading", name="Nothing is limited yet")).to_be_visible()
    is_well(page)

    page.get_by_label("Resource").fill("openai")
    page.get_by_label("How often").fill("60/1w")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("alert")).to_contain_text("Write how many in how long")
    page.get_by_label("How often").fill("60/1m")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="openai")).to_be_visible()

    page.locator("summary", has_text="Remove…").click()
    page.get_by_role("button", name="Remove this limit").click()

    expect(page.get_by_role("heading", name="Nothing is limited yet")).to_be_visible()
    assert not Limit.objects.exists()
