"""A permit, for async code."""

from __future__ import annotations

import asyncio
from types import TracebackType

from watchfloor.async_io import AsyncIO
from watchfloor.core import Core
from watchfloor.flows import permitting
from watchfloor.flows.permitting import Wanted
from watchfloor.models import OnUnreachable
from watchfloor.permit_base import BasePermit
from watchfloor.state import RunState


class AsyncPermit(BasePermit):
    """See README: `async with run.permit("openai"):` waits for its turn, keeps a lease, gives it back."""

    def __init__(self, core: Core, io: AsyncIO, run: RunState | None, wanted: Wanted) -> None:
        super().__init__(core, run, wanted)
        self._io = io
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> AsyncPermit:
        info = await self._io.run(permitting.permit(self._core, self._run, self._wanted))
        if self._taken(info) and info is not None:
            keeping = permitting.keep(self._core, info, self._wanted, self._done, self._lost)
            self._keeper = asyncio.ensure_future(self._io.run(keeping))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.ring()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self.info is not None:
            await self._io.run(permitting.give_back(self._core, self.info))


class AsyncPermits:
    """Whoever can ask for permits: a client, and a run, which waits while it is paused."""

    _core: Core
    _io: AsyncIO

    def permit(
        self,
        resource: str,
        n: int = 1,
        *,
        max_wait: float = 30.0,
        lease: float | None = None,
        on_unreachable: OnUnreachable | None = None,
    ) -> AsyncPermit:
        """A block that begins when the resource may be used, `n` units of it; seconds throughout.

        Entering raises NoPermit when that is not within `max_wait`, ApiError (`no_such_limit`,
        `over_burst`), Unreachable, Terminated.
        """
        wanted = Wanted(resource, n, max_wait, lease, on_unreachable)
        return AsyncPermit(self._core, self._io, getattr(self, "_state", None), wanted)
