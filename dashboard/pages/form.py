"""A form made of arguments and what their tool's schema says of them; `typed.py` reads it.

What nobody touched stays exactly as it was, whatever the schema says of it: an input that comes back with the
text it was shown with gives its value back, of the same JSON type. Inputs are named by a digest of their path,
so that a schema registered meanwhile cannot move a value into another field; choices by one of their value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from .arguments import EDITABLE_LENGTH, FIELDS_SHOWN, LARGEST_EXACT, same
from .shape import UNKNOWN, Shape, shape_of

Json = Any
type Path = tuple[str, ...]

LONGEST_LINE = 60

# What browsers carry through their own inputs unharmed; they empty an input whose value they cannot read.
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)", re.ASCII)
EMAIL = re.compile(r"[a-zA-Z0-9.+_-]{1,64}@(?:[a-zA-Z0-9]{1,60}[.-])*[a-zA-Z]{2,20}")
ADDRESS = re.compile(
    r"https?://(?:[a-zA-Z0-9]{1,60}[.-])*[a-zA-Z]{2,20}(?::\d{1,4})?(?:[/?#][!-~]*)?"
)


class Absent:
    """No value at all, not even null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


@dataclass(frozen=True)
class Option:
    """One choice of a select. `key` is what the form sends."""

    key: str
    value: Json
    label: str


@dataclass(frozen=True)
class Input:
    """One argument as an input. `typed` is what somebody sent instead of `text`, `error` what is wrong with it."""

    path: Path
    name: str
    kind: str
    """`line`, `text`, `number`, `integer`, `boolean`, `choice`, `date`, `moment`, `email`, `address`, `list`,
    `json`, or `fixed` when it is too long to edit in a page."""
    value: Json
    text: str
    shape: Shape = UNKNOWN
    required: bool = False
    zone: str = ""
    """Of a moment: the offset it is written with."""
    note: str = ""
    options: tuple[Option, ...] = ()
    typed: str | None = None
    error: str = ""

    @property
    def key(self) -> str:
        return self.path[-1]

    @property
    def is_given(self) -> bool:
        return self.value is not ABSENT

    @property
    def shown(self) -> str:
        return self.text if self.typed is None else self.typed

    @property
    def is_select(self) -> bool:
        return bool(self.options)

    @property
    def kind_in_words(self) -> str:
        return WORDS.get(self.kind, "text")

    @property
    def is_number(self) -> bool:
        return self.kind in ("number", "integer")

    @property
    def is_long(self) -> bool:
        return self.kind in ("text", "list", "json")

    @property
    def input_type(self) -> str:
        return TYPES.get(self.kind, "text")

    @property
    def step(self) -> str:
        return "1" if self.kind == "integer" else "any"

    @property
    def rows(self) -> int:
        """Lines of a textarea."""
        return min(max(self.shown.count("\n") + 1, 2), 10)

    @property
    def described_by(self) -> str:
        """Ids of what explains it, for screen readers."""
        return f"{self.name}-help {self.name}-error"

    @cached_property
    def limits(self) -> tuple[str, str]:
        """`min` and `max` for the browser; none where the agent's own value is beyond them already."""
        least, most = self.shape.least, self.shape.most
        own = self.value if isinstance(self.value, int | float) else None
        is_below = own is not None and least is not None and own < least
        is_above = own is not None and most is not None and own > most
        if is_below or is_above:
            return "", ""
        return ("" if least is None else str(least)), ("" if most is None else str(most))


TYPES = {
    "number": "number",
    "integer": "number",
    "date": "date",
    "moment": "datetime-local",
    "email": "email",
    "address": "url",
}
WORDS = {
    "number": "number",
    "integer": "whole number",
    "boolean": "yes or no",
    "choice": "choice",
    "date": "date",
    "moment": "date and time",
    "email": "e-mail",
    "address": "address",
    "list": "list",
    "json": "JSON",
}


@dataclass(frozen=True)
class Group:
    """An object in the arguments, as a fieldset."""

    path: Path
    shape: Shape
    inputs: tuple[Input, ...]

    @property
    def key(self) -> str:
        return self.path[-1]

    @property
    def is_given(self) -> bool:
        return any(one.is_given for one in self.inputs)


type Part = Input | Group


