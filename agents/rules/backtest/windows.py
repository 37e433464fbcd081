"""Windows that slide exactly: what a breaker's bucket sums stand for, without the buckets."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

USUAL = timedelta(days=7)
"""What is usual, is what was in the seven days before the window."""


@dataclass(slots=True)
class Entry:
    at: datetime
    value: Decimal
    volume: int


@dataclass(slots=True)
class Window:
    """What happened lately, as a sum. `older` keeps what fell out, for a week, where somebody asks what is usual."""

    keeps_older: bool = False
    value: Decimal = Decimal(0)
    volume: int = 0
    base: Decimal = Decimal(0)
    base_volume: int = 0
    entries: deque[Entry] = field(default_factory=deque)
    older: deque[Entry] = field(default_factory=deque)

    def slide(self, since: datetime | None) -> None:
        """Let go of what was at `since` or before; None keeps everything."""
        while since is not None and self.entries and self.entries[0].at <= since:
            gone = self.entries.popleft()
            self.value -= gone.value
            self.volume -= gone.volume
            if self.keeps_older:
                self.older.append(gone)
                self.base += gone.value
                self.base_volume += gone.volume
        while since is not None and self.older and self.older[0].at <= since - USUAL:
            gone = self.older.popleft()
            self.base -= gone.value
            self.base_volume -= gone.volume

    def add(self, at: datetime, value: Decimal | int, volume: int) -> Entry:
        entry = Entry(at, Decimal(value), volume)
        self.entries.append(entry)
        self.value += entry.value
        self.volume += volume
        return entry

    def take(self, entry: Entry, value: Decimal, since: datetime | None) -> None:
        """Take back what was only reserved; from what fell out of the window it is gone already."""
        entry.value -= value
        if since is None or entry.at > since:
            self.value -= value


class Uses:
    """How often each agent acted before, and with which tool."""

    def __init__(self) -> None:
        self._uses: dict[tuple[str, str], int] = defaultdict(int)

    def set(self, agent: str, tool: str, uses: int) -> None:
        self._uses[agent, tool] = uses

    def of(self, agent: str, tool: str) -> tuple[int, int]:
        return self._uses[agent, ""], self._uses[agent, tool]

    def count(self, agent: str, tool: str) -> None:
        self._uses[agent, ""] += 1
        self._uses[agent, tool] += 1
