"""The child processes of a web process: as many as wanted, and another for each that died."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from .child import PATIENCE_S, Child

logger = logging.getLogger(__name__)

STEADY_S = 60.0
"""Who lived so long did not die of beginning."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
"""Before one is replaced; twice as long each time while they die again and again."""


class Children:
    def __init__(self) -> None:
        self._living: list[Child] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._closing = asyncio.Event()
        self._came = asyncio.Event()

    @property
    def ready(self) -> list[Child]:
        return [child for child in self._living if child.is_ready]

    async def one_is_ready(self, within: float) -> bool:
        """Whether there is one, after so many seconds at the latest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self.ready:
                    self._came.clear()
                    await self._came.wait()
        return bool(self.ready)

    def begin(self, many: int) -> None:
        """Have so many from now on, until `stop`. They need a second or two until they are ready."""
        if not self._keeping and not self._closing.is_set():
            self._keeping = [asyncio.create_task(self._keep()) for _ in range(many)]

    async def stop(self) -> None:
        """Let them answer what they were sent, and go; who does not is killed."""
        self._closing.set()
        for child in self._living:
            child.end()
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=PATIENCE_S)
            for child in self._living:
                child.kill()
            await asyncio.wait(self._keeping)

    async def _keep(self) -> None:
        """One after the other."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_S
        while not self._closing.is_set():
            born = loop.time()
            how = await self._one()
            if self._closing.is_set():
                return
            logger.warning("A process that stores spans ended (%s): another follows.", how)
            if loop.time() - born > STEADY_S:
                pause = FIRST_PAUSE_S
            await self._rest(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _one(self) -> str:
        """A whole life, and how it ended."""
        child = Child(self._came.set)
        self._living.append(child)
        try:
            return f"code {await child.live()}"
        except OSError as error:
            return f"it could not be started: {error}"
        finally:
            self._living.remove(child)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return
