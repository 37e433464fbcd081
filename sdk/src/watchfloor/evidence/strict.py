"""JSON that means one thing only: no name twice, no NaN, no endless numbers or depth."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class Malformed(ValueError):
    """Text that is no such JSON; says why."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a name stands in it twice")
    return found


def _refused(word: str) -> NoReturn:
    raise Malformed(f"{word} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refused)
_LONG = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refused, parse_int=str)


def loads_line(text: str, *, long_numbers: bool = False) -> Any:
    """A value with nothing before or behind it, not even space. Python reads numbers of 4,300 digits at most:
    longer ones are refused, or left as the text they are."""
    try:
        found, end = _decoded(text, long_numbers)
    except Malformed:
        raise
    except json.JSONDecodeError as problem:
        raise Malformed(f"it is no JSON ({problem.msg})") from None
    except ValueError:
        raise Malformed("a number in it is too long") from None
    except RecursionError:
        raise Malformed("it is nested too deeply") from None
    if end != len(text):
        raise Malformed("something follows after its end")
    return found


def _decoded(text: str, long_numbers: bool) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text)
    except (Malformed, json.JSONDecodeError):
        raise
    except ValueError:
        if not long_numbers:
            raise
    return _LONG.raw_decode(text)


def loads_bytes(raw: bytes) -> Any:
    try:
        return loads_line(raw.decode().strip(" \t\r\n"))
    except UnicodeDecodeError:
        raise Malformed("it is not UTF-8") from None


def is_count(value: object) -> bool:
    """A whole number from 0 that fits into 63 bits. (True is none, though Python takes it for 1.)"""
    return type(value) is int and 0 <= value < 1 << 63
