"""Lines before a limit's places, in this process. Only who is first looks at the database, and the rest sleep.

Across processes the order stands in PostgreSQL (`Permit.asked_at`): the first of each process looks, and only
the very first is let in.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from uuid import UUID

from .wait import Waiter, waiting

KEEP_EVERY_S = 3.0
"""With the four seconds after which the first looks again at the latest, well within a turn's twelve."""

_lines: dict[UUID, Line] = {}


class Place:
    """Somebody in a line. `turn` waits to be first, `sleep` for something to have changed."""

    def __init__(self, line: Line, permit: UUID, asked_at: datetime, stack: ExitStack) -> None:
        self.permit = permit
        self.rank = (asked_at, permit)
        self.is_first = asyncio.Event()
        self._line, self._stack = line, stack
        self._waiter: Waiter | None = None

    def everybody(self) -> tuple[UUID, ...]:
        """Who stands in this line, whenever it is time to keep their turns: one look does it for all."""
        now = asyncio.get_running_loop().time()
        if now < self._line.kept_at + KEEP_EVERY_S:
            return ()
        self._line.kept_at = now
        return tuple(place.permit for place in self._line.places)

    async def turn(self, stop: float) -> bool:
        """True once it is first, False when `stop` (of the loop's clock) came earlier."""
        try:
            async with asyncio.timeout_at(stop):
                await self.is_first.wait()
        except TimeoutError:
            return False
        if self._waiter is None:
            # Listening begins before the look: a ring between the two is heard.
            self._waiter = self._stack.enter_context(waiting(f"limit.{self._line.limit}.free"))
        return asyncio.get_running_loop().time() < stop

    async def sleep(self, longest: float) -> None:
        if self._waiter is not None and longest > 0:
            await self._waiter.sleep(longest)


class Line:
    """Who waits for a limit's places, in the order of asking, which is the database's.

    Answers come back in another order than the one in which they were given: were the first here not the first
    there, too, nobody would be let in.
    """

    def __init__(self, limit: UUID) -> None:
        self.limit = limit
        self.places: list[Place] = []
        self.kept_at = asyncio.get_running_loop().time()

    @contextmanager
    def place(self, permit: UUID, asked_at: datetime) -> Iterator[Place]:
        with ExitStack() as stack:
            place = Place(self, permit, asked_at, stack)
            insort(self.places, place, key=lambda each: each.rank)
            self._call()
            try:
                yield place
            finally:
                self.places.remove(place)
                self._call()

    def _call(self) -> None:
        for place in self.places[1:2]:  # somebody came before it
            place.is_first.clear()
        if self.places:
            self.places[0].is_first.set()
        else:
            _lines.pop(self.limit, None)


def line_of(limit: UUID) -> Line:
    """The line of this limit; it is gone when nobody stands in it any more."""
    return _lines.setdefault(limit, Line(limit))
