"""Permits a second for one resource that everybody wants, and how exactly the rate is kept."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from typing import Any

from .figures import percentile
from .floor import Floor
from .people import agent
from .wire import Wire

WORKERS, SECONDS, ROUNDS = 100, 3.0, 3
PATH = "/api/v1/permits"


def measure(floor: Floor) -> dict[str, Any]:
    from agents.rules.limits import parse_limit
    from agents.transitions import limit as limits

    keys = [agent(f"agent-{n}")[2] for n in range(10)]
    for written in (
        {"resource": "free", "rate": "1000000/1s", "burst": 1_000_000},
        {"resource": "slow", "rate": "200/1s", "burst": 10},
        {"resource": "places", "concurrency": 4, "lease": "30s"},
    ):
        limits.set(None, parse_limit(written), by="bench")
    asyncio.run(load(floor, keys, clients=8, seconds=1.0))
    figures: dict[str, Any] = {}
    for clients in (1, 8):
        rounds = sorted(
            (
                asyncio.run(load(floor, keys, clients=clients, seconds=SECONDS))
                for _ in range(ROUNDS)
            ),
            key=len,
        )
        middle = rounds[ROUNDS // 2]
        figures[f"per_s_c{clients}"] = round(len(middle) / SECONDS)
        figures[f"p50_ms_c{clients}"] = percentile(middle, 0.5)
        figures[f"p95_ms_c{clients}"] = percentile(middle, 0.95)
    return figures | asyncio.run(rush(floor, keys)) | asyncio.run(places(floor, keys))


async def load(floor: Floor, keys: list[str], *, clients: int, seconds: float) -> list[float]:
    """Milliseconds of every permit that `clients` connections got for one resource."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    body = json.dumps({"resource": "free"}).encode()

    async def client(number: int) -> None:
        wire = await Wire.open(floor.port)
        while time.perf_counter() < end:
            started = time.perf_counter()
            status, told = await wire.ask("POST", PATH, key=keys[number % len(keys)], body=body)
            times.append((time.perf_counter() - started) * 1000)
            assert status == 200, told
            assert told.startswith(b'{"granted":true'), told
        wire.close()

    await asyncio.gather(*(client(n) for n in range(clients)))
    return times


async def rush(floor: Floor, keys: list[str]) -> dict[str, Any]:
    """A hundred workers at 200 a second: what they got, against what the rate allows."""
    began: list[float] = []
    asked = 0
    body = json.dumps({"resource": "slow", "max_wait_s": 5}).encode()
    end = time.perf_counter() + 5.0

    async def worker(number: int) -> None:
        nonlocal asked
        wire = await Wire.open(floor.port)
        while time.perf_counter() < end:
            status, told = await wire.ask("POST", PATH, key=keys[number % len(keys)], body=body)
            assert status == 200, told
            asked += 1
            said = json.loads(told)
            began.append(datetime.fromisoformat(said["starts_at"]).timestamp())
            await asyncio.sleep(said["wait_s"])
        wire.close()

    await asyncio.gather(*(worker(n) for n in range(WORKERS)))
    began.sort()
    most = max(
        count - 200 * (later - first)
        for n, first in enumerate(began)
        for count, later in enumerate(began[n:], 1)
    )
    return {
        "workers": WORKERS,
        "rush_used_of_rate": round((len(began) - 10) / (began[-1] - began[0]) / 200, 3),
        "rush_most_at_once": round(most, 2),
        "rush_requests_per_use": round(asked / len(began), 2),
    }


async def places(floor: Floor, keys: list[str]) -> dict[str, Any]:
    """Milliseconds from giving a place back until who is next has it, while a hundred stand in line."""
    handed: list[float] = []
    given_back = 0.0
    body = json.dumps({"resource": "places", "max_wait_s": 60}).encode()

    async def worker(number: int) -> None:
        nonlocal given_back
        key = keys[number % len(keys)]
        wire = await Wire.open(floor.port)
        for _ in range(5):
            status, said = await wire.ask("POST", PATH, key=key, body=body)
            told = json.loads(said)
            assert told["granted"], said
            if given_back:
                handed.append((time.perf_counter() - given_back) * 1000)
            given_back = time.perf_counter()
            status, said = await wire.ask("DELETE", f"{PATH}/{told['lease_id']}", key=key)
            assert status == 200, said
        wire.close()

    await asyncio.gather(*(worker(n) for n in range(WORKERS)))
    return {"place_p50_ms": percentile(handed, 0.5), "place_p95_ms": percentile(handed, 0.95)}
