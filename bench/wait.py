"""A thousand agents waiting at once: what they cost, and how fast one of them is answered."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from .decide import held
from .figures import percentile
from .floor import Floor
from .people import Browser, agent, lead
from .wire import Wire

CROWD, TRIALS = 1000, 40


def measure(floor: Floor) -> dict[str, Any]:
    lead()
    cast = [agent(f"agent-{n}", gated=True)[1:] for n in range(10)]
    with httpx.Client(base_url=f"{floor.url}/api/v1") as http:
        actions = [
            (held(http, str(cast[n % 10][0].pk), cast[n % 10][1], f"call-{n}"), cast[n % 10][1])
            for n in range(CROWD + TRIALS)
        ]
    return asyncio.run(crowd(floor, actions))


async def crowd(floor: Floor, actions: list[tuple[str, str]]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    person = Browser(floor)
    with ThreadPoolExecutor(1) as pool:
        await one(
            loop, pool, floor, person, actions[CROWD]
        )  # threads and caches that a first time makes
        memory, threads = floor.memory_mb, floor.threads
        wires = []
        for action, key in actions[:CROWD]:
            wire = await Wire.open(floor.port)
            wire.send("GET", f"/api/v1/actions/{action}?wait=60", key=key)
            wires.append(wire)
        await settled(floor)
        added_mb, added_threads = floor.memory_mb - memory, floor.threads - threads
        times = [await one(loop, pool, floor, person, a) for a in actions[CROWD + 1 :]]
        for wire in wires:
            wire.close()
    return {
        "waiting": CROWD,
        "added_mb": round(added_mb, 1),
        "added_threads": added_threads,
        "p50_ms": percentile(times, 0.5),
        "p95_ms": percentile(times, 0.95),
    }


async def one(
    loop: asyncio.AbstractEventLoop,
    pool: ThreadPoolExecutor,
    floor: Floor,
    person: Browser,
    action: tuple[str, str],
) -> float:
    """Milliseconds from one decision to its agent."""
    wire = await Wire.open(floor.port)
    wire.send("GET", f"/api/v1/actions/{action[0]}?wait=30", key=action[1])
    await asyncio.sleep(0.05)
    started = time.perf_counter()
    posted = loop.run_in_executor(pool, person.approves, action[0])
    status, body = await wire.receive()
    took = (time.perf_counter() - started) * 1000
    assert status == 200
    assert b'"approved"' in body
    assert await posted
    wire.close()
    return took


async def settled(floor: Floor) -> None:
    """Until the server's memory stands still: everybody is waiting."""
    last = 0.0
    for _ in range(60):
        now = floor.memory_mb
        if now and abs(now - last) < 0.05:
            return
        last = now
        await asyncio.sleep(0.5)