@dataclass(frozen=True)
class Form:
    """Inputs and fieldsets in order. `rest` says what is wrong that belongs to none of them."""

    parts: tuple[Part, ...] = ()
    left_out: int = 0
    """How many arguments have no input here; they stay as they are."""
    rest: tuple[str, ...] = ()
    prefix: str = "argument"

    @property
    def inputs(self) -> Iterator[Input]:
        for part in self.parts:
            yield from part.inputs if isinstance(part, Group) else (part,)

    @property
    def given(self) -> list[Part]:
        """What the agent sent, and what it must send."""
        return [part for part in self.parts if _is_at_hand(part)]

    @property
    def more(self) -> list[Part]:
        """What the tool would take as well."""
        return [part for part in self.parts if not _is_at_hand(part)]

    @property
    def more_is_open(self) -> bool:
        return any(_is_touched(one) for part in self.more for one in _inputs_of(part))

    @property
    def is_touched(self) -> bool:
        """Something was typed, or is wrong."""
        return bool(self.rest) or any(map(_is_touched, self.inputs))


def _inputs_of(part: Part) -> tuple[Input, ...]:
    return part.inputs if isinstance(part, Group) else (part,)


def _is_touched(one: Input) -> bool:
    return bool(one.error) or plain(one.shown) != plain(one.text)


def _is_at_hand(part: Part) -> bool:
    return part.is_given or any(one.required for one in _inputs_of(part))


# -- making it -------------------------------------------------------------------------------------


def build(arguments: Mapping[str, Json], schema: Json = None, prefix: str = "argument") -> Form:
    """The form for these arguments, the first `FIELDS_SHOWN` of them; without a schema, by their JSON types."""
    shape = shape_of(schema) if schema else UNKNOWN
    members = shape.members if shape.kind == "group" else {}
    keys = list(dict.fromkeys([*arguments, *members]))
    parts: list[Part] = []
    room = FIELDS_SHOWN
    for key in keys:
        part = _part((key,), arguments.get(key, ABSENT), members.get(key), prefix, shape)
        if members and key not in members and isinstance(part, Input):
            part = replace(part, note=part.note or "The tool’s schema does not name this.")
        room -= len(_inputs_of(part))
        if room < 0:
            break
        parts.append(part)
    shown = {part.path[0] for part in parts}
    return Form(
        tuple(parts),
        left_out=sum(key not in shown for key in arguments),
        prefix=prefix,
    )


def _part(path: Path, value: Json, shape: Shape | None, prefix: str, whole: Shape) -> Part:
    required = path[-1] in whole.required
    is_object = value is ABSENT or isinstance(value, dict)
    if shape is None or shape.kind != "group" or not is_object or not shape.members:
        return _input(path, value, shape or UNKNOWN, prefix, required=required)
    inner = value if isinstance(value, dict) else {}
    keys = list(dict.fromkeys([*inner, *shape.members]))[:FIELDS_SHOWN]
    needed = shape.required if required or value is not ABSENT else frozenset()
    return Group(
        path,
        shape,
        tuple(
            _input(
                (*path, key),
                inner.get(key, ABSENT),
                shape.members.get(key, UNKNOWN),
                prefix,
                required=key in needed,
            )
            for key in keys
        ),
    )


def name_of(path: Path, prefix: str = "argument") -> str:
    """What an input is called in the form: keys may be any text at all."""
    return f"{prefix}-{_digest(list(path))}"


def _digest(value: Json) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()[:16]


def _input(path: Path, value: Json, shape: Shape, prefix: str, *, required: bool) -> Input:
    kind, text, note = _kind(value, shape)
    made = Input(
        path, name_of(path, prefix), kind, value, text, shape, required=required, note=note
    )
    if kind == "moment":
        return _moment(made)
    if kind in ("boolean", "choice"):
        return _select(made)
    return made


def _kind(value: Json, shape: Shape) -> tuple[str, str, str]:
    """How to show this value, its text, and a note where it is not what the schema asks for."""
    if value is ABSENT or (value is None and shape.nullable and shape.kind):
        return ("json" if shape.kind in ("", "group") else shape.kind), "", ""
    if not shape.kind:
        return *_by_value(value), ""
    if fitting := _fitting(value, shape):
        return *fitting, ""
    if shape.kind in TEXTS and isinstance(value, str):
        return *_by_value(value), ""
    if shape.kind in ("json", "group", "choice") or _by_value(value)[0] == "fixed":
        return *_as_json(value), ""
    asked = WORDS.get(shape.kind, "text")
    return *_as_json(value), f"The tool asks for {ARTICLES.get(asked, 'a')} {asked} here."


