"""The client, for plain code."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from watchfloor import protocol
from watchfloor.approval import Approval
from watchfloor.core import Core, ask, where
from watchfloor.flows import control, reporting
from watchfloor.models import Json, OnUnbound, OnUnreachable, Review, Version
from watchfloor.outbox import Outbox
from watchfloor.permit import Permits
from watchfloor.run import Run
from watchfloor.schemas import schemas_of
from watchfloor.state import RunState
from watchfloor.sync_io import SyncIO

CLOSING = 5.0
"""Seconds that leaving may spend on reports that still wait."""


class Client(Permits):
    """One agent's connection. It may be shared by threads, and survives a fork.

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
        self._io = SyncIO(self._core)
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        self._flusher: threading.Thread | None = None
        self._heart: threading.Thread | None = None
        self._lock = threading.Lock()
        _clients.add(self)
        outbox.work.listen(self._flush_soon)
        self._core.heart.listen(self._beat)
        if len(outbox):
            outbox.work.ring()

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
    ) -> Run:
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
        run = Run(self._core, self._io, state, watch=watch)
        self._runs.add(run)
        return run

    def approval(self, action_id: str) -> Approval:
        """Pick up a request made by another process of this agent."""
        action = self._io.run(ask(self._core, protocol.action(action_id)))
        return Approval(self._core, self._io, RunState(id=action.run_id), action)

    def review(self, review_id: str) -> Review:
        """Handed-over work as it stands."""
        return self._io.run(ask(self._core, protocol.review(review_id)))

    def register_version(
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
        return self._io.run(
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

    def agent(self) -> dict[str, Any]:
        """`{id, name, team, state, state_reason, tools, versions}`."""
        answer: dict[str, Any] = self._io.run(ask(self._core, protocol.agent()))
        return answer

    def flush(self, timeout: float = 10.0) -> bool:
        """Bring what waits to the server. True: nothing waits any more."""
        return self._io.run(reporting.flush_within(self._core, timeout))

    @property
    def unsent(self) -> int:
        """Reports that wait for the server."""
        return len(self._core.outbox)

    @property
    def dropped(self) -> int:
        """Reports that were given up: the buffer was full, or the server refused them."""
        return self._core.outbox.dropped

    def close(self) -> None:
        """Flush for up to five seconds, then let go. What is still unsent stays in `buffer_path`."""
        if self._core.closed.is_rung():
            return
        if self.unsent:
            self.flush(min(CLOSING, self._core.patience))
        self._core.closed.ring()
        self._core.heart.ring()
        self._core.outbox.work.ring()
        for run in self._runs:
            run._state.closed.ring()
        self._io.close()
        self._core.outbox.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _flush_soon(self) -> None:
        with self._lock:
            alive = self._flusher is not None and self._flusher.is_alive()
            if alive or self._core.closed.is_rung():
                return
            self._flusher = threading.Thread(
                target=self._io.run,
                args=(reporting.flushing(self._core),),
                name="watchfloor-flush",
                daemon=True,
            )
            self._flusher.start()

    def _beat(self) -> None:
        """One thread for all runs, begun with the first that wants heartbeats."""
        with self._lock:
            alive = self._heart is not None and self._heart.is_alive()
            if alive or self._core.closed.is_rung():
                return
            self._heart = threading.Thread(
                target=self._io.run,
                args=(control.beating(self._core),),
                name="watchfloor-heart",
                daemon=True,
            )
            self._heart.start()

    def _after_fork(self) -> None:
        """Sockets, threads and locks of the parent are of no use here."""
        self._lock = threading.Lock()
        self._flusher = self._heart = None
        self._core.open_runs.clear()
        self._core.outbox.after_fork()
        self._io.renew()
        for run in self._runs:
            run._state.renew_locks()


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _close_all() -> None:
    for client in list(_clients):
        client.close()


def _fork_all() -> None:
    for client in list(_clients):
        client._after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork_all)
