"""The live socket: tells a page "look again". It carries topics, never content.

A page asks `{"watch": ["holds", "agents", "record", "hold.<id>", "agent.<id>", "run.<id>", "action.<id>", "endpoint.<id>"]}` and
hears `{"watching": true}` once it will miss nothing more, then `{"look": [topic, …]}`: the first at once, then at
most four a second. Topics a person may not see are dropped without a word. Close code 4401: sign in again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from agents.models import Action, Agent, Limit, Run
from agents.models.visible import VisibleQuerySet
from audit.bell import hub
from audit.models import Endpoint
from audit.models.outbox import EndpointQuerySet
from people.models import Person
from reviews.models import Alert, Channel, Hold

logger = logging.getLogger(__name__)

SIGNED_OUT = 4401
MOST_TOPICS = 64
LONGEST_MESSAGE = 8_192
PAUSE_S = 0.2
"""Between two messages to one page."""
RECHECK_S = 60.0
"""How long an ended session, a lost role may still hear topics (never content)."""

WIDE = {
    "holds": ("holds",),
    "agents": ("agents",),
    "record": ("record",),  # rung once lines have their place and can be found
    "alerts": ("alerts", "holds"),  # an answer ends alerts
}
"""Watched by all teams one sees: rung as `holds`, and as `holds.<team id>`."""


def _narrow() -> dict[str, VisibleQuerySet[Any] | EndpointQuerySet]:
    return {
        "hold": Hold.objects.all(),
        "agent": Agent.objects.all(),
        "run": Run.objects.all(),
        "action": Action.objects.all(),
        "endpoint": Endpoint.objects.all(),
        "limit": Limit.objects.all(),
        "alert": Alert.objects.all(),
        "channel": Channel.objects.all(),
    }


class Live(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One open page."""

    async def connect(self) -> None:
        self._ends: dict[str, list[Callable[[], None]]] = {}
        self._rung: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = 0.0
        self._sending: asyncio.Task[None] | None = None
        self._watch_dog: asyncio.Task[None] | None = None
        self._asked: list[str] = []
        await self.accept()  # closing before accepting would hide the close code from the page
        person = await self._whoever_it_still_is()
        if person is None:
            await self.close(code=SIGNED_OUT)
            return
        self._watch_dog = asyncio.create_task(self._recheck())

    async def disconnect(self, code: int) -> None:
        self._unsubscribe(list(self._ends))
        if self._timer:
            self._timer.cancel()
        for task in (self._watch_dog, self._sending):
            if task:
                task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        topics = asked(text_data or "")
        if topics is None:
            await self.send(json.dumps({"ok": True}))  # a page asks whether we are still there
            return
        self._asked = topics
        if await self._watch():
            await self.send(json.dumps({"watching": True}))

    # -- who, and what they may hear --------------------------------------------------------------

    async def _watch(self) -> bool:
        """Subscribe to what was asked and may be seen; end the rest. False when nobody is there."""
        person = await self._whoever_it_still_is()
        if person is None:
            with contextlib.suppress(RuntimeError, OSError):  # the page may have left by itself
                await self.close(code=SIGNED_OUT)
            return False
        wanted = await database_sync_to_async(bells)(person, self._asked)
        self._unsubscribe([topic for topic in self._ends if topic not in wanted])
        for topic, rings in wanted.items():
            ends = self._ends.pop(topic, [])
            self._ends[topic] = [hub.subscribe(ring, self._listener(topic)) for ring in rings]
            for end in ends:
                end()
        return True

    def _listener(self, topic: str) -> Callable[[str], None]:
        return lambda _ring: self._hear(topic)

    def _unsubscribe(self, topics: Iterable[str]) -> None:
        for topic in topics:
            for end in self._ends.pop(topic):
                end()

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S * random.uniform(0.8, 1.2))
            if not await self._watch():
                return

    async def _whoever_it_still_is(self) -> Person | None:
        session = self.scope.get("session")
        if session is None or not session.session_key:
            return None
        found: Person | None = await database_sync_to_async(person_of)(session.session_key)
        return found

    # -- ringing ----------------------------------------------------------------------------------

    def _hear(self, topic: str) -> None:
        """Say so at once, unless something was said a moment ago: then together, a moment later."""
        self._rung.add(topic)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait = self._sent_at + PAUSE_S - loop.time()
            self._timer = loop.call_later(max(0.0, wait), self._speak)

    def _speak(self) -> None:
        self._timer = None
        topics, self._rung = sorted(self._rung), set()
        self._sent_at = asyncio.get_running_loop().time()
        self._sending = asyncio.create_task(self._send(json.dumps({"look": topics})))

    async def _send(self, text: str) -> None:
        try:
            await self.send(text)
        except (RuntimeError, OSError) as error:  # the page went away in the meantime
            logger.debug("A page left before it was told: %s", error)


def asked(text: str) -> list[str] | None:
    """The topics in a page's message; None for one that asks for nothing, or nonsense."""
    if not text or len(text) > LONGEST_MESSAGE:
        return None
    try:
        message = json.loads(text)
    except ValueError:
        return None
    topics = message.get("watch") if isinstance(message, dict) else None
    if not isinstance(topics, list):
        return None
    return [topic for topic in topics[:MOST_TOPICS] if isinstance(topic, str)]


def bells(person: Person, topics: list[str]) -> dict[str, tuple[str, ...]]:
    """Which bells each topic means for this person; those they may not hear are left out."""
    heard: dict[str, tuple[str, ...]] = {}
    ids: dict[str, dict[UUID, str]] = {}
    for topic in topics:
        kind, _, text = topic.partition(".")
        if topic in WIDE:
            if topic != "record" or person.reads_record:
                heard[topic] = _of_teams(person, WIDE[topic])
        elif (pk := _uuid(text)) is not None:
            ids.setdefault(kind, {})[pk] = topic
    for kind, rows in _narrow().items():
        wanted = ids.get(kind)
        if wanted:
            for pk in rows.visible_to(person).filter(pk__in=wanted).values_list("pk", flat=True):
                heard[wanted[pk]] = (f"{kind}.{pk}",)
    return heard


def _of_teams(person: Person, kinds: tuple[str, ...]) -> tuple[str, ...]:
    if person.watches_everything:
        return kinds
    return tuple(f"{kind}.{team}" for kind in kinds for team in person.team_ids)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def person_of(session_key: str) -> Person | None:
    """Whose session it is, read afresh: None when it ended, or its person was switched off."""
    from dashboard.sessions import SessionStore

    session = SessionStore(session_key)
    claimed = session.get(SESSION_KEY)
    person = session.person
    if person is None or not person.is_active or claimed != str(person.pk):
        return None
    known = session.get(HASH_SESSION_KEY, "")
    return person if constant_time_compare(known, person.get_session_auth_hash()) else None
