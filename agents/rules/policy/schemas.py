"""Conditions beside the JSON Schema of the tool they are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .words import nearest


def objection(paths: Iterable[tuple[str, ...]], schema: Mapping[str, Any]) -> str:
    """The first argument that a condition looks at and the tool does not have, as a sentence."""
    for path in sorted(paths):
        if path[0] == "args" and (said := missing(path[1:], schema, "args")):
            return said
    return ""


def missing(path: tuple[str, ...], schema: Any, place: str) -> str:
    """Only what the schema says plainly counts: `properties`, without references or combinations."""
    if not path or not isinstance(schema, Mapping):
        return ""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return ""
    if path[0] in properties:
        return missing(path[1:], properties[path[0]], f"{place}.{path[0]}")
    if schema.get("additionalProperties") or schema.get("patternProperties"):
        return ""
    hint = nearest(path[0], properties)
    meant = f"Did you mean “{hint}”?" if hint else f"It takes {', '.join(sorted(properties))}."
    return f"The tool takes no “{place}.{path[0]}”. {meant}"
