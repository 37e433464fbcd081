"""Who knows what belongs to a case: apps above register here when they are ready, since the record depends on nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID


class Found(NamedTuple):
    """A case's lines by number, and everything that belongs to it, as lines name what they are about."""

    lines: list[int]
    names: list[str]


namers: list[Callable[[set[str]], dict[str, str]]] = []
"""Given names in the record, what people call those that are not people: `{"agent:…": "scout"}`."""

finders: list[Callable[[UUID], Found | None]] = []


def case(pk: UUID) -> Found | None:
    """The case of an action or a hold, whosever it is: for those who have the machine."""
    return next((found for find in finders if (found := find(pk))), None)
