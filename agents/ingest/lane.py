"""A thread of this process that stores while no child does.

Requests gather while a transaction is under way, and go into the next one together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from .messages import Request
from .place import Place
from .storing import store_next

GATHER_S = 0.003
"""How long a transaction waits for as many requests as the one before had."""


class Lane(Place):
    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Request] = deque()
        self._last = 0
        self._working: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "ingest")

    def take(self, request: Request) -> None:
        self._waiting.append(request)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Store what waits."""
        if self._working is not None:
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            if len(self._waiting) < self._last:
                await asyncio.sleep(GATHER_S)  # whoever was just answered may be about to send more
            answers = await loop.run_in_executor(self._thread, store_next, self._waiting)
            self._last = len(answers)
            for answer in answers:
                self.told(answer)
