"""A graph under watch: for plain and for async code. What it decides is in `driving`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchfloor.async_run import AsyncRun
from watchfloor.core import logger
from watchfloor.effects import Flow
from watchfloor.errors import Conflict, StillHeld, Stopped
from watchfloor.langchain.driving import drive
from watchfloor.langchain.pending import pending
from watchfloor.langchain.shapes import Wanted
from watchfloor.langchain.thread import Describe, Description, Thread
from watchfloor.run import Run

LEASE = 900.0
"""Seconds a tool may take, with all that its graph does before it asks again."""


def undescribed(call: Wanted) -> Description:
    return {}


class _Base:
    """What both kinds share. `describe` says more of a call: subject, amount, queue, expires_in …"""

    is_async = False

    def __init__(
        self,
        run: Run | AsyncRun,
        graph: Any,
        *,
        describe: Describe = undescribed,
        lease: float = LEASE,
        takeover: bool = False,
    ) -> None:
        if getattr(graph, "checkpointer", True) in (None, False):
            raise ValueError("a graph that waits for people needs a checkpointer")
        self._run = run
        self._graph = graph
        self._describe = describe
        self._lease = lease
        self._takeover = takeover

    def _thread(self, config: Mapping[str, Any], options: Mapping[str, Any]) -> Thread:
        return Thread(
            self._run._core, self._run._state, self._graph, self.is_async, config,
            self._describe, self._lease, self._takeover, options, self._run._io,
        )  # fmt: skip

    def _pick_up(self, timeout: float, options: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Continue every thread of the run as far as people have decided. What goes wrong with one of
        them is raised once the others had their turn."""
        seen = self._thread({"configurable": {"thread_id": ""}}, {})
        went_on: dict[str, Any] = {}
        wrong: list[Exception] = []
        for thread_id, entry in (yield from pending(seen)).items():
            thread = self._thread({"configurable": dict(entry["place"])}, options)
            try:
                went_on[thread_id] = yield from drive(thread, None, timeout)
            except StillHeld:
                continue
            except Stopped:
                raise
            except Exception as error:
                if not (isinstance(error, Conflict) and error.code == "already_claimed"):
                    logger.warning("thread %s could not be continued: %r", thread_id, error)
                    wrong.append(error)
        if wrong:
            raise wrong[0]
        return went_on


class Watch(_Base):
    """Drives a compiled graph and asks people whenever it interrupts for approval."""

    _run: Run

    def invoke(
        self,
        input: Any,
        config: Mapping[str, Any],
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Like the graph's own, until it ends. `input` None continues where the thread stands.

        `timeout`: seconds to wait for people; then StillHeld, and any process may continue it.
        """
        return self._run._do(drive(self._thread(config, options), input, timeout))

    def pick_up(self, *, timeout: float = 0.0, **options: Any) -> dict[str, Any]:
        """Continue what other processes of this run asked, where it is decided → by thread id."""
        return self._run._do(self._pick_up(timeout, options))


class AsyncWatch(_Base):
    """The same for async code, in the run's event loop."""

    is_async = True
    _run: AsyncRun

    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any],
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """See `Watch.invoke`."""
        return await self._run._do(drive(self._thread(config, options), input, timeout))

    async def pick_up(self, *, timeout: float = 0.0, **options: Any) -> dict[str, Any]:
        """See `Watch.pick_up`."""
        return await self._run._do(self._pick_up(timeout, options))
