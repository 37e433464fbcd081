"""All places of a process where spans are stored: child processes, or its own threads while there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from uuid import UUID

from django.conf import settings

from .children import Children
from .lane import Lane
from .messages import READY, Answer, Request
from .place import Lost, Place

LANES = 2
"""One transaction is prepared while the database works on the other."""
MUCH = 64 * 1024
"""Bytes that wait in the first place from which on another is worth its commits."""


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
        while True:
            try:
                return await self._place_of(agent).store(request)
            except Lost:
                continue

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
