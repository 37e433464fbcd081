"""From the moment before a person's decision is posted until the waiting agent process holds it."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

import httpx

from .figures import percentile
from .floor import Floor
from .people import agent, lead, signed_in
from .wire import Wire

TRIALS = 100


def measure(floor: Floor) -> dict[str, Any]:
    from audit.models import Entry

    lead()
    _, run, key = agent("waiter", gated=True)
    person = signed_in(floor.url)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    waiter = multiprocessing.get_context("spawn").Process(
        target=wait_for_each, args=(theirs, floor.port, key), daemon=True
    )
    waiter.start()
    times, posts = [], []
    with httpx.Client(base_url=f"{floor.url}/api/v1") as http:
        for n in range(TRIALS + 10):
            hold = held(http, str(run.pk), key, f"call-{n}")
            ours.send(hold)
            assert ours.recv() == "waiting"
            started = time.monotonic()
            answered = decide(person, floor.url, hold)
            ended = time.monotonic()
            state, received = ours.recv()
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


def held(http: httpx.Client, run: str, key: str, call: str) -> str:
    told = http.post(
        f"/runs/{run}/actions",
        json={"call_id": call, "tool": "pay", "subject": call, "arguments": {"amount": 5}},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert told.status_code == 202, told.text
    action: str = told.json()["action"]["id"]
    return action


def decide(person: httpx.Client, url: str, hold: str) -> bool:
    """A person's approval as the browser posts it."""
    told = person.post(
        f"/holds/{hold}/approve/",
        data={"note": "", "csrfmiddlewaretoken": person.cookies["csrftoken"]},
        headers={"Referer": f"{url}/holds/{hold}/", "HX-Request": "true"},
        follow_redirects=False,
    )
    return told.status_code < 400


def wait_for_each(pipe: Connection, port: int, key: str) -> None:
    """The agent's process: waits for each action it is told of, says when it had the answer."""
    asyncio.run(waiting(pipe, port, key))


async def waiting(pipe: Connection, port: int, key: str) -> None:
    wire = await Wire.open(port)
    while (action := pipe.recv()) is not None:
        wire.send("GET", f"/api/v1/actions/{action}?wait=30", key=key)
        await wire.writer.drain()
        await asyncio.sleep(0.03)  # the request is on its way; the figure starts later, elsewhere
        pipe.send("waiting")
        _, body = await wire.receive()
        pipe.send((json.loads(body)["state"], time.monotonic()))
