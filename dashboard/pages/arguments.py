"""Typed inputs made from JSON values, and back: numbers stay numbers, untouched values stay as they were."""

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
class Field:
    """One argument as an input. `input` names it in the form, since a key may be any text at all."""

    key: str
    input: str
    kind: str
    """`number`, `boolean`, `line`, `text`, `json`, or `fixed` when too long to edit in a page."""
    value: Json
    text: str


@dataclass(frozen=True)
class Change:
    key: str
    before: Json
    after: Json
    was_there: bool = True
    is_there: bool = True


def fields(arguments: Mapping[str, Json], prefix: str = "argument") -> list[Field]:
    """Inputs for the first `FIELDS_SHOWN` keys; the others are kept as they are."""
    shown = list(arguments.items())[:FIELDS_SHOWN]
    return [_field(key, value, f"{prefix}-{n}") for n, (key, value) in enumerate(shown)]


def _field(key: str, value: Json, name: str) -> Field:
    match value:
        case bool():
            return Field(key, name, "boolean", value, "true" if value else "false")
        case int() | float():
            return Field(key, name, "number", value, json.dumps(value))
        case str() if len(value) > EDITABLE_LENGTH:
            return Field(key, name, "fixed", value, "")
        case str() if len(value) > 60 or "\n" in value or "\r" in value:
            return Field(key, name, "text", value, value)
        case str():
            return Field(key, name, "line", value, value)
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return Field(key, name, "fixed" if len(text) > EDITABLE_LENGTH else "json", value, text)


def edited(
    arguments: Mapping[str, Json], form: Mapping[str, str], prefix: str = "argument"
) -> dict[str, Json]:
    """Return the arguments as the form has them. Raises `Invalid` naming the one that cannot be meant."""
    result = dict(arguments)
    for field in fields(arguments, prefix):
        if field.kind != "fixed" and field.input in form:
            result[field.key] = _value(field, form[field.input])
    return result


def _value(field: Field, text: str) -> Json:
    text = text.replace("\r\n", "\n")  # browsers send CRLF whatever the value held
    if text == field.text.replace("\r\n", "\n"):
        return field.value
    match field.kind:
        case "boolean":
            if text not in ("true", "false"):
                raise Invalid(f"“{field.key}” is either true or false.")
            return text == "true"
        case "number":
            return number(text.strip(), name=field.key)
        case "json":
            return parse(text, name=field.key)
    return text


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
