"""What a run knows about itself; fed by every answer, read from any thread."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from watchfloor.core import logger
from watchfloor.effects import Bell
from watchfloor.errors import Paused, RunFinished, Terminated
from watchfloor.models import Control, Directive, Json, RunInfo, Stop
from watchfloor.steps import StepIds

Interrupts = tuple[type[BaseException], ...]

OVER = {"terminated", "completed", "failed"}


class RunState:
    """One run. `id` is None until the server has opened it."""

    def __init__(
        self,
        name: str = "",
        *,
        id: str | None = None,
        key: str | None = None,
        version: str | None = None,
        metadata: Mapping[str, Json] | None = None,
        on_behalf_of: str | None = None,
        trace_url: str | None = None,
        interrupts: Interrupts = (),
        heartbeat: float | None = None,
    ) -> None:
        self.id = id
        self.heartbeat = heartbeat or 0.0
        self.name = name
        # Always with a key: opening is then safe to repeat when its answer was lost.
        self.key = key or f"once-{uuid.uuid4()}"
        self.can_be_continued = key is not None
        self.wanted: dict[str, Json] = {
            "name": name,
            "key": self.key,
            "version": version,
            "metadata": dict(metadata) if metadata else None,
            "on_behalf_of": on_behalf_of,
            "trace_url": trace_url,
        }
        self.info: RunInfo | None = None
        self.interrupts = interrupts
        self.steps = StepIds()
        self.saved_versions: dict[str, int] = {}
        self.instructions: list[str] = []
        self.stop: Stop | None = None
        self.was_unseen = False
        self.control = Control()
        self.is_live = False
        """A stream keeps `control` fresh, so that nobody needs to ask."""
        self.cancelled = Bell()
        self.closed = Bell()
        self._under_way: dict[str, Bell] = {}
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._fresh: list[Directive] = []
        self._callbacks: list[Callable[[Directive], object]] = []

    def opened(self, info: RunInfo) -> None:
        self.info, self.id = info, info.id
        self.heard(info.control)

    def heard(self, control: Control | None) -> None:
        """Take in what the server last said."""
        if control is None:
            return
        with self._lock:
            if self.stop is not None and self.stop.kind == "terminated":
                return
            self.control = control
            self.stop = _stop(control)
            new = [d for d in control.directives if d.id not in self._known]
            self._known.update(d.id for d in new)
            self._fresh += new
            self.instructions += [d.text for d in new if d.text]
            callbacks = tuple(self._callbacks)
            asked = [self._under_way[id] for id in control.cancel if id in self._under_way]
        if self.stop is not None and self.stop.kind == "terminated":
            self.cancelled.ring()
        for bell in asked:
            bell.ring()
        for directive in new:
            for callback in callbacks:
                _call(callback, directive)

    def terminated(self, reason: str) -> None:
        """A refusal said so."""
        self.heard(Control(state="terminated", reason=reason))

    def begin_step(self, action_id: str) -> Bell:
        """Rings when a person asks to stop this action, or ends the run."""
        bell = Bell()
        with self._lock:
            self._under_way[action_id] = bell
            asked = action_id in self.control.cancel
        self.cancelled.listen(bell.ring)
        if asked:
            bell.ring()
        return bell

    def end_step(self, action_id: str) -> None:
        with self._lock:
            bell = self._under_way.pop(action_id, None)
        if bell is not None:
            self.cancelled.forget(bell.ring)

    def on_directive(self, callback: Callable[[Directive], object]) -> None:
        with self._lock:
            self._callbacks.append(callback)

    def take_directives(self) -> list[Directive]:
        """Those that nobody has taken yet."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
        return fresh

    def obey(self, *, block: bool = True) -> None:
        """Raise Terminated or RunFinished; Paused only when the caller does not want to wait."""
        if self.stop is None:
            return
        if self.stop.kind == "terminated":
            raise Terminated(self.stop.reason)
        if self.stop.kind == "finished":
            raise RunFinished(409, "run_finished", self.stop.reason or "the run is over")
        if not block:
            raise Paused(self.stop.reason)

    @property
    def is_over(self) -> bool:
        return self.control.state in OVER

    def renew_locks(self) -> None:
        """In a forked child: locks may have been held by threads that do not exist here."""
        self._lock = threading.Lock()
        self.steps.renew_locks()
        self.is_live = False


def _stop(control: Control) -> Stop | None:
    if control.state == "paused":
        return Stop("paused", control.reason)
    if control.state == "terminated":
        return Stop("terminated", control.reason)
    return Stop("finished", control.reason) if control.state in OVER else None


def _call(callback: Callable[[Directive], Any], directive: Directive) -> None:
    try:
        callback(directive)
    except Exception:
        logger.exception("an on_directive callback failed")
