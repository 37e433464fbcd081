"""Requests of spans gather while a transaction is under way, and go into the next one together.

Hundreds of small requests so cost few commits. Where much comes there are two lanes, and one transaction is prepared
while the database works on the other; an agent is in one lane at a time, so that they never wait for each other's
locks. The queues are bounded; who comes when they are full is told to come again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import django.db
import psycopg
from msgspec.structs import replace
from psycopg_pool import PoolTimeout

from audit import source

from ..otlp.reading import Export
from ..transitions import telemetry
from ..transitions.telemetry import Revoked, Told
from ..transitions.together import WholeTeam

logger = logging.getLogger(__name__)

MOST_TOGETHER = 4_000
"""Spans in one transaction, unless one request alone has more."""
MOST_WAITING = 20_000
"""Spans that wait to be written in one lane."""

OUTAGE = (
    django.db.OperationalError,
    django.db.InterfaceError,
    psycopg.OperationalError,
    PoolTimeout,
)
UNFIT = (
    *(django.db.DataError, django.db.IntegrityError, psycopg.DataError, psycopg.IntegrityError),
    UnicodeEncodeError,
)


class Full(Exception):
    """More waits than may wait."""


class Unavailable(Exception):
    """The database did not answer, or somebody keeps the agent locked."""


@dataclass
class Waiting:
    """A request that waits for its answer; `rejected` spans did not fit the database."""

    told: Told
    answer: asyncio.Future[int]
    rejected: int = 0


GATHER_S = 0.003
"""How long a transaction waits for as many requests as the one before had."""
LANES = 2
MUCH = 150
"""Spans in the first lane from which on the second is worth its commits."""


class Ingest:
    """All lanes of a process."""

    def __init__(self) -> None:
        self._lanes = [Lane() for _ in range(LANES)]

    async def store(self, told: Told) -> int:
        """Wait until the request is stored and judged; how many spans had to be rejected.

        Raises Full, Unavailable, Revoked.
        """
        return await self._lane_of(told.agent).store(told)

    def _lane_of(self, agent: UUID) -> Lane:
        """The one the agent is in; else the first, unless much waits there and another has less to do."""
        for lane in self._lanes:
            if lane.agents[agent]:
                return lane
        first = self._lanes[0]
        return first if first.spans < MUCH else min(self._lanes, key=lambda lane: lane.spans)

    async def stop(self) -> None:
        """Write what waits."""
        await asyncio.gather(*(lane.stop() for lane in self._lanes))


class Lane:
    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self.spans = 0
        """Waiting or being written."""
        self.agents: Counter[UUID] = Counter()
        """Whose requests these are."""
        self._last = 0
        self._working: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "ingest")

    async def store(self, told: Told) -> int:
        """See `Ingest.store`."""
        if self.spans and self.spans + told.export.spans > MOST_WAITING:
            raise Full
        one = Waiting(told, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self.spans += told.export.spans
        self.agents[told.agent] += 1
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await one.answer

    async def stop(self) -> None:
        if self._working is not None:
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        while self._waiting:
            if len(self._waiting) < self._last:
                await asyncio.sleep(GATHER_S)  # whoever was just answered may be about to send more
            batch = self._next()
            self._last = len(batch)
            await self._write([(one, one.told) for one in batch])
            for one in batch:
                self.spans -= one.told.export.spans
                self.agents[one.told.agent] -= 1
                if not self.agents[one.told.agent]:
                    del self.agents[one.told.agent]
                if not one.answer.done():
                    one.answer.set_result(one.rejected)

    def _next(self) -> list[Waiting]:
        batch = [self._waiting.popleft()]
        spans = batch[0].told.export.spans
        while self._waiting and spans + self._waiting[0].told.export.spans <= MOST_TOGETHER:
            batch.append(self._waiting.popleft())
            spans += batch[-1].told.export.spans
        return batch

    async def _write(self, parts: Sequence[Part]) -> None:
        """Store these together; where one spoils it, the halves by themselves, down to the one."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, stored, [told for _, told in parts])
        except UNFIT as error:
            halves = split(parts)
            if not halves:
                logger.info("A span does not fit the database: %s", error)
                parts[0][0].rejected += sum(len(one.done) for one in parts[0][1].export.traces)
            for half in halves:
                await self._write(half)
        except Revoked as refusal:
            fail([part for part in parts if part[1].key in refusal.keys], refusal)
            if rest := [part for part in parts if part[1].key not in refusal.keys]:
                await self._write(rest)
        except Exception as error:
            is_stuck = isinstance(error.__cause__ or error, psycopg.errors.LockNotAvailable)
            if len(parts) > 1 and (is_stuck or not isinstance(error, OUTAGE)):
                for half in split(parts):
                    await self._write(half)
            else:
                fail(parts, error)


type Part = tuple[Waiting, Told]
"""A request, and what of it is to be stored."""


def fail(parts: Sequence[Part], error: Exception) -> None:
    """Answer these with what happened."""
    is_outage = isinstance(error, OUTAGE)
    if is_outage:
        logger.warning("Spans were not stored: %s", error)
    for waiting, _ in parts:
        if not waiting.answer.done():
            waiting.answer.set_exception(Unavailable() if is_outage else error)


def stored(told: Sequence[Told]) -> None:
    """In one transaction; where a whole team has to be stopped, request by request."""
    django.db.close_old_connections()
    try:
        # Requests of many agents travel together: what is one's address would stand with another's entry.
        with source.of("agent"):
            store_together(told)
    finally:
        django.db.close_old_connections()


def store_together(told: Sequence[Told]) -> None:
    try:
        telemetry.store(told)
    except WholeTeam:
        for one in told:
            telemetry.store_alone([one])


def split(parts: Sequence[Part]) -> list[list[Part]]:
    """Two halves: of the requests, of one request's traces, or of one trace's spans. Empty: there is but one."""
    if len(parts) > 1:
        middle = len(parts) // 2
        return [list(parts[:middle]), list(parts[middle:])]
    waiting, told = parts[0]
    traces = told.export.traces
    if len(traces) > 1:
        pieces = [traces[: len(traces) // 2], traces[len(traces) // 2 :]]
    elif traces and len(done := traces[0].done) > 1:
        middle = len(done) // 2
        pieces = [[replace(traces[0], done=half)] for half in (done[:middle], done[middle:])]
    else:
        return []
    return [
        [(waiting, Told(told.agent, Export(traces=piece, spans=0), told.key))] for piece in pieces
    ]
