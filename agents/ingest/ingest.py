"""All places of a process where spans are stored: child processes, or its own threads while there are none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import count
from uuid import UUID

from django.conf import settings

from .child import Child
from .children import Children
from .lane import Lane
from .messages import READY, Answer, Request
from .place import Lost, Place

logger = logging.getLogger(__name__)

LOST = "Whoever was storing this is gone. Send it again."

LANES = 2
"""One transaction is prepared while the database works on the other."""
MUCH = 2 * 1024
"""Bytes that wait in the first place from which on another is worth its commits: some three single spans. Of eight that
each wait for their answer, so each place gets half; the one with more would keep them all waiting."""
SILENT_S = 60.0
"""Whoever needs longer for an answer hangs, and is replaced."""
REPLACED_S = 10.0
"""How long what was lost waits for whoever replaces the one that lost it."""
MOST_LOST = 4
"""Whatever so many processes died under is not given to another: that was more than bad luck."""


class Ingest:
    def __init__(self) -> None:
        self._lanes = [Lane() for _ in range(LANES)]
        self.children = Children()
        self._ids = count(READY + 1)

    async def store(
        self, agent: UUID, key: bytes, kind: str, *, is_gzip: bool, body: bytes
    ) -> Answer:
        """Wait until a request is read, stored and judged. Raises Full.

        The first begins to start the children: a floor without telemetry pays nothing for them.
        """
        self.children.begin(settings.WATCHFLOOR_INGEST_PROCESSES)
        request = Request(next(self._ids), agent, key, kind, is_gzip, body)
        place = self._place_of(agent)
        for lost in range(1, MOST_LOST + 1):
            try:
                return await in_time(place, request)
            except Lost:
                # Not the web process: whatever killed a child would take all agents' doors with it.
                if lost == MOST_LOST or not await self.children.one_is_ready(REPLACED_S):
                    break
                place = self._place_of(agent)
        return Answer(request.id, code="unavailable", why=LOST)

    def _place_of(self, agent: UUID) -> Place:
        """Where the agent is already, so that no transaction waits for another's locks.

        Else the first, which shares its commits with most; unless much waits there and another has less to do.
        """
        places: Sequence[Place] = self.children.ready or self._lanes
        for place in places:
            if agent in place.agents:
                return place
        first = places[0]
        return first if first.weight < MUCH else min(places, key=lambda place: place.weight)

    async def stop(self) -> None:
        """Store what waits, and end the children."""
        await asyncio.gather(self.children.stop(), *(lane.stop() for lane in self._lanes))


async def in_time(place: Place, request: Request) -> Answer:
    """Raises Full or Lost; who does not answer at all is ended."""
    try:
        async with asyncio.timeout(SILENT_S if isinstance(place, Child) else None):
            return await place.store(request)
    except TimeoutError:
        logger.warning("A process that stores spans does not answer; it is ended.")
        place.kill()  # type: ignore[attr-defined]
        raise Lost from None
