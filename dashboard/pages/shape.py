"""What a tool's JSON Schema says of a value, as far as a form needs it. Schemas are an agent's text: nothing in them is trusted.

What a form cannot show (tuples, several alternatives, objects within objects) is `json`: there one
writes JSON, and the schema itself is still asked when the edit is judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, floor
from typing import Any

Json = Any
Schema = Mapping[str, Json]

HOPS = 16
"""References are followed so often; a circle ends here."""
MOST_CHOICES = 200
MOST_MEMBERS = (200, 40)
"""Of the whole, and of an object in it."""
DEEPEST = 3
LONGEST_TITLE = 80
LONGEST_HELP = 400
LONG_TEXT = 120

FORMATS = {
    "date": "date",
    "date-time": "moment",
    "email": "email",
    "idn-email": "email",
    "uri": "address",
    "iri": "address",
    "url": "address",
}
ITEMS = {"line", "number", "integer"}
"""What can be written one a line."""
COMPOSED = ("anyOf", "oneOf", "allOf", "$ref")


@dataclass(frozen=True)
class Shape:
    """One value's kind: `line`, `text`, `number`, `integer`, `boolean`, `choice`, `date`, `moment`, `email`,
    `address`, `list` (of `item`), `group` (with `members`) or `json`; empty when the schema does not say."""

    kind: str = ""
    title: str = ""
    help: str = ""
    nullable: bool = False
    choices: tuple[tuple[Json, str], ...] = ()
    """Values, and what they are called where the schema gives them names."""
    least: int | float | None = None
    most: int | float | None = None
    item: Shape | None = None
    members: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


UNKNOWN = Shape()


def shape_of(schema: Json) -> Shape:
    """The shape of a whole schema: a `group` when it describes an object, else one without members."""
    return _shape(schema, schema, depth=0)


def _shape(schema: Json, root: Json, depth: int) -> Shape:
    if depth > DEEPEST:
        return Shape("json")
    found, nullable = _resolved(schema, root)
    if not found and not nullable:
        return UNKNOWN
    shape = _by_type(found, root, depth)
    return replace(
        shape,
        title=_words(found.get("title"), LONGEST_TITLE),
        help=_help(found, shape),
        nullable=nullable or shape.nullable,
    )


def _resolved(schema: Json, root: Json) -> tuple[dict[str, Json], bool]:
    """Without references and needless alternatives, and whether null is one of them."""
    nullable = False
    found = dict(schema) if isinstance(schema, Mapping) else {}
    for _ in range(HOPS):
        if "$ref" in found:
            target = _at(root, found.pop("$ref"))
            found = {**target, **found}
            continue
        for name in ("anyOf", "oneOf", "allOf"):
            options = found.get(name)
            if not isinstance(options, list):
                continue
            real = [one for one in options if not _is_null(one)]
            if name != "allOf":
                nullable = nullable or len(real) < len(options)
            if len(real) == 1 and isinstance(real[0], Mapping):
                del found[name]
                found = {**real[0], **found}
                break
        else:
            return found, nullable
    return {}, False


def _at(root: Json, reference: Json) -> dict[str, Json]:
    """What `#/$defs/Address` points at (RFC 6901); anything elsewhere is not looked for."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return {}
    here = root
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        here = here.get(key) if isinstance(here, Mapping) else None
    return dict(here) if isinstance(here, Mapping) else {}


def _is_null(schema: Json) -> bool:
    return isinstance(schema, Mapping) and (
        schema.get("type") == "null" or ("const" in schema and schema["const"] is None)
    )


def _by_type(schema: dict[str, Json], root: Json, depth: int) -> Shape:
    if choices := _choices(schema):
        real = tuple(one for one in choices if one[0] is not None)
        return Shape("choice", choices=real, nullable=len(real) < len(choices))
    if any(name in schema for name in COMPOSED):
        return Shape("json")
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    nullable = "null" in kinds
    kinds = [kind for kind in kinds if kind != "null"]
    match kinds:
        case ["string"]:
            return Shape(_of_text(schema), nullable=nullable)
        case ["integer" | "number" as kind]:
            return replace(_of_number(schema, kind), nullable=nullable)
        case ["boolean"]:
            return Shape("boolean", nullable=nullable)
        case ["array"]:
            item = _shape(schema.get("items"), root, depth + 1)
            is_plain = item.kind in ITEMS and not item.nullable and "prefixItems" not in schema
            kind = "list" if is_plain else "json"
            return Shape(kind, item=item if is_plain else None, nullable=nullable)
        case ["object"] if isinstance(schema.get("properties"), Mapping) and depth < 2:
            return replace(_of_object(schema, root, depth), nullable=nullable)
        case [None]:
            return UNKNOWN
    return Shape("json", nullable=nullable)


