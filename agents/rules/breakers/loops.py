"""Loops: the same few steps over and over, whatever counts up in them. `normal` says what of a step is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from .normal import asked, question, told

WIDTH = 8
"""Bytes of one fingerprint."""
KEPT = 6
"""Bytes of it that a run keeps of each step, before the moment in milliseconds since 1970, 6 bytes as well."""
STEP = KEPT + 6
REMEMBERED = 42
"""How many steps a run keeps, the newest last."""
LONGEST_CYCLE = 4
MOST = REMEMBERED // LONGEST_CYCLE
"""A higher limit than this could not be reached by the longest cycles."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Step(NamedTuple):
    """One kept step; `at` in milliseconds since 1970, 0 where nobody said."""

    mark: bytes
    at: int


def fingerprint(*, tool: str, subject: str, arguments: Any, result: Any) -> bytes:
    """What one step did, in 8 bytes: equal for steps that differ only in counters, moments and ids of the try.

    Where neither subject nor arguments say what was worked on (“next item, please”), only the result does, and
    it is taken as it is.
    """
    wanted = asked(arguments)
    came = told(result) if subject or wanted else asked(result)
    return blake2b(_encode([tool, question(subject), wanted, came]), digest_size=WIDTH).digest()


def append(ring: bytes, step: bytes, at: datetime | None = None) -> bytes:
    """The ring with one more step; the oldest falls out."""
    when = millis(at) if at else int.from_bytes(ring[-6:])
    return (ring + step[:KEPT] + when.to_bytes(6))[-STEP * REMEMBERED :]


def steps_of(ring: bytes) -> list[Step]:
    """A run's kept steps, oldest first."""
    return [
        Step(ring[at : at + KEPT], int.from_bytes(ring[at + KEPT : at + STEP]))
        for at in range(0, len(ring), STEP)
    ]


def split(ring: bytes) -> list[bytes]:
    """What the kept steps did, oldest first."""
    return [ring[at : at + KEPT] for at in range(0, len(ring), STEP)]


def recent(ring: bytes, *, window_s: float = 0, reset_at: datetime | None = None) -> list[bytes]:
    """The steps that count: within the window up to the newest, and after what was answered for."""
    kept = steps_of(ring)
    if not kept:
        return []
    since = kept[-1].at - int(window_s * 1000) if window_s else 0
    after = millis(reset_at) if reset_at else -1
    return [step.mark for step in kept if step.at >= since and step.at > after]


def millis(at: datetime) -> int:
    return max(0, (at - _EPOCH) // timedelta(milliseconds=1))


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def cycle(steps: Sequence[bytes]) -> tuple[int, int]:
    """`(length, times)` of the cycle that the steps end in: the shortest that was gone through most often.

    `abab` is a cycle of 2, twice. No repetition is a cycle of 1, once.
    """
    best = (1, 1) if steps else (0, 0)
    for length in range(1, LONGEST_CYCLE + 1):
        times = repetitions(steps, length)
        if times > 1 and times > best[1]:
            best = (length, times)
    return best


def repetitions(steps: Sequence[bytes], length: int) -> int:
    """How often the last `length` steps were done in a row."""
    end = len(steps)
    if end < length:
        return 0
    last = steps[end - length :]
    times, at = 1, end - 2 * length
    while at >= 0 and steps[at : at + length] == last:
        times, at = times + 1, at - length
    return times
