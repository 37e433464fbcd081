"""What a thousand rules add to a proposal: two agents ask in turn, one under one rule, one under a thousand.

Every rule is for the tool that is asked for and none matches, so that all of them are judged.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from agents.models import Agent
from agents.transitions import policy as policies

from .figures import percentile
from .floor import Floor
from .people import agent
from .wire import Wire

RULES, ASKED, ROUNDS = 1_000, 1_500, 3


def measure(floor: Floor) -> dict[str, Any]:
    targets = []
    for count in (1, RULES):
        made, run, key = agent(f"under-{count}")
        give_rules(made, count)
        targets.append((f"/api/v1/runs/{run.pk}/actions", key))
    asyncio.run(ask_in_turn(floor, targets, 200, tag="warm"))
    rounds = [
        asyncio.run(ask_in_turn(floor, targets, ASKED, tag=str(number))) for number in range(ROUNDS)
    ]
    figures: dict[str, Any] = {"rules": RULES}
    for share, word in ((0.5, "p50"), (0.95, "p95")):
        one = [percentile(few, share) for few, _ in rounds]
        many = [percentile(lot, share) for _, lot in rounds]
        added = [round(b - a, 2) for a, b in zip(one, many, strict=True)]
        figures[f"one_rule_{word}_ms"] = sorted(one)[ROUNDS // 2]
        figures[f"many_rules_{word}_ms"] = sorted(many)[ROUNDS // 2]
        figures[f"added_{word}_ms"] = sorted(added)[ROUNDS // 2]
    return figures


def give_rules(made: Agent, count: int) -> None:
    """Conditions of the usual kind, each different, on the same tools."""
    rules = [
        {
            "name": f"Over {limit}",
            "tools": ["refund.*"],
            "when": f'double(args.amount) > {limit}.0 && args.currency == "USD"',
            "then": "approve",
        }
        for limit in range(1_000, 1_000 + count)
    ]
    document = {"tools": ["*"], "rules": rules}
    policies.write(policies.of_agent(made), document, by="bench", why="To be measured.")


async def ask_in_turn(
    floor: Floor, targets: list[tuple[str, str]], count: int, *, tag: str
) -> tuple[list[float], list[float]]:
    """Milliseconds of each admission, under one rule and under many, over one connection."""
    wire = await Wire.open(floor.port)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        for (path, key), taken in zip(targets, times, strict=True):
            call = f"{tag}-{number}"
            body = json.dumps(
                {
                    "call_id": call,
                    "tool": "refund.issue",
                    "subject": f"order:{call}",
                    "arguments": {"order": call, "amount": number % 900, "currency": "USD"},
                }
            ).encode()
            started = time.perf_counter()
            status, told = await wire.ask("POST", path, key=key, body=body)
            taken.append((time.perf_counter() - started) * 1000)
            assert status == 200, told
            assert told.startswith(b'{"admission":"allowed"'), told
    wire.close()
    return times
