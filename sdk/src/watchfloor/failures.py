"""What an exception means: a failure, a framework's interrupt, or an outcome nobody knows."""

from __future__ import annotations

import httpx

from watchfloor.options import Tries

UNSURE_ON: Tries = (TimeoutError, ConnectionError, httpx.TransportError)
"""After these a write may or may not have reached the other side."""

NEVER_SENT: Tries = (ConnectionRefusedError, httpx.ConnectError, httpx.ConnectTimeout)
"""Of those, the ones that cannot have: nothing was connected yet."""

FRAMEWORK_INTERRUPTS = {("langgraph.errors", "GraphBubbleUp")}
"""By name, so that the framework need not be installed."""


def is_interrupt(error: BaseException, interrupts: tuple[type[BaseException], ...]) -> bool:
    """A framework stepped out of the code to come back later: no error."""
    if isinstance(error, interrupts):
        return True
    names = {(kind.__module__, kind.__name__) for kind in type(error).__mro__}
    return bool(names & FRAMEWORK_INTERRUPTS)


def is_unsure(error: BaseException, unsure_on: Tries) -> bool:
    """May the write have happened all the same? A timeout of our own kind always leaves it open."""
    return isinstance(error, unsure_on) and not isinstance(error, NEVER_SENT)


def describe(error: BaseException) -> dict[str, str]:
    """As the server keeps it."""
    return {"type": type(error).__name__[:200], "message": _clean(str(error))[:4000]}


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd")
