"""Loops: the same few steps over and over, whatever counts up in their arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

WIDTH = 8
"""Bytes of one fingerprint."""
REMEMBERED = 64
"""How many fingerprints a run keeps, the newest last."""
LONGEST_CYCLE = 4

COUNTERS = frozenset(
    [
        "attempt",
        "attempts",
        "retry",
        "retries",
        "try",
        "tries",
        "count",
        "counter",
        "iteration",
        "iter",
        "round",
        "turn",
        "step",
        "seq",
        "sequence",
        "index",
        "idx",
        "i",
        "j",
        "k",
        "n",
        "no",
        "nr",
        "num",
        "number",
        "offset",
        "cursor",
        "page",
        "depth",
        "nonce",
        "salt",
        "seed",
        "timestamp",
        "ts",
        "time",
        "now",
        "date",
        "datetime",
        "at",
        "created_at",
        "updated_at",
        "request_id",
        "trace_id",
        "span_id",
        "correlation_id",
        "call_id",
        "idempotency_key",
        "uuid",
        "guid",
        "elapsed",
        "duration",
        "elapsed_ms",
        "duration_ms",
        "latency",
        "latency_ms",
    ]
)
"""Keys whose values say which try this is, not what it works on."""

_PLAIN_KEY = re.compile(r"[^a-z0-9]+")
_VOLATILE = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\b\d\d:\d\d:\d\d(?:\.\d+)?\b"
    r"|\b(?:attempt|retry|try|iteration|round|step|page|no\.?|#)\s*#?:?\s*\d+(?:\s*(?:/|of)\s*\d+)?",
    re.IGNORECASE,
)
"""Inside text: ids made for the occasion, moments, and “attempt 3 of 5”."""
_DEEPEST = 12
_LONGEST_TEXT = 2_000

_encode = msgspec.json.Encoder(order="deterministic").encode


def fingerprint(*, tool: str, subject: str, arguments: Any, result: Any) -> bytes:
    """What one step did, in 8 bytes: equal for steps that differ only in counters, moments and ids of the try."""
    seen = _encode([tool, subject, normalised(arguments), normalised(result)])
    return blake2b(seen, digest_size=WIDTH).digest()


def normalised(value: Any, depth: int = 0) -> Any:
    """A JSON value without what changes from try to try."""
    if isinstance(value, str):
        return _VOLATILE.sub("~", value[:_LONGEST_TEXT]).strip()
    if depth > _DEEPEST:
        return "~"
    if isinstance(value, dict):
        return {
            str(key): normalised(one, depth + 1)
            for key, one in value.items()
            if not (is_counter(str(key)) and not isinstance(one, dict | list))
        }
    if isinstance(value, list | tuple):
        return [normalised(one, depth + 1) for one in value]
    return value


def is_counter(key: str) -> bool:
    return _PLAIN_KEY.sub("_", key.lower()).strip("_") in COUNTERS


def split(ring: bytes) -> list[bytes]:
    """A run's kept fingerprints, oldest first."""
    return [ring[at : at + WIDTH] for at in range(0, len(ring), WIDTH)]


def append(ring: bytes, step: bytes) -> bytes:
    """The ring with one more step; the oldest falls out."""
    return (ring + step)[-WIDTH * REMEMBERED :]


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
