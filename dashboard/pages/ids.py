"""Ids sort by time, so that a stretch of time is a stretch of ids, and an index on ids finds it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID


def first_id_at(at: datetime, *, slack: timedelta = timedelta(seconds=5)) -> UUID:
    """The smallest UUIDv7 (RFC 9562 §5.7) made at `at`, a little earlier for clocks that differ."""
    milliseconds = max(int((at - slack).timestamp() * 1000), 0)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62))
