"""Group commit: requests that come while others are being written share the next transaction.

Who comes to an idle door goes alone at once. Under load a transaction carries many, and what a transaction costs
(trips, plans, a flush of the log) is paid once for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass

AT_ONCE = 3
"""Transactions under way."""
WORTH = 8
"""Requests that are worth a transaction of their own while another is under way."""
PATIENCE_S = 0.01
"""How long fewer of them wait for the one that is under way: it may be waiting for somebody's lock."""
GATHER_S = 0.001
"""How long a transaction waits for as many as the one before carried: they were answered in the same breath."""
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
        self._ready: deque[_Waiting[Asked, Told]] = deque()
        self._behind: dict[Hashable, deque[_Waiting[Asked, Told]]] = {}
        """Whose turn comes after somebody of the same owner; an owner stands here while one is ready or under way."""
        self._under_way: set[asyncio.Task[None] | None] = set()
        self._expected = 0
        self._complete: asyncio.Future[None] | None = None
        self._patience: asyncio.TimerHandle | None = None

    async def ask(self, asked: Asked, *, of: Hashable) -> Told:
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        one = _Waiting(asked, of, told)
        behind = self._behind.get(of)
        if behind is None:
            self._behind[of] = deque()
            self._ready.append(one)
            if self._complete is not None and len(self._ready) >= self._expected:
                _wake(self._complete)
            self._start()
        else:
            behind.append(one)
        return await told

    def _start(self, *, impatient: bool = False) -> None:
        if not self._ready or len(self._under_way) >= AT_ONCE:
            return
        if not self._under_way or impatient or len(self._ready) >= WORTH:
            task = asyncio.ensure_future(self._go())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        elif self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(PATIENCE_S, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        self._start(impatient=True)

    async def _company(self) -> None:
        """Until as many wait as may be on their way: who waited, and who was just answered. Or for a moment."""
        loop = asyncio.get_running_loop()
        self._complete = complete = loop.create_future()
        moment = loop.call_later(GATHER_S, _wake, complete)
        try:
            await complete
        finally:
            moment.cancel()
            self._complete = None

    def _next(self) -> list[_Waiting[Asked, Told]]:
        """Who goes next: the longest waiting, one of each owner."""
        going: list[_Waiting[Asked, Told]] = []
        while self._ready and len(going) < MOST:
            one = self._ready.popleft()
            if one.told.done():  # gave up meanwhile
                self._let_next(one.of)
            else:
                going.append(one)
        return going

    def _let_next(self, owner: Hashable) -> None:
        """Nobody of this owner is under way any more: whoever came next is ready."""
        behind = self._behind[owner]
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._behind[owner]

    async def _go(self) -> None:
        going: list[_Waiting[Asked, Told]] = []
        try:
            if len(self._ready) < self._expected and self._complete is None:
                await self._company()
            going = self._next()
            if going:
                await self._answer(going)
        finally:
            for one in going:
                self._let_next(one.of)
                one.told.cancel()  # does nothing to what is answered
            self._under_way.discard(asyncio.current_task())
            self._expected = min(len(going) + len(self._ready), MOST)
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
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


def _wake(sleeping: asyncio.Future[None]) -> None:
    if not sleeping.done():
        sleeping.set_result(None)
