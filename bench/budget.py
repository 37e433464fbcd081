"""What a budget shared by a hundred agents costs an admission: all of them lock its one account, last."""

from __future__ import annotations

import asyncio
from typing import Any

from .figures import percentile
from .floor import Floor
from .people import agent
from .propose import AGENTS, ROUNDS, SECONDS, load


def measure(floor: Floor) -> dict[str, Any]:
    """Admissions a second with 8 clients: without a budget, with one for each agent, and with the team's together."""
    cast = [agent(f"agent-{n}")[1:] for n in range(AGENTS)]
    targets = [(f"/api/v1/runs/{run.pk}/actions", key) for run, key in cast]
    asyncio.run(load(floor, targets, clients=8, seconds=2.0, tag="warm"))
    figures: dict[str, Any] = {}
    for name, scope in (("none", ""), ("agent", "agent"), ("team", "team")):
        if scope:
            give(scope)
        rounds = [
            asyncio.run(load(floor, targets, clients=8, seconds=SECONDS, tag=f"{name}-{n}"))
            for n in range(ROUNDS)
        ]
        rounds.sort(key=len)
        middle = rounds[ROUNDS // 2]
        figures[f"per_s_c8_{name}"] = round(len(middle) / SECONDS)
        figures[f"p95_ms_c8_{name}"] = percentile(middle, 0.95)
    from agents import ledger

    figures["adds_up"] = ledger.check() == []
    return figures


def give(scope: str) -> None:
    """One budget, of which nobody reaches the end, in place of the one before."""
    from agents.rules.budget_settings import parse_budget
    from agents.transitions import budget
    from people.models import Team

    setting = parse_budget({"name": "Month", "scope": scope, "per": "month", "limit": "$1000000"})
    for team in Team.objects.all():
        budget.set(team, None, setting, by="bench")