TEXTS = {"line", "text", "date", "moment", "email", "address"}
ARTICLES = {"e-mail": "an", "address": "an", "text": "a", "yes or no": "a"}


def _by_value(value: Json) -> tuple[str, str]:
    match value:
        case bool():
            return "boolean", ""
        case int() | float() if abs(value) <= LARGEST_EXACT:
            return "number", json.dumps(value)
        case str() if len(value) > EDITABLE_LENGTH:
            return "fixed", ""
        case str():
            is_long = len(value) > LONGEST_LINE or "\n" in value or "\r" in value
            return ("text" if is_long else "line"), value
    return _as_json(value)


def _as_json(value: Json) -> tuple[str, str]:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return ("json", text) if len(text) <= EDITABLE_LENGTH else ("fixed", "")


def _fitting(value: Json, shape: Shape) -> tuple[str, str] | None:
    """The shape's own input, where it can carry this value through a browser and back unharmed."""
    match shape.kind, value:
        case "boolean", bool():
            return "boolean", ""
        case "choice", _:
            return "choice", ""
        case "number", int() | float() if _is_number(value):
            return "number", json.dumps(value)
        case "integer", int() if _is_number(value):
            return "integer", json.dumps(value)
        case "date", str() if DAY.fullmatch(value) and is_moment(value, value):
            return "date", value
        case "moment", str() if MOMENT.fullmatch(value) and is_moment(value, value):
            return "moment", value
        case "email", str() if EMAIL.fullmatch(value):
            return "email", value
        case "address", str() if ADDRESS.fullmatch(value):
            return "address", value
        case "text", str() if len(value) <= EDITABLE_LENGTH:
            return "text", value
        case "list", list() if shape.item and all(_is_line(one, shape.item) for one in value):
            text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in value)
            return ("list", text) if len(text) <= EDITABLE_LENGTH else ("fixed", "")
    return None


def _is_line(value: Json, item: Shape) -> bool:
    if item.kind == "line":
        return isinstance(value, str) and value.splitlines() == [value] == [value.strip()]
    return _is_number(value) and (item.kind == "number" or isinstance(value, int))


def _is_number(value: Json) -> bool:
    """One that a browser's input and a digest can both hold."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= LARGEST_EXACT


def _moment(made: Input) -> Input:
    """Shown with the offset it was written with; what is new is written in UTC."""
    found = MOMENT.fullmatch(made.text)
    if found is None:
        return replace(made, zone="Z", note="In UTC.")
    zone = found[2]
    return replace(
        made, text=found[1], zone=zone, note="In UTC." if zone == "Z" else f"At UTC{zone}."
    )


def _select(made: Input) -> Input:
    """Choices, with one more where there is no value yet, or one that is no choice."""
    shape = made.shape
    if made.kind == "boolean":
        choices: list[Option] = [Option("true", True, "yes"), Option("false", False, "no")]
    else:
        choices = [
            Option(_digest(value), value, title or label(value)) for value, title in shape.choices
        ]
    if shape.nullable or made.value is None:
        choices.append(Option("null", None, "nothing (null)"))
    chosen = next((o.key for o in choices if _is_same(o.value, made.value)), "")
    if made.value is not ABSENT and not chosen:
        choices.insert(0, Option("as-it-is", made.value, f"{label(made.value)} (no choice of it)"))
        chosen = "as-it-is"
    if made.value is ABSENT or (not made.required and shape.kind):
        choices.insert(0, Option("", ABSENT, "not given"))
    return replace(made, options=tuple(choices), text=chosen)


def _is_same(one: Json, other: Json) -> bool:
    """Equal, and of one JSON type: `1` is not `1.0`, nor `true`."""
    return type(one) is type(other) and one is not ABSENT and same(one, other)


def label(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text or "(empty)" if len(text) <= 80 else f"{text[:79]}…"


# -- texts that mean the same ------------------------------------------------------------------------


def plain(text: str) -> str:
    """Line ends as the value has them: browsers send CRLF whatever it held."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def when(text: str) -> datetime | None:
    try:
        return None if "T24" in text else datetime.fromisoformat(text)
    except ValueError:
        return None


def is_moment(text: str, other: str) -> bool:
    """The same time. Browsers leave out seconds that are zero."""
    one = when(text)
    return one is not None and one.year >= 1000 and one == when(other)
