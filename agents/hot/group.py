"""Group commit: requests that come while others are being written share the next transaction.

Nobody waits for company: who comes to an idle door goes alone at once. Under load a transaction carries many, and
what a transaction costs (trips, plans, a flush of the log) is paid once for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass

AT_ONCE = 2
"""Transactions under way: while one is written, the answers of the other are sent."""
MOST = 32
"""Requests in one transaction."""


@dataclass(eq=False, slots=True)
class _Waiting[Asked, Told]:
    asked: Asked
    of: Hashable
    told: asyncio.Future[Told]


class Group[Asked, Told]:
    """`do` answers many requests in one transaction, in their order; an exception among the answers is raised.

    Requests of the same owner (`of`) never travel together, and keep their order: the later one is to see what
    the earlier one wrote. What `do` itself raises, everybody in that transaction gets.
    """

    def __init__(
        self, do: Callable[[Sequence[Asked]], Awaitable[Sequence[Told | Exception]]]
    ) -> None:
        self._do = do
        self._waiting: deque[_Waiting[Asked, Told]] = deque()
        self._busy: set[Hashable] = set()
        self._under_way: set[asyncio.Task[None] | None] = set()

    async def ask(self, asked: Asked, *, of: Hashable) -> Told:
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(asked, of, told))
        self._start()
        return await told

    def _start(self) -> None:
        if self._waiting and len(self._under_way) < AT_ONCE:
            self._under_way.add(asyncio.ensure_future(self._go()))

    def _next(self) -> list[_Waiting[Asked, Told]]:
        """Who goes next: the longest waiting, one of each owner."""
        going: list[_Waiting[Asked, Told]] = []
        staying: list[_Waiting[Asked, Told]] = []
        while self._waiting and len(going) < MOST:
            one = self._waiting.popleft()
            if one.told.done():  # gave up meanwhile
                continue
            if one.of in self._busy:
                staying.append(one)
            else:
                self._busy.add(one.of)
                going.append(one)
        self._waiting.extendleft(reversed(staying))
        return going

    async def _go(self) -> None:
        going = self._next()  # only now: whoever came in the same breath comes along
        try:
            if going:
                await self._answer(going)
        finally:
            for one in going:
                self._busy.discard(one.of)
                one.told.cancel()  # does nothing to what is answered
            self._under_way.discard(asyncio.current_task())
            if going:
                self._start()

    async def _answer(self, going: list[_Waiting[Asked, Told]]) -> None:
        try:
            answers = await self._do([one.asked for one in going])
        except Exception as error:
            answers = [error] * len(going)
        for one, answer in zip(going, answers, strict=True):
            if one.told.done():
                continue
            if isinstance(answer, Exception):
                one.told.set_exception(answer)
            else:
                one.told.set_result(answer)
