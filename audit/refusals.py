"""Attempts that were refused, written down: each one, up to so many a minute from one place; then only counted.

Whoever is refused may try as often as they like. So that nobody can fill the record with it, a place (an
address, or a person) gets so many entries of a kind in a minute, all places together get more; the first that is one too many
says so in an entry of its own. How many there were is told with the next that comes. Each process counts for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from . import source
from .record import Recordable, record

MOST = 20
MOST_TOGETHER = 300
WITHIN = timedelta(minutes=1)
MOST_PLACES = 10_000


class Subject(NamedTuple):
    """What somebody tried something with, where there is no object: named as the record names it."""

    record_name: str
    record_scope: dict[str, str] = {}  # never changed


HOUSE = Subject("house")
STRANGER = "stranger"


class Counted(NamedTuple):
    """So many of a kind were not written."""

    kind: str
    missed: int
    since: datetime


@dataclass
class Window:
    since: datetime
    count: int = 0
    missed: int = 0
    """Of all places together: how many were not written."""


class Limiter:
    """Who may be written of now."""

    def __init__(self, most: int = MOST, together: int = MOST_TOGETHER) -> None:
        self._most, self._together = most, together
        self._windows: dict[tuple[str, str], Window] = {}
        self._purged = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()

    def take(self, kind: str, place: str, now: datetime) -> tuple[bool, bool, list[Counted]]:
        """Whether to write it, whether to write that it was one too many, and what was counted meanwhile."""
        with self._lock:
            over = self._over(now)
            own = self._window(kind, place, now)
            every = self._window(kind, "", now) if place else own
            own.count += 1
            if every is not own:
                every.count += 1
            fits = own.count <= self._most and every.count <= self._together
            every.missed += not fits
            first = every.count == self._together + 1 or (
                own.count == self._most + 1 and every.count <= self._together
            )
            return fits, first, over

    def _window(self, kind: str, place: str, now: datetime) -> Window:
        if (kind, place) not in self._windows and len(self._windows) >= MOST_PLACES:
            place = "others"
        return self._windows.setdefault((kind, place), Window(now))

    def _over(self, now: datetime) -> list[Counted]:
        """Forget windows that have passed. Places are not told apart: a flood from many would be as many entries."""
        if now - self._purged < WITHIN / 60:
            return []
        self._purged = now
        gone = [key for key, window in self._windows.items() if now - window.since >= WITHIN]
        found = []
        for kind, place in gone:
            window = self._windows.pop((kind, place))
            if not place and window.missed:
                found.append(Counted(kind, window.missed, window.since))
        return found

    def forget(self) -> None:
        with self._lock:
            self._windows.clear()


limiter = Limiter()


def note(
    kind: str,
    place: str,
    tell: Callable[[], dict[str, Any]],
) -> bool:
    """Write one refusal in a transaction of its own, unless there are too many. Returns whether it was.

    `tell` gives what `record` takes (`actor`, `about`, …); it is only asked when something is written.
    """
    now = timezone.now()
    fits, first, counted = limiter.take(kind, place or source.current().get("address", ""), now)
    if not (fits or first or counted):
        return False
    with transaction.atomic():
        for one in counted:
            facts = {"kind": one.kind, "count": one.missed, "since": one.since, "until": now}
            record("attempts.counted", actor="clock", about=HOUSE, data=facts)
        if first:
            facts = {"kind": kind, "most": limiter._most, "since": now}
            record("attempts.muted", actor="clock", about=HOUSE, data=facts)
        if fits:
            record(kind, **tell())
    return fits


def words(text: str, longest: int = 300) -> str:
    """What a stranger sent, as it may be kept."""
    return text[:longest].replace("\0", "").encode("utf-8", "replace").decode()


def told(actor: Recordable | str, about: Recordable, summary: str, **data: Any) -> dict[str, Any]:
    """What `note` writes."""
    return {"actor": actor, "about": about, "summary": words(summary), "data": data}
