"""A person asks to stop a step that is under way: how its function hears of it, and says that it did."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from watchfloor.effects import Bell
from watchfloor.errors import StepCancelled

_step: ContextVar[Bell | None] = ContextVar("the step that runs here", default=None)


def enter(bell: Bell | None) -> Bell | None:
    """Code of this context belongs to the step that this bell ends. Returns the one around it."""
    around = _step.get()
    _step.set(bell)
    return around


def stop_requested() -> bool:
    """Whether a person asked to stop the step this is called in. False outside of any."""
    bell = _step.get()
    return bell is not None and bell.is_rung()


def stop_if_requested() -> None:
    """Raise StepCancelled when they did: call it where stopping does no harm. `run.save` calls it, too."""
    if stop_requested():
        raise StepCancelled


def on_stop_requested(callback: Callable[[], None]) -> None:
    """Call it as soon as they do, from whichever thread hears it: to close a socket, to set a flag of your own."""
    bell = _step.get()
    if bell is not None:
        bell.listen(callback)
