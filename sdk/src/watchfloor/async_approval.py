"""An approval, for async code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar, overload

from watchfloor import protocol
from watchfloor.approval_base import BaseApproval
from watchfloor.async_io import AsyncIO
from watchfloor.core import Core, ask
from watchfloor.failures import describe
from watchfloor.flows import approving, performing
from watchfloor.flows.performing import Work
from watchfloor.jsonable import storable
from watchfloor.models import Action, Usage
from watchfloor.state import RunState

T = TypeVar("T")


class AsyncApproval(BaseApproval):
    """See README: `async with approval:` waits, claims, and settles on leaving."""

    def __init__(self, core: Core, io: AsyncIO, state: RunState, action: Action) -> None:
        super().__init__(core, state, action)
        self._io = io

    async def refresh(self) -> AsyncApproval:
        """Look without waiting."""
        self.action = await self._io.run(ask(self._core, protocol.action(self.id)))
        return self

    async def wait(self, timeout: float | None = None) -> AsyncApproval:
        """Until a person says yes; `timeout` in seconds.

        Raises Rejected, Answered, Expired, Cancelled, Terminated, StillHeld.
        """
        flow = approving.wait(self._core, self._state, self.action, timeout)
        self.action = await self._io.run(flow)
        return self

    async def claim(self) -> AsyncApproval:
        """Take it for execution, once. Raises Conflict (`already_claimed`) and what `wait` raises."""
        flow = approving.claim(self._core, self._state, self.action, self._claim)
        self.action = await self._io.run(flow)
        return self

    @overload
    async def perform(
        self,
        fn: Callable[..., Awaitable[T]],
        *,
        timeout: float | None = None,
        usage: Callable[[T], Usage | None] | None = None,
    ) -> T: ...
    @overload
    async def perform(
        self,
        fn: Callable[..., T],
        *,
        timeout: float | None = None,
        usage: Callable[[T], Usage | None] | None = None,
    ) -> T: ...
    async def perform(
        self,
        fn: Callable[..., Any],
        *,
        timeout: float | None = None,
        usage: Callable[[Any], Usage | None] | None = None,
    ) -> Any:
        """Wait, claim, `fn(**arguments)`, settle. Raises OutcomeUnknown when it may have happened."""
        work = Work(self.action.tool, fn, timeout=timeout, usage=usage)
        flow = approving.perform_approved(
            self._core, self._state, self.action, self._claim, work, self._keep
        )
        return await self._io.run(flow)

    async def cancel(self, reason: str | None = None) -> AsyncApproval:
        """Withdraw it. Raises Conflict (`not_cancellable`) when it has begun or ended."""
        self.action = await self._io.run(approving.cancel(self._core, self.action, reason))
        return self

    async def __aenter__(self) -> AsyncApproval:
        return await self.claim()

    async def __aexit__(
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
        await self._io.run(performing.settle(self._core, self._state, self.action, body))
        self._keep(await self._io.run(approving.looked_at(self._core, self.action)))
