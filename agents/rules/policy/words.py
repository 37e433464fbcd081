"""What the condition library says, in words a support manager understands.

Its messages are those of cel-cpp (`compiler/` and `runtime/standard/` there). One that is not known here is
shown as it is when a rule is saved, and as "could not be worked out" when an action is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

FUNCTIONS = (
    *("all", "bool", "bytes", "contains", "double", "duration", "dyn", "endsWith", "exists"),
    *("exists_one", "filter", "has", "int", "map", "matches", "size", "startsWith", "string"),
    *("timestamp", "type", "uint", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
)

KINDS = {
    "string": "text",
    "int": "a whole number",
    "int64": "a whole number",
    "uint": "a whole number (unsigned)",
    "uint64": "a whole number (unsigned)",
    "double": "a number with decimals",
    "bool": "a yes or no",
    "bytes": "bytes",
    "null": "nothing (null)",
    "null_type": "nothing (null)",
    "list": "a list",
    "map": "an object",
    "dyn": "any value",
    "timestamp": "a point in time",
    "google.protobuf.Timestamp": "a point in time",
    "duration": "a span of time",
    "google.protobuf.Duration": "a span of time",
}

REPORTED = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*?)(?:\n \||\Z)", re.DOTALL)
UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")
UNEXPECTED = re.compile(r"(?:mismatched|extraneous) input '(.*?)' expecting|no viable .* '(.*)'")
STRAY = re.compile(r"token recognition error at: '(.*)'", re.DOTALL)
SELECTED = re.compile(r"expression of type '(.*?)' cannot be the operand of a select operation")
OPERATOR = re.compile(r"_?([^\w@_]+|@in)_?")


class Complaint(NamedTuple):
    """What is wrong with a condition (a sentence), and where; line and column count from 1."""

    text: str
    line: int = 0
    column: int = 0

    @property
    def place(self) -> str:
        if not self.column:
            return ""
        line = f"line {self.line}, " if self.line > 1 else ""
        return f"at {line}column {self.column}"


def complaint(message: str, text: str, variables: Iterable[str]) -> Complaint:
    """The first error of compiling `text`."""
    if "recursion" in message:
        return Complaint("It is nested too deeply; write it as several rules.")
    found = REPORTED.search(message)
    if found is None:
        return Complaint(f"It cannot be read ({message.splitlines()[0][:200]}).")
    line, column, said = int(found[1]), int(found[2]), found[3].strip()
    if match := UNDECLARED.search(said):
        column = start_of(match[1], text, line, column)
    return Complaint(explained(said, tuple(variables)), line, column)


def start_of(name: str, text: str, line: int, column: int) -> int:
    """Of a function the library reports where its bracket opens; people look for its name."""
    before = text.split("\n")[line - 1][: column - 1]
    return column - len(name) if before.endswith(name) else column


def explained(said: str, variables: tuple[str, ...]) -> str:
    if match := UNDECLARED.search(said):
        return unknown(match[1], variables)
    if match := OVERLOAD.search(said):
        return mismatch(match[1], kinds_in(match[2]))
    if match := SELECTED.search(said):
        return f"{capital(kind(match[1]))} has no parts, so no “.” can follow it."
    if match := UNEXPECTED.search(said):
        stray = match[1] or match[2]
        return "It ends too early." if stray == "<EOF>" else f"“{stray}” is not expected here."
    if match := STRAY.search(said):
        if match[1].strip() == "=":
            return "“=” is not expected here; two things are compared by “==”."
        return f"“{match[1]}” is not expected here."
    return f"It cannot be read ({said[:200]})."


def unknown(name: str, variables: tuple[str, ...]) -> str:
    """An undeclared name, and the one that was probably meant."""
    hint = nearest(name, variables + FUNCTIONS)
    if hint == name:
        return f"“{name}” is not used like this: docs/policies.md shows how."
    if hint:
        return f"It knows no “{name}”. Did you mean “{hint}”?"
    return f"It knows no “{name}”. What the agent sends is written args.{name.split('.')[0]}."


def mismatch(function: str, kinds: list[str]) -> str:
    """An operator or function with operands it does not take."""
    words = [kind(k) for k in kinds]
    if function in ("_&&_", "_||_", "!_", "_?_:_"):
        wrong = next((w for w, k in zip(words, kinds, strict=True) if k != "bool"), words[0])
        return f"{shown(function)} joins yes-or-no questions, and one part is {wrong}."
    if set(kinds) == {"int", "double"}:
        return (
            f"{shown(function)} cannot compare a whole number with a number with decimals; "
            "write 50.0 instead of 50."
        )
    if len(words) == 2 and function.startswith("_"):
        return f"{shown(function)} does not go with {words[0]} and {words[1]}."
    return f"{shown(function)} does not take {' and '.join(words)}."


def failure(message: str) -> str:
    """Why a condition could not be worked out for one action: half a sentence. Shows no values."""
    if match := re.search(r'Key not found in map : "(.{1,60})"', message):
        return f"there is no “{match[1]}”"
    if match := re.search(r"No matching overloads found : (\S+)\((.*)\)", message):
        words = [kind(k) for k in kinds_in(match[2])]
        return f"{shown(match[1])} cannot read {' and '.join(words)}"
    for said, words_for_it in FAILURES:
        if said in message:
            return words_for_it
    return "it could not be worked out"


FAILURES = (
    ("Applying SELECT", "a value has no parts"),
    ("divide by zero", "it divides by zero"),
    ("modulus by zero", "it divides by zero"),
    ("cannot convert string", "a text is no number"),
    ("overflow", "a number is too large"),
    ("out of int64 range", "a number is too large"),
    ("out of range", "a number is too large"),
    ("Iteration budget", "a list is too long"),
    ("Timestamp conversion", "a text is no point in time"),
    ("construction from null", "a text is not valid Unicode"),
    ("index out of bounds", "a list is too short"),
)


def kind(name: str) -> str:
    head = re.split(r"[(<]", name.strip(), maxsplit=1)[0]
    return KINDS.get(head, "a value")


def kinds_in(text: str) -> list[str]:
    """`string, map(string, dyn)` in its parts: commas in brackets do not count."""
    return [part.strip() for part in re.findall(r"[^,(<]+(?:[(<][^)>]*[)>])?", text)]


def shown(function: str) -> str:
    """`_==_` as people write it."""
    if function == "_?_:_":
        return "“? :”"
    if function == "_[_]":
        return "“[ ]”"
    if match := OPERATOR.fullmatch(function):
        return f"“{match[1].lstrip('@')}”"
    return f"“{function}”"


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or nothing."""
    by_lower = {k.lower(): k for k in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
