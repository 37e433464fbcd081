"""The bell: tells who waits to look again. It carries topics, never content, and may stay silent.

Verbs call `ring` inside their transaction; after the commit the topics go to this process's own
listeners at once and to every other process over Redis publish/subscribe. Whoever listens re-reads
the truth from PostgreSQL; a lost ring costs time, never a row, because every listener also looks by
itself now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from uuid import uuid4

import redis
import redis.asyncio
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

COALESCE_S = 0.02
RECONNECT_S = 0.5
AGENTS = ("action.", "control.")
"""Topics that agents wait for."""

type Listener = Callable[[str], None]


class Hub:
    """Who listens to which topic in this process. Callbacks run in the event loop that started it."""

    def __init__(self) -> None:
        self.origin = uuid4().hex
        self.connected = False
        self._listeners: dict[str, set[Listener]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriber: asyncio.Task[None] | None = None
        self._pending: set[str] = set()
        self._flusher: asyncio.Task[None] | None = None
        self._publisher: redis.asyncio.Redis | None = None
        self._publishing: set[asyncio.Task[None]] = set()

    def subscribe(self, topic: str, callback: Listener) -> Callable[[], None]:
        """Call `callback(topic)` at every ring of `topic`; the returned function ends it."""
        self._listeners.setdefault(topic, set()).add(callback)

        def unsubscribe() -> None:
            listeners = self._listeners.get(topic)
            if listeners is not None:
                listeners.discard(callback)
                if not listeners:
                    self._listeners.pop(topic, None)

        return unsubscribe

    def deliver(self, topics: Iterable[str]) -> None:
        """Tell this process's listeners. Only in the event loop."""
        for topic in topics:
            for listener in tuple(self._listeners.get(topic, ())):
                listener(topic)

    def ring_from_thread(self, topics: tuple[str, ...]) -> bool:
        """Tell this process's listeners, from any thread.

        Where an agent waits among them the loop tells other processes, too (True): what the thread does meanwhile
        makes the agent's answer late. Else that is left to the thread, which is there already.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            return False
        is_awaited = any(t.startswith(AGENTS) and t in self._listeners for t in topics)
        try:
            if is_awaited:
                loop.call_soon_threadsafe(self.ring_now, *topics)
            else:
                loop.call_soon_threadsafe(self.deliver, topics)
        except RuntimeError:  # closed between the look and the call
            return False
        return is_awaited

    def ring_soon(self, *topics: str) -> None:
        """Ring from the event loop, coalesced: the same topic goes out once per 20 ms."""
        self._pending.update(topics)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.ensure_future(self._flush())

    def ring_now(self, *topics: str) -> None:
        """Ring from the event loop, at once: an agent waits. Here first, then in every other process."""
        self.deliver(topics)
        self.tell_others(topics)

    def tell_others(self, topics: Iterable[str]) -> None:
        """Every other process, from the event loop."""
        task = asyncio.ensure_future(self._publish(topics))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._publisher = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=1)
        self._subscriber = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        for task in (self._subscriber, self._flusher, *self._publishing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._publisher is not None:
            await self._publisher.aclose()
        self._loop = self._subscriber = self._flusher = self._publisher = None
        self.connected = False

    async def _flush(self) -> None:
        while self._pending:
            topics, self._pending = tuple(self._pending), set()
            self.deliver(topics)
            await self._publish(topics)
            await asyncio.sleep(COALESCE_S)

    async def _publish(self, topics: Iterable[str]) -> None:
        """Tell every other process."""
        if self._publisher is None:
            return
        try:
            await self._publisher.publish(settings.WATCHFLOOR_BELL, message(self.origin, topics))
        except (redis.RedisError, OSError) as error:
            logger.warning("The bell could not be rung: %s", error)

    async def _listen(self) -> None:
        """Hear other processes; come back when the connection is lost."""
        while True:
            client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
            try:
                async with client.pubsub() as channel:
                    await channel.subscribe(settings.WATCHFLOOR_BELL)
                    self.connected = True
                    async for heard in channel.listen():
                        if heard["type"] == "message":
                            self._hear(heard["data"].decode())
            except (redis.RedisError, OSError) as error:
                logger.warning("The bell is not heard: %s", error)
            finally:
                self.connected = False
                with contextlib.suppress(redis.RedisError, OSError):
                    await client.aclose()
            await asyncio.sleep(RECONNECT_S)

    def _hear(self, text: str) -> None:
        origin, *topics = text.split("\n")
        if origin != self.origin:
            self.deliver(topics)


hub = Hub()

_client: redis.Redis | None = None
_client_lock = threading.Lock()


class Rings:
    """What is rung once a transaction has committed: all of it in one message, for somebody waits to hear it."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = dict.fromkeys(topics)  # each once, in the order they were rung

    def __call__(self) -> None:
        topics = tuple(self.topics)
        if hub.ring_from_thread(topics):
            return
        try:
            client().publish(settings.WATCHFLOOR_BELL, message(hub.origin, topics))
        except (redis.RedisError, OSError) as error:
            logger.warning("The bell could not be rung: %s", error)


def ring(*topics: str) -> None:
    """Ring after the current transaction commits (at once when there is none)."""
    already = _rings_of_this_savepoint()
    if already is None:
        transaction.on_commit(Rings(topics), robust=True)
    else:
        already.topics.update(dict.fromkeys(topics))


def _rings_of_this_savepoint() -> Rings | None:
    """Not those of another: that may still be rolled back, and its rings with it."""
    connection = transaction.get_connection()
    here = set(connection.savepoint_ids)
    for savepoints, hook, _ in connection.run_on_commit:
        if isinstance(hook, Rings) and savepoints == here:
            return hook
    return None


def message(origin: str, topics: Iterable[str]) -> str:
    return "\n".join((origin, *topics))


def client() -> redis.Redis:
    """This process's connection for publishing; short time-outs, for a ring is only a hint."""
    global _client
    with _client_lock:
        if _client is None:
            _client = redis.Redis.from_url(
                settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
            )
    return _client


async def start() -> None:
    await hub.start()


async def stop() -> None:
    await hub.stop()
