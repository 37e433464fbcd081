"""A place where requests are read and stored, and who waits there for the answer."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from typing import NamedTuple
from uuid import UUID

from .messages import Answer, Request

MOST_WAITING = 32 * 2**20
"""Bytes of bodies that wait in one place, unless one request alone has more."""


class Full(Exception):
    """More waits than may wait."""


class Lost(Exception):
    """The place is gone. The request may have been stored or not: it has to be stored again, which is harmless."""


class Waiting(NamedTuple):
    request: Request
    answer: asyncio.Future[Answer]


class Place(ABC):
    def __init__(self) -> None:
        self.weight = 0
        """Bytes of bodies that wait or are being stored."""
        self.agents: Counter[UUID] = Counter()
        """Whose requests these are."""
        self._unanswered: dict[int, Waiting] = {}

    async def store(self, request: Request) -> Answer:
        """Wait until it is stored and judged. Raises Full or Lost."""
        if self.weight and self.weight + request.weight > MOST_WAITING:
            raise Full
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._unanswered[request.id] = Waiting(request, answer)
        self.weight += request.weight
        self.agents[request.agent] += 1
        self.take(request)
        return await answer

    @abstractmethod
    def take(self, request: Request) -> None:
        """Have it stored, some time soon."""

    def told(self, answer: Answer) -> None:
        """One is done."""
        waits = self._done(answer.id)
        if not waits.done():
            waits.set_result(answer)

    def lose(self) -> None:
        """Nothing more will be answered here."""
        for id in list(self._unanswered):
            waits = self._done(id)
            if not waits.done():
                waits.set_exception(Lost())

    def _done(self, id: int) -> asyncio.Future[Answer]:
        request, waits = self._unanswered.pop(id)
        self.weight -= request.weight
        self.agents[request.agent] -= 1
        if not self.agents[request.agent]:
            del self.agents[request.agent]
        return waits
