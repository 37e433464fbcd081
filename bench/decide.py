"""From the moment before a person's decision is posted until the waiting agent process holds it."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

import httpx

from .figures import percentile
from .floor import Floor
from .people import Browser, agent, lead
from .waiter import wait_for_each

TRIALS = 100


def measure(floor: Floor) -> dict[str, Any]:
    from audit.models import Entry

    lead()
    _, run, key = agent("waiter", gated=True)
    person = Browser(floor)
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    waiter = spawn.Process(target=wait_for_each, args=(theirs, floor.port, key), daemon=True)
    waiter.start()
    theirs.close()
    times, posts = [], []
    with httpx.Client(base_url=f"{floor.url}/api/v1") as http:
        for n in range(TRIALS + 10):
            hold = held(http, str(run.pk), key, f"call-{n}")
            ours.send(hold)
            assert told(ours) == "waiting"
            started = time.monotonic()
            answered = person.approves(hold)
            ended = time.monotonic()
            state, received = told(ours)
            assert (answered, state) == (True, "approved"), (answered, state)
            assert Entry.objects.filter(about=f"reviews.hold:{hold}", kind="hold.approved").exists()
            if n >= 10:
                times.append((received - started) * 1000)
                posts.append((ended - started) * 1000)
    ours.send(None)
    waiter.join(10)
    return {
        "p50_ms": percentile(times, 0.5),
        "p95_ms": percentile(times, 0.95),
        "max_ms": round(max(times), 2),
        "post_p50_ms": percentile(posts, 0.5),
        "trials": TRIALS,
    }


def told(pipe: Connection) -> Any:
    """The agent's next word; it must come within the wait it asked for."""
    if not pipe.poll(40):
        raise SystemExit("The waiting agent got no answer.")
    return pipe.recv()


def held(http: httpx.Client, run: str, key: str, call: str) -> str:
    answer = http.post(
        f"/runs/{run}/actions",
        json={"call_id": call, "tool": "pay", "subject": call, "arguments": {"amount": 5}},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 202, answer.text
    action: str = answer.json()["action"]["id"]
    return action
