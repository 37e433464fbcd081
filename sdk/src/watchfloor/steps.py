"""Names for steps that stay the same when a restarted process goes through them again."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from watchfloor.jsonable import digest


class StepIds:
    """`tool:digest:n` for the nth step of a run with this tool, subject and arguments.

    The order of different steps does not matter, so threads may race; the same step twice gets two
    names. A step that was interrupted gives its name back, because the framework runs it again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._free: defaultdict[str, list[int]] = defaultdict(list)

    def take(self, tool: str, subject: str | None, arguments: Mapping[str, Any]) -> str:
        base = f"{tool[:80]}:{digest(tool, subject, arguments)}"
        with self._lock:
            if self._free[base]:
                return f"{base}:{self._free[base].pop(0)}"
            self._counts[base] += 1
            return f"{base}:{self._counts[base]}"

    def give_back(self, name: str) -> None:
        base, _, number = name.rpartition(":")
        with self._lock:
            if base in self._counts and number.isdigit():
                self._free[base] = sorted({*self._free[base], int(number)})

    def renew_locks(self) -> None:
        self._lock = threading.Lock()
