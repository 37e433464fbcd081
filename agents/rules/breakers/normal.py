"""What of a step is looked at for circles: what it works on and what came of it, not which try it was.

Two errors are possible. What changes from try to try hides a circle; what tells items apart and is overlooked
makes a queue that is worked through look like one. Arguments say what is worked on, so only what names a try is
left out of them. Results of the same question may differ in ids, moments and sums as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

TRIES = frozenset(
    [
        "attempt",
        "attempts",
        "attempt_no",
        "retry",
        "retries",
        "retry_no",
        "try",
        "tries",
        "try_no",
        "count",
        "counter",
        "iteration",
        "iterations",
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
        "offset",
        "cursor",
        "page",
        "depth",
        "nonce",
        "salt",
        "seed",
        "random",
        "timestamp",
        "ts",
        "now",
        "current_time",
        "requested_at",
        "sent_at",
        "created_at",
        "updated_at",
        "elapsed",
        "elapsed_ms",
        "duration",
        "duration_ms",
        "latency",
        "latency_ms",
        "request_id",
        "trace_id",
        "span_id",
        "correlation_id",
        "call_id",
        "tool_call_id",
        "idempotency_key",
    ]
)
"""Keys whose values say which try this is, not what it works on."""

_TRY_WORDS = frozenset({"attempt", "attempts", "retry", "retries", "iteration", "counter", "nonce"})

ANSWERS = TRIES | frozenset(
    [
        "id",
        "uuid",
        "guid",
        "date",
        "datetime",
        "time",
        "at",
        "number",
        "no",
        "nr",
        "num",
        "ticket",
        "reference",
        "etag",
        "revision",
        "version",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "prompt_tokens",
        "completion_tokens",
        "tokens",
        "cost",
        "cost_usd",
    ]
)
"""Keys whose values differ from answer to answer although the answer is the same."""

METERS = frozenset({"usage", "usage_metadata", "token_usage", "response_metadata"})
"""What was used up for an answer, whatever stands in it."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PLAIN = re.compile(r"[^a-z0-9]+")
_DIGIT = re.compile(r"\d")

_MOMENT = re.compile(
    r"\d\d\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_CALL = re.compile(r"(?:call|toolu|chatcmpl|msg|run|resp|req)[_-][A-Za-z0-9]{8,}")
_TRY = re.compile(
    r"(?:attempt|retry|retries|try|iteration)\s*(?:no\.?|number|#)?\s*#?:?\s*\d+(?:\s*(?:/|of)\s*\d+)?",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_CLOCK = re.compile(r"\d\d\d\d-\d\d-\d\d|\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_NUMBERED = re.compile(
    r"(?:\b(?:round|step|page|no\.?|nr\.?|number)|#)\s*#?:?\s*\d+(?:\s*(?:/|of)\s*\d+)?",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"[A-Za-z]{1,8}[-_ ]?#?\d+")

DEEPEST = 12
MOST_NODES = 2_000
LONGEST_TEXT = 20_000
"""What is larger is taken as it is, by its digest: no step may keep others waiting."""
LAST_MESSAGES = 3
HOLDERS = (dict, list, tuple)


def asked(value: Any) -> Any:
    """A question (arguments) without what says which try it is."""
    return _Reader(names_a_try, question).read(value)


def told(value: Any) -> Any:
    """An answer (result or error) without what differs from answer to answer."""
    return _Reader(names_an_answer, answer).read(value)


def question(text: str) -> str:
    """Without the time of day it was put together, ids of calls, “attempt 3 of 5”. A moment alone is an item."""
    if ":" in text and not _MOMENT.fullmatch(text):
        text = _MOMENT.sub("~", text)
    return without_tries(text)


def answer(text: str) -> str:
    """Also without dates, ids made for the occasion, “page 3”, and a reference that stands alone: `T-1042`."""
    if _REFERENCE.fullmatch(text):
        return "~"
    if ":" in text or "-" in text:
        text = _CLOCK.sub("~", _UUID.sub("~", _MOMENT.sub("~", text)))
    return _NUMBERED.sub("~", without_tries(text))


def without_tries(text: str) -> str:
    if "_" in text or "-" in text:
        text = _CALL.sub("~", text)
    low = text.lower()
    if "attempt" in low or "retr" in low or "try" in low or "iteration" in low:
        text = _TRY.sub("~", text)
    return text


@lru_cache(4096)
def names_a_try(key: str) -> bool:
    name = plain_key(key)
    return name in TRIES or not _TRY_WORDS.isdisjoint(name.split("_"))


@lru_cache(4096)
def names_an_answer(key: str) -> bool:
    name = plain_key(key)
    return name in ANSWERS or name.endswith(("_id", "_at")) or names_a_try(key)


def plain_key(key: str) -> str:
    """`retryCount` and `Retry-Count` are `retry_count`."""
    return _PLAIN.sub("_", _CAMEL.sub("_", key[:200]).lower()).strip("_")


class _Reader:
    def __init__(self, is_left_out: Callable[[str], bool], plain: Callable[[str], str]) -> None:
        self.is_left_out, self.plain = is_left_out, plain
        self.left = MOST_NODES

    def read(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, HOLDERS):
            return value
        self.left -= len(value)
        if depth > DEEPEST or self.left < 0:
            return digest(value)
        if isinstance(value, dict):
            # A list under such a name is what it works on: `step: [read, write]`.
            return {
                str(key): self.read(one, depth + 1)
                for key, one in value.items()
                if key not in METERS
                and (isinstance(one, HOLDERS) or not self.is_left_out(str(key)))
            }
        return [self.read(one, depth + 1) for one in told_apart(value)]

    def text(self, value: str) -> str:
        if len(value) > LONGEST_TEXT:
            return digest(value)
        return self.plain(value) if _DIGIT.search(value) else value


def told_apart(messages: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Of a conversation that grows with every step: what was asked for first, and the last messages."""
    if len(messages) <= LAST_MESSAGES + 1 or not all(map(is_message, messages)):
        return list(messages)
    of_user = (one for one in messages if one.get("role", one.get("type")) in ("user", "human"))
    return [next(of_user, messages[0]), *messages[-LAST_MESSAGES:]]


def is_message(value: Any) -> bool:
    return isinstance(value, dict) and (
        "role" in value or ("type" in value and ("content" in value or "data" in value))
    )


def digest(value: Any) -> str:
    return blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()
