"""The inbox's first page with many open holds, and how soon a new one stands in an open page."""

from __future__ import annotations

import time
from typing import Any

import httpx
from django.db import connection

from .decide import held
from .figures import percentile
from .floor import Floor
from .people import agent, lead, signed_in, team

READS, TRIALS = 150, 40

FILL = """
insert into reviews_hold (id, kind, team_id, queue_id, agent_id, run_id, key, title, reason, subject,
    payload, currency, state, decision, decided_by, note, revision, votes_needed, reminders, opened_at)
select (lpad(to_hex(%(start)s::bigint + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
       'review', %(team)s, %(queue)s, %(agent)s, %(run)s, 'mail:' || n, 'Message ' || n || ' fits no category',
       'Two categories are equally likely.', 'mail:' || n, '{}', '', 'open', '', '', '', 1, 1, 0,
       now() - make_interval(secs => (%(count)s::int - n) * 0.5)
  from generate_series(%(first)s::int, %(count)s::int) n
"""


def measure(floor: Floor) -> dict[str, Any]:
    lead()
    figures: dict[str, Any] = {}
    first = 1
    for count, name in ((10_000, "10k"), (100_000, "100k")):
        fill(first, count)
        first = count + 1
        times = read_inbox(floor)
        figures[f"p50_ms_{name}"] = percentile(times, 0.5)
        figures[f"p95_ms_{name}"] = percentile(times, 0.95)
    figures["ratio"] = round(figures["p95_ms_100k"] / figures["p95_ms_10k"], 2)
    figures |= visible(floor)
    return figures


def fill(first: int, count: int) -> None:
    """Open holds of several agents and queues, spread over kinds that need no action."""
    from agents.models import Agent
    from reviews.transitions.opening import queue_of

    found = Agent.objects.filter(name="filler").first()
    made = found or agent("filler")[0]
    run = made.runs.get()
    queue = queue_of(team(), "unclassified")
    with connection.cursor() as cursor:
        cursor.execute(
            FILL,
            {
                "start": int(time.time() * 1000) - 1_000_000_000,
                "team": team().pk,
                "queue": queue.pk,
                "agent": made.pk,
                "run": run.pk,
                "first": first,
                "count": count,
            },
        )
        cursor.execute("vacuum analyze reviews_hold")


def read_inbox(floor: Floor) -> list[float]:
    """Milliseconds of the first page for a signed-in lead."""
    person = signed_in(floor.url)
    times = []
    for n in range(READS + 20):
        started = time.perf_counter()
        page = person.get("/inbox/")
        took = (time.perf_counter() - started) * 1000
        assert page.status_code == 200
        assert "Message" in page.text
        if n >= 20:
            times.append(took)
    return times


def visible(floor: Floor) -> dict[str, Any]:
    """Milliseconds from an agent's request until the hold stands in an open page, both by one clock."""
    import os

    from playwright.sync_api import sync_playwright

    from .browser import chromium

    _, run, key = agent("asker", gated=True)
    person = signed_in(floor.url)
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    times: list[float] = []
    with sync_playwright() as playwright, httpx.Client(base_url=f"{floor.url}/api/v1") as http:
        browser = playwright.chromium.launch(**chromium())
        context = browser.new_context()
        context.add_cookies(
            [{"name": k, "value": v, "url": floor.url} for k, v in person.cookies.items()]
        )
        page = context.new_page()
        page.goto(f"{floor.url}/")
        page.wait_for_selector("#connection[data-state=live]")
        for n in range(TRIALS):
            page.evaluate(WATCH, f"visible-{n}.")
            started = time.time() * 1000
            held(http, str(run.pk), key, f"visible-{n}.")
            times.append(page.evaluate("() => window.seen") - started)
        browser.close()
    return {"visible_ms_p50": percentile(times, 0.5), "visible_ms_p95": percentile(times, 0.95)}


WATCH = """
text => {
  window.seen = new Promise((resolve, reject) => {
    const look = () => {
      if (document.body.textContent.includes(text)) { observer.disconnect(); resolve(Date.now()); }
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, {subtree: true, childList: true, characterData: true});
    setTimeout(() => reject(new Error('not seen: ' + text)), 20000);
  });
}
"""
