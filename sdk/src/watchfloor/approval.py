"""An approval, for plain code."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from watchfloor import protocol
from watchfloor.approval_base import BaseApproval
from watchfloor.core import Core, ask
from watchfloor.failures import describe
from watchfloor.flows import approving, performing
from watchfloor.flows.performing import Work
from watchfloor.jsonable import storable
from watchfloor.models import Action, Usage
from watchfloor.state import RunState
from watchfloor.sync_io import SyncIO

T = TypeVar("T")


class Approval(BaseApproval):
    """See README: `with approval:` waits, claims, and settles on leaving."""

    def __init__(self, core: Core, io: SyncIO, state: RunState, action: Action) -> None:
        super().__init__(core, state, action)
        self._io = io

    def refresh(self) -> Approval:
        """Look without waiting."""
        self.action = self._io.run(ask(self._core, protocol.action(self.id)))
        return self

    def wait(self, timeout: float | None = None) -> Approval:
        """Until a person says yes; `timeout` in seconds.

        Raises Rejected, Answered, Expired, Cancelled, Terminated, StillHeld.
        """
        flow = approving.wait(self._core, self._state, self.action, timeout)
        self.action = self._io.run(flow)
        return self

    def claim(self) -> Approval:
        """Take it for execution, once. Raises Conflict (`already_claimed`) and what `wait` raises."""
        flow = approving.claim(self._core, self._state, self.action, self._claim)
        self.action = self._io.run(flow)
        return self

    def perform(
        self,
        fn: Callable[..., T],
        *,
        timeout: float | None = None,
        usage: Callable[[T], Usage | None] | None = None,
    ) -> T:
        """Wait, claim, `fn(**arguments)`, settle. Raises OutcomeUnknown when it may have happened."""
        work = Work(self.action.tool, fn, timeout=timeout, usage=usage)
        flow = approving.perform_approved(
            self._core, self._state, self.action, self._claim, work, self._keep
        )
        result: T = self._io.run(flow)
        return result

    def cancel(self, reason: str | None = None) -> Approval:
        """Withdraw it. Raises Conflict (`not_cancellable`) when it has begun or ended."""
        self.action = self._io.run(approving.cancel(self._core, self.action, reason))
        return self

    def __enter__(self) -> Approval:
        return self.claim()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, Exception):
            return  # the process is leaving: nobody knows whether it happened
        body = {"outcome": "succeeded", "result": storable(self.result)}
        if error is not None:
            body = {"outcome": "failed", "error": describe(error)}
        self._io.run(performing.settle(self._core, self._state, self.action, body))
        self._keep(self._io.run(approving.looked_at(self._core, self.action)))