def _choices(schema: dict[str, Json]) -> tuple[tuple[Json, str], ...]:
    if "const" in schema:
        return ((schema["const"], ""),)
    options = schema.get("enum")
    if isinstance(options, list) and 0 < len(options) <= MOST_CHOICES:
        return tuple((value, "") for value in options)
    named = schema.get("oneOf") or schema.get("anyOf")
    if not isinstance(named, list) or not 0 < len(named) <= MOST_CHOICES:
        return ()
    if not all(isinstance(one, Mapping) and "const" in one for one in named):
        return ()
    return tuple((one["const"], _words(one.get("title"), LONGEST_TITLE)) for one in named)


def _of_text(schema: dict[str, Json]) -> str:
    if kind := FORMATS.get(str(schema.get("format"))):
        return kind
    longest = _count(schema.get("maxLength"))
    is_long = schema.get("format") in ("textarea", "markdown", "html") or (longest or 0) > LONG_TEXT
    return "text" if is_long else "line"


def _of_number(schema: dict[str, Json], kind: str) -> Shape:
    least, most = _number(schema.get("minimum")), _number(schema.get("maximum"))
    above, below = _number(schema.get("exclusiveMinimum")), _number(schema.get("exclusiveMaximum"))
    if kind == "integer":
        if above is not None:
            least = max(floor(above) + 1, floor(above) + 1 if least is None else least)
        if below is not None:
            most = min(ceil(below) - 1, ceil(below) - 1 if most is None else most)
    return Shape(kind, least=least, most=most)


def _of_object(schema: dict[str, Json], root: Json, depth: int) -> Shape:
    members = list(schema["properties"].items())[: MOST_MEMBERS[depth]]
    required = schema.get("required")
    return Shape(
        "group",
        members={key: _shape(one, root, depth + 1) for key, one in members},
        required=frozenset(
            key for key in (required if isinstance(required, list) else []) if isinstance(key, str)
        ),
    )


# -- words -----------------------------------------------------------------------------------------


def _help(schema: dict[str, Json], shape: Shape) -> str:
    """The schema's own description, then its limits in a few words."""
    said = _words(schema.get("description"), LONGEST_HELP)
    return " ".join(part for part in (_sentence(said), *_limits(schema, shape)) if part)


def _limits(schema: dict[str, Json], shape: Shape) -> list[str]:
    found = [
        f"{word} {limit}{unit}"
        for name, word, unit in LIMITS
        if (limit := _number(schema.get(name))) is not None
    ]
    sentences = [_sentence(", ".join(found).capitalize())] if found else []
    if shape.kind == "list":
        sentences.append("One a line.")
    if "default" in schema and not isinstance(schema["default"], dict | list):
        sentences.append(f"Left out, it is {_spelt(schema['default'])}.")
    return sentences


LIMITS = (
    ("minimum", "at least", ""),
    ("exclusiveMinimum", "more than", ""),
    ("maximum", "at most", ""),
    ("exclusiveMaximum", "less than", ""),
    ("multipleOf", "in steps of", ""),
    ("minLength", "at least", " characters"),
    ("maxLength", "at most", " characters"),
    ("minItems", "at least", " values"),
    ("maxItems", "at most", " values"),
)


def _spelt(value: Json) -> str:
    """A plain value in a sentence; numbers as they are, texts in quotation marks."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"“{_words(value, 60)}”" if isinstance(value, str) else str(value)[:60]


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _words(text: Json, longest: int) -> str:
    if not isinstance(text, str):
        return ""
    text = re.sub(r"\s+", " ", text[: longest * 4]).strip()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _number(value: Json) -> int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < 1e15 else None


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
