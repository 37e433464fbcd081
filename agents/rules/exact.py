"""JSON whose numbers survive exactly: read strictly, compared by value, and put into a form that a digest binds.

PostgreSQL's jsonb and Python's floats both lose some numbers, and RFC 8785 has a form only for those that
an IEEE 754 double holds. Here a number is the text it was sent as, until somebody needs its value.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

LARGEST_SAFE = 2**53 - 1
DEEPEST = 100
LONGEST_EXPONENT = 9
"""Digits. No reader of such a number could do anything with it."""

NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)0*(\d+))?")


class Unreadable(ValueError):
    """Not JSON as RFC 8259 and this protocol have it; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as it was written."""

    text: str

    @property
    def form(self) -> str:
        """Equal for equal values, whatever their writing: `12e-1` for `1.2`, `1.20` and `0.12E1`."""
        found = NUMBER.fullmatch(self.text)
        if found is None or len(found[5] or "") > LONGEST_EXPONENT:
            raise Unreadable(f"The number {self.text[:40]} cannot be read.")
        sign, whole, part, direction, power = found.groups(default="")
        digits = (whole + part).lstrip("0")
        kept = digits.rstrip("0")
        exponent = int(f"{direction}{power or 0}") - len(part) + len(digits) - len(kept)
        return f"{sign}{kept}e{exponent}" if kept else "0"

    @property
    def plain(self) -> int | float | str:
        """What a digest can bind: an integer or double of exactly this value, or else the text itself."""
        form = self.form
        double = float(self.text)
        if abs(double) <= LARGEST_SAFE:
            if double.is_integer() and Number(str(int(double))).form == form:
                return int(double) if self.text.lstrip("-").isdigit() else double
            if Number(repr(double)).form == form:
                return double
        return self.text


def read(body: bytes) -> Any:
    """The JSON value, its numbers as Number. Raises Unreadable: also for repeated keys, NaN and broken text."""
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=unique,
            parse_int=Number,
            parse_float=Number,
            parse_constant=refuse_constant,
        )
        form(value)
    except Unreadable:
        raise
    except RecursionError as error:
        raise Unreadable(f"It is nested more than {DEEPEST} deep.") from error
    except ValueError as error:
        raise Unreadable(str(error)) from error
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a repeated key would mean one thing to a person and another to the tool."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("A key is given twice in one object.")
    return found


def refuse_constant(name: str) -> Any:
    raise Unreadable(f"{name} is no JSON number.")


def form(value: Any, depth: int = 0) -> str:
    """Equal text for equal values: keys sorted, numbers by value; `1`, `"1"` and `true` differ. Raises Unreadable."""
    if isinstance(value, Number):
        return value.form
    if isinstance(value, str):
        if "\x00" in value:
            raise Unreadable("Text must not contain the character U+0000.")
        return json.dumps(value, ensure_ascii=False).encode().decode()
    if isinstance(value, dict | list) and depth >= DEEPEST:
        raise Unreadable(f"It is nested more than {DEEPEST} deep.")
    if isinstance(value, dict):
        inner = (f"{form(key)}:{form(value[key], depth + 1)}" for key in sorted(value))
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(form(one, depth + 1) for one in value) + "]"
    return json.dumps(value)


def plain(value: Any) -> Any:
    """The value as rules judge it and digests bind it: a number no double holds exactly becomes its text."""
    if isinstance(value, Number):
        return value.plain
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def written(value: Any, was: Any = None) -> str:
    """A plain value as JSON again, where a text that stands for a number of `was` is that number."""
    if isinstance(value, str) and isinstance(was, Number) and was.text == value:
        return was.text
    if isinstance(value, dict):
        before = was if isinstance(was, dict) else {}
        members = (f"{written(key)}: {written(one, before.get(key))}" for key, one in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        earlier = was if isinstance(was, list) else []
        pairs = zip_longest(value, earlier[: len(value)])
        return "[" + ", ".join(written(one, before) for one, before in pairs) + "]"
    return json.dumps(value, ensure_ascii=False)
