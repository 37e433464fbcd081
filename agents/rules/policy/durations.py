"""Durations as policies write them: `30s`, `15m`, `4h`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta

WRITTEN = re.compile(r"(\d{1,9})(s|m|h|d)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
NAMES = {"d": "day", "h": "hour", "m": "minute", "s": "second"}
LONGEST = timedelta(days=365)


def read(text: str) -> timedelta | None:
    """None when this is no duration, or one longer than a year."""
    found = WRITTEN.fullmatch(text)
    if found is None:
        return None
    seconds = int(found[1]) * SECONDS[found[2]]
    return timedelta(seconds=seconds) if seconds <= LONGEST.total_seconds() else None


def written(duration: timedelta) -> str:
    """In the largest unit that says it exactly, so that every duration has one form."""
    size, unit = _in_largest_unit(duration)
    return f"{size}{unit}"


def spoken(duration: timedelta) -> str:
    """`4 hours`, `1 day`."""
    size, unit = _in_largest_unit(duration)
    return f"{size} {NAMES[unit]}{'' if size == 1 else 's'}"


def _in_largest_unit(duration: timedelta) -> tuple[int, str]:
    seconds = int(duration.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return seconds // SECONDS[unit], unit
    return seconds, "s"
