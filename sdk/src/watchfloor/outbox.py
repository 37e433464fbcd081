"""Reports that still have to reach the server: bounded, in order, and in a file if wanted.

An item is in the file before its first delivery is tried, and crossed out after the server has
answered, so a process that is killed in between sends it again; every report is safe to repeat.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from watchfloor.core import logger
from watchfloor.effects import Bell
from watchfloor.jsonable import encode
from watchfloor.models import Json
from watchfloor.spill import Spill

ItemKind = Literal["settle", "observation", "finish", "review"]

LARGEST_BATCH = 200
LARGEST_BATCH_BYTES = 512 * 1024


@dataclass
class Item:
    """One report. `target` is the action's id for a settle, else the run's, if it had one.

    `run` is the body that opens the run, for reports written while the server was away.
    """

    kind: ItemKind
    target: str | None
    body: dict[str, Json]
    run: dict[str, Json] | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def of_run(self) -> str | None:
        """Groups observations that may travel together."""
        return self.target or (str(self.run["key"]) if self.run else None)


class Outbox:
    """At most `size` items; when full, the oldest observation goes, with a warning and a count."""

    def __init__(self, size: int, path: str | Path | None = None) -> None:
        self.size = size
        self.dropped = 0
        self.work = Bell()
        self._lock = threading.RLock()
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._busy: set[str] = set()
        self._spill = Spill(path) if path else None
        for line in self._spill.pending() if self._spill else ():
            self._keep(Item(**line))

    def __len__(self) -> int:
        return len(self._items)

    @property
    def owes_outcomes(self) -> bool:
        """Is there anything that the next decision of the server may depend on?"""
        with self._lock:
            return any(
                item.kind != "observation" and item.id not in self._busy
                for item in self._items.values()
            )

    def add(self, item: Item, *, busy: bool = False) -> Item:
        """Keep it until `done`. `busy`: the caller tries to deliver it himself now."""
        with self._lock:
            if self._spill:
                self._spill.write(_line(item))
            self._keep(item)
            if busy:
                self._busy.add(item.id)
            self._make_room()
        if not busy:
            self.work.ring()
        return item

    def take(self) -> list[Item]:
        """The oldest item nobody is at, with the observations that can travel with it."""
        with self._lock:
            batch: list[Item] = []
            size = 0
            for item in self._items.values():
                if item.id in self._busy:
                    continue
                if batch and (item.kind != "observation" or item.of_run != batch[0].of_run):
                    break
                size += self._sizes[item.id]
                if batch and (len(batch) >= LARGEST_BATCH or size > LARGEST_BATCH_BYTES):
                    break
                batch.append(item)
                if item.kind != "observation":
                    break
            self._busy.update(item.id for item in batch)
            return batch

    def give_back(self, *items: Item) -> None:
        """They could not be delivered now."""
        with self._lock:
            self._busy.difference_update(item.id for item in items)

    def done(self, *items: Item) -> None:
        """The server has them, or will never take them."""
        with self._lock:
            for item in items:
                self._forget(item)
            if self._spill and not self._items:
                self._spill.empty()

    def refused(self, item: Item, error: Exception) -> None:
        """The server will never take it: say so, and let it go."""
        self.dropped += 1
        logger.error("the server refused a report (%s), it is dropped: %s", item.kind, error)
        self.done(item)

    def is_busy_with(self, run_id: str | None) -> bool:
        """Is somebody bringing observations of this run just now?"""
        with self._lock:
            return any(self._items[each].of_run == run_id for each in self._busy)

    def close(self) -> None:
        if self._spill:
            self._spill.close()

    def after_fork(self) -> None:
        """The parent sends its own; a child starts empty, and leaves the parent's file alone."""
        self._lock = threading.RLock()
        self._items.clear()
        self._sizes.clear()
        self._busy.clear()
        if self._spill:
            self._spill = self._spill.for_child()

    def _keep(self, item: Item) -> None:
        self._items[item.id] = item
        self._sizes[item.id] = len(encode(item.body))

    def _forget(self, item: Item) -> None:
        if self._items.pop(item.id, None) is not None and self._spill:
            self._spill.write({"done": item.id})
        self._sizes.pop(item.id, None)
        self._busy.discard(item.id)

    def _make_room(self) -> None:
        while len(self._items) > self.size:
            free = (i for i in self._items.values() if i.id not in self._busy)
            oldest = next((i for i in free if i.kind == "observation"), None)
            if oldest is None:
                return
            if self.dropped % 1000 == 0:
                logger.warning("the buffer is full: the oldest observations are dropped")
            self.dropped += 1
            self._forget(oldest)


def _line(item: Item) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(item.__dict__))
    return body
