"""The client, for async code."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from watchfloor import protocol
from watchfloor.async_approval import AsyncApproval
from watchfloor.async_io import AsyncIO
from watchfloor.async_permit import AsyncPermits
from watchfloor.async_run import AsyncRun
from watchfloor.core import Core, ask, where
from watchfloor.flows import control, reporting
from watchfloor.models import Json, OnUnbound, OnUnreachable, Review, Version
from watchfloor.outbox import Outbox
from watchfloor.schemas import schemas_of
from watchfloor.state import RunState

CLOSING = 5.0
"""Seconds that leaving may spend on reports that still wait."""


class AsyncClient(AsyncPermits):
    """One agent's connection. It belongs to one event loop.

    `timeout` are seconds for one request, `patience` seconds until a call gives up trying.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        patience: float = 15.0,
        on_unreachable: OnUnreachable = "closed",
        on_unbound: OnUnbound = "closed",
        buffer_path: str | Path | None = None,
        buffer_size: int = 10_000,
    ) -> None:
        url, api_key = where(url, api_key)
        outbox = Outbox(buffer_size, buffer_path)
        self._core = Core(url, api_key, timeout, patience, on_unreachable, outbox, on_unbound)
        self._io = AsyncIO(self._core)
        self._runs: weakref.WeakSet[AsyncRun] = weakref.WeakSet()
        self._flusher: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        outbox.work.listen(self._flush_soon)
        self._core.heart.listen(self._beat)

    def run(
        self,
        name: str,
        *,
        key: str | None = None,
        version: str | None = None,
        metadata: Mapping[str, Json] | None = None,
        on_behalf_of: str | None = None,
        trace_url: str | None = None,
        interrupts: tuple[type[BaseException], ...] = (),
        watch: bool = True,
        heartbeat: float | None = 30.0,
    ) -> AsyncRun:
        """A run to enter. With a `key`, the unfinished run of that key is continued.

        `on_behalf_of`: the person whose wish this is, who must not decide about it.
        `watch=False` spends no connection on noticing a stop during a long step.
        `heartbeat`: seconds between signs that this process lives, while the run is open. None: only
        `run.heartbeat()` and what it does tell, so that code which hangs is found as well.
        """
        state = RunState(
            name,
            key=key,
            version=version,
            metadata=metadata,
            on_behalf_of=on_behalf_of,
            trace_url=trace_url,
            interrupts=interrupts,
            heartbeat=heartbeat,
        )
        run = AsyncRun(self._core, self._io, state, watch=watch)
        self._runs.add(run)
        return run

    async def approval(self, action_id: str) -> AsyncApproval:
        """Pick up a request made by another process of this agent."""
        action = await self._io.run(ask(self._core, protocol.action(action_id)))
        return AsyncApproval(self._core, self._io, RunState(id=action.run_id), action)

    async def review(self, review_id: str) -> Review:
        """Handed-over work as it stands."""
        return await self._io.run(ask(self._core, protocol.review(review_id)))

    async def register_version(
        self,
        label: str,
        *,
        tools: Sequence[str] | None = None,
        schemas: Mapping[str, Any] | None = None,
        model: str | None = None,
        deployed_by: str | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> Version:
        """Say what is deployed. `tools`, the ones it uses, are recorded and shown; policies decide.

        `schemas`: what tools take, by name, as anything that `schema_of` reads; people get a form.
        """
        return await self._io.run(
            ask(
                self._core,
                protocol.register_version(
                    {
                        "label": label,
                        "tools": None if tools is None else list(tools),
                        "schemas": None if schemas is None else schemas_of(schemas),
                        "model": model,
                        "deployed_by": deployed_by,
                        "metadata": dict(metadata) if metadata else None,
                    }
                ),
            )
        )

    async def agent(self) -> dict[str, Any]:
        """`{id, name, team, state, state_reason, tools, versions}`."""
        answer: dict[str, Any] = await self._io.run(ask(self._core, protocol.agent()))
        return answer

    async def flush(self, timeout: float = 10.0) -> bool:
        """Bring what waits to the server. True: nothing waits any more."""
        return await self._io.run(reporting.flush_within(self._core, timeout))

    @property
    def unsent(self) -> int:
        """Reports that wait for the server."""
        return len(self._core.outbox)

    @property
    def dropped(self) -> int:
        """Reports that were given up: the buffer was full, or the server refused them."""
        return self._core.outbox.dropped

    async def close(self) -> None:
        """Flush for up to five seconds, then let go. What is still unsent stays in `buffer_path`."""
        if self._core.closed.is_rung():
            return
        if self.unsent:
            await self.flush(min(CLOSING, self._core.patience))
        self._core.closed.ring()
        self._core.heart.ring()
        self._core.outbox.work.ring()
        for run in self._runs:
            run._state.closed.ring()
        for task in (self._flusher, self._heart):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._io.close()
        self._core.outbox.close()

    async def __aenter__(self) -> AsyncClient:
        self._loop = asyncio.get_running_loop()
        if self.unsent:
            self._flush_soon()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _flush_soon(self) -> None:
        """Reports may come from any thread; the flusher lives on the client's loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._loop.call_soon_threadsafe(self._start_flusher)

    def _beat(self) -> None:
        """One task for all runs, begun with the first that wants heartbeats; runs open on the client's loop."""
        done = self._heart is None or self._heart.done()
        if done and not self._core.closed.is_rung():
            self._heart = asyncio.ensure_future(self._io.run(control.beating(self._core)))

    def _start_flusher(self) -> None:
        done = self._flusher is None or self._flusher.done()
        if done and not self._core.closed.is_rung():
            flushing = self._io.run(reporting.flushing(self._core))
            self._flusher = asyncio.ensure_future(flushing)
