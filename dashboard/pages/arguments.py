"""Values as people type them: numbers that stay exact, strict JSON, and what differs between two objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from audit.errors import Invalid

Json = Any

LARGEST_EXACT = 2**53 - 1
"""RFC 8785 canonical JSON, which an approval is bound to, knows no larger whole numbers."""
FIELDS_SHOWN = 200
EDITABLE_LENGTH = 20_000

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?")
WHOLE = re.compile(r"-?(0|[1-9]\d*)")


@dataclass(frozen=True)
class Change:
    key: str
    before: Json
    after: Json
    was_there: bool = True
    is_there: bool = True


def number(text: str, *, name: str) -> int | float:
    """Read a JSON number (RFC 8259 §6) that can be kept exactly."""
    if len(text) > 40 or not NUMBER.fullmatch(text):
        raise Invalid(f"“{name}” must be a number such as 1200 or 12.5, without separators.")
    if WHOLE.fullmatch(text):
        whole = int(text)
        if abs(whole) > LARGEST_EXACT:
            raise Invalid(f"“{name}” is too large a number to be kept exactly.")
        return whole
    value = float(text)
    if value in (float("inf"), float("-inf")) or Decimal(repr(value)) != Decimal(text):
        raise Invalid(f"“{name}” has more digits than can be kept exactly.")
    return value


def parse(text: str, *, name: str) -> Json:
    """Read strict JSON: no NaN, no repeated keys, only numbers that can be kept exactly."""

    def refuse(constant: str) -> Json:
        raise Invalid(f"“{name}” holds {constant}, which JSON does not know.")

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        found = dict(items)
        if len(found) != len(items):
            raise Invalid(f"“{name}” names a key twice.")
        return found

    try:
        return json.loads(
            text,
            parse_int=lambda digits: number(digits, name=name),
            parse_float=lambda digits: number(digits, name=name),
            parse_constant=refuse,
            object_pairs_hook=pairs,
        )
    except json.JSONDecodeError as error:
        raise Invalid(
            f"“{name}” is no valid JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise Invalid(f"“{name}” is nested too deeply.") from error


def parse_object(text: str, *, name: str) -> dict[str, Json]:
    value = parse(text, name=name)
    if not isinstance(value, dict):
        raise Invalid(f"“{name}” must be a JSON object: {{…}}.")
    return value


def changes(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[Change]:
    """What differs, key by key; `1` and `1.0` are the same number, `true` and `1` are not the same."""
    return list(_changes(before, after))


def _changes(before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[Change]:
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if key not in before:
            yield Change(key, None, new, was_there=False)
        elif key not in after:
            yield Change(key, old, None, is_there=False)
        elif not same(old, new):
            yield Change(key, old, new)


def same(one: Json, other: Json) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
