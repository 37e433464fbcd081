"""Which day it is, and how often it was begun: what the rebalancer itself must not forget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .plan import Trade


class Diary:
    """A JSON file that is replaced as a whole, so that it is never half written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages: dict[str, Any] = {"day": 1, "attempt": 1, "trades": None}
        if path.exists():
            self._pages = json.loads(path.read_text())

    @property
    def day(self) -> int:
        return int(self._pages["day"])

    @property
    def run_key(self) -> str:
        return f"day-{self.day}.{self._pages['attempt']}"

    @property
    def trades(self) -> list[Trade] | None:
        """What this attempt set out to do; None before it did."""
        planned = self._pages["trades"]
        return None if planned is None else [Trade.from_arguments(each) for each in planned]

    def plan(self, trades: list[Trade]) -> None:
        self._write(trades=[{**trade.arguments(), "reason": trade.reason} for trade in trades])

    def next_attempt(self) -> None:
        """The run of this day was ended by a person; the day is planned afresh."""
        self._write(attempt=self._pages["attempt"] + 1, trades=None)

    def next_day(self) -> None:
        self._write(day=self.day + 1, attempt=1, trades=None)

    def _write(self, **pages: Any) -> None:
        self._pages |= pages
        half = self._path.with_name(f"{self._path.name}.half")
        half.write_text(json.dumps(self._pages))
        half.replace(self._path)
