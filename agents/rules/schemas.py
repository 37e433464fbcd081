"""JSON Schemas of tools: read without ever fetching anything, with patterns that cannot run away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import jsonschema_rs

from audit.errors import Invalid

WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
MOST_STEPS = 20_000
"""Questions a schema may ask of one value; each may cost a validator 40 µs."""
ELSEWHERE = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor", "$recursiveAnchor")
BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
"""Their keys are names of the agent's, not words of JSON Schema."""
OF_THE_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
OF_EACH_MEMBER = ("additionalProperties", "unevaluatedProperties", "propertyNames")
OF_EACH_ITEM = ("items", "additionalItems", "unevaluatedItems", "contains", "prefixItems")


class Mistake(NamedTuple):
    """What is wrong with a value: the path to it (`("items", 0, "price")`) and a sentence."""

    path: tuple[str | int, ...]
    text: str


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator of this schema. Raises Invalid when it is none, or refers to something elsewhere."""
    refuse_uncountable(schema)
    try:
        return jsonschema_rs.validator_for(
            schema, retriever=_nowhere, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise Invalid(f"This is no JSON Schema: {str(error).splitlines()[0]}") from error


def _nowhere(uri: str) -> Any:
    raise ValueError(f"it refers to {uri}, and nothing is fetched")


def mistakes(schema: dict[str, Any], value: Any, *, most: int = 50) -> list[Mistake]:
    """Where the value does not fit its schema; empty when it does. Raises Invalid when finding out takes too long."""
    found = []
    made = validator(schema)
    refuse_endless(schema, value)
    for error in made.iter_errors(value):
        found.append(mistake_of(error))
        if len(found) == most:
            break
    return found


def mistake_of(error: jsonschema_rs.ValidationError) -> Mistake:
    """What is wrong and where; what is missing stands where it would be."""
    path = tuple(error.instance_path)
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        return Mistake((*path, error.kind.property), "This is missing")
    return Mistake(path, sentence(error))


def sentence(error: jsonschema_rs.ValidationError) -> str:
    """What is wrong, for people who do not read schemas."""
    match error.kind.name:
        case "pattern":
            return f"{error.message.split(' does not match ')[0]} does not have the form asked for"
        case "type":
            value, _, types = error.message.partition(" is not of type")
            return f"{value} is not {WORDS.get(types.strip(' s').strip(chr(34)), types)}"
    return str(error.message)


# -- how long it takes -----------------------------------------------------------------------------
# A few references that are each asked twice are more questions than anybody can answer, and the validator
# knows no limit of time. So the questions are counted first, and where they lead must be plain from the text.


def refuse_uncountable(schema: dict[str, Any]) -> None:
    """Refuse references that are no `#/…` into this very schema."""
    waiting: list[tuple[Any, bool]] = [(schema, True)]
    while waiting:
        here, is_whole = waiting.pop()
        if isinstance(here, list):
            waiting.extend((one, False) for one in here)
        if not isinstance(here, Mapping):
            continue
        for word in ELSEWHERE:
            if word in here:
                raise Invalid(f"This is no JSON Schema that can be read here: it uses {word}.")
        if not is_whole and isinstance(here.get("$id", here.get("id")), str):
            raise Invalid("This is no JSON Schema that can be read here: a part of it has an id.")
        refers_to = here.get("$ref", "#")
        if isinstance(refers_to, str) and refers_to != "#" and not refers_to.startswith("#/"):
            raise Invalid(f"This is no JSON Schema: it refers to {refers_to}; nothing is fetched.")
        for word, part in here.items():
            if word in BY_NAME and isinstance(part, Mapping):
                waiting.extend((one, False) for one in part.values())
            elif word not in ("enum", "const", "default", "examples"):
                waiting.append((part, False))


def refuse_endless(schema: Any, value: Any) -> None:
    """Count what the schema asks of the value, as a validator would that never stops early."""
    waiting = [(schema, value)]
    steps = 0
    while waiting:
        here, of = waiting.pop()
        if isinstance(here, Mapping):
            for pair in questions(here, schema, of):
                waiting.append(pair)
                steps += 1
                if steps > MOST_STEPS:
                    raise Invalid("The tool’s schema takes too long to check these arguments.")


def questions(here: Mapping[str, Any], root: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """Parts of the schema with the parts of the value that they are asked of."""
    if isinstance(here.get("$ref"), str):
        yield pointed_at(root, here["$ref"]), value
    for word in OF_THE_VALUE:
        part = here.get(word)
        yield from ((one, value) for one in (part if isinstance(part, list) else [part]) if one)
    if isinstance(value, dict):
        yield from questions_of_members(here, value)
    elif isinstance(value, list):
        for word in OF_EACH_ITEM:
            part = here.get(word)
            parts = part if isinstance(part, list) else [part]
            yield from ((one, item) for one in parts if one for item in value)


def questions_of_members(
    here: Mapping[str, Any], value: dict[str, Any]
) -> Iterator[tuple[Any, Any]]:
    named = here.get("properties")
    if isinstance(named, Mapping):
        yield from ((named[key], member) for key, member in value.items() if key in named)
    patterns = here.get("patternProperties")
    if isinstance(patterns, Mapping):
        yield from ((part, one) for part in patterns.values() for one in value.values())
    for word in ("dependentSchemas", "dependencies"):
        if isinstance(parts := here.get(word), Mapping):
            yield from ((part, value) for part in parts.values())
    for word in OF_EACH_MEMBER:
        if part := here.get(word):
            yield from ((part, member) for member in value.values())


def pointed_at(root: Any, reference: str) -> Any:
    """What `#/$defs/Address` points at (RFC 6901, percent-encoded as in any address)."""
    here = root
    for step in unquote(reference[1:]).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list):
            here = here[int(key)] if key.isdecimal() and int(key) < len(here) else None
        else:
            here = here.get(key) if isinstance(here, Mapping) else None
    return here
