"""What a client knows, shared by its runs and safe between threads."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from watchfloor.effects import Bell, Flow, Send
from watchfloor.errors import Unreachable
from watchfloor.models import OnUnbound, OnUnreachable
from watchfloor.protocol import Lost, Passing, Request, understand
from watchfloor.retries import for_transport, persistently

if TYPE_CHECKING:
    from watchfloor.outbox import Outbox
    from watchfloor.state import RunState

T = TypeVar("T")

logger = logging.getLogger("watchfloor")

PROMPTLY = 1.0
"""Seconds that a call may take which could also be done later."""

COOL_DOWN = 5.0
"""Seconds after a failure in which calls that may go on without the server do not try it again."""


@dataclass
class Core:
    """Settings and shared state of one client."""

    url: str
    api_key: str
    timeout: float
    patience: float
    on_unreachable: OnUnreachable
    outbox: Outbox
    on_unbound: OnUnbound = "closed"
    closed: Bell = field(default_factory=Bell)
    heart: Bell = field(default_factory=Bell)
    """Rung when a run opens that wants heartbeats."""
    open_runs: list[RunState] = field(default_factory=list)
    """Those that want heartbeats."""
    run_ids: dict[str, str] = field(default_factory=dict)
    """Run key → id, for reports that were written before their run could be opened."""
    lost_claims: dict[str, str] = field(default_factory=dict)
    """Claim ids whose answer never came → the call they were for; nothing begins under them."""
    lost_at: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}

    def address(self, request: Request[Any]) -> str:
        return f"{self.url}/api/v1{request.path}"

    @property
    def was_just_lost(self) -> bool:
        return self.lost_at is not None and time.monotonic() - self.lost_at < COOL_DOWN

    def hurry(self, hurried: bool) -> float | None:
        """Patience of a call: shorter when somebody would rather go on without the answer."""
        return min(PROMPTLY, self.patience) if hurried else None

    def may_go_on_without(self, choice: OnUnreachable | None) -> bool:
        return (choice or self.on_unreachable) == "open"


def where(url: str | None, api_key: str | None) -> tuple[str, str]:
    """URL and key, from the environment when not given. Raises ValueError when neither is."""
    url = url or os.environ.get("WATCHFLOOR_URL")
    api_key = api_key or os.environ.get("WATCHFLOOR_API_KEY")
    if not url:
        raise ValueError("give the server's url, or set WATCHFLOOR_URL")
    if not api_key:
        raise ValueError("give the agent's api_key, or set WATCHFLOOR_API_KEY")
    return url.rstrip("/"), api_key


def ask(
    core: Core,
    request: Request[T],
    *,
    patience: float | None = None,
    until: Bell | None = None,
) -> Flow[T]:
    """Send and understand; repeat what is worth repeating.

    Raises Unreachable after `patience` seconds, or the error the answer stands for. Every request
    of this package is safe to repeat: runs have keys, actions call ids, claims claim ids.
    """

    def attempt() -> Flow[T]:
        reply = yield Send(request)
        return understand(request, reply)

    plan = for_transport(core.patience if patience is None else patience)
    try:
        answer = yield from persistently(plan, attempt, until)
    except (Lost, Passing) as error:
        core.lost_at = time.monotonic()
        raise Unreachable(f"{core.url} cannot be reached: {error}") from error
    core.lost_at = None
    return answer
