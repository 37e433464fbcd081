"""From the offending report until the agent, waiting in another process, is told to stop."""

from __future__ import annotations

import multiprocessing
import time
from typing import Any

import httpx

from .decide import told
from .figures import percentile
from .floor import Floor
from .people import agent
from .waiter import wait_for_stops

TRIALS, WARM = 120, 10
LIMIT = 10
"""Failures that the breaker of a new agent allows, the last one included."""


def measure(floor: Floor) -> dict[str, Any]:
    from agents.models import Breaker, Trip
    from audit.models import Entry

    cast = [agent(f"agent-{n}") for n in range(TRIALS + WARM)]
    Breaker.objects.filter(condition="errors").update(limit=LIMIT)
    for n in range(TRIALS + WARM + 10):  # or else the guard would say that too many trip at once
        agent(f"idle-{n}")
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    waiter = spawn.Process(target=wait_for_stops, args=(theirs, floor.port), daemon=True)
    waiter.start()
    theirs.close()
    times, posts = [], []
    with httpx.Client(base_url=f"{floor.url}/api/v1") as http:
        for n, (_, run, key) in enumerate(cast):
            headers = {"Authorization": f"Bearer {key}"}
            last = fail_nearly_too_often(http, str(run.pk), headers)
            ours.send((str(run.pk), key))
            assert told(ours) == "waiting"
            started = time.monotonic()
            answer = http.post(f"/actions/{last}/settle", json=FAILED, headers=headers)
            ended = time.monotonic()
            state, received = told(ours)
            assert (answer.status_code, state) == (200, "paused"), (answer.text, state)
            assert answer.json()["control"]["state"] == "paused"
            if n >= WARM:
                times.append((received - started) * 1000)
                posts.append((ended - started) * 1000)
        after = http.post(f"/runs/{run.pk}/actions", json=proposal(99), headers=headers).json()
    assert after["code"] == "paused", after
    stops = Trip.objects.filter(is_shadow=False, condition="errors")
    assert stops.count() == TRIALS + WARM
    assert Entry.objects.filter(kind="breaker.opened").count() == TRIALS + WARM
    ours.send(None)
    waiter.join(10)
    return {
        "p50_ms": percentile(times, 0.5),
        "p95_ms": percentile(times, 0.95),
        "max_ms": round(max(times), 2),
        "post_p50_ms": percentile(posts, 0.5),
        "trials": TRIALS,
    }


FAILED = {
    "outcome": "failed",
    "claim_id": "c",
    "error": {"type": "TimeoutError", "message": "The other side did not answer."},
    "duration_ms": 30,
}


def proposal(number: int) -> dict[str, Any]:
    return {
        "call_id": f"call-{number}",
        "claim_id": "c",
        "tool": "search",
        "subject": f"mail:{number}",
        "arguments": {"query": f"where is card {number}"},
    }


def fail_nearly_too_often(http: httpx.Client, run: str, headers: dict[str, str]) -> str:
    """All failures but the last that is allowed; returns the action whose outcome will trip the breaker."""
    for number in range(LIMIT):
        answer = http.post(f"/runs/{run}/actions", json=proposal(number), headers=headers)
        assert answer.status_code == 200, answer.text
        action: str = answer.json()["action"]["id"]
        if number < LIMIT - 1:
            http.post(f"/actions/{action}/settle", json=FAILED, headers=headers)
    return action
