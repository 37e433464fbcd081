"""Requests that wait, made as agents make them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from agents.models import Agent, Run
from agents.rules.policy.shorthand import over
from agents.shapes import Claim, Propose, Proposed
from agents.transitions import action as actions
from agents.transitions import policy as policies
from reviews.models import Hold

TOOLS = ["search", "mail.read", "refund.issue", "model"]

type Ask = Callable[..., dict[str, Any]]
type Rule = Callable[..., None]


@pytest.fixture
def ask(scout_with_key: tuple[Agent, str], run: Run) -> Ask:
    """Proposes a refund (or another action); returns the Admission."""
    key = sha256(scout_with_key[1].encode()).digest()
    calls = iter(range(1, 10_000))

    def asking(*, run: Run = run, **more: Any) -> dict[str, Any]:
        body = {"call_id": str(next(calls)), "tool": "refund.issue", "arguments": {"amount": 80}}
        request = msgspec.json.decode(msgspec.json.encode(body | more), type=Propose)
        _, told = actions.propose(key, run.pk, Proposed.of(request))
        admission: dict[str, Any] = msgspec.json.decode(told)
        return admission

    return asking


@pytest.fixture
def take(scout_with_key: tuple[Agent, str]) -> Callable[[Any], dict[str, Any]]:
    """Claims an action; returns it."""
    key = sha256(scout_with_key[1].encode()).digest()

    def taking(action: Any) -> dict[str, Any]:
        told = actions.claim(key, action, Claim(claim_id="c"))
        claimed: dict[str, Any] = msgspec.json.decode(told)
        return claimed

    return taking


@pytest.fixture
def rule(scout: Agent) -> Rule:
    """Gives scout's policy one rule about refunds over 50, with these words about its approval."""

    def ruling(**approval: Any) -> None:
        document = {"tools": TOOLS, "rules": [over("refund.issue", "amount", 50)]}
        document["rules"][0]["approval"] = approval  # type: ignore[index]
        policies.write(policies.of_agent(scout), document, by="test", why="")

    return ruling


@pytest.fixture
def held(ask: Ask) -> Callable[..., Hold]:
    """A refund that waits."""

    def holding(**more: Any) -> Hold:
        return Hold.objects.get(pk=ask(**more)["action"]["id"])

    return holding
