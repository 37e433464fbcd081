"""Complete admissions a second: facts under lock, judgement, action, counters, entry, commit."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from .figures import percentile
from .floor import Floor
from .people import agent
from .wire import Wire

AGENTS, SECONDS, ROUNDS = 100, 3.0, 3


def measure(floor: Floor) -> dict[str, Any]:
    cast = [agent(f"agent-{n}")[1:] for n in range(AGENTS)]
    targets = [(f"/api/v1/runs/{run.pk}/actions", key) for run, key in cast]
    asyncio.run(load(floor, targets, clients=8, seconds=2.0, tag="warm"))
    figures: dict[str, Any] = {}
    for clients in (1, 8):
        rounds = [
            asyncio.run(
                load(floor, targets, clients=clients, seconds=SECONDS, tag=f"{clients}-{n}")
            )
            for n in range(ROUNDS)
        ]
        rounds.sort(key=lambda times: len(times))
        middle = rounds[ROUNDS // 2]
        figures[f"per_s_c{clients}"] = round(len(middle) / SECONDS)
        figures[f"p50_ms_c{clients}"] = percentile(middle, 0.5)
        figures[f"p95_ms_c{clients}"] = percentile(middle, 0.95)
    return figures


async def load(
    floor: Floor, targets: list[tuple[str, str]], *, clients: int, seconds: float, tag: str
) -> list[float]:
    """Milliseconds of every admission that `clients` connections got within `seconds`."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        wire = await Wire.open(floor.port)
        n = number
        while time.perf_counter() < end:
            path, key = targets[n % len(targets)]
            call = f"{tag}-{n}"
            body = json.dumps(
                {
                    "call_id": call,
                    "tool": "search",
                    "subject": f"mail:{call}",
                    "arguments": {"query": "where is my card", "limit": 10},
                    "estimated_tokens": 300,
                    "estimated_cost_usd": "0.002",
                }
            ).encode()
            started = time.perf_counter()
            status, told = await wire.ask("POST", path, key=key, body=body)
            times.append((time.perf_counter() - started) * 1000)
            assert status == 200, told
            assert told.startswith(b'{"admission":"allowed"'), told
            n += clients
        wire.close()

    await asyncio.gather(*(client(n) for n in range(clients)))
    return times
