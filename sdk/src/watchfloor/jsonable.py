"""Python values ↔ the JSON that travels, and short digests of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from watchfloor.models import Json

LARGEST_RESULT = 64 * 1024
"""Bytes the server keeps of one result."""

NOT_STORED = "$watchfloor"


def jsonable(value: Any) -> Json:
    """The nearest JSON. Dates become RFC 3339, decimals strings, what is unknown its `repr`."""
    return _convert(value)[0]


def is_faithful(value: Any) -> bool:
    """Would the JSON of `value` read back as an equal value (tuples as lists)?"""
    return _convert(value)[1]


def storable(value: Any, *, anyway: bool = False) -> Json:
    """The result as it is kept for a replay, or a note that it cannot be.

    `anyway`: keep the nearest JSON even when it reads back differently (the caller restores it).
    """
    body, faithful = _convert(value)
    text = json.dumps(body, ensure_ascii=False)
    if (faithful or anyway) and len(text.encode(errors="replace")) <= LARGEST_RESULT:
        return body
    return {NOT_STORED: "not_stored", "text": text[:10_000]}


def is_stored(result: Json) -> bool:
    return not (isinstance(result, dict) and result.get(NOT_STORED) == "not_stored")


def digest(*values: Any) -> str:
    """12 hex digits that are equal for equal JSON, whatever the order of keys."""
    text = json.dumps(jsonable(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def encode(body: Json) -> bytes:
    return json.dumps(jsonable(body), separators=(",", ":"), ensure_ascii=False).encode(
        errors="replace"
    )


def money(amount: Decimal | float | str | None) -> str | None:
    return None if amount is None else str(Decimal(str(amount)))


def seconds(duration: timedelta | float | None) -> float | None:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def _convert(value: Any) -> tuple[Json, bool]:
    if isinstance(value, str) and "\x00" in value:
        return value.replace("\x00", "\ufffd"), False
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value, True
    if isinstance(value, float):
        return (value, True) if math.isfinite(value) else (str(value), False)
    if isinstance(value, Mapping):
        pairs = [(str(key), isinstance(key, str), *_convert(each)) for key, each in value.items()]
        faithful = isinstance(value, dict) and all(a and b for _, a, _, b in pairs)
        return {key: each for key, _, each, _ in pairs}, faithful
    if isinstance(value, list | tuple):
        items = [_convert(each) for each in value]
        return [each for each, _ in items], all(faithful for _, faithful in items)
    return _nearest(value), False


def _nearest(value: Any) -> Json:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Enum):
        return jsonable(value.value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return [jsonable(each) for each in sorted(value, key=repr)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return jsonable({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    if callable(dump := getattr(value, "model_dump", None)):
        return jsonable(dump(mode="json"))
    return str(value)
