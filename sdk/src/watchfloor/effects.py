"""What a flow may ask of the outside world.

Everything this package decides is written once, as generators that *yield* one of these and are
sent the answer. `sync_io` and `async_io` perform them; nothing else touches sockets or clocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from watchfloor.protocol import Request

T = TypeVar("T")


class Bell:
    """A flag that threads can wait for and event loops can be told of."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._listeners: list[Callable[[], None]] = []

    def is_rung(self) -> bool:
        return self.event.is_set()

    def ring(self) -> None:
        self.event.set()
        for listener in tuple(self._listeners):
            listener()

    def clear(self) -> None:
        self.event.clear()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` at every ring, at once when it has rung already."""
        self._listeners.append(listener)
        if self.is_rung():
            listener()

    def forget(self, listener: Callable[[], None]) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)


@dataclass(frozen=True)
class Send:
    """→ `protocol.Reply`; raises `protocol.Lost` when none came."""

    request: Request[Any]


@dataclass(frozen=True)
class Listen:
    """Read server-sent events until the stream ends or `until` rings → None.

    Each is given to `heard(event, data)`. Raises `protocol.Lost`, or the refusal's `ApiError`.
    """

    request: Request[Any]
    heard: Callable[[str, str], None]
    until: Bell


@dataclass(frozen=True)
class Sleep:
    """Seconds to let pass; less when `until` rings → None."""

    seconds: float
    until: Bell | None = None


@dataclass(frozen=True)
class Call:
    """Run the user's function → what it returns; raises what it raises.

    `StepTimeout` after `timeout` seconds; in async code `Terminated` when `until` rings.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    until: Bell | None = None


Effect = Send | Listen | Sleep | Call
Flow = Generator[Effect, Any, T]
