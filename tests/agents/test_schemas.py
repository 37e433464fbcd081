"""JSON Schemas of tools are an agent's text: none of them can make the house busy for long."""

from __future__ import annotations

import time
from typing import Any

import pytest

from agents.rules.schemas import Mistake, mistakes, validator
from audit.errors import Invalid


def doubling(levels: int, how: str = "anyOf") -> dict[str, Any]:
    """Each level is asked twice by the one before it."""
    inner = {
        f"a{n}": {how: [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]}
        for n in range(levels)
    }
    return {"$defs": {**inner, f"a{levels}": {"type": "string"}}, "$ref": "#/$defs/a0"}


def along_the_value() -> dict[str, Any]:
    again = {"properties": {"a": {"$ref": "#"}}, "required": ["b"]}
    return {"anyOf": [again, again]}


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling(40), {}),
        (doubling(40, "allOf"), {}),
        ({"$defs": doubling(40)["$defs"], "properties": {"x": {"$ref": "#/$defs/a0"}}}, {"x": {}}),
        ({"if": doubling(40) | {"$id": "https://x.example/"}}, {}),
        (along_the_value(), deep(90)),
        (
            {"patternProperties": {f"x{n}": {} for n in range(3000)}},
            {str(n): 1 for n in range(9000)},
        ),
    ],
)
def test_a_schema_that_doubles_its_questions_is_refused_at_once(
    schema: dict[str, Any], value: Any
) -> None:
    begun = time.perf_counter()

    with pytest.raises(Invalid):
        mistakes(schema, value)

    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(
    "schema",
    [
        {"$dynamicAnchor": "x", "anyOf": [{"$dynamicRef": "#x"}, {"$dynamicRef": "#x"}]},
        {"$recursiveRef": "#"},
        {"$defs": {"x": {"$anchor": "here"}}, "$ref": "#here"},
        {"properties": {"a": {"$id": "other", "$ref": "#/properties"}}},
    ],
)
def test_what_leads_where_nobody_can_count_is_refused_when_registered(
    schema: dict[str, Any],
) -> None:
    with pytest.raises(Invalid):
        validator(schema)


def test_usual_schemas_are_asked_as_ever() -> None:
    tree = {
        "$id": "https://tools.example/tree",
        "$defs": {"node": {"properties": {"kids": {"items": {"$ref": "#/$defs/node"}}}}},
        "properties": {
            "root": {"$ref": "#/$defs/node"},
            "$ref": {"type": "string"},
            "n": {"type": "integer"},
        },
        "additionalProperties": False,
    }
    node: dict[str, Any] = {"kids": []}
    for _ in range(40):
        node = {"kids": [node, {"kids": []}]}

    assert mistakes(tree, {"root": node, "$ref": "x", "n": 1}) == []
    assert [m.path for m in mistakes(tree, {"root": node, "n": "x"})] == [("n",)]
    assert mistakes({"properties": {"id": {"type": "string"}, "$id": {}}}, {"id": "1"}) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": "lots"}, Mistake(("a",), '"lots" does not have the form asked for')),
        ({"a": "1", "b": "x"}, Mistake(("b",), '"x" is not a whole number')),
        ({}, Mistake(("a",), "This is missing")),
    ],
)
def test_what_is_wrong_is_said_to_people_who_read_no_schemas(value: Any, said: Mistake) -> None:
    schema = {
        "properties": {"a": {"pattern": "^[0-9]+$"}, "b": {"type": "integer"}},
        "required": ["a"],
    }

    assert mistakes(schema, value) == [said]
