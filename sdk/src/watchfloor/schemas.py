"""What a tool takes, as JSON Schema (2020-12): people get a form for it instead of raw JSON."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, Union
from uuid import UUID

from watchfloor.jsonable import jsonable
from watchfloor.models import Json

Schema = dict[str, Json]

PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"},
}


def schema_of(tool: Any) -> Schema:
    """The JSON Schema of a tool's arguments.

    `tool` is a Python function, a LangChain tool, a pydantic model, or a JSON Schema already.
    """
    if isinstance(tool, Mapping):
        return dict(tool)
    model = getattr(tool, "tool_call_schema", None) or getattr(tool, "args_schema", None)
    if model is not None:
        schema = schema_of(model)
        return schema if "description" in schema else schema | _described(tool.description)
    if _is_model(tool):
        return dict(tool.model_json_schema())
    if callable(tool):
        return _of_function(tool)
    raise TypeError(f"{tool!r} is no function, tool, model or JSON Schema")


def schemas_of(tools: Mapping[str, Any]) -> dict[str, Schema]:
    return {name: schema_of(tool) for name, tool in tools.items()}


def _of_function(fn: Callable[..., Any]) -> Schema:
    """Its parameters, but for `*rest`, by name; documented by its docstring's first paragraph."""
    hints = _hints(fn)
    schema: Schema = {"type": "object", "properties": {}, "required": []}
    schema["additionalProperties"] = False
    for name, parameter in inspect.signature(fn).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            schema["additionalProperties"] = True
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            schema["properties"][name] = _of(hints.get(name, Any)) | _default(parameter)
            if parameter.default is parameter.empty:
                schema["required"].append(name)
    return schema | _described(inspect.getdoc(fn))


def _of(kind: Any) -> Schema:
    """What a type annotation allows; anything for one that is not known here."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        words = " ".join(each for each in arguments[1:] if isinstance(each, str))
        return _of(arguments[0]) | _described(words)
    if kind in PLAIN:
        return dict(PLAIN[kind])
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(each) for each in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [jsonable(each) for each in kind]}
    if _is_model(kind):
        return dict(kind.model_json_schema())
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
        return _of_record(kind)
    return _of_collection(origin or kind, arguments)


def _of_collection(kind: Any, arguments: tuple[Any, ...]) -> Schema:
    if not isinstance(kind, type):
        return {}
    if issubclass(kind, collections.abc.Mapping):
        return {"type": "object"} | (
            {"additionalProperties": _of(arguments[1])} if arguments else {}
        )
    if issubclass(kind, collections.abc.Iterable) and not issubclass(kind, str | bytes):
        return {"type": "array"} | ({"items": _of(arguments[0])} if arguments else {})
    return {}


def _of_record(kind: Any) -> Schema:
    """A dataclass or TypedDict."""
    hints = _hints(kind)
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        required = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is missing and field.default_factory is missing
        ]
    else:
        required = sorted(kind.__required_keys__)
    properties = {name: _of(hint) for name, hint in hints.items()}
    return {"type": "object", "properties": properties, "required": required}


def _hints(kind: Any) -> dict[str, Any]:
    """Names that cannot be resolved (imported for type checkers only) allow anything."""
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError):
        return {}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and callable(getattr(kind, "model_json_schema", None))


def _default(parameter: inspect.Parameter) -> Schema:
    return (
        {}
        if parameter.default in (parameter.empty, None)
        else {"default": jsonable(parameter.default)}
    )


def _described(text: str | None) -> Schema:
    words = " ".join((text or "").split("\n\n")[0].split())
    return {"description": words} if words else {}
