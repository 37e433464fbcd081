"""What both kinds of run show of themselves, without asking anybody."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from watchfloor.core import Core
from watchfloor.failures import describe
from watchfloor.flows.stepping import observe
from watchfloor.jsonable import money, storable
from watchfloor.models import Directive, Json, RunInfo, Stop, Usage
from watchfloor.state import RunState


class BaseRun:
    """One execution of the agent."""

    def __init__(self, core: Core, state: RunState) -> None:
        self._core = core
        self._state = state
        self.output: Json = None
        """Kept with the run when it completes."""

    @property
    def id(self) -> str | None:
        """None while the server has not been reached (only with `on_unreachable="open"`)."""
        return self._state.id

    @property
    def name(self) -> str:
        return self._state.name

    @property
    def key(self) -> str:
        return self._state.key

    @property
    def info(self) -> RunInfo | None:
        """As it stood when it was opened."""
        return self._state.info

    @property
    def stop(self) -> Stop | None:
        """Why the run must not act now; also where a framework ate the exception."""
        return self._state.stop

    @property
    def cancelled(self) -> threading.Event:
        """Set when the run is terminated; a long function may look at it."""
        return self._state.cancelled.event

    @property
    def instructions(self) -> list[str]:
        """Every instruction so far, in words, oldest first."""
        return list(self._state.instructions)

    def on_directive(self, callback: Callable[[Directive], object]) -> None:
        """Call it as soon as a directive arrives, from whichever thread hears it."""
        self._state.on_directive(callback)

    def observe(
        self,
        tool: str,
        *,
        kind: str = "tool",
        outcome: str = "succeeded",
        subject: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        result: Any = None,
        error: BaseException | None = None,
        usage: Usage | None = None,
        started_at: datetime | None = None,
        duration_ms: int | None = None,
        trace_url: str | None = None,
        id: str | None = None,
    ) -> None:
        """Report what was done without asking. Never blocks, never raises; `id` dedupes."""
        body: dict[str, Json] = {
            "id": id or f"{tool[:80]}:{uuid.uuid4()}",
            "kind": kind,
            "tool": tool,
            "outcome": "failed" if error is not None else outcome,
            "subject": subject,
            "arguments": dict(arguments) if arguments else None,
            "result": None if result is None else storable(result, anyway=True),
            "error": None if error is None else describe(error),
            "started_at": started_at,
            "duration_ms": duration_ms,
            "trace_url": trace_url,
        }
        if usage is not None:
            body |= {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cost_usd": money(usage.cost_usd),
                "model": usage.model,
            }
        observe(self._core, self._state, body)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.id or 'unseen'}>"


def directive_ids(directives: tuple[Directive | str, ...]) -> list[str]:
    return [each if isinstance(each, str) else each.id for each in directives]
