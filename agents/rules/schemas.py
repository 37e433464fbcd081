"""JSON Schemas of tools: read without ever fetching anything, with patterns that cannot run away."""

from __future__ import annotations

from typing import Any, NamedTuple

import jsonschema_rs

from audit.errors import Invalid


class Mistake(NamedTuple):
    """What is wrong with a value: the path to it (`("items", 0, "price")`) and a sentence."""

    path: tuple[str | int, ...]
    text: str


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator of this schema. Raises Invalid when it is none, or refers to something elsewhere."""
    try:
        return jsonschema_rs.validator_for(
            schema, retriever=_nowhere, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise Invalid(f"This is no JSON Schema: {str(error).splitlines()[0]}") from error


def _nowhere(uri: str) -> Any:
    raise ValueError(f"it refers to {uri}, and nothing is fetched")


def mistakes(schema: dict[str, Any], value: Any, *, most: int = 50) -> list[Mistake]:
    """Where the value does not fit its schema; empty when it does."""
    found = []
    for error in validator(schema).iter_errors(value):
        found.append(Mistake(tuple(error.instance_path), error.message))
        if len(found) == most:
            break
    return found
