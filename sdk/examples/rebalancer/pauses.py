"""Says when people have paused the agent, or its breaker has: else it would seem to hang."""

from __future__ import annotations

import logging
import os

from watchfloor import Run

log = logging.getLogger("rebalancer")


class Pauses:
    """The pauses of one run. `look` is called again and again by one thread."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_paused = False

    def look(self) -> None:
        """Say what has changed, once."""
        stop = self._run.stop
        is_paused = stop is not None and stop.kind == "paused"
        if stop is not None and is_paused and not self._is_paused:
            why = f" ({stop.reason})" if stop.reason else ""
            log.info("Paused%s: waits for a person at %s", why, os.environ.get("WATCHFLOOR_URL"))
        if self._is_paused and stop is None:
            log.info("It goes on.")
        self._is_paused = is_paused
